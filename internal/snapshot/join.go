package snapshot

import (
	"context"
	"errors"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// JoinTrees makes one version of several that each hold a part of one folder: its folders, and some of its files. It is the
// version that saving the folder at once would have made. A file that two parts have differently is an error: it was changed
// while the parts were saved.
func (s *Store) JoinTrees(ctx context.Context, parts []object.Digest) (Saved, error) {
	if len(parts) == 0 {
		return Saved{}, fault.New(fault.Usage, "cannot join a version of no parts")
	}
	if err := s.prepare(); err != nil {
		return Saved{}, err
	}
	end, err := s.announce()
	if err != nil {
		return Saved{}, err
	}
	defer end()
	if err := s.adopt(); err != nil {
		return Saved{}, err
	}
	for range 3 { // as in Save
		saved, again, err := s.joinOnce(ctx, parts)
		if err != nil || !again {
			return saved, err
		}
	}
	return Saved{}, fault.New(fault.Conflict, "cannot join %d parts: packs of the store vanish while it is written", len(parts)).Hint("mlx verify")
}

func (s *Store) joinOnce(ctx context.Context, parts []object.Digest) (Saved, bool, error) {
	v := &saver{s: s}
	var err error
	if v.skip, err = s.condemnedPacks(); err != nil {
		return Saved{}, false, err
	}
	r, err := s.reader()
	if err == nil {
		err = s.set.Refresh()
	}
	if err == nil {
		v.before, err = s.usable(v.skip)
	}
	if err == nil {
		v.pool, err = newPool(s, v.skip, 1)
	}
	if err != nil {
		return Saved{}, false, err
	}
	j := &joining{ctx: ctx, r: r, w: v.pool.workers[0], counts: make([]census, len(parts))}
	root, err := j.top(parts)
	if err := v.finish(err); err != nil {
		return Saved{}, false, err
	}
	release, err := s.publish(root)
	if err != nil {
		return Saved{}, false, err
	}
	again, err := v.takenAway(ctx, root)
	if err != nil || again {
		return Saved{}, again, errors.Join(err, release())
	}
	j.sum.Kind = Directory
	return Saved{Root: root, Summary: j.sum, Stored: v.stored, Changed: true, Release: release}, false, nil
}

// joining is the joining of some versions.
type joining struct {
	ctx    context.Context
	r      *reader
	w      *worker
	counts []census // by part: what unfolds into more than any memory holds is refused
	sum    Summary
}

// partOf is what one part has of a folder.
type partOf struct {
	part int
	list []treeEntry
}

func (j *joining) top(parts []object.Digest) (object.Digest, error) {
	sources := make([]partOf, len(parts))
	for i, part := range parts {
		list, err := j.r.root(part)
		if err != nil {
			return object.Digest{}, err
		}
		sources[i] = partOf{i, list}
	}
	sum, recipe, _, err := j.folder("", sources, 0)
	if err == nil && !recipe.IsZero() {
		sum = recipe
	}
	return sum, err
}

// folder writes the folder that the parts make up together.
func (j *joining) folder(at string, parts []partOf, depth int) (sum, recipe object.Digest, size int64, err error) {
	fail := func(err error) (object.Digest, object.Digest, int64, error) {
		return object.Digest{}, object.Digest{}, 0, err
	}
	if depth > maxDepth {
		return fail(fault.New(fault.Integrity, "folders more than %d deep", maxDepth))
	}
	if err := j.ctx.Err(); err != nil {
		return fail(err)
	}
	var all []treeEntry
	for name, found := range together(parts) {
		e, err := j.entry(join(at, name), found, depth)
		if err != nil {
			return fail(err)
		}
		size += e.Size
		all = append(all, e)
	}
	sum, recipe, err = j.w.object(appendTree(nil, all), nil)
	return sum, recipe, size, err
}

// entry is one name of the joined folder.
func (j *joining) entry(at string, found []partOf, depth int) (treeEntry, error) {
	e := found[0].list[0]
	for _, other := range found[1:] {
		if o := &other.list[0]; o.Kind != e.Kind || e.Kind != disk.Directory && *o != e {
			return e, fault.New(fault.Conflict, "cannot join parts: %s is not the same in all of them; it was changed while they were saved", at).
				Hint("mlx snapshot PATH   # once nobody writes there")
		}
	}
	if e.Kind != disk.Directory {
		j.sum.Files++
		j.sum.Bytes += e.Size
		return e, nil
	}
	inner := make([]partOf, len(found))
	for i, f := range found {
		j.r.count = &j.counts[f.part]
		list, err := j.r.tree(&f.list[0])
		if err != nil {
			return e, err
		}
		inner[i] = partOf{f.part, list}
	}
	sum, recipe, size, err := j.folder(at, inner, depth+1)
	e.Sum, e.Recipe, e.Size = sum, recipe, size
	return e, err
}

// together goes through sorted lists of names at once: for each name, in order, the parts that have it, each cut to that
// entry.
func together(parts []partOf) func(yield func(string, []partOf) bool) {
	return func(yield func(string, []partOf) bool) {
		at := make([]int, len(parts))
		for {
			next, some := "", false
			for i, p := range parts {
				if at[i] < len(p.list) && (!some || p.list[at[i]].Name < next) {
					next, some = p.list[at[i]].Name, true
				}
			}
			if !some {
				return
			}
			var found []partOf
			for i, p := range parts {
				if k := at[i]; k < len(p.list) && p.list[k].Name == next {
					found = append(found, partOf{p.part, p.list[k : k+1]})
					at[i]++
				}
			}
			if !yield(next, found) {
				return
			}
		}
	}
}
