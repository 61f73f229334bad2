package remote

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// EraseReport is what an erasure did at a remote.
type EraseReport struct {
	Packs    int // that held something of it and are gone
	Released int // versions that the log no longer names
	Records  int // that travelled
	Failed   []Failure
	Head     Head
}

// PrepareErase brings here what must stay of the packs that are to be made anew without some objects, as long as it can
// still be read, and the trees of every version at the remote, so that it can be told what they share.
func (r *Remote) PrepareErase(ctx context.Context, gone []object.Digest) error {
	set := map[object.Digest]bool{}
	for _, d := range gone {
		set[d] = true
	}
	packs := r.known.state.readable()
	catalog, err := r.open(ctx, packs, nil)
	if err == nil {
		err = catalog.LoadAll(ctx)
	}
	if err != nil {
		return err
	}
	hit, _, err := catalog.Holding(ctx, set)
	if err != nil {
		return err
	}
	var ids []object.Digest
	for _, name := range hit {
		stay, err := catalog.With(ctx, name, func(d object.Digest) bool { return !set[d] })
		if err != nil {
			return err
		}
		ids = append(ids, stay...)
	}
	got, err := r.o.Store.FetchObjects(ctx, ids, snapshot.FetchOptions{From: catalog, Read: r.reader(packs), Jobs: r.o.Jobs})
	if err != nil {
		return err
	}
	return got.Release()
}

// FetchTrees brings the trees of every version that the remote holds here, so that an erasure can tell what they share. A
// version that something was erased from has no whole tree.
func (r *Remote) FetchTrees(ctx context.Context) error {
	erased, err := r.Erasures(ctx)
	if err != nil {
		return err
	}
	for _, h := range r.known.state.Roots {
		here, err := r.o.Store.HasTrees(ctx, h.Root.Root)
		if err == nil && !here && !erased.touched(h.Root.Root) {
			err = r.fetchTrees(ctx, h.Root.Root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// FetchTreesOf brings the trees of some versions, and no content: enough to make other versions of them.
func (r *Remote) FetchTreesOf(ctx context.Context, roots []object.Digest) error {
	for _, root := range roots {
		if err := r.fetchTrees(ctx, root); err != nil {
			return fault.New(fault.KindOf(err), "cannot fetch the folders of version %s from %s: %w", root.Short(), r.Describe(), err)
		}
	}
	return nil
}

// ApplyErasures removes from the remote what was erased: packs that hold something of it are made anew without it, and
// deleted at once; the log stops naming the versions. There is no grace: whoever was about to rely on one of those packs
// loses the creation of his entry, and learns of the erasure before he tries again.
func (r *Remote) ApplyErasures(ctx context.Context) (EraseReport, error) {
	if r.o.RecordsOnly || r.o.Store == nil || r.o.Ledger == nil {
		return EraseReport{}, fault.New(fault.Usage, "remote %s holds only records", r.o.Name)
	}
	if err := r.advance(ctx); err != nil {
		return EraseReport{}, err
	}
	if !r.known.state.begun() {
		return EraseReport{}, fault.New(fault.NotFound, "remote %s is empty", r.o.Name)
	}
	for range maxRaces {
		done, ok, err := r.eraseOnce(ctx)
		if err != nil || ok {
			done.Head, _ = r.Head()
			return done, err
		}
		if err := r.follow(ctx); err != nil {
			return EraseReport{}, err
		}
	}
	return EraseReport{}, fault.New(fault.Unavailable, "cannot erase in %s: others push too fast", r.o.Name)
}

func (r *Remote) eraseOnce(ctx context.Context) (done EraseReport, ok bool, err error) {
	e, err := r.eraseEntry(ctx)
	if err != nil {
		return done, false, err
	}
	records, err := r.sendRecords(ctx) // those that say why, in the same entry
	if err != nil {
		return done, false, err
	}
	if len(e.Deleted)+len(e.Released)+len(records.packs) == 0 {
		done.Failed = r.deleteAll(ctx, r.erasedObjects(nil), r.o.Now())
		return done, true, nil
	}
	e.Records = records.packs
	if e.Tables, err = r.tablesWith(ctx, e); err != nil {
		return done, false, err
	}
	if ok, err := r.append(ctx, e, records.ids); err != nil || !ok {
		return done, false, err
	}
	done.Packs, done.Released, done.Records = len(e.Deleted), len(e.Released), len(records.ids)
	done.Failed = r.deleteAll(ctx, r.erasedObjects(e.Deleted), r.o.Now())
	return done, true, nil
}

// eraseEntry uploads what is to stay of the packs that go, and returns the entry that says so.
func (r *Remote) eraseEntry(ctx context.Context) (*Entry, error) {
	e := &Entry{Do: DoErase}
	all, err := r.Erasures(ctx)
	if err != nil {
		return nil, err
	}
	gone := all.gone()
	for _, h := range r.known.state.Roots {
		if one, ok := all.Of(h.Root.Root); ok && one.Path == "" && !slices.Contains(e.Released, h.Root.Root) {
			e.Released = append(e.Released, h.Root.Root)
		}
	}
	var packs []ChunkPack // also those that a gc has condemned: their objects are there
	for _, k := range r.known.state.Packs {
		if k.Fate != fateDeleted && k.Bytes > 0 {
			packs = append(packs, k.ChunkPack)
		}
	}
	if packs, err = r.readableOrGone(ctx, packs, e); err != nil {
		return nil, err
	}
	catalog, err := r.open(ctx, packs, nil)
	if err == nil {
		err = catalog.LoadAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	hit, bases, err := catalog.Holding(ctx, gone)
	if err != nil {
		return nil, err
	}
	e.Deleted = append(e.Deleted, hit...)
	var ids []object.Digest
	for _, name := range hit {
		if k := r.known.state.pack(name); k.Fate != "" {
			continue // nothing that it holds is needed
		}
		stay, err := catalog.With(ctx, name, func(d object.Digest) bool { return !gone[d] })
		if err != nil {
			return nil, err
		}
		ids = append(ids, stay...)
	}
	if len(ids) == 0 {
		return e, nil
	}
	stay := slices.DeleteFunc(r.known.state.usable(), func(c ChunkPack) bool { return slices.Contains(hit, c.Pack) })
	return e, r.repack(ctx, repacking{ids: ids, from: catalog, stay: stay, full: func(d object.Digest) bool { return bases[d] }}, e)
}

// readableOrGone leaves out the packs that nothing needs and whose index cannot be read: what they hold cannot be told, so
// they go.
func (r *Remote) readableOrGone(ctx context.Context, packs []ChunkPack, e *Entry) ([]ChunkPack, error) {
	can, err := r.loadable(ctx, packs)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(packs, func(c ChunkPack) bool {
		if slices.Contains(can, c) || r.known.state.pack(c.Pack).Fate == "" {
			return false
		}
		e.Deleted = append(e.Deleted, c.Pack)
		return true
	}), nil
}

// erasedObjects returns the objects to delete: those of the packs that an entry has just named, and those of an erasure
// before that was stopped.
func (r *Remote) erasedObjects(names []object.Digest) []string {
	var keys []string
	for _, k := range r.known.state.Packs {
		if k.Fate == fateDeleted && !r.known.state.sharesObject(k) && (slices.Contains(names, k.Pack) || k.taken(r.o.Now())) {
			keys = append(keys, k.key())
		}
	}
	return keys
}

// tablesWith makes the tables that count after an entry which adds and removes packs.
func (r *Remote) tablesWith(ctx context.Context, e *Entry) ([]Table, error) {
	stay := slices.DeleteFunc(r.known.state.usable(), func(c ChunkPack) bool { return slices.Contains(e.Deleted, c.Pack) })
	return r.tablesOf(ctx, append(stay, e.Packs...))
}

// tablesOf makes one table of some packs anew.
func (r *Remote) tablesOf(ctx context.Context, packs []ChunkPack) ([]Table, error) {
	if len(packs) == 0 {
		return nil, nil
	}
	catalog, err := r.open(ctx, packs, nil)
	if err != nil {
		return nil, err
	}
	merged, err := catalog.MergeTables(ctx, nil)
	if err != nil {
		return nil, err
	}
	sealed, _, err := r.put(ctx, tableFolder, "", merged.Bytes)
	t := merged.New
	return []Table{{Table: t.Name, Object: sealed, Bytes: t.Bytes, Chunks: t.Chunks, Packs: t.Packs}}, err
}

// RecordsOnly says whether the place holds no data.
func (r *Remote) RecordsOnly() bool { return r.o.RecordsOnly }
