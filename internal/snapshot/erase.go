package snapshot

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/pack"
)

// ErasePlan is what an erasure would remove; ApplyErase does it.
type ErasePlan struct {
	Objects int64           `json:"objects"`      // that go
	Bytes   int64           `json:"bytes"`        // that they take in packs
	Kept    int64           `json:"kept_objects"` // of the content to be erased, because other versions need them
	Shared  []SharedRoot    `json:"-"`            // the versions that do
	Packs   int64           `json:"rewritten"`    // packs that are written anew
	IDs     []object.Digest `json:"-"`            // of the objects that go, sorted
	files   []object.Digest // whole files of which something goes: what the link cache may hold
}

// SharedRoot is a live version that shares content with what is to be erased.
type SharedRoot struct {
	Root    Root
	Objects int64
}

// PlanErase says what goes when the versions are erased: with inside, only what lies at that path in them. Objects that
// another live version needs stay; that version is named.
func (s *Store) PlanErase(ctx context.Context, roots []object.Digest, inside string, live iter.Seq2[Root, error]) (*ErasePlan, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	if err := s.set.Refresh(); err != nil {
		return nil, err
	}
	for name, err := range s.set.Damaged() {
		return nil, fault.New(fault.Integrity, "cannot plan an erasure: pack %s: %w", name.Short(), err).Hint("mlx verify")
	}
	r.loose = true
	e := &eraser{s: s, r: r, inside: inside, goes: map[object.Digest]bool{}, stays: map[object.Digest]bool{}, files: map[object.Digest]bool{}, plan: &ErasePlan{}}
	for _, root := range roots {
		if err := e.target(ctx, root); err != nil {
			return nil, fmt.Errorf("version %s: %w", root.Short(), err)
		}
	}
	for root, err := range live {
		if err != nil {
			return nil, err
		}
		if slices.Contains(roots, root.Digest) {
			continue
		}
		if err := e.live(ctx, root); err != nil {
			return nil, err
		}
	}
	return e.finish()
}

// eraser collects what goes.
type eraser struct {
	s      *Store
	r      *reader
	inside string
	goes   map[object.Digest]bool
	stays  map[object.Digest]bool
	files  map[object.Digest]bool
	plan   *ErasePlan
}

// within says whether a path lies at or below the one to erase.
func (e *eraser) within(p string) bool {
	return e.inside == "" || p == e.inside || strings.HasPrefix(p, e.inside+"/")
}

// target notes what a version to be erased needs, and what of it stays because it lies elsewhere in it.
func (e *eraser) target(ctx context.Context, root object.Digest) error {
	e.inside = path.Clean(e.inside)
	if e.inside == "." {
		e.inside = ""
	}
	found := e.inside == ""
	put := func(p string, d object.Digest) {
		if e.within(p) {
			e.goes[d] = true
		} else {
			e.stays[d] = true
		}
	}
	put("", root)
	top := func(d object.Digest) { put("", d) }
	if err := e.s.longObjects(e.r, root, top); err != nil && !e.r.absent(err) {
		return err
	}
	err := e.r.walk(root, func(p string, t *treeEntry) (bool, error) {
		found = found || p == e.inside
		if e.within(p) && t.Kind != disk.Directory {
			e.files[t.Sum] = true
		}
		if t.Recipe.IsZero() {
			if t.Size > 0 || t.Kind == disk.Directory {
				put(p, t.Sum)
			}
			return true, ctx.Err()
		}
		put(p, t.Recipe)
		err := e.s.recipeObjects(e.r, t.Recipe, func(d object.Digest) { put(p, d) })
		if e.r.absent(err) {
			err = nil
		}
		return true, errors.Join(err, ctx.Err())
	})
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no %s in it", e.inside)
	}
	return err
}

// live notes what another version needs of what is to be erased.
func (e *eraser) live(ctx context.Context, root Root) error {
	shared := map[object.Digest]bool{}
	err := e.s.eachObject(ctx, e.r, root.Digest, func(d object.Digest) {
		if e.goes[d] {
			shared[d] = true
		}
	})
	if fault.KindOf(err) == fault.NotFound { // nothing of it is here
		err = nil
	}
	if err != nil {
		return fmt.Errorf("version %s: %w", root.Digest.Short(), err)
	}
	if len(shared) > 0 {
		e.plan.Shared = append(e.plan.Shared, SharedRoot{root, int64(len(shared))})
		maps.Copy(e.stays, shared)
	}
	return nil
}

// finish counts what goes.
func (e *eraser) finish() (*ErasePlan, error) {
	for d := range e.goes {
		if e.stays[d] {
			e.plan.Kept++
			delete(e.goes, d)
		}
	}
	e.plan.IDs = slices.SortedFunc(maps.Keys(e.goes), object.Digest.Compare)
	e.plan.files = slices.SortedFunc(maps.Keys(e.files), object.Digest.Compare)
	e.plan.Objects = int64(len(e.goes))
	packs, err := e.s.holding(e.goes)
	if err != nil {
		return nil, err
	}
	e.plan.Packs = int64(len(packs))
	for _, f := range packs {
		f.Chunks(func(d object.Digest, frame, size int, _ pack.Codec) bool {
			if e.goes[d] {
				e.plan.Bytes += f.StoredShare(frame, size)
			}
			return true
		})
	}
	return e.plan, nil
}

// holding returns the packs that hold one of some objects, or a delta against one.
func (s *Store) holding(goes map[object.Digest]bool) ([]*pack.File, error) {
	var out []*pack.File
	for _, f := range s.set.Files() {
		found := false
		var err error
		f.ChunksInPlace(func(d object.Digest, l pack.Loc) bool {
			found = goes[d]
			if !found && l.Frame.Codec == pack.Delta {
				var base object.Digest
				base, err = l.Base()
				found = goes[base]
			}
			return !found && err == nil
		})
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, f)
		}
	}
	return out, nil
}

// ApplyErase removes what the plan names at once: the packs that hold it are written anew without it, then removed. It
// is remembered, so that nothing brings it back. Done again after a kill, it goes on.
func (s *Store) ApplyErase(ctx context.Context, p *ErasePlan) error {
	if err := s.Remember(p.IDs); err != nil {
		return err
	}
	goes := make(map[object.Digest]bool, len(p.IDs))
	for _, d := range p.IDs {
		goes[d] = true
	}
	names, err := s.leftovers()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := removeFile(filepath.Join(s.tmp(), n)); err != nil {
			return err
		}
	}
	if err := s.rewriteWithout(ctx, goes); err != nil {
		return err
	}
	for _, d := range p.files {
		for _, name := range []string{d.Hex(), d.Hex() + "-x"} {
			if err := removeFile(filepath.Join(s.links(), name[:2], name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rewriteWithout removes the packs that hold some objects; the others in them go into new packs first.
func (s *Store) rewriteWithout(ctx context.Context, goes map[object.Digest]bool) error {
	if err := s.set.Refresh(); err != nil {
		return err
	}
	old, err := s.holding(goes)
	if err != nil || len(old) == 0 {
		return err
	}
	skip := map[object.Digest]bool{}
	condemned, err := s.condemnedPacks()
	if err != nil {
		return err
	}
	maps.Copy(skip, condemned)
	for _, f := range old {
		skip[f.Name()] = true
	}
	return s.replacePacks(ctx, old, skip, func(d object.Digest) bool { return !goes[d] })
}

// replacePacks writes what is to be kept of some packs into new ones, and removes them.
func (s *Store) replacePacks(ctx context.Context, old []*pack.File, skip map[object.Digest]bool, keep func(object.Digest) bool) error {
	pool, err := newPool(s, skip, 1)
	if err != nil {
		return err
	}
	for _, deltas := range []bool{false, true} { // of a chunk that is there in both forms, the full one must stay
		for _, f := range old {
			if err == nil {
				err = pool.workers[0].copyKept(ctx, f, keep, deltas)
			}
		}
	}
	_, cerr := pool.close()
	if err = errors.Join(err, cerr); err != nil {
		return err
	}
	for _, f := range old {
		if err := errors.Join(removeFile(f.Path()), removeFile(filepath.Join(s.condemned(), f.Name().Hex()))); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(s.packs()), syncDir(s.condemned()), s.set.Refresh())
}

// copyKept copies the frames of a pack of which all is kept, and packs the rest of what is kept anew.
func (w *worker) copyKept(ctx context.Context, f *pack.File, keep func(object.Digest) bool, deltas bool) error {
	x := f.Index()
	for i, rows := range x.ByFrame() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if (x.Frame(i).Codec == pack.Delta) != deltas {
			continue
		}
		pieces, err := x.Pieces(i, rows)
		if err != nil {
			return err
		}
		if err := w.copyFrame(f, i, rows, pieces, keep); err != nil {
			return fmt.Errorf("pack %s: %w", f.Name().Short(), err)
		}
	}
	return nil
}

func (w *worker) copyFrame(f *pack.File, i int, rows []int32, pieces []pack.Piece, keep func(object.Digest) bool) error {
	frame := f.Index().Frame(i)
	whole := true
	var claimed []int
	for k, p := range pieces {
		if !keep(p.ID) {
			whole = false
		} else if w.p.claim(p.ID) {
			claimed = append(claimed, k)
		}
	}
	if len(claimed) == 0 {
		return nil
	}
	if frame.Codec == pack.Delta {
		base, err := f.BaseOfFrame(frame)
		if err != nil {
			return err
		}
		l, ok := w.p.s.set.Find(base, w.p.skip) // else it may go, or become a delta itself
		whole = ok && l.Frame.Codec != pack.Delta
	}
	if whole {
		buf, payload, err := f.Whole(i, pieces, w.buf)
		if w.buf = buf; err != nil {
			return err
		}
		return w.frame(frame.Codec, pieces, frame.Raw, payload)
	}
	for _, k := range claimed {
		l, d := f.Loc(int(rows[k]))
		raw, err := w.r.ReadLoc(d, l)
		if err == nil {
			err = w.put(d, raw, object.Digest{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
