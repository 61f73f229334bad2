package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/index"
)

// Status yields how the files on disk differ from o.Base, in the order of paths. Only files whose metadata changed are
// read, and what was read is remembered. A path that is not there yields fs.ErrNotExist.
func (s *Store) Status(ctx context.Context, o StatusOptions) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		c := comparison{s: s, o: o}
		changes, err := c.run(ctx)
		if err != nil {
			yield(Change{}, err)
			return
		}
		for _, ch := range changes {
			if !yield(ch, nil) {
				return
			}
		}
	}
}

// comparison is one comparison of the disk with a version.
type comparison struct {
	s       *Store
	o       StatusOptions
	scan    scan
	seen    *index.Index // what earlier comparisons read of files that differ
	notes   index.Builder
	stamp   int64
	changes []Change
	buf     []byte
}

func (c *comparison) run(ctx context.Context) ([]Change, error) {
	kind, err := kindOf(c.o.Path)
	if err != nil {
		return nil, err
	}
	path := c.s.indexPath(c.o.Path)
	idx, err := index.Load(path)
	if err != nil {
		return nil, err
	}
	defer idx.Close()
	if c.seen, err = index.Load(path + seenSuffix); err != nil {
		return nil, err
	}
	defer c.seen.Close()
	if c.o.Fresh {
		c.seen.Close()
		c.seen = nil
	}
	if c.stamp, err = index.Stamp(path); err != nil && !readOnly(err) {
		return nil, err
	}
	c.scan = scan{ignore: c.o.Ignore, idx: idx, fresh: c.o.Fresh}
	if err := c.scan.run(ctx, c.o.Path, kind); err != nil {
		return nil, err
	}
	if c.o.Progress != nil {
		c.o.Progress.SetTotal(c.scan.bytes)
	}
	if idx != nil && idx.Root == c.o.Base && kind == c.o.Kind {
		err = c.againstIndex(ctx)
	} else {
		err = c.againstTree(ctx)
	}
	if err != nil {
		return nil, err
	}
	c.remember(path)
	slices.SortFunc(c.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return c.changes, nil
}

const seenSuffix = ".seen"

// remember writes down what was read of files that differ. It is a cache: where it cannot be written, nothing is lost.
func (c *comparison) remember(path string) {
	if c.scan.dirty > 0 && c.stamp > 0 {
		_ = c.notes.Save(path+seenSuffix, object.Digest{}, c.stamp, nil)
	}
}

func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || fault.KindOf(err) == fault.Denied
}

// againstIndex compares where the index is the version itself: only what is dirty or gone can differ.
func (c *comparison) againstIndex(ctx context.Context) error {
	c.scan.missingFolders()
	for _, g := range c.scan.gone {
		c.changes = append(c.changes, Change{g.path, Removed, -g.size})
	}
	err := c.eachFolder(ctx, func(rel string, f *folder, known *index.Cursor) error {
		old := c.scan.idx.Dir(rel)
		for i := range f.items {
			t := &f.items[i]
			if t.dir != nil || !t.dirty {
				continue
			}
			was := old.Seek(t.name, nil)
			sum, err := c.sum(f, rel, t, known)
			if err != nil {
				return err
			}
			c.differ(rel, t, sum, was)
		}
		return nil
	})
	c.emptyFolders()
	return err
}

// eachFolder goes through the folders, with what earlier comparisons remember of each.
func (c *comparison) eachFolder(ctx context.Context, visit func(rel string, f *folder, known *index.Cursor) error) error {
	var err error
	c.scan.root.each("", func(rel string, f *folder) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			c.notes.Folder(rel)
			err = visit(rel, f, c.seen.Dir(rel))
		}
	})
	return err
}

// emptyFolders adds the empty folders that came or went: they are part of a version, too.
func (c *comparison) emptyFolders() {
	there := map[string]bool{}
	c.scan.root.each("", func(rel string, f *folder) {
		there[rel] = true
		if len(f.items) == 0 && rel != "" && !c.scan.idx.HasFolder(rel) {
			c.changes = append(c.changes, Change{Path: rel, Action: Added})
		}
	})
	c.scan.idx.Folders(func(rel string) bool {
		if !there[rel] && c.scan.idx.Empty(rel) {
			c.changes = append(c.changes, Change{Path: rel, Action: Removed})
		}
		return true
	})
}

// sum returns the digest of a dirty file: as an earlier comparison read it, where it has not changed since, else anew.
func (c *comparison) sum(f *folder, rel string, t *item, known *index.Cursor) (object.Digest, error) {
	m := disk.Meta{Kind: t.kind, Size: t.size, Mtime: t.mtime, Ctime: t.ctime, Ino: t.ino}
	e := known.Seek(t.name, nil)
	if e == nil || !c.seen.Clean(e, m) {
		sum, err := c.hash(f, t)
		if err != nil {
			return sum, readError(join(rel, t.name), err)
		}
		e = &index.Entry{Kind: t.kind, Size: t.size, Mtime: t.mtime, Ctime: t.ctime, Ino: t.ino, Sum: sum}
	}
	if c.o.Progress != nil {
		c.o.Progress.Add(t.size)
	}
	c.notes.Add(t.name, e)
	return e.Sum, nil
}

func (c *comparison) hash(f *folder, t *item) (object.Digest, error) {
	d, err := f.open(c.scan.top)
	if err != nil {
		return object.Digest{}, err
	}
	defer d.Close()
	if c.buf == nil {
		c.buf = make([]byte, 256<<10)
	}
	return hashFile(d, t.name, t.kind, c.buf)
}

// hashFile returns the SHA-256 of a file, or of a symlink's target.
func hashFile(d *disk.Dir, name string, kind disk.Kind, buf []byte) (object.Digest, error) {
	if kind == disk.Symlink {
		target, err := d.Readlink(name)
		return object.Sum([]byte(target)), err
	}
	f, err := d.OpenFile(name)
	if err != nil {
		return object.Digest{}, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{f}, buf); err != nil {
		return object.Digest{}, err
	}
	return object.Digest(h.Sum(nil)), nil
}

// onlyReader and onlyWriter keep io.CopyBuffer to the given buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// againstTree compares with the version in the store, where the index is of another one or is missing.
func (c *comparison) againstTree(ctx context.Context) error {
	r, err := c.s.reader()
	if err != nil {
		return err
	}
	r.count = &census{}
	var base []treeEntry
	if !c.o.Base.IsZero() {
		if base, err = r.root(c.o.Base); err != nil {
			return err
		}
	}
	if c.scan.only != "" && len(base) == 1 {
		base[0].Name = c.scan.only // the pointer may have been renamed
	}
	return c.compareFolder(ctx, r, folderPair{have: c.scan.root, base: base})
}

// folderPair is a folder on disk and the same folder of a version.
type folderPair struct {
	rel   string
	have  *folder
	base  []treeEntry
	known *index.Cursor // what earlier comparisons read of it
	subs  []folderPair  // compared after the files: the notes are kept by folder
}

func (c *comparison) compareFolder(ctx context.Context, r *reader, p folderPair) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.notes.Folder(p.rel)
	p.known = c.seen.Dir(p.rel)
	list, i := p.have.items, 0
	for k := range p.base {
		e := &p.base[k]
		for ; i < len(list) && list[i].name < e.Name; i++ {
			if err := c.pair(r, &p, &list[i], nil); err != nil {
				return err
			}
		}
		var t *item
		if i < len(list) && list[i].name == e.Name {
			t = &list[i]
			i++
		}
		if err := c.pair(r, &p, t, e); err != nil {
			return err
		}
	}
	for ; i < len(list); i++ {
		if err := c.pair(r, &p, &list[i], nil); err != nil {
			return err
		}
	}
	for _, sub := range p.subs {
		if err := c.compareFolder(ctx, r, sub); err != nil {
			return err
		}
	}
	return nil
}

// pair compares what stands under one name, on disk and in the version; nil is nothing.
func (c *comparison) pair(r *reader, p *folderPair, t *item, e *treeEntry) error {
	if t != nil && t.dir != nil || e != nil && e.Kind == kindDirectory {
		return c.pairFolder(r, p, t, e)
	}
	if t == nil {
		c.changes = append(c.changes, Change{join(p.rel, e.Name), Removed, -e.Size})
		return nil
	}
	sum := t.sum
	if t.dirty {
		var err error
		if sum, err = c.sum(p.have, p.rel, t, p.known); err != nil {
			return err
		}
	}
	if e == nil {
		c.differ(p.rel, t, sum, nil)
		return nil
	}
	c.differ(p.rel, t, sum, &index.Entry{Kind: e.Kind, Size: e.Size, Sum: e.Sum})
	return nil
}

// differ notes how a file differs from what it was; nil for nothing.
func (c *comparison) differ(rel string, t *item, sum object.Digest, was *index.Entry) {
	switch {
	case was == nil:
		c.changes = append(c.changes, Change{join(rel, t.name), Added, t.size})
	case was.Sum != sum || !sameKind(was.Kind, t.kind):
		c.changes = append(c.changes, Change{join(rel, t.name), Changed, t.size - was.Size})
	}
}

// pairFolder compares where one side, or both, have a folder.
func (c *comparison) pairFolder(r *reader, p *folderPair, t *item, e *treeEntry) error {
	sub := folderPair{have: &folder{}}
	if e != nil {
		sub.rel = join(p.rel, e.Name)
		if e.Kind == kindDirectory {
			var err error
			sub.base, err = r.tree(e)
			if fault.KindOf(err) == fault.NotFound && t == nil { // of a version that is here in part
				c.changes = append(c.changes, Change{sub.rel, Removed, -e.Size})
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w", sub.rel, err)
			}
			if len(sub.base) == 0 && (t == nil || t.dir == nil) {
				c.changes = append(c.changes, Change{Path: sub.rel, Action: Removed})
			}
		} else {
			c.changes = append(c.changes, Change{sub.rel, Removed, -e.Size})
		}
	}
	if t != nil {
		sub.rel = join(p.rel, t.name)
		if t.dir == nil { // a file where the version has a folder
			if err := c.pair(r, p, t, nil); err != nil {
				return err
			}
		} else if sub.have = t.dir; len(t.dir.items) == 0 && (e == nil || e.Kind != kindDirectory) {
			c.changes = append(c.changes, Change{Path: sub.rel, Action: Added})
		}
	}
	p.subs = append(p.subs, sub)
	return nil
}

// present says whether a path is there.
func present(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
