package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// Need is what some versions need of a remote's packs.
type Need struct {
	c    *Catalog
	r    *reader
	seen map[object.Digest]bool // true: the remote has it
	rows map[*remotePack]rowSet
	of   map[object.Digest]*remotePack

	bases map[object.Digest]bool
}

// Lack is an object that the remote lacks, and a version that needs it.
type Lack struct {
	Root   object.Digest
	Object object.Digest
}

// Need begins with no version. All indexes of the catalog must be loaded.
func (c *Catalog) Need() (*Need, error) {
	r, err := c.s.reader()
	if err != nil {
		return nil, err
	}
	n := &Need{c: c, r: r, seen: map[object.Digest]bool{}, rows: map[*remotePack]rowSet{}, of: map[object.Digest]*remotePack{},
		bases: map[object.Digest]bool{}}
	for _, p := range c.packs {
		n.of[p.info.Name] = p
	}
	return n, nil
}

// Add adds a version whose trees and recipes are here (FetchTrees), and returns what the remote lacks of it. With holes a
// folder or recipe may be absent: it was erased.
func (n *Need) Add(ctx context.Context, root object.Digest, holes bool) ([]Lack, error) {
	var lacks []Lack
	n.r.loose = holes
	var failed error
	err := n.c.s.eachObject(ctx, n.r, root, func(d object.Digest) {
		if failed != nil {
			return
		}
		var ok bool
		if ok, failed = n.object(ctx, d); failed == nil && !ok {
			lacks = append(lacks, Lack{Root: root, Object: d})
		}
	})
	if err = errors.Join(failed, err); err != nil {
		return nil, fmt.Errorf("version %s: %w", root.Short(), err)
	}
	return lacks, nil
}

// object marks where a chunk is read from, and its base.
func (n *Need) object(ctx context.Context, d object.Digest) (bool, error) {
	if ok, known := n.seen[d]; known {
		return ok, nil
	}
	at, ok, err := n.c.choice(ctx, d, false)
	if err == nil && ok && at.frame.Codec == pack.Delta {
		ok, err = n.base(ctx, at)
	}
	if err != nil {
		return false, err
	}
	n.seen[d] = ok
	if ok {
		n.mark(at)
	}
	return ok, nil
}

func (n *Need) base(ctx context.Context, at place) (bool, error) {
	id, ok, err := n.c.base(ctx, at)
	if err != nil || !ok {
		return false, err
	}
	of, ok, err := n.c.where(ctx, id, true)
	if ok && err == nil {
		n.mark(of)
		n.bases[id] = true
	}
	return ok, err
}

func (n *Need) mark(at place) {
	set, ok := n.rows[at.p]
	if !ok {
		set = newRowSet(at.x.Len())
		n.rows[at.p] = set
	}
	set.set(at.row)
}

// Bytes returns how many stored bytes of a pack are needed: 0 where none is, all of the pack where every chunk is.
func (n *Need) Bytes(name object.Digest) int64 {
	p := n.of[name]
	set, ok := n.rows[p]
	if !ok {
		return 0
	}
	var needed, all float64
	for nr, rows := range p.frames() {
		f := p.x.Frame(nr)
		for _, r := range rows {
			share := float64(f.Size()) * float64(p.x.Row(int(r)).Size) / float64(max(f.Raw, 1))
			if all += share; set.has(int(r)) {
				needed += share
			}
		}
	}
	return max(1, int64(float64(p.info.Bytes)*needed/max(all, 1)))
}

// Objects returns the chunks of a pack that are needed, sorted.
func (n *Need) Objects(name object.Digest) []object.Digest {
	p := n.of[name]
	set, ok := n.rows[p]
	if !ok {
		return nil
	}
	var out []object.Digest
	for i := range p.x.Len() {
		if set.has(i) {
			out = append(out, p.x.Row(i).ID)
		}
	}
	return out
}

// With returns the chunks of a pack for which has is true, sorted.
func (c *Catalog) With(ctx context.Context, name object.Digest, has func(object.Digest) bool) ([]object.Digest, error) {
	p, ok := c.packs[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "pack %s is not in the catalog", name.Short())
	}
	if err := c.loadOne(ctx, p); err != nil {
		return nil, err
	}
	var out []object.Digest
	for i := range p.x.Len() {
		if d := p.x.Row(i).ID; has(d) {
			out = append(out, d)
		}
	}
	return out, nil
}

// Hurt names the paths of a version that need one of some objects, at most limit of them. Its trees must be here.
func (s *Store) Hurt(ctx context.Context, root object.Digest, bad map[object.Digest]bool, limit int) ([]string, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	var out []string
	hit := bad[root]
	look := func(d object.Digest) { hit = hit || bad[d] }
	if err := s.longObjects(r, root, look); err != nil {
		return nil, err
	}
	if hit {
		return []string{""}, nil
	}
	err = r.walk(root, func(path string, e *treeEntry) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if hit = bad[e.Sum] && e.Recipe.IsZero() || bad[e.Recipe]; !hit && !e.Recipe.IsZero() {
			if err := s.recipeObjects(r, e.Recipe, look); err != nil {
				return false, err
			}
		}
		if hit && len(out) < limit {
			out = append(out, path)
		}
		return true, nil
	})
	slices.Sort(out)
	return out, err
}

// Mark adds a single object, and says whether the remote has it.
func (n *Need) Mark(ctx context.Context, d object.Digest) (bool, error) { return n.object(ctx, d) }

// IsBase says whether a chunk is needed in full, as the base of a delta.
func (n *Need) IsBase(d object.Digest) bool { return n.bases[d] }

// Holding returns the packs of the catalog that hold one of some objects or a delta against one, sorted, and every chunk
// that is the base of a delta in any pack. All indexes must be loaded.
func (c *Catalog) Holding(ctx context.Context, gone map[object.Digest]bool) ([]object.Digest, map[object.Digest]bool, error) {
	var hit []object.Digest
	bases := map[object.Digest]bool{}
	for _, p := range c.inOrder() {
		found := false
		for i := range p.x.Len() {
			found = found || gone[p.x.Row(i).ID]
		}
		for nr := range p.x.Frames() {
			if p.x.Frame(nr).Codec != pack.Delta {
				continue
			}
			id, ok, err := c.base(ctx, place{p: p, x: p.x, nr: nr, frame: p.x.Frame(nr)})
			if err == nil && !ok {
				err = fault.New(fault.Integrity, "pack %s: the base of a delta cannot be told", p.info.Name.Short())
			}
			if err != nil {
				return nil, nil, err
			}
			bases[id] = true
			found = found || gone[id]
		}
		if found {
			hit = append(hit, p.info.Name)
		}
	}
	slices.SortFunc(hit, object.Digest.Compare)
	return hit, bases, nil
}
