package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// find resolves [REF:]PATH at a source; without a source, in this repository. The origin of what it returns must be closed.
func (a *app) find(ctx context.Context, from, typed string) (piece, error) {
	if from == "" {
		return a.findHere(ctx, typed)
	}
	s, err := a.sourceOf(from)
	if err != nil {
		return piece{}, err
	}
	switch s.kind {
	case sourceRepository:
		p, err := a.elsewhere(s.value).findHere(ctx, typed)
		if err == nil {
			p.from.place = from
		}
		return p, err
	case sourceGit:
		return a.findInGit(ctx, s, typed)
	case sourceBucket:
	}
	return a.findInBucket(ctx, s, typed)
}

// findHere resolves a reference of this repository to a piece of a version.
func (a *app) findHere(ctx context.Context, typed string) (piece, error) {
	t, err := a.resolve(ctx, typed)
	if err != nil {
		return piece{}, err
	}
	o, err := a.hereOrigin()
	if err != nil {
		return piece{}, err
	}
	p := piece{from: o, commit: t.Commit}
	if t, err = a.tracked(ctx, t); err == nil {
		t, err = a.versionBytes(ctx, t)
	}
	if err != nil {
		return piece{}, err
	}
	if t.Kind == refPath {
		r, err := a.repo()
		if err != nil {
			return piece{}, err
		}
		return piece{}, a.untracked(r, "get", typed, t.Name)
	}
	if t.Kind != refSnapshot && t.Inner == "" {
		return piece{}, fault.New(fault.Usage, "cannot get %s: it is no file or folder", t.short()).Hint("mlx ls %s   # lists its data: then REF:PATH", t.certain())
	}
	p.located, err = a.locate(ctx, t)
	return p, err
}

// elsewhere is this process as it looks into another repository. It changes nothing there.
func (a *app) elsewhere(dir string) *app {
	b := newApp(a.args, a.streams)
	b.at = dir
	b.repo = sync.OnceValues(func() (*repo.Repo, error) { return repo.Find(dir) })
	b.ledger = sync.OnceValues(func() (*lineage.Ledger, error) {
		r, err := b.repo()
		if err != nil {
			return nil, err
		}
		return lineage.Open(lineage.Options{Dir: r.Ledger(), ReadOnly: true})
	})
	b.store = sync.OnceValues(func() (*snapshot.Store, error) {
		r, err := b.repo()
		if err != nil {
			return nil, err
		}
		settings, err := b.settings()
		if err != nil {
			return nil, err
		}
		return snapshot.Open(snapshot.Options{Dir: r.Store(settings), Index: r.WorkspaceIndex(), Now: b.now})
	})
	return b
}

// wherever makes a word of the command line a path from the folder that this process looks into.
func (a *app) wherever(word string) string {
	if a.at == "" || filepath.IsAbs(word) {
		return word
	}
	return filepath.Join(a.at, word)
}

// scratch makes a folder that the origin removes when it is closed.
func (o *origin) scratch(parent string) (string, error) {
	if parent != "" {
		if err := os.MkdirAll(parent, 0o777); err != nil {
			return "", fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
		}
	}
	dir, err := os.MkdirTemp(parent, "mlx-get-*")
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot make a temporary folder: %w", err)
	}
	o.closes = append(o.closes, func() error { return os.RemoveAll(dir) })
	return dir, nil
}
