package kube

import (
	"context"
	"encoding/json"
	"slices"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// The number of servers of a release belongs to mlx, or to its scaler. When it changes hands it stays as it is: a field that one manager alone
// has set is gone when he does not name it any more, and then there would be one server.
const (
	noteScaled = "dev.mlx/scaled" // mlx has left the number of servers to a scaler of its own, and may take it back
	handover   = "scaler-of-mlx"  // the manager that keeps the number until the scaler sets one
)

// scaledNotes are the annotations of an object whose number of servers a scaler of mlx sets.
func (s Settings) scaledNotes(notes object) object {
	if s.Scale != nil {
		notes[noteScaled] = "true"
	}
	return notes
}

// leastOf is the fewest servers that a scaler leaves a release.
func (s Settings) leastOf(r *deploy.Release) int {
	n := s.Scale.least()
	if r != nil {
		n = min(max(n, s.fewest[r.Key]), s.Scale.Max)
	}
	return n
}

// planned are the settings by which objects are made now. During a rollout a release that gets few requests, and one that is kept to go back to, has
// no fewer servers than it had: an abort or a rollback sends it everything at once. The candidate gets as many as stable, before it needs them.
func (v *Driver) planned(ctx context.Context, d deploy.Desired) (Settings, error) {
	s := v.settings()
	if s.Scale == nil || !s.routed() || len(d.Arms) < 2 {
		return s, nil
	}
	workloads, err := v.workloads(ctx, nil)
	if err != nil {
		return s, err
	}
	had := func(r deploy.Release) int { // who has that many as the fewest has no fewer at the next look
		if n := workloads[s.deploymentOf(r)].Spec.Replicas; n != nil {
			return *n
		}
		return 0
	}
	s.fewest = map[string]int{}
	stable, beside := armOf(d, deploy.Stable)
	candidate, begun := armOf(d, deploy.Candidate)
	if beside && begun {
		n := had(stable.Release)
		s.fewest[stable.Release.Key], s.fewest[candidate.Release.Key] = n, n
	}
	if previous, ok := armOf(d, deploy.Previous); ok {
		s.fewest[previous.Release.Key] = had(previous.Release)
	}
	return s, nil
}

// put applies an object beside the anchor.
func (v *Driver) put(ctx context.Context, r kube.Resource, o Object) error {
	if err := v.handOver(ctx, r, o); err != nil {
		return err
	}
	err := v.client.Apply(ctx, r, kube.Application{Object: o}, nil)
	all := kube.Conflicts(err)
	if len(all) == 0 {
		return err
	}
	var live held
	if v.client.Get(ctx, r, named(o), &live) != nil || !live.yields(all) && !live.adopts(all) {
		return err
	}
	return v.client.Apply(ctx, r, kube.Application{Object: o, Force: true}, nil)
}

// yields says whether what an Apply was refused for may be taken: the number of servers that a scaler of mlx has set.
func (h *held) yields(all []kube.Conflict) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(c kube.Conflict) bool {
		return c.Field != ".spec.replicas" || c.Manager != handover && h.Metadata.Annotations[noteScaled] == ""
	})
}

// handOver has the number of servers stay when mlx does not name it any more.
func (v *Driver) handOver(ctx context.Context, r kube.Resource, o Object) error {
	spec, _ := o["spec"].(object)
	if v.Settings.Scale == nil || r != kube.Deployments && r != kube.Rollouts || spec["replicas"] != nil {
		return nil
	}
	var live held
	err := v.client.Get(ctx, r, named(o), &live)
	if kube.Missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var has struct {
		Replicas *int `json:"replicas"`
	}
	if json.Unmarshal(live.Spec, &has) != nil || has.Replicas == nil || !live.numbers() {
		return nil
	}
	return v.client.Apply(ctx, r, kube.Application{Manager: handover, Object: Object{"apiVersion": o["apiVersion"], "kind": o["kind"],
		"metadata": object{"name": named(o)}, "spec": object{"replicas": *has.Replicas}}}, nil)
}

// numbers says whether nobody but mlx has set the number of servers.
func (h *held) numbers() bool {
	mine := false
	for _, m := range h.Metadata.Managed {
		spec, _ := m.Fields["f:spec"].(object)
		if spec["f:replicas"] == nil {
			continue
		}
		if !m.ours() {
			return false
		}
		mine = true
	}
	return mine
}

// retire ends the scalers that no release has any more before anything else is written: one that is left would go on setting the number of servers,
// and two of one release would fight.
func (v *Driver) retire(ctx context.Context, all []Object) error {
	kinds, err := v.scalers(ctx)
	if err != nil {
		return err
	}
	for _, r := range kinds {
		if err := v.pruneKind(ctx, r, all, false); err != nil {
			return err
		}
	}
	return nil
}

// scalers are the kinds of scalers that the cluster has.
func (v *Driver) scalers(ctx context.Context) ([]kube.Resource, error) {
	has, err := v.Cluster.keda(ctx)
	if err != nil {
		return nil, v.explain(err, kube.ScaledObjects)
	}
	if has {
		return []kube.Resource{kube.Autoscalers, kube.ScaledObjects}, nil
	}
	return []kube.Resource{kube.Autoscalers}, nil
}

// keda says whether a cluster knows KEDA. It is asked once.
func (c *Cluster) keda(ctx context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scaled == nil {
		has, err := c.client.Has(ctx, kube.ScaledObjects)
		if err != nil {
			return false, err
		}
		c.scaled = &has
	}
	return *c.scaled, nil
}

// kinds are those of the objects that mlx makes beside an anchor, as far as the cluster has them.
func (v *Driver) kinds(ctx context.Context) ([]kube.Resource, error) {
	scalers, err := v.scalers(ctx)
	return append(v.settings().madeKinds(), scalers...), err
}

// made are the objects of a kind that mlx has made for the service. Who may not see those of KEDA has none, if he asks for none.
func (v *Driver) made(ctx context.Context, r kube.Resource) ([]kube.Item, error) {
	items, err := v.cache.Get(ctx, r, labelName, v.name())
	if s := v.Settings.Scale; r == kube.ScaledObjects && (s == nil || !s.Keda) && kube.SideOf(err) == kube.SideRights {
		return nil, nil
	}
	return items, v.explain(err, r)
}
