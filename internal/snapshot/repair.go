package snapshot

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// Repair brings good copies of what a verification found damaged or missing out of a remote, then writes what is good of
// the damaged packs anew and removes them. It returns how many objects came. What the remote has not either is an error,
// after everything else was repaired.
func (s *Store) Repair(ctx context.Context, damage Report, from *Catalog, read RangeReader) (repaired int, err error) {
	if err := s.prepare(); err != nil {
		return 0, err
	}
	end, err := s.announce()
	if err != nil {
		return 0, err
	}
	defer end()
	if err := s.set.Refresh(); err != nil {
		return 0, err
	}
	bad := damagedIn(damage)
	if len(bad.objects)+len(bad.packs) == 0 {
		return 0, nil
	}
	from.readWith(read)
	f := &fetcher{s: s, o: FetchOptions{From: from, Read: read, Jobs: 8, Whole: 2}, wants: map[*remotePack]*wish{}, metas: map[object.Digest][]byte{}}
	if f.skip, err = s.condemnedPacks(); err != nil {
		return 0, err
	}
	if f.skip == nil {
		f.skip = map[object.Digest]bool{}
	}
	maps.Copy(f.skip, bad.packs)
	if f.erased, err = s.Erased(); err != nil {
		return 0, err
	}
	missing, err := f.repairWants(ctx, bad)
	if err == nil {
		err = f.content(ctx)
	}
	if err != nil {
		return 0, errors.Join(err, syncDir(s.packs()), s.set.Refresh())
	}
	if err := errors.Join(syncDir(s.packs()), s.set.Refresh()); err != nil {
		return 0, err
	}
	if err := s.dropDamaged(ctx, bad, f.skip); err != nil {
		return int(f.objects), err
	}
	if len(missing) > 0 {
		return int(f.objects), fault.New(fault.NotFound, "cannot repair %d objects: the remote has no good copy of %s", len(missing), missing[0].Short())
	}
	below, err := s.Fetch(ctx, FetchOptions{Roots: bad.roots, From: from, Read: read}) // what lies below a missing folder is in no report
	if err == nil {
		err = below.Release()
	}
	return int(f.objects + below.Objects), err
}

// damaged is what a report names.
type damaged struct {
	objects map[object.Digest]bool
	packs   map[object.Digest]bool
	roots   []object.Digest // of the versions that lack something
}

func damagedIn(r Report) damaged {
	d := damaged{objects: map[object.Digest]bool{}, packs: map[object.Digest]bool{}}
	for _, one := range r.Damage {
		for _, h := range one.Hurts {
			if !slices.Contains(d.roots, h.Root) {
				d.roots = append(d.roots, h.Root)
			}
		}
		for _, word := range strings.Fields(one.Object) {
			_, name, _ := strings.Cut(strings.ReplaceAll(word, `\`, "/"), "packs/")
			if id, err := object.ParseDigest(strings.TrimSuffix(name, ".pack")); err == nil {
				d.packs[id] = true
			} else if id, err := object.ParseDigest(word); err == nil {
				d.objects[id] = true
			}
		}
	}
	return d
}

// repairWants asks for everything that cannot be read: the damaged objects, the chunks of a pack whose own index is
// damaged but known to the remote, and the bases of good deltas. It returns what the remote lacks.
func (f *fetcher) repairWants(ctx context.Context, bad damaged) ([]object.Digest, error) {
	if err := f.o.From.LoadAll(ctx); err != nil {
		return nil, err
	}
	ids := maps.Clone(bad.objects)
	for name := range bad.packs {
		if p := f.o.From.packs[name]; p != nil && f.s.set.File(name) == nil {
			for i := range p.x.Len() {
				ids[p.x.Row(i).ID] = true
			}
		}
	}
	var missing []object.Digest
	for _, d := range slices.SortedFunc(maps.Keys(ids), object.Digest.Compare) {
		if f.good(d) {
			continue
		}
		_, _, err := f.mark(ctx, d, false)
		if fault.KindOf(err) == fault.NotFound {
			missing = append(missing, d)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// good says whether a sound pack has a chunk that can be read.
func (f *fetcher) good(d object.Digest) bool {
	if !f.s.set.Usable(d, f.skip) {
		return false
	}
	l, ok := f.s.set.Find(d, f.skip)
	if !ok {
		return false
	}
	r, err := f.s.set.NewReader()
	if err != nil {
		return false
	}
	_, err = r.ReadLoc(d, l)
	return err == nil
}

// dropDamaged writes what can be read of the damaged packs into new ones, and removes them.
func (s *Store) dropDamaged(ctx context.Context, bad damaged, skip map[object.Digest]bool) error {
	var old []*pack.File
	for name := range bad.packs {
		if f := s.set.File(name); f != nil {
			old = append(old, f)
		} else if err := removeFile(s.packPath(name)); err != nil {
			return err
		}
	}
	pool, err := newPool(s, skip, 1)
	if err != nil {
		return err
	}
	for _, f := range old {
		if err == nil {
			err = pool.workers[0].copyGood(ctx, f)
		}
	}
	_, cerr := pool.close()
	if err = errors.Join(err, cerr); err != nil {
		return err
	}
	for _, f := range old {
		if err := removeFile(f.Path()); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(s.packs()), s.set.Refresh())
}

// copyGood packs every chunk of a pack anew that can be read, and that no other pack has.
func (w *worker) copyGood(ctx context.Context, f *pack.File) error {
	var err error
	f.ChunksInPlace(func(d object.Digest, l pack.Loc) bool {
		if err = ctx.Err(); err != nil {
			return false
		}
		raw, rerr := w.r.ReadLoc(d, l)
		if rerr == nil && !w.p.erased[d] && w.p.claim(d) {
			err = w.put(d, raw, object.Digest{})
		}
		return err == nil
	})
	return err
}
