package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/run"
)

// usedModels takes the versions of models out of the words of -d, for a run elsewhere: nothing is laid out here.
func (a *app) usedModels(ctx context.Context, words []string) (rest []string, used []run.UsedModel, err error) {
	for _, word := range words {
		v, err := a.modelAsData(ctx, word)
		if err != nil {
			return nil, nil, err
		}
		if v == nil {
			rest = append(rest, word)
			continue
		}
		if _, err := a.versionBytes(ctx, versionTarget(v)); err != nil {
			return nil, nil, err
		}
		used = append(used, run.UsedModel{Model: v.Model, Version: v.Version, Record: v.Record, Root: v.Root})
	}
	return rest, used, nil
}

// dataFor finds the version of each -d path for a run on a backend. What is tracked need not lie here where the store has it, or the
// nodes get it from a remote.
func (a *app) dataFor(ctx context.Context, paths []string, ask onAsk) (all []run.Data, release func(), err error) {
	b, err := a.backend(ask.Backend)
	if err != nil {
		return nil, func() {}, err
	}
	store, err := a.store()
	if err != nil {
		return nil, func() {}, err
	}
	var here []string
	for _, path := range paths {
		d, there, err := a.dataByPointer(path)
		if err != nil {
			return nil, func() {}, err
		}
		if there {
			kept, err := store.Has(ctx, d.Root)
			if err != nil {
				return nil, func() {}, err
			}
			if kept || b.Remote != "" {
				all = append(all, d)
				continue
			}
		}
		here = append(here, path)
	}
	saved, release, err := runData(ctx, a, here)
	return append(all, saved...), release, err
}

// dataByPointer is tracked data that does not lie here, as its pointer file names it.
func (a *app) dataByPointer(path string) (run.Data, bool, error) {
	r, err := a.repo()
	if err != nil {
		return run.Data{}, false, err
	}
	rel, err := r.Rel(path)
	if err != nil {
		return run.Data{}, false, err
	}
	p, tracked, err := a.pointerAt(r, rel)
	if err != nil || !tracked {
		return run.Data{}, false, err
	}
	if _, err := os.Lstat(r.Abs(rel)); !errors.Is(err, fs.ErrNotExist) {
		return run.Data{}, false, nil
	}
	return run.Data{Path: rel, Root: p.Root, Kind: string(p.Kind)}, true, nil
}

// dataAsIs is the data of a dry run: nothing is saved for it. Of what is in no snapshot yet the version is not known.
func (a *app) dataAsIs(ctx context.Context, paths []string) ([]run.Data, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	var all []run.Data
	for _, path := range paths {
		rel, err := r.Rel(path)
		if err != nil {
			return nil, err
		}
		p, tracked, err := a.pointerAt(r, rel)
		if err != nil {
			return nil, err
		}
		if _, err := os.Lstat(r.Abs(rel)); errors.Is(err, fs.ErrNotExist) && !tracked {
			return nil, dataMissing(ctx, a, path, p, tracked)
		}
		d := run.Data{Path: rel}
		if tracked {
			d.Root, d.Kind = p.Root, string(p.Kind)
		}
		all = append(all, d)
	}
	return all, nil
}

// sizeBelow counts what lies at a path.
func sizeBelow(abs string) (files, bytes int64, err error) {
	err = filepath.WalkDir(abs, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		return nil
	})
	return files, bytes, err
}
