package kube

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// Filed is what a file says that a cluster follows.
type Filed struct {
	Text       string
	Generation uint64   // that it asks for; 0: none, or there is no file
	idle       []string // labels of releases that it only keeps ready for a rollback: no gateway sends them anything
}

// ReadManifest reads what Manifest has written.
func ReadManifest(text string) (Filed, error) {
	f := Filed{Text: text}
	note := func(name, value string) string {
		found := regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(name) + `: ` + value + `$`).FindStringSubmatch(text)
		if found == nil {
			return ""
		}
		return found[1]
	}
	generation, plan := note(noteGeneration, `"([0-9]+)"`), note(noteDesired, `(".*")`)
	var d deploy.Desired
	var err error
	if generation != "" {
		f.Generation, err = strconv.ParseUint(generation, 10, 64)
	}
	if err == nil && plan != "" {
		if err = json.Unmarshal([]byte(plan), &plan); err == nil {
			err = json.Unmarshal([]byte(plan), &d)
		}
	}
	if err != nil {
		return f, fault.New(fault.Integrity, "what mlx has written there is no generation and no plan: %w", err)
	}
	for _, arm := range d.Arms {
		if arm.Role == deploy.Previous {
			f.idle = append(f.idle, labelOf(arm.Release.Key))
		}
	}
	return f, nil
}

// Manifest is what a file must say for a cluster that follows it to do what is wanted. Nobody but who follows it may change the objects, so that
// there is no guard. What has no role any more ends last; releases that the file gave requests to stay beside those that are wanted, since a gateway
// that has not seen the new route yet still sends them some. With an empty Filed nothing stays.
func (v *Driver) Manifest(d deploy.Desired, had Filed) (string, error) {
	d = v.due(d)
	d.Lease = 0
	s := v.settings()
	s.unguarded = true
	all, err := Objects(s, d)
	if err != nil {
		return "", err
	}
	var beside []string
	for _, o := range all[:len(all)-1] {
		meta := o["metadata"].(object)
		notes, ok := meta["annotations"].(object)
		if !ok {
			notes = object{}
			meta["annotations"] = notes
		}
		notes["argocd.argoproj.io/sync-options"] = "PruneLast=true"
		beside = append(beside, YAML([]Object{o}))
	}
	if s.routed() {
		beside = append(beside, had.without(beside)...)
	}
	return strings.Join(append(beside, YAML(all[len(all)-1:])), documentEnd), nil
}

// manifestRelease finds the label of the release that an object belongs to.
var manifestRelease = regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(labelRelease) + `: .+$`)

// without are the documents of releases that no other document belongs to, but for those that are idle.
func (f Filed) without(others []string) (all []string) {
	seen := map[string]bool{}
	for _, label := range f.idle {
		seen[label] = true
	}
	label := func(doc string) string {
		_, value, _ := strings.Cut(manifestRelease.FindString(doc), ": ")
		return strings.Trim(value, `"`)
	}
	for _, doc := range others {
		seen[label(doc)] = true
	}
	for _, doc := range strings.Split(strings.TrimSuffix(f.Text, "\n"), "\n"+documentEnd) {
		if of := label(doc); of != "" && !seen[of] {
			all = append(all, doc+"\n")
		}
	}
	return all
}

// CheckExport refuses what means another thing in another namespace, as long as nobody says in which one the objects will be.
func (s Settings) CheckExport() error {
	why := ""
	switch {
	case s.Namespace != "":
		return nil
	case s.Form == Argo:
		why = "the plugin of Argo Rollouts looks for the route in the namespace that its Rollout names"
	case s.Scale != nil && s.Scale.Keda && (s.Scale.GPU > 0 || s.Scale.Queue > 0):
		why = "KEDA asks a Prometheus that knows the pods of all namespaces"
	default:
		return nil
	}
	return fault.New(fault.Usage, "cannot export %s: %s, and mlx.yaml names none", s.Service, why).Hint("kubernetes: {namespace: …}   # in services.%s", s.Service)
}

// intruder is who else has written what mlx applies; empty: nobody has.
func (h *held) intruder() string {
	for _, m := range h.Metadata.Managed {
		if !m.ours() && m.steers() {
			return m.Manager
		}
	}
	return ""
}

// steers says whether somebody has written what decides on shares.
func (m managed) steers() bool {
	meta, _ := m.Fields["f:metadata"].(object)
	notes, _ := meta["f:annotations"].(object)
	spec, _ := m.Fields["f:spec"].(object)
	return m.Subresource == "" && (notes["f:"+noteGeneration] != nil || spec["f:rules"] != nil || spec["f:canary"] != nil || spec["f:predictor"] != nil)
}
