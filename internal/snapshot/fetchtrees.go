package snapshot

import (
	"context"
	"errors"
	"fmt"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// FetchTrees brings the trees and recipes of versions into the store, and no content: enough to tell what each version
// needs. What the versions need of a remote is told by Need, where content is missing too.
func (s *Store) FetchTrees(ctx context.Context, o FetchOptions) (Fetched, error) {
	o.Only = func(_ string, isDir bool) bool { return isDir }
	return s.fetchSome(ctx, o, func(ctx context.Context, f *fetcher) error {
		if err := f.walk(ctx); err != nil {
			return err
		}
		f.r.count = nil
		for _, root := range o.Roots {
			if err := f.recipesOf(ctx, root); err != nil {
				return fmt.Errorf("version %s: %w", root.Short(), err)
			}
		}
		return nil
	})
}

// FetchObjects brings single objects into the store, of whatever version they are.
func (s *Store) FetchObjects(ctx context.Context, ids []object.Digest, o FetchOptions) (Fetched, error) {
	o.Roots = nil
	return s.fetchSome(ctx, o, func(ctx context.Context, f *fetcher) error {
		for _, d := range ids {
			if _, _, err := f.want(ctx, d); err != nil {
				return err
			}
		}
		return f.content(ctx)
	})
}

// fetchSome is one round of a fetch that is not of whole versions.
func (s *Store) fetchSome(ctx context.Context, o FetchOptions, do func(context.Context, *fetcher) error) (Fetched, error) {
	end, err := s.beginFetch(&o)
	if err != nil {
		return Fetched{}, err
	}
	defer end()
	release, err := s.publishAll(o.Roots)
	if err != nil {
		return Fetched{}, err
	}
	done := Fetched{Release: release}
	f := &fetcher{s: s, o: o, wants: map[*remotePack]*wish{}, metas: map[object.Digest][]byte{}}
	if err = s.set.Refresh(); err == nil {
		f.skip, err = s.condemnedPacks()
	}
	if err == nil {
		f.erased, err = s.Erased()
	}
	if err == nil {
		f.r, err = s.reader()
	}
	if err != nil {
		return Fetched{}, errors.Join(err, release())
	}
	f.r.over = f.metas
	err = do(ctx, f)
	err = errors.Join(err, f.endMetas(false), syncDir(s.packs()), s.set.Refresh())
	done.Bytes, done.Packs, done.Objects = f.received.Load(), f.packs.Load(), f.objects
	if err != nil {
		return Fetched{}, errors.Join(err, release())
	}
	return done, nil
}

// recipesOf fetches the recipes of all files of a version whose trees are here.
func (f *fetcher) recipesOf(ctx context.Context, root object.Digest) error {
	var ids []object.Digest
	flush := func() error {
		list := ids
		ids = nil
		if err := f.get(ctx, list); err != nil {
			return err
		}
		return f.recipes(ctx, list, false)
	}
	var files []object.Digest
	f.r.loose = len(f.erased) > 0
	err := f.r.walk(root, func(_ string, e *treeEntry) (bool, error) {
		if !e.Recipe.IsZero() && e.Kind != kindDirectory && !f.erased[e.Recipe] {
			files = append(files, e.Recipe)
		}
		return true, ctx.Err()
	})
	for _, d := range files {
		if err != nil {
			return err
		}
		if ids = append(ids, d); len(ids) == recipeBatch {
			err = flush()
		}
	}
	if err != nil {
		return err
	}
	return flush()
}

// Repack makes the packs that bring a remote some objects anew, in full frames or with their bases: after a gc or an
// erasure of the packs that had them. What is not here is read from the catalog o.From first; o.There is what the remote
// will have without the packs that go.
func (s *Store) Repack(ctx context.Context, ids []object.Digest, o RepackOptions) (*Shipment, error) {
	var missing []object.Digest
	if err := s.refresh(); err != nil {
		return nil, err
	}
	for _, d := range ids {
		if !s.set.Usable(d, nil) {
			missing = append(missing, d)
		}
	}
	end, err := func() (func(), error) {
		if err := s.prepare(); err != nil {
			return nil, err
		}
		return s.announce() // what is fetched now stays until it is packed
	}()
	if err != nil {
		return nil, err
	}
	defer end()
	if len(missing) > 0 {
		got, err := s.FetchObjects(ctx, missing, FetchOptions{From: o.From, Read: o.Read, Jobs: o.Jobs, Whole: never})
		if err != nil {
			return nil, err
		}
		if err := got.Release(); err != nil {
			return nil, err
		}
	}
	h, err := s.shipper(ShipOptions{There: o.There, Whole: never}, catalogHolder{o.There})
	if err != nil {
		return nil, err
	}
	h.anew = o.Anew
	for _, d := range ids {
		add := h.object
		if o.Anew || o.Full != nil && o.Full(d) {
			add = h.inFull
		}
		if err := add(ctx, d); err != nil {
			return nil, err
		}
	}
	sh := &Shipment{Objects: h.objects}
	if h.objects == 0 {
		return sh, nil
	}
	if err := h.packExactly(ctx, sh); err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	return sh, nil
}

// packExactly makes parcels that hold what is wanted and nothing else: what shares a frame with it may have been erased.
func (h *shipper) packExactly(ctx context.Context, sh *Shipment) error {
	c := &copier{s: h.s, erased: h.erased}
	for _, f := range h.files() {
		byFrame := f.Index().ByFrame()
		err := h.deltas(ctx, f, byFrame)
		if err == nil {
			err = c.exactly(ctx, f, byFrame, h.want[f])
		}
		if err != nil {
			return errors.Join(err, c.abort())
		}
	}
	for i, l := range h.full {
		if err := c.full(ctx, h.fullIDs[i], l); err != nil {
			return errors.Join(err, c.abort())
		}
	}
	return c.end(sh)
}

// exactly copies the frames of which everything is wanted as they are, and packs the wanted chunks of others anew.
func (c *copier) exactly(ctx context.Context, f *pack.File, byFrame [][]int32, want rowSet) error {
	x := f.Index()
	whole := newRowSet(x.Len())
	for _, rows := range byFrame {
		n := 0
		for _, r := range rows {
			if want.has(int(r)) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		if n < len(rows) {
			if err := c.parts(f, x, rows, want); err != nil {
				return err
			}
			continue
		}
		for _, r := range rows {
			whole.set(int(r))
		}
	}
	return c.file(ctx, f, byFrame, whole)
}

// never is a share of a pack from which it would travel as it is.
const never = 2

// RepackOptions say where to read, and what stays.
type RepackOptions struct {
	From  *Catalog
	There *Catalog
	Read  RangeReader
	Full  func(object.Digest) bool // what must be there in full, as the base of a delta
	Anew  bool                     // everything is compared with its digest and packed in full
	Jobs  int
}

// inFull is object for a chunk that must be there in full.
func (h *shipper) inFull(ctx context.Context, d object.Digest) error {
	_, ok, err := h.o.There.where(ctx, d, true)
	if err != nil || ok {
		return err
	}
	l, ok := h.s.set.Find(d, nil)
	switch {
	case !ok || !h.s.set.Usable(d, nil):
		return fault.New(fault.NotFound, "object %s is not on this machine", d.Short())
	case l.Frame.Codec == pack.Delta || h.anew:
		h.full, h.fullIDs = append(h.full, l), append(h.fullIDs, d)
	default:
		set, ok := h.want[l.File]
		if !ok {
			set = newRowSet(l.File.Len())
			h.want[l.File] = set
		}
		set.set(l.Row)
	}
	h.objects++
	return nil
}

// HasTrees says whether all trees and recipes of a version are here, so that what it needs can be told.
func (s *Store) HasTrees(ctx context.Context, root object.Digest) (bool, error) {
	r, err := s.reader()
	if err != nil {
		return false, err
	}
	err = s.eachObject(ctx, r, root, func(object.Digest) {})
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}
