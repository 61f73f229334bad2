package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// make applies objects, a few at a time.
func (v *Driver) make(ctx context.Context, all []Object) error {
	if err := v.retire(ctx, all); err != nil {
		return err
	}
	for _, same := range chunks(all) {
		errs := make([]error, len(same))
		var each sync.WaitGroup
		for i, o := range same {
			each.Go(func() { errs[i] = v.apply(ctx, o) })
		}
		each.Wait()
		if err := errors.Join(errs...); err != nil {
			return firstOf(errs)
		}
	}
	return nil
}

// chunks are objects of one rank: they do not name each other.
func chunks(all []Object) [][]Object {
	var out [][]Object
	for i, o := range all {
		if i == 0 || rank(all[i-1]) != rank(o) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], o)
	}
	return out
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *Driver) apply(ctx context.Context, o Object) error {
	r := resourceOf(o)
	if v.Settings.argoOwns(r) {
		if v.stays(ctx, o) {
			return nil
		}
		err := v.client.Create(ctx, r, o, nil)
		if kube.Exists(err) {
			return v.steer(ctx, r, o)
		}
		return v.explain(err, r)
	}
	o, err := stamped(o)
	if err != nil || v.same(ctx, o) {
		return err
	}
	return v.explain(v.put(ctx, r, o), r)
}

// stays says that an object that Argo owns a part of is there, and needs no change as far as the cluster has told.
func (v *Driver) stays(ctx context.Context, o Object) bool {
	r := resourceOf(o)
	var live object
	if there, err := v.heard(ctx, r, named(o), &live); err != nil || !there {
		return false
	}
	return r != kube.HTTPRoutes || len(steering(live, o)) == 0
}

// stamped is an object with its sum, by which whoever comes later sees that he would ask for nothing else.
func stamped(o Object) (Object, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write %s/%s: %w", resourceOf(o).Plural, named(o), err)
	}
	sum := sha256.Sum256(text)
	o = maps.Clone(o)
	meta, _ := o["metadata"].(object)
	meta = maps.Clone(meta)
	notes, _ := meta["annotations"].(object)
	if notes = maps.Clone(notes); notes == nil {
		notes = object{}
	}
	notes[noteApplied] = hex.EncodeToString(sum[:16])
	o["metadata"], meta["annotations"] = meta, notes
	return o, nil
}

// same says that an object was applied just so, and that what the cluster tells of it still has all that was asked for.
func (v *Driver) same(ctx context.Context, o Object) bool {
	var live object
	if there, err := v.heard(ctx, resourceOf(o), named(o), &live); err != nil || !there {
		return false
	}
	live["apiVersion"], live["kind"] = o["apiVersion"], o["kind"] // a list leaves them out
	return within(o, live)
}

// within says whether a value has all that another one asks for, and lists neither more nor less.
func within(asked, live any) bool {
	switch asked := asked.(type) {
	case object:
		live, ok := live.(object)
		for key, value := range asked {
			ok = ok && within(value, live[key])
		}
		return ok
	case list:
		live, ok := live.(list)
		ok = ok && len(live) == len(asked)
		for i := 0; ok && i < len(asked); i++ {
			ok = within(asked[i], live[i])
		}
		return ok
	}
	return asked == live
}
