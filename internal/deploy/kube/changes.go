package kube

import (
	"context"
	"encoding/json"

	"mlx/internal/deploy"
	"mlx/internal/kube"
)

// Change is what an Apply would do to one object.
type Change struct {
	Do   string // create, change or delete
	What string // deployments/flights-0a1b2c3d
	Why  string
}

// Changes are what an Apply would do, as the API server says itself, which takes the objects for a trial with all of its rules. Nothing is changed.
func (v *Driver) Changes(ctx context.Context, d deploy.Desired) ([]Change, error) {
	if err := v.mode(ctx); err != nil {
		return nil, err
	}
	if len(d.Arms) == 0 && !v.Settings.routed() {
		return nil, nil
	}
	now, err := v.cached(ctx)
	if err == nil {
		err = v.moved(ctx, now)
	}
	if err != nil {
		return nil, err
	}
	all, err := v.objects(ctx, d)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, o := range all {
		do, err := v.change(ctx, o)
		if err != nil {
			return out, v.explain(err, resourceOf(o))
		}
		if do != "" {
			out = append(out, Change{Do: do, What: resourceOf(o).Plural + "/" + named(o)})
		}
	}
	gone, err := v.gone(ctx, all)
	return append(out, gone...), err
}

// change is what becomes of an object; empty: nothing.
func (v *Driver) change(ctx context.Context, o Object) (do string, err error) {
	r := resourceOf(o)
	if r != v.Settings.anchorResource() && !v.Settings.argoOwns(r) {
		if o, err = stamped(o); err != nil {
			return "", err
		}
	}
	var live object
	err = v.client.Get(ctx, r, named(o), &live)
	exists := err == nil
	if err != nil && !kube.Missing(err) {
		return "", err
	}
	if v.Settings.argoOwns(r) && exists {
		if r == kube.HTTPRoutes && len(steering(live, o)) > 0 {
			return "change", nil
		}
		return "", nil
	}
	then, err := v.tried(ctx, o, live)
	switch {
	case err != nil:
		return "", err
	case !exists:
		return "create", nil
	case !alike(live, then):
		return "change", nil
	}
	return "", nil
}

// gone is what no release needs any more.
func (v *Driver) gone(ctx context.Context, all []Object) (out []Change, err error) {
	kinds, err := v.kinds(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range kinds {
		items, err := v.surplus(ctx, r, all)
		if err != nil {
			return out, err
		}
		for _, item := range items {
			out = append(out, Change{Do: "delete", What: r.Plural + "/" + item.Name, Why: "no release needs it any more"})
		}
	}
	return out, nil
}

// tried is what an object would be; live is what it is, nil for one that is not there. What the guard has set becomes that of mlx first; a trial
// cannot do that.
func (v *Driver) tried(ctx context.Context, o Object, live object) (then object, err error) {
	r := resourceOf(o)
	err = v.client.Apply(ctx, r, kube.Application{Object: o, Dry: true, Force: live != nil && ownedByUs(live)}, &then)
	if h, refused := heldOf(live), kube.Conflicts(err); h.yields(refused) || h.adopts(refused) {
		err = v.client.Apply(ctx, r, kube.Application{Object: o, Dry: true, Force: true}, &then)
	}
	return then, err
}

func wanted(all []Object, r kube.Resource, name string) bool {
	for _, o := range all {
		if resourceOf(o) == r && named(o) == name {
			return true
		}
	}
	return false
}

// ownedByUs says whether parts of mlx alone have set what is in an object, but for its status.
func ownedByUs(live object) bool {
	meta, _ := live["metadata"].(object)
	text, err := json.Marshal(meta["managedFields"])
	var all []managed
	if err != nil || json.Unmarshal(text, &all) != nil {
		return false
	}
	for _, m := range all {
		if m.Subresource == "" && !m.ours() && m.Manager != handover {
			return false
		}
	}
	return true
}

// alike says whether two states of an object differ in nothing but what the API server keeps about them.
func alike(a, b object) bool {
	strip := func(o object) string {
		o, err := plain(o)
		if err != nil {
			return ""
		}
		delete(o, "status")
		if meta, ok := o["metadata"].(object); ok {
			delete(meta, "managedFields")
			delete(meta, "resourceVersion")
			delete(meta, "generation")
		}
		text, err := json.Marshal(o)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return strip(a) == strip(b)
}

// heldOf is what an object says of who has set what.
func heldOf(live object) *held {
	var h held
	if text, err := json.Marshal(live); err == nil {
		_ = json.Unmarshal(text, &h) // the API server wrote it
	}
	return &h
}
