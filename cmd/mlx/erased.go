package main

import (
	"context"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// erasedView says that content of a version is gone for ever, and why.
type erasedView struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Basis  string    `json:"basis"`
	Path   *string   `json:"path"` // inside the version; null for all of it
	Record string    `json:"record"`
}

// erasure returns what was erased of a version, or nil.
func (a *app) erasure(ctx context.Context, root object.Digest) (*erasedView, error) {
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	all, err := remote.ReadErasures(ctx, l)
	if err != nil {
		return nil, err
	}
	e, ok := all.Of(root)
	if !ok {
		return nil, nil
	}
	v := &erasedView{At: e.At.UTC(), By: e.By, Basis: e.Basis, Record: e.Record.Hex()}
	if e.Path != "" {
		v.Path = &e.Path
	}
	return v, nil
}

// wasErased is the error of a version that was erased; nil if it was not.
func (a *app) wasErased(ctx context.Context, path string, root object.Digest) error {
	v, err := a.erasure(ctx, root)
	if err != nil || v == nil {
		return err
	}
	what := "version " + root.Short()
	if v.Path != nil {
		what = *v.Path + " in " + what
	}
	return fault.New(fault.NotFound, "cannot read %s: %s was erased on %s by %s: %s", a.shown(path), what, v.At.Format("2006-01-02"), v.By, v.Basis).
		About(fault.Ref{Kind: refSnapshot, ID: root.Hex(), Name: path}).
		Hint("mlx log snapshot:%s   # what it was", root.Short())
}

// holdsErased says whether anything was ever erased from a store.
func (a *app) holdsErased(store *snapshot.Store) bool {
	gone, err := store.Erased()
	if err != nil {
		a.streams.Why("cannot tell what was erased: %v", err)
	}
	return len(gone) > 0
}
