package main

import (
	"context"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
)

// reproRemote is where --pull fetches from.
type reproRemote struct {
	app *app
	mu  sync.Mutex // one request for bytes at a time: it is parallel in itself
	r   *remote.Remote
}

// reproRemote opens the default remote and takes its records: a colleague's run counts as one of here.
func (a *app) reproRemote(ctx context.Context) (*reproRemote, error) {
	r, err := a.openRemote(ctx, "")
	if err != nil {
		return nil, err
	}
	if _, err := r.Sync(ctx); err != nil {
		return nil, a.notPulled(err, r)
	}
	return &reproRemote{app: a, r: r}, nil
}

func (m *reproRemote) holds(_ context.Context, root object.Digest) (bool, error) {
	return m.r.Holds(root), nil
}

// fetch brings a version into the store, if it is not there.
func (m *reproRemote) fetch(ctx context.Context, root object.Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	store, err := m.app.store()
	if err != nil {
		return err
	}
	if here, err := store.Has(ctx, root); err != nil || here {
		return err
	}
	done, err := m.r.Fetch(ctx, remote.FetchOptions{Roots: []object.Digest{root}})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot fetch %s from %s: %w", root.Short(), m.r.Describe(), remoteTrouble(err, m.r.Name()))
	}
	return done.Release() // a record names it already
}

// describe brings what a version consists of into the store, without content: enough to tell what a stage would read.
func (m *reproRemote) describe(ctx context.Context, root object.Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	store, err := m.app.store()
	if err != nil {
		return err
	}
	if here, err := store.HasTrees(ctx, root); err != nil || here {
		return err
	}
	trees := func(_ string, isDir bool) bool { return isDir }
	done, err := m.r.Fetch(ctx, remote.FetchOptions{Roots: []object.Digest{root}, Only: trees})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot look at %s in %s: %w", root.Short(), m.r.Describe(), remoteTrouble(err, m.r.Name()))
	}
	return done.Release()
}

// bring fetches and checks out tracked data.
func (m *reproRemote) bring(ctx context.Context, p part) error {
	done, err := m.app.pullPart(ctx, m.r, p, pullOptions{})
	if err != nil {
		return m.app.notPulled(err, m.r)
	}
	m.app.streams.Note("fetched %s from %s", m.app.shown(done.Path), m.r.Name())
	return nil
}
