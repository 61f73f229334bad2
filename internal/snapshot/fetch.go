package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// FetchOptions say what to bring from a remote.
type FetchOptions struct {
	Roots    []object.Digest
	Only     func(path string, isDir bool) bool // nil: everything; false for a folder leaves out all that is in it
	From     *Catalog
	Read     RangeReader
	Jobs     int      // ranges that are read at once; 0 means 8
	Whole    float64  // share of a pack that must be wanted to fetch all of it; 0 means 0.75
	Progress Progress // in bytes received; nil for none
}

// Fetched is what a fetch did. The versions are protected from gc until Release is called.
type Fetched struct {
	Bytes   int64 // received
	Packs   int64 // written
	Objects int64 // that were not here
	Erased  int64 // that were left out, because they were erased from this store
	Release func() error

	Roots []object.Digest // that a bundle names; nil of a fetch
}

// Fetch brings versions, or what lies at some paths in them, into the store. What arrived whole before a failure or a
// kill is kept, and not fetched again; after a failure only the counts are set.
func (s *Store) Fetch(ctx context.Context, o FetchOptions) (Fetched, error) {
	end, err := s.beginFetch(&o)
	if err != nil {
		return Fetched{}, err
	}
	defer end()
	if err := s.adopt(); err != nil {
		return Fetched{}, err
	}
	release, err := s.publishAll(o.Roots)
	if err != nil {
		return Fetched{}, err
	}
	done := Fetched{Release: release}
	for range 3 { // again where gc has condemned meanwhile what is needed: it cannot happen twice within its grace
		again, err := s.fetchOnce(ctx, o, &done)
		if err == nil && !again {
			return done, nil
		}
		if err != nil {
			done.Release = nil
			return done, errors.Join(err, release())
		}
	}
	return Fetched{}, errors.Join(fault.New(fault.Conflict, "cannot fetch: packs of the store vanish while it is written").Hint("mlx verify"), release())
}

// beginFetch fills in what was left out and announces the fetch to gc, until end is called.
func (s *Store) beginFetch(o *FetchOptions) (end func(), err error) {
	if o.Jobs <= 0 {
		o.Jobs = 8
	}
	if o.Whole == 0 {
		o.Whole = wholeAt
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	o.From.readWith(o.Read)
	return s.announce()
}

// publishAll makes all roots visible to gc, and returns how to take them back.
func (s *Store) publishAll(roots []object.Digest) (func() error, error) {
	var list []func() error
	release := func() error {
		var errs []error
		for _, r := range list {
			errs = append(errs, r())
		}
		return errors.Join(errs...)
	}
	for _, root := range roots {
		r, err := s.publish(root)
		if err != nil {
			return nil, errors.Join(err, release())
		}
		list = append(list, r)
	}
	return release, nil
}

// fetchOnce is one round. It says whether another one is needed.
func (s *Store) fetchOnce(ctx context.Context, o FetchOptions, done *Fetched) (bool, error) {
	if err := s.set.Refresh(); err != nil {
		return false, err
	}
	f := &fetcher{s: s, o: o, wants: map[*remotePack]*wish{}, metas: map[object.Digest][]byte{}}
	var err error
	if f.skip, err = s.condemnedPacks(); err != nil {
		return false, err
	}
	if f.erased, err = s.Erased(); err != nil {
		return false, err
	}
	before, err := s.usable(f.skip)
	if err != nil {
		return false, err
	}
	if f.r, err = s.reader(); err != nil {
		return false, err
	}
	f.r.over = f.metas
	err = f.walk(ctx)
	if err == nil {
		err = f.content(ctx)
	}
	err = errors.Join(err, f.endMetas(err == nil), syncDir(s.packs()), s.set.Refresh())
	done.Bytes += f.received.Load()
	done.Packs += f.packs.Load()
	done.Objects, done.Erased = f.objects, f.left
	if err != nil {
		return false, err
	}
	now, err := s.condemnedPacks()
	if err != nil {
		return false, err
	}
	usable, err := s.usable(now)
	return !subset(before, usable), err
}

// fetcher is one round of a fetch.
type fetcher struct {
	s        *Store
	o        FetchOptions
	skip     map[object.Digest]bool // condemned packs: their chunks count as absent
	erased   map[object.Digest]bool // objects that must not come back
	left     int64                  // of them, met on the way
	r        *reader
	wants    map[*remotePack]*wish
	objects  int64
	received atomic.Int64
	packs    atomic.Int64
	planned  int64

	mu sync.Mutex // guards the rows that arrived

	metas    map[object.Digest][]byte // trees and recipes that arrived, by digest
	metaSize int
	metaSink *sink
	free     sync.Pool // of *opener
}

// wish is what is wanted of a remote pack, and what of that has arrived.
type wish struct{ want, got rowSet }

func (f *fetcher) of(p *remotePack) *wish {
	w, ok := f.wants[p]
	if !ok {
		w = &wish{want: newRowSet(p.x.Len()), got: newRowSet(p.x.Len())}
		f.wants[p] = w
	}
	return w
}

// want notes that a chunk must be here in the end. It returns where the remote has it; ok is false where it is here.
func (f *fetcher) want(ctx context.Context, d object.Digest) (place, bool, error) {
	if f.s.set.Usable(d, f.skip) || f.isErased(d) {
		return place{}, false, nil
	}
	if l, ok := f.s.set.Find(d, f.skip); ok { // a delta that lacks its base
		if base, err := l.Base(); err == nil {
			if _, ok, err := f.o.From.where(ctx, base, true); ok || err != nil {
				return place{}, false, errors.Join(err, f.wantBase(ctx, base))
			}
		}
	}
	return f.mark(ctx, d, false)
}

// isErased says whether an object is left out, and counts it.
func (f *fetcher) isErased(d object.Digest) bool {
	if f.erased[d] {
		f.left++
		return true
	}
	return false
}

// wantBase is want for the base of a delta, which must be here in full.
func (f *fetcher) wantBase(ctx context.Context, d object.Digest) error {
	if l, ok := f.s.set.Find(d, f.skip); ok && l.Frame.Codec != pack.Delta {
		return nil
	}
	_, _, err := f.mark(ctx, d, true)
	return err
}

func (f *fetcher) mark(ctx context.Context, d object.Digest, full bool) (place, bool, error) {
	c := f.o.From
	at, ok, err := c.choice(ctx, d, full)
	if err == nil && !ok { // a table is only a hint
		if err = c.LoadAll(ctx); err == nil {
			at, ok, err = c.choice(ctx, d, full)
		}
	}
	if err != nil {
		return at, false, err
	}
	if !ok {
		return at, false, fault.New(fault.NotFound, "object %s is neither on this machine nor in the remote", d.Short())
	}
	w := f.of(at.p)
	if w.want.take(at.row) {
		f.objects++
	}
	return at, !w.got.has(at.row), nil
}

// sink collects frames in packs of the store. It belongs to one goroutine.
type sink struct {
	f   *fetcher
	out *pack.Writer
}

func (k *sink) add(codec pack.Codec, pieces []pack.Piece, raw int, payload []byte) (err error) {
	if k.out == nil {
		if k.out, err = pack.NewWriter(k.f.s.tmp(), k.f.s.writerName()); err != nil {
			return err
		}
	}
	if err := k.out.Add(codec, pieces, raw, payload); err != nil {
		return err
	}
	if k.out.Size() >= packTarget || k.out.Chunks() >= packChunks {
		return k.close()
	}
	return nil
}

func (k *sink) close() error {
	if k == nil || k.out == nil {
		return nil
	}
	_, _, err := k.out.Close(k.f.s.packs())
	k.out = nil
	k.f.packs.Add(1)
	return err
}

// abort drops what was not closed.
func (k *sink) abort() error {
	if k == nil || k.out == nil {
		return nil
	}
	out := k.out
	k.out = nil
	return out.Abort()
}

// inPack names the pack of a failure.
func inPack(p *remotePack, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pack %s of the remote: %w", p.info.Name.Short(), err)
}
