package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// Bounds of the time until the cluster does what the anchor says. What takes longer is looked at again, by the next Apply.
const (
	settleTime  = 3 * time.Second
	settleEvery = 100 * time.Millisecond // a moment that passes is no change that the cluster tells of
	usualSpare  = 6 * time.Second
)

// settle waits until the cluster does what was asked for, and then ends what has no role any more, but for releases that a gateway may still ask:
// Finish ends them.
func (v *Driver) settle(ctx context.Context, d deploy.Desired, beside []Object) error {
	changed, end := v.cache.Hear(v.Settings.anchorResource(), labelName, v.name())
	defer end()
	var now *held
	for until := v.Now().Add(settleTime); ; {
		var err error
		if now, err = v.cached(ctx); err != nil {
			return err
		}
		if now != nil && now.generation == d.Generation && now.reverted == nil {
			if _, trouble := v.split(ctx, now); trouble == "" {
				break
			}
		}
		if v.Now().After(until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(settleEvery):
		}
	}
	if err := v.prune(ctx, beside, len(d.Arms) > 0 && v.spares(now) > 0); err != nil {
		return err
	}
	if d.Lease == 0 && v.leased(ctx) {
		if err := v.client.Delete(ctx, kube.Leases, v.name(), kube.Removal{}); err != nil && !kube.Missing(err) {
			return v.explain(err, kube.Leases)
		}
	}
	v.mu.Lock()
	v.done = d.Generation
	v.mu.Unlock()
	return nil
}

// leased says whether there may be a Lease of the service.
func (v *Driver) leased(ctx context.Context) bool {
	v.mu.Lock()
	renewed := v.renewed
	v.mu.Unlock()
	items, err := v.cache.Get(ctx, kube.Leases, labelName, v.name())
	return renewed || err != nil || len(items) > 0
}

// bareOf has nothing of the service there, where the anchor is what serves. The generation is known as long as this process: whoever comes later
// asks for it again.
func (v *Driver) bareOf(ctx context.Context, now *held, d deploy.Desired) error {
	r := v.Settings.anchorResource()
	if now != nil {
		if err := v.client.Delete(ctx, r, v.name(), kube.Removal{Propagation: "Background"}); err != nil && !kube.Missing(err) {
			return v.explain(err, r)
		}
	}
	v.mu.Lock()
	v.bare = d.Generation
	v.mu.Unlock()
	return v.prune(ctx, nil, false)
}

// argoOwns says of which objects Argo changes a part that mlx cannot leave out: the selectors of the Services, and the weights of the route. They
// are made once.
func (s Settings) argoOwns(r kube.Resource) bool {
	return s.Form == Argo && (r == kube.HTTPRoutes || r == kube.Services)
}

// madeKinds are what mlx makes beside an anchor, but for scalers.
func (s Settings) madeKinds() []kube.Resource {
	all := []kube.Resource{kube.Services, kube.Budgets, kube.NetworkPolicies, kube.Deployments}
	if s.Form == Standard {
		all = append(all, kube.InferenceSets, kube.InferenceGraphs)
	}
	if s.Agent != "" {
		all = append(all, kube.ServiceAccounts, kube.Roles, kube.RoleBindings)
	}
	return all
}

// spares is for how long releases that get no requests any more are still kept.
func (v *Driver) spares(now *held) time.Duration {
	if now == nil || !v.Settings.routed() {
		return 0
	}
	spare := cmp.Or(v.Spare, usualSpare)
	return min(spare-v.Now().Sub(v.changed(now)), spare) // another clock than this one's says when it was
}

// changed is when mlx, or who does what its file says, has last changed an anchor; zero: nobody knows.
func (v *Driver) changed(h *held) time.Time {
	var last time.Time
	for _, m := range h.Metadata.Managed {
		if at, err := time.Parse(time.RFC3339, m.Time); err == nil && (m.ours() || v.Follows && m.steers()) && at.After(last) {
			last = at
		}
	}
	return last
}

// prune ends what mlx has made for the service and does not name any more; spare: not what is of a release.
func (v *Driver) prune(ctx context.Context, all []Object, spare bool) error {
	kinds, err := v.kinds(ctx)
	if err != nil {
		return err
	}
	var each sync.WaitGroup
	errs := make([]error, len(kinds))
	for i, r := range kinds {
		each.Go(func() { errs[i] = v.pruneKind(ctx, r, all, spare) })
	}
	each.Wait()
	return firstOf(errs)
}

// owned says whether an object was made of another one, with whose labels: it ends with that.
func owned(item kube.Item) bool {
	var o struct {
		Metadata struct {
			Owners list `json:"ownerReferences"`
		} `json:"metadata"`
	}
	return json.Unmarshal(item.Text, &o) == nil && len(o.Metadata.Owners) > 0
}

func (v *Driver) pruneKind(ctx context.Context, r kube.Resource, all []Object, spare bool) error {
	items, err := v.surplus(ctx, r, all)
	if err != nil {
		return err
	}
	if spare {
		items = slices.DeleteFunc(items, func(i kube.Item) bool { return i.Labels[labelRelease] != "" })
	}
	return v.remove(ctx, r, items)
}

// surplus are the objects of a kind that mlx has made for the service and that are not among those of a state.
func (v *Driver) surplus(ctx context.Context, r kube.Resource, all []Object) ([]kube.Item, error) {
	items, err := v.made(ctx, r)
	return slices.DeleteFunc(slices.Clone(items), func(i kube.Item) bool { return wanted(all, r, i.Name) || owned(i) }), err
}

// remove deletes objects of a kind, and what was made of them.
func (v *Driver) remove(ctx context.Context, r kube.Resource, items []kube.Item) error {
	for _, item := range items {
		if err := v.client.Delete(ctx, r, item.Name, kube.Removal{Propagation: "Background"}); err != nil && !kube.Missing(err) {
			return v.explain(err, r)
		}
	}
	return nil
}
