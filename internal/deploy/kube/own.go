package kube

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/kube"
)

// managed is what one manager has set of an object.
type managed struct {
	Manager     string `json:"manager"`
	Operation   string `json:"operation"`
	APIVersion  string `json:"apiVersion"`
	Time        string `json:"time,omitempty"`
	FieldsType  string `json:"fieldsType,omitempty"`
	Fields      object `json:"fieldsV1,omitempty"`
	Subresource string `json:"subresource,omitempty"`
}

// ours says whether a part of mlx has set it: the guard does so by a patch.
func (m managed) ours() bool {
	return m.Subresource == "" && (m.Manager == kube.Manager || strings.HasPrefix(m.Manager, kube.Manager+"-"))
}

// noteLastApplied is what kubectl apply leaves in an object.
const noteLastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// exports says whether it is what somebody has set who applies manifests with kubectl.
func (m managed) exports() bool {
	return m.Subresource == "" && (m.Manager == "kubectl-client-side-apply" || m.Manager == "kubectl")
}

// exported says whether somebody has applied an export of mlx. It is of mlx, and so is what he has set by that.
func (h *held) exported() bool {
	notes := h.Metadata.Annotations
	return strings.Contains(notes[noteLastApplied], `"`+labelManager+`":"mlx"`) ||
		notes[noteService] != "" && notes[noteGeneration] == "" && notes[noteApplied] == ""
}

// adopts says whether what an Apply was refused for was set by applying an export.
func (h *held) adopts(all []kube.Conflict) bool {
	return len(all) > 0 && h.exported() && !slices.ContainsFunc(all, func(c kube.Conflict) bool { return !(managed{Manager: c.Manager}).exports() })
}

// byHand is who has set the fields that an Apply was refused for, if that was done by hand: by a person with kubectl, who does not do it again. Fields
// of programs stay theirs.
func byHand(all []kube.Conflict) string {
	who := ""
	for _, c := range all {
		if !strings.HasPrefix(c.Manager, "kubectl-") || c.Manager == "kubectl-client-side-apply" { // the latter is what scripts do, again and again
			return ""
		}
		who = c.Manager
	}
	return who
}

// oursAlone says whether parts of mlx alone have set what an Apply was refused for: the guard, after the anchor was read. It is read again then.
func oursAlone(all []kube.Conflict) bool {
	for _, c := range all {
		if !(managed{Manager: c.Manager}).ours() {
			return false
		}
	}
	return len(all) > 0
}

// own makes what the guard, and whoever made the anchor, has set a part of what mlx applies: what mlx does not name any more is gone then.
func (v *Driver) own(ctx context.Context, now *held) error {
	var rest []managed
	mine := managed{Manager: kube.Manager, Operation: "Apply", FieldsType: "FieldsV1", Fields: object{}}
	others := false
	for _, m := range now.Metadata.Managed {
		if !m.ours() && !(now.exported() && m.exports()) {
			rest = append(rest, m)
			continue
		}
		others = others || m.Operation != "Apply"
		mine.APIVersion, mine.Time = m.APIVersion, m.Time
		mine.Fields = union(mine.Fields, m.Fields)
	}
	if !others {
		return nil
	}
	var after held
	err := v.client.Patch(ctx, v.Settings.anchorResource(), v.name(), []map[string]any{
		{"op": "replace", "path": "/metadata/resourceVersion", "value": now.Metadata.ResourceVersion},
		{"op": "replace", "path": "/metadata/managedFields", "value": append(rest, mine)},
	}, &after)
	if err == nil {
		now.Metadata.ResourceVersion = after.Metadata.ResourceVersion
	}
	return err
}

// union are the fields of both.
func union(a, b object) object {
	for key, theirs := range b {
		inner, ok := a[key].(object)
		if theirs, is := theirs.(object); ok && is {
			a[key] = union(inner, theirs)
		} else if !ok {
			a[key] = theirs
		}
	}
	return a
}
