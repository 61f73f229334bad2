package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// over are the releases that were kept ready for a rollback, and need not be any longer.
func (v *Driver) over(d deploy.Desired) []deploy.Arm {
	var all []deploy.Arm
	due := v.due(d)
	for _, a := range d.Arms {
		if !slices.ContainsFunc(due.Arms, func(o deploy.Arm) bool { return o.Release.Key == a.Release.Key }) {
			all = append(all, a)
		}
	}
	return all
}

// Tidy ends releases whose time is over, and what is left over of others. No daemon does that: it is for whoever looks at a service. Nothing else of
// the service is touched, whatever mlx.yaml says by now. A look commits nothing: what a file keeps stays until the next rollout.
func (v *Driver) Tidy(ctx context.Context) error {
	if v.Follows {
		return nil
	}
	now, err := v.mine(ctx)
	if err != nil || now == nil {
		return err
	}
	gone, err := v.left(ctx, now, v.Settings.servers())
	if err != nil || v.spares(now) > 0 {
		gone = nil // it has requests on their way, or a look at something else has failed: its time is over all the same
	}
	over := v.over(now.desired)
	if len(over) > 0 {
		if err := v.forget(ctx, now, over); err != nil {
			return err
		}
	}
	for _, a := range over {
		gone = append(gone, labelOf(a.Release.Key))
	}
	return errors.Join(err, v.end(ctx, gone))
}

// Finish waits until no gateway can be sending anything to releases that get nothing any more, and ends them: as long as one is seen to send them
// some, it waits on, at most two minutes. It is for who carried out the rollout that left them. goOn is asked for each second of the wait, with how
// many are left: it may leave them to somebody else.
func (v *Driver) Finish(ctx context.Context, goOn func(left int64) bool) error {
	quiet := lull{begun: v.Now()}
	for {
		now, err := v.mine(ctx)
		if err != nil || now == nil {
			return err
		}
		left, err := v.leftOver(ctx, now)
		if err != nil || len(left) == 0 {
			return err
		}
		asked, err := v.requests(ctx, left)
		if err != nil {
			return err
		}
		wait := max(v.spares(now), quiet.left(v.Now(), asked))
		if !goOn(max(0, int64((wait+time.Second-1)/time.Second))) {
			return nil
		}
		switch {
		case wait <= 0 && v.Follows:
			return v.Unfile(ctx, now.desired)
		case wait <= 0:
			return v.end(ctx, left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(wait, time.Second)):
		}
	}
}

// leftOver are the labels of releases for Finish. Whoever only commits a file may not see more than what a look needs.
func (v *Driver) leftOver(ctx context.Context, now *held) ([]string, error) {
	if v.Follows {
		return v.left(ctx, now, v.Settings.servers())
	}
	kinds, err := v.kinds(ctx)
	if err != nil {
		return nil, err
	}
	return v.left(ctx, now, kinds...)
}

// servers are the kind of object that a release cannot do without, which a look needs anyway.
func (s Settings) servers() kube.Resource {
	if s.Form == Standard {
		return kube.InferenceSets
	}
	return kube.Deployments
}

// requests are how many servers of some releases have had, as their meters count them.
func (v *Driver) requests(ctx context.Context, labels []string) (n int64, err error) {
	pods, err := v.podsWhere(ctx, func(pod) bool { return true })
	if err != nil {
		return 0, err
	}
	for key, seen := range v.count(ctx, pods) {
		if slices.Contains(labels, labelOf(key)) {
			n += seen.Counts.Requests
		}
	}
	return n, nil
}

// lull finds out whether a gateway still sends requests that it should not.
type lull struct {
	begun time.Time
	known bool
	asked int64     // at the last look
	last  time.Time // of the last look at which there were more; zero: there was none
}

// A gateway that is far behind is waited for no longer than this.
const lullMost = 2 * time.Minute

// left is for how long a release is still kept, of which so many requests are counted now.
func (l *lull) left(now time.Time, asked int64) time.Duration {
	if l.known && asked > l.asked {
		l.last = now
	}
	l.known, l.asked = true, asked
	if l.last.IsZero() {
		return 0
	}
	return min(usualSpare-now.Sub(l.last), lullMost-now.Sub(l.begun))
}

// mine is the anchor of a service whose releases mlx ends; nil: there is none, or somebody else ends them.
func (v *Driver) mine(ctx context.Context) (*held, error) {
	if !v.Settings.routed() {
		return nil, nil // Argo ends what it made by itself
	}
	now, err := v.cached(ctx)
	if err != nil || now == nil {
		return nil, err
	}
	if _, begun := armOf(now.desired, deploy.Candidate); begun {
		return nil, nil // who controls a rollout ends them with it
	}
	return now, nil
}

// left are the labels of releases that have objects of some kinds and no part in what is wanted.
func (v *Driver) left(ctx context.Context, now *held, kinds ...kube.Resource) (all []string, err error) {
	if now.desired.Generation == 0 {
		return nil, nil // somebody applied an export
	}
	for _, r := range kinds {
		items, err := v.made(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			label := i.Labels[labelRelease]
			has := slices.ContainsFunc(now.desired.Arms, func(a deploy.Arm) bool { return labelOf(a.Release.Key) == label })
			if label != "" && !has && !owned(i) && !slices.Contains(all, label) && !v.asked(now, label) {
				all = append(all, label)
			}
		}
	}
	return all, nil
}

// asked says whether a route sends something to a release, whatever mlx has asked for: a person may have changed it.
func (v *Driver) asked(now *held, label string) bool {
	return bytes.Contains(now.Spec, []byte(`"`+nameOf(v.Settings.Service, label))) // a backend is called so, or begins so
}

// forget takes releases out of the route.
func (v *Driver) forget(ctx context.Context, now *held, gone []deploy.Arm) error {
	patch, err := v.without(now, gone)
	if err != nil {
		return err
	}
	r := v.Settings.anchorResource()
	return v.explain(v.client.Merge(ctx, r, v.name(), patch, nil), r)
}

// without changes a route so that it names some releases no more, if nobody has changed it since it was read.
func (v *Driver) without(now *held, gone []deploy.Arm) (object, error) {
	fail := func(err error) error {
		return fault.New(fault.Integrity, "cannot read %s/%s: %w", v.Settings.anchorResource().Plural, v.name(), err)
	}
	var spec struct {
		Rules []object `json:"rules"`
	}
	if err := json.Unmarshal(now.Spec, &spec); err != nil {
		return nil, fail(err)
	}
	for _, rule := range spec.Rules {
		refs, _ := rule["backendRefs"].(list)
		rule["backendRefs"] = slices.DeleteFunc(refs, func(ref any) bool {
			o, _ := ref.(object)
			return slices.ContainsFunc(gone, func(a deploy.Arm) bool { return o["name"] == v.Settings.backendOf(a.Release) })
		})
	}
	text, err := json.Marshal(v.due(now.desired))
	if err != nil {
		return nil, fail(err)
	}
	return object{"metadata": object{"resourceVersion": now.Metadata.ResourceVersion, "annotations": object{noteDesired: string(text)}},
		"spec": object{"rules": spec.Rules}}, nil
}

// end deletes the objects of releases, by their labels.
func (v *Driver) end(ctx context.Context, gone []string) error {
	if len(gone) == 0 {
		return nil
	}
	kinds, err := v.kinds(ctx)
	if err != nil {
		return err
	}
	for _, r := range kinds {
		items, err := v.made(ctx, r)
		if err != nil {
			return err
		}
		err = v.remove(ctx, r, slices.DeleteFunc(slices.Clone(items), func(i kube.Item) bool { return !slices.Contains(gone, i.Labels[labelRelease]) || owned(i) }))
		if err != nil {
			return err
		}
	}
	return nil
}
