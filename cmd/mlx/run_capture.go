package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// runData finds the version of each -d path. What is in no snapshot yet is saved first. release lets gc have those
// again; it is called when the run is recorded.
func runData(ctx context.Context, a *app, paths []string) (all []run.Data, release func(), err error) {
	var releases []func() error
	release = func() { a.free(releases) }
	seen := make(map[string]bool)
	for _, path := range paths {
		d, free, err := oneData(ctx, a, path)
		if err != nil {
			release()
			return nil, nil, err
		}
		if free != nil {
			releases = append(releases, free)
		}
		if !seen[d.Path] {
			seen[d.Path] = true
			all = append(all, d)
		}
	}
	return all, release, nil
}

// free lets gc have again what was saved and may be in no record.
func (a *app) free(releases []func() error) {
	for _, release := range releases {
		if err := release(); err != nil {
			a.streams.Why("cannot release a snapshot: %v", err)
		}
	}
}

func oneData(ctx context.Context, a *app, path string) (run.Data, func() error, error) {
	r, err := a.repo()
	if err != nil {
		return run.Data{}, nil, err
	}
	rel, err := r.Rel(path)
	if err != nil {
		return run.Data{}, nil, err
	}
	pointer, tracked, err := a.pointerAt(r, rel)
	if err != nil {
		return run.Data{}, nil, err
	}
	if _, err := os.Lstat(r.Abs(rel)); errors.Is(err, fs.ErrNotExist) {
		return run.Data{}, nil, dataMissing(ctx, a, path, pointer, tracked)
	}
	if tracked {
		return savedData(ctx, a, path, rel)
	}
	return keptData(ctx, a, path, rel)
}

// savedData makes sure that tracked data is a snapshot, as mlx snapshot does.
func savedData(ctx context.Context, a *app, path, rel string) (run.Data, func() error, error) {
	s := saver{app: a, options: snapshotOptions{message: "saved for a run"}}
	var err error
	if s.repo, err = a.repo(); err != nil {
		return run.Data{}, nil, err
	}
	if s.ledger, err = a.ledger(); err != nil {
		return run.Data{}, nil, err
	}
	if s.store, err = a.store(); err != nil {
		return run.Data{}, nil, err
	}
	done, err := s.save(ctx, rel)
	if err != nil {
		return run.Data{}, nil, err
	}
	if done.changed {
		a.streams.Note("%s differs from its last snapshot; saved it as %s", path, done.body.Root.Short())
	}
	return run.Data{Path: rel, Root: done.body.Root, Kind: done.body.Kind}, nil, nil
}

// keptData keeps what is not tracked by itself: no pointer file is written for it, only the run names it.
func keptData(ctx context.Context, a *app, path, rel string) (run.Data, func() error, error) {
	r, err := a.repo()
	if err != nil {
		return run.Data{}, nil, err
	}
	store, err := a.store()
	if err != nil {
		return run.Data{}, nil, err
	}
	ignore, err := r.Matcher(rel)
	if err != nil {
		return run.Data{}, nil, err
	}
	progress := a.streams.Progress("reading", "bytes", 0)
	kept, err := store.Save(ctx, snapshot.SaveOptions{Path: r.Abs(rel), Ignore: ignore, Progress: progress})
	progress.Done()
	if err != nil {
		return run.Data{}, nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	a.streams.Note("%s is not tracked; this run keeps it as snapshot %s", path, kept.Root.Short())
	return run.Data{Path: rel, Root: kept.Root, Kind: string(kept.Summary.Kind)}, kept.Release, nil
}

// pointerAt reads the pointer file of a path, if there is one.
func (a *app) pointerAt(r *repo.Repo, rel string) (snapshot.Pointer, bool, error) {
	text, err := r.ReadPointer(rel)
	if err == nil && text == nil {
		return snapshot.Pointer{}, false, nil
	}
	var pointer snapshot.Pointer
	if err == nil {
		pointer, err = snapshot.ParsePointer(text)
	}
	if err != nil {
		return pointer, false, a.badPointer(err, rel)
	}
	return pointer, true, nil
}

// badPointer says how a pointer file that cannot be read becomes one version again.
func (a *app) badPointer(err error, rel string) error {
	kind, file := fault.KindOf(err), a.typed(rel+snapshot.Suffix)
	e := fault.New(kind, "cannot read %s: %w", a.shown(rel+snapshot.Suffix), err)
	switch {
	case len(fault.Hints(err)) > 0:
	case kind == fault.Conflict:
		e.Hint("git checkout --ours %s   # or --theirs; then mlx checkout %s", file, a.typed(rel))
	default:
		e.Hint("git checkout %s   # takes it as it was staged last", file)
	}
	return e
}

// dataMissing says why data is not there, and what brings it.
func dataMissing(ctx context.Context, a *app, path string, pointer snapshot.Pointer, tracked bool) error {
	if !tracked {
		return fault.New(fault.NotFound, "cannot start the run: there is no %s", path).Hint("mlx status   # lists tracked data")
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	here, err := store.Has(ctx, pointer.Root)
	if err != nil {
		return err
	}
	ref := fault.Ref{Kind: "snapshot", ID: pointer.Root.Hex(), Name: path}
	if here {
		return fault.New(fault.NotFound, "cannot start the run: %s %s is not checked out", path, pointer.Root.Short()).
			About(ref).Hint("mlx checkout %s", shellWord(path))
	}
	return fault.New(fault.NotFound, "cannot start the run: %s %s is not on this machine", path, pointer.Root.Short()).
		About(ref).Hint("%s", a.bringHint(shellWord(path)))
}
