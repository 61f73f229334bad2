package main

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// origin is where get and ls read versions: a store, and where that takes what it lacks from.
type origin struct {
	place  string // as messages name it; empty for this repository
	dir    string // of the store
	store  *snapshot.Store
	empty  bool                                          // nothing is in the store yet
	remote func(context.Context) (*remote.Remote, error) // nil: nothing more can be brought
	closes closers
}

// close frees what was opened and removes what was fetched only to be read.
func (o *origin) close() error { return o.closes.Close() }

// piece is a file or folder of a version, and where its bytes come from.
type piece struct {
	located
	commit string // of git, where a commit was named
	from   *origin
}

// name is the piece as it is shown: a path from the root of its repository.
func (p piece) name() string { return path.Join(p.Path, p.Inner) }

// ref is the version.
func (p piece) ref() fault.Ref { return refOf(refSnapshot, p.Root.Hex(), p.Path) }

// wants is which parts of a version must be here.
type wants func(path string, isDir bool) bool

// all wants everything at and below the piece.
func (p piece) all() wants {
	if p.Inner == "" {
		return nil
	}
	return func(at string, isDir bool) bool { return within(at, p.Inner) || isDir && within(p.Inner, at) }
}

// reading does something with a piece. Where that fails because bytes are not here, they are fetched, and it is done again.
func (a *app) reading(ctx context.Context, p piece, only wants, do func() error) error {
	if !p.from.empty {
		err := do()
		if !lacksObject(err) {
			return a.wordPath(err, p)
		}
		if p.from.remote == nil {
			return a.absent(p)
		}
		a.streams.Why("%s %s is not all here: it is fetched", p.Path, p.Root.Short())
	}
	r, err := p.from.remote(ctx)
	if err != nil {
		return err
	}
	done, err := r.Fetch(ctx, remote.FetchOptions{Roots: []object.Digest{p.Root}, Only: only})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot fetch %s from %s: %w", p.name(), r.Describe(), remoteTrouble(err, r.Name()))
	}
	p.from.closes = append(p.from.closes, done.Release)
	requests, _, received := r.Requests()
	a.streams.Why("%d requests to %s, %d bytes received", requests, r.Describe(), received)
	return a.wordPath(do(), p)
}

// lacksObject says whether an error means that bytes of a version are not in the store.
func lacksObject(err error) bool {
	return err != nil && fault.KindOf(err) == fault.NotFound && !errors.Is(err, fs.ErrNotExist)
}

// wordPath says of a path that a version does not have where to look for the right one.
func (a *app) wordPath(err error, p piece) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e := fault.New(fault.NotFound, "cannot find %s in snapshot %s of %s", p.Inner, p.Root.Short(), p.Path)
	if p.from.place != "" {
		return e.Hint("mlx ls --from %s %s:", shellWord(p.from.place), p.Root.Short())
	}
	return e.Hint("mlx ls %s:", p.Root.Short())
}

// absent is the error for bytes that are nowhere to be had.
func (a *app) absent(p piece) error {
	e := fault.New(fault.NotFound, "cannot read %s: version %s is not on this machine", p.name(), p.Root.Short()).About(p.ref())
	if p.from.place != "" {
		return e.Hint("mlx -C %s pull %s   # brings it there, if it has a remote", shellWord(p.from.place), shellWord(p.Path))
	}
	return e.Hint("%s", a.bringHint(a.typed(p.Path)))
}

// hereOrigin is the origin that is this repository. What its store lacks comes from the default remote, if there is one.
func (a *app) hereOrigin() (*origin, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	settings, err := a.settings()
	if err != nil {
		return nil, err
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	o := &origin{dir: r.Store(settings), store: store}
	if cfg, err := a.config(); err != nil {
		return nil, err
	} else if cfg.Remotes.Len() > 0 && a.at == "" {
		o.remote = a.knowingRemote
	}
	return o, nil
}

// knowingRemote opens the default remote and reads what is new in its log.
func (a *app) knowingRemote(ctx context.Context) (*remote.Remote, error) {
	r, err := a.openRemote(ctx, "")
	if err != nil {
		return nil, err
	}
	_, err = r.Sync(ctx)
	return r, notRead(err, r)
}
