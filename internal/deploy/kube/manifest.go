package kube

import (
	"regexp"
	"strconv"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// Manifest is what a file must say for a cluster that follows it to do what is wanted. Nobody but who follows it may change the objects, so that
// there is no guard. What has no role any more ends last.
func (v *Driver) Manifest(d deploy.Desired) (string, error) {
	d = v.due(d)
	d.Lease = 0
	s := v.settings()
	s.unguarded = true
	all, err := Objects(s, d)
	if err != nil {
		return "", err
	}
	for _, o := range all[:len(all)-1] {
		meta := o["metadata"].(object)
		notes, ok := meta["annotations"].(object)
		if !ok {
			notes = object{}
			meta["annotations"] = notes
		}
		notes["argocd.argoproj.io/sync-options"] = "PruneLast=true"
	}
	return YAML(all), nil
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

// ManifestGeneration is the generation that a file asks for; 0: it asks for none.
func ManifestGeneration(text string) (uint64, error) {
	found := regexp.MustCompile(`(?m)^ +` + regexp.QuoteMeta(noteGeneration) + `: "([0-9]+)"$`).FindStringSubmatch(text)
	if found == nil {
		return 0, nil
	}
	n, err := strconv.ParseUint(found[1], 10, 64)
	if err != nil {
		return 0, fault.New(fault.Integrity, "cannot read the generation of a manifest: %w", err)
	}
	return n, nil
}

// intruder is who else has written what mlx applies; empty: nobody has.
func (h *held) intruder() string {
	for _, m := range h.Metadata.Managed {
		meta, _ := m.Fields["f:metadata"].(object)
		notes, _ := meta["f:annotations"].(object)
		spec, _ := m.Fields["f:spec"].(object)
		if m.ours() || m.Subresource != "" {
			continue
		}
		if notes["f:"+noteGeneration] != nil || spec["f:rules"] != nil || spec["f:canary"] != nil || spec["f:predictor"] != nil {
			return m.Manager
		}
	}
	return ""
}
