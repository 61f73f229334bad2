package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/index"
	"mlx/internal/snapshot/internal/pack"
)

// Save makes o.Path a version and returns it. Only files that changed are read, and only chunks that the store has not
// are written. When it returns, the version is durable.
func (s *Store) Save(ctx context.Context, o SaveOptions) (Saved, error) {
	kind, err := kindOf(o.Path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Saved{}, fault.New(fault.NotFound, "cannot save %s: there is no such file or folder", o.Path)
		}
		return Saved{}, err
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
	// A gc that condemns a pack while this runs makes another round necessary; it cannot happen twice within its grace.
	trust := true
	for range 3 {
		saved, again, err := s.saveOnce(ctx, o, kind, trust)
		if err != nil || !again {
			return saved, err
		}
		trust = false
	}
	return Saved{}, fault.New(fault.Conflict, "cannot save %s: packs of the store vanish while it is written", o.Path).Hint("mlx verify")
}

// saveOnce is one round: write what is missing, publish the root, and look whether gc took anything away meanwhile.
func (s *Store) saveOnce(ctx context.Context, o SaveOptions, kind Kind, trust bool) (Saved, bool, error) {
	v := &saver{s: s, o: o, kind: kind, trust: trust}
	if err := v.start(); err != nil {
		return Saved{}, false, err
	}
	err := v.scan.run(ctx, o.Path, kind)
	if err == nil {
		err = v.check(ctx)
	}
	if err == nil {
		v.pool, err = newPool(s, v.skip, v.workers())
	}
	if err != nil {
		return Saved{}, false, err
	}
	err = v.read(ctx)
	var root object.Digest
	if err == nil {
		root, err = v.trees()
	}
	if err := v.finish(err); err != nil {
		return Saved{}, false, err
	}
	v.forget()
	saved := Saved{Root: root, Summary: Summary{Kind: kind, Files: v.scan.files, Bytes: v.size}, Stored: v.stored, Changed: root != o.Previous}
	release, err := s.publish(root)
	if err != nil {
		return Saved{}, false, err
	}
	saved.Release = release
	again, err := v.takenAway(ctx, root)
	if err != nil || again {
		return Saved{}, again, errors.Join(err, release())
	}
	if o.Once {
		return saved, false, nil
	}
	packs, err := s.usable(nil)
	if err == nil {
		err = s.saveIndex(o.Path, v.scan.root, root, v.stamp, packs)
	}
	if err != nil {
		return Saved{}, false, errors.Join(err, release())
	}
	return saved, false, nil
}

// forget lets go of what the rest of a round does not need: at a million files it is half of the memory.
func (v *saver) forget() {
	v.scan.idx.Close()
	v.pool, v.prev = nil, nil
}

// saver is one round of saving one path.
type saver struct {
	s      *Store
	o      SaveOptions
	kind   Kind
	trust  bool
	scan   scan
	skip   map[object.Digest]bool // condemned packs: their chunks count as absent
	before []object.Digest
	stamp  int64
	pool   *pool
	prev   *previous
	stored int64
	size   int64
}

// start loads what is remembered and takes the time stamp before anything is looked at.
func (v *saver) start() (err error) {
	if v.stamp, err = index.Stamp(v.s.indexPath(v.o.Path)); err != nil {
		return err
	}
	if v.skip, err = v.s.condemnedPacks(); err != nil {
		return err
	}
	if err = v.s.refresh(); err != nil {
		return err
	}
	if err = v.s.set.Refresh(); err != nil {
		return err
	}
	idx, err := index.Load(v.s.indexPath(v.o.Path))
	if err != nil {
		return err
	}
	v.scan = scan{ignore: v.o.Ignore, idx: idx, fresh: v.o.Fresh}
	v.before, err = v.s.usable(v.skip)
	return err
}

// workers returns how many are worth their start: each writes packs of its own.
func (v *saver) workers() int {
	if v.scan.bytes < packTarget/8 {
		return 1
	}
	return v.s.o.Jobs
}

// usable lists the packs that are there, and neither condemned nor damaged.
func (s *Store) usable(skip map[object.Digest]bool) ([]object.Digest, error) {
	names, err := pack.List(s.packs())
	if err != nil {
		return nil, err
	}
	if skip == nil {
		if skip, err = s.condemnedPacks(); err != nil {
			return nil, err
		}
	}
	bad := s.set.Damaged()
	return slices.DeleteFunc(names, func(d object.Digest) bool { return skip[d] || bad[d] != nil }), nil
}

// check looks up what the index takes for stored, unless every pack of that time is still there.
func (v *saver) check(ctx context.Context) error {
	idx := v.scan.idx
	r, err := v.s.set.NewReader()
	if err != nil {
		return err
	}
	rd := &reader{Reader: r}
	if idx == nil || idx.Root != v.o.Previous {
		v.prev = &previous{r: rd, root: v.o.Previous, rename: v.scan.only}
	}
	if idx == nil || v.trust && subset(idx.Packs, v.before) {
		return nil
	}
	v.scan.root.each("", func(_ string, f *folder) {
		for i := range f.items {
			t := &f.items[i]
			if t.dir == nil && !t.dirty && ctx.Err() == nil && !v.isStored(rd, t) {
				t.dirty = true
				v.scan.dirty++
				v.scan.bytes += t.size
			}
		}
	})
	return ctx.Err()
}

func (v *saver) isStored(r *reader, t *item) bool {
	has := func(d object.Digest) bool { return v.s.set.Usable(d, v.skip) }
	if t.recipe == nil {
		return t.size == 0 || has(t.sum)
	}
	if !has(*t.recipe) {
		return false
	}
	all := true
	err := v.s.recipeObjects(r, *t.recipe, func(d object.Digest) { all = all && has(d) })
	return err == nil && all
}

// subset says whether every element of a is in b.
func subset(a, b []object.Digest) bool {
	in := make(map[object.Digest]bool, len(b))
	for _, d := range b {
		in[d] = true
	}
	return !slices.ContainsFunc(a, func(d object.Digest) bool { return !in[d] })
}

// finish ends all writing, also after err: what was written whole is kept for the next try.
func (v *saver) finish(err error) error {
	stored, cerr := v.pool.close()
	v.stored = stored
	if err != nil {
		return err
	}
	return cerr
}

// takenAway says whether a gc has condemned or removed a pack since the round began, and the version needs it.
func (v *saver) takenAway(ctx context.Context, root object.Digest) (bool, error) {
	now, err := v.s.condemnedPacks()
	if err != nil {
		return false, err
	}
	usable, err := v.s.usable(now)
	if err != nil {
		return false, err
	}
	if err := v.s.set.Refresh(); err != nil {
		return false, err
	}
	if subset(v.before, usable) {
		return false, nil
	}
	r, err := v.s.reader()
	if err != nil {
		return false, err
	}
	n, err := v.s.missing(ctx, r, root, now)
	if fault.KindOf(err) == fault.NotFound {
		return true, nil
	}
	return n > 0, err
}

// previous finds what the version before had under a path, where the index does not know it.
type previous struct {
	r      *reader
	root   object.Digest
	rename string // the single name of a version of a file, as it is called now
	dirs   map[string][]treeEntry
}

// find returns the entry at rel, or nil.
func (p *previous) find(dir *folder, name string) *treeEntry {
	if p == nil || p.root.IsZero() {
		return nil
	}
	list := p.folder(dir)
	i, ok := slices.BinarySearchFunc(list, name, func(e treeEntry, n string) int { return compare(e.Name, n) })
	if !ok {
		return nil
	}
	return &list[i]
}

// folder returns the entries that a folder had. A version that cannot be read has none: then nothing is a delta.
func (p *previous) folder(f *folder) []treeEntry {
	rel := f.rel()
	if list, ok := p.dirs[rel]; ok {
		return list
	}
	if p.dirs == nil {
		p.dirs = map[string][]treeEntry{}
	}
	var list []treeEntry
	if f.parent == nil {
		if list, _ = p.r.root(p.root); p.rename != "" && len(list) == 1 {
			list[0].Name = p.rename
		}
	} else if e := p.find(f.parent, f.name); e != nil && e.Kind == disk.Directory {
		list, _ = p.r.tree(e)
	}
	p.dirs[rel] = list
	return list
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// base fills in what the version before had for a dirty file.
func (v *saver) base(f *folder, t *item) {
	if v.prev == nil {
		return
	}
	t.sum, t.recipe = object.Digest{}, nil
	if e := v.prev.find(f, t.name); e != nil && e.Kind.Regular() {
		t.sum = e.Sum
		t.setRecipe(e.Recipe)
		if t.recipe == nil && e.Size > pack.Limit {
			t.sum = object.Digest{}
		}
	}
}

// trees writes the trees from the leaves up and returns the root digest.
func (v *saver) trees() (object.Digest, error) {
	w := v.pool.workers[0]
	sum, rec, size, err := v.tree(w, v.scan.root)
	if err != nil {
		return object.Digest{}, err
	}
	v.size = size
	if !rec.IsZero() { // a long root is named by its recipe, which leads to it
		return rec, nil
	}
	return sum, nil
}

func (v *saver) tree(w *worker, f *folder) (sum, rec object.Digest, size int64, err error) {
	entries := make([]treeEntry, 0, len(f.items))
	for i := range f.items {
		t := &f.items[i]
		e := treeEntry{Name: t.name, Kind: t.kind, Size: t.size, Sum: t.sum, Recipe: t.recipeDigest()}
		if t.dir != nil {
			if e.Sum, e.Recipe, e.Size, err = v.tree(w, t.dir); err != nil {
				return sum, rec, 0, err
			}
		}
		size += e.Size
		entries = append(entries, e)
	}
	b := appendTree(nil, entries)
	sum, rec, err = w.object(b, nil)
	if err != nil {
		return sum, rec, 0, fmt.Errorf("save folder %s: %w", filepath.Join(v.scan.top, f.rel()), err)
	}
	return sum, rec, size, nil
}
