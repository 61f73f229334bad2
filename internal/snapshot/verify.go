package snapshot

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/pack"
)

// hurtLimit bounds the paths that are listed for one damage.
const hurtLimit = 100

// Verify reads every byte of the store (with only, of the given versions) and reports each damaged object, with the
// versions among roots and the paths that it hurts. Damage is an answer, not an error.
func (s *Store) Verify(ctx context.Context, roots []object.Digest, only bool, p Progress) (Report, error) {
	return s.verify(ctx, roots, only, &verifier{p: p})
}

func (s *Store) verify(ctx context.Context, roots []object.Digest, only bool, v *verifier) (Report, error) {
	if err := s.beginVerify(v); err != nil {
		return Report{}, err
	}
	return v.rest(ctx, roots, only)
}

// beginVerify lists the packs.
func (s *Store) beginVerify(v *verifier) error {
	if err := s.refresh(); err != nil {
		return err
	}
	if err := s.set.Refresh(); err != nil {
		return err
	}
	v.s, v.bad, v.bases, v.lost = s, map[object.Digest]int{}, map[pack.Place]bool{}, map[object.Digest]error{}
	return nil
}

// rest reads what is to be read, and says whom the damage hurts.
func (v *verifier) rest(ctx context.Context, roots []object.Digest, only bool) (Report, error) {
	for name, err := range v.s.set.Damaged() {
		v.damage(filepath.Join("packs", pack.FileName(name)), nil, err)
	}
	if !only {
		if err := v.packs(ctx); err != nil {
			return v.report, err
		}
	}
	if err := v.hurts(ctx, roots, only); err != nil {
		return v.report, err
	}
	slices.SortFunc(v.report.Damage, func(a, b Damage) int { return strings.Compare(a.Object, b.Object) })
	return v.report, nil
}

type verifier struct {
	s      *Store
	p      Progress
	shard  Shard                 // of the objects of the versions that are read
	mine   func(*pack.File) bool // which packs are read; nil is all of them
	found  *PackReport           // of the packs that are read; nil: nobody asks
	mu     sync.Mutex
	report Report
	bad    map[object.Digest]int   // chunk -> place in report.Damage
	lost   map[object.Digest]error // deltas without their base: gc keeps only the bases that something needs
	bases  map[pack.Place]bool     // frames that were found sound as bases of deltas
}

// wanted stands for the pack of an object that no pack has, or has to no avail.
const wanted = "object"

// damage enters one damage.
func (v *verifier) damage(file string, ids []object.Digest, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(ids) == 0 {
		v.report.Damage = append(v.report.Damage, Damage{Object: file, Cause: err.Error()})
		return
	}
	for _, d := range ids {
		if _, ok := v.bad[d]; ok {
			continue
		}
		if fault.KindOf(err) == fault.NotFound && file != wanted {
			v.lost[d] = err
			continue
		}
		v.bad[d] = len(v.report.Damage)
		v.report.Damage = append(v.report.Damage, Damage{Object: file + " " + d.String(), Cause: err.Error()})
	}
}

func (v *verifier) isSound(p pack.Place) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bases[p]
}

func (v *verifier) sound(p pack.Place) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.bases) < maxBases {
		v.bases[p] = true
	}
}

// hurts goes through the versions: what is missing or damaged hurts the path that needs it.
func (v *verifier) hurts(ctx context.Context, roots []object.Digest, read bool) error {
	r, err := v.s.reader()
	if err != nil {
		return err
	}
	gone, err := v.s.Erased()
	if err != nil {
		return err
	}
	for _, root := range roots {
		w := &hurtWalk{v: v, r: r, root: root, read: read, gone: gone}
		if err := w.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hurtWalk goes through one version.
type hurtWalk struct {
	v    *verifier
	r    *reader
	root object.Digest
	read bool
	gone map[object.Digest]bool // erased on purpose
}

func (w *hurtWalk) run(ctx context.Context) error {
	w.r.count = &census{}
	if w.gone[w.root] {
		return nil
	}
	if !w.pieces("", w.root, w.v.s.longObjects) {
		return nil
	}
	entries, err := w.r.root(w.root)
	if err != nil {
		w.hurt("", w.root, err)
		return nil
	}
	return w.folder(ctx, "", entries, 0)
}

// erased says whether something of an entry was erased on purpose: that is no damage.
func (w *hurtWalk) erased(e *treeEntry) bool {
	return w.gone[e.Recipe] || e.Recipe.IsZero() && w.gone[e.Sum]
}

func (w *hurtWalk) folder(ctx context.Context, dir string, entries []treeEntry, depth int) error {
	if depth > maxDepth {
		w.hurt(dir, w.root, fault.New(fault.Integrity, "folders more than %d deep", maxDepth))
		return nil
	}
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := &entries[i]
		path := join(dir, e.Name)
		if w.erased(e) {
			continue
		}
		if e.Kind == disk.Directory {
			id := e.Sum
			if e.Recipe.IsZero() && !w.object(path, id) {
				continue
			}
			if !e.Recipe.IsZero() {
				if id = e.Recipe; !w.pieces(path, id, w.v.s.recipeObjects) {
					continue
				}
			}
			sub, err := w.r.tree(e)
			if err != nil {
				w.hurt(path, id, err)
				continue
			}
			if err := w.folder(ctx, path, sub, depth+1); err != nil {
				return err
			}
			continue
		}
		w.file(path, e)
	}
	return nil
}

func (w *hurtWalk) file(path string, e *treeEntry) {
	if e.Recipe.IsZero() {
		if e.Size > 0 {
			w.object(path, e.Sum)
		}
		return
	}
	if w.pieces(path, e.Recipe, w.v.s.recipeObjects) && w.read && w.v.shard.Has(e.Recipe) {
		if bad, err := w.whole(e); err != nil {
			w.hurt(path, bad, err)
		}
	}
}

// whole puts a file together and compares it with what the tree names: whole chunks may be those of another file. With an
// error it returns what is bad: a chunk, which another shard may have, or the recipe.
func (w *hurtWalk) whole(e *treeEntry) (object.Digest, error) {
	h := sha256.New()
	for c, err := range w.r.rows(e.Sum, e.Recipe, e.Size) {
		if err != nil {
			return e.Recipe, err
		}
		b, err := w.r.Read(c.ID)
		if err != nil {
			return c.ID, err
		}
		if len(b) != c.Len {
			return e.Recipe, wrongSize(e, int64(len(b)))
		}
		h.Write(b) // a hash never fails
	}
	if object.Digest(h.Sum(nil)) != e.Sum {
		return e.Recipe, notTheFile(e)
	}
	return e.Recipe, nil
}

// pieces notes a path that needs a damaged or missing object, or a chunk behind it, and says whether all are there.
func (w *hurtWalk) pieces(path string, id object.Digest, list func(*reader, object.Digest, func(object.Digest)) error) bool {
	var ids []object.Digest
	if !w.object(path, id) {
		return false
	}
	if err := list(w.r, id, func(d object.Digest) { ids = append(ids, d) }); err != nil {
		w.hurt(path, id, err)
		return false
	}
	whole := true
	for _, d := range ids {
		whole = w.object(path, d) && whole
	}
	return whole
}

// object notes a path that needs a damaged or missing object, and says whether it is neither.
func (w *hurtWalk) object(path string, d object.Digest) bool {
	if w.v.known(d) {
		w.hurt(path, d, nil)
		return false
	}
	if !w.v.s.set.Usable(d, nil) {
		err, ok := w.v.lost[d]
		if !ok {
			err = fault.New(fault.NotFound, "it is in no pack")
		}
		w.hurt(path, d, err)
		return false
	}
	if base, ok := w.v.s.set.BaseOf(d); ok && w.v.known(base) {
		w.hurt(path, base, nil)
		return false
	}
	if w.read && w.v.shard.Has(d) {
		b, err := w.r.Read(d)
		if err != nil {
			w.hurt(path, d, err)
			return false
		}
		w.v.report.Objects++
		w.v.report.Bytes += int64(len(b))
	}
	return true
}

func (v *verifier) known(d object.Digest) bool {
	_, ok := v.bad[d]
	return ok
}

func (w *hurtWalk) hurt(path string, d object.Digest, err error) {
	if !w.v.known(d) {
		w.v.damage(wanted, []object.Digest{d}, err)
	}
	dam := &w.v.report.Damage[w.v.bad[d]]
	h := Hurt{Root: w.root, Path: path}
	if len(dam.Hurts) < hurtLimit && !slices.Contains(dam.Hurts, h) {
		dam.Hurts = append(dam.Hurts, h)
	}
}
