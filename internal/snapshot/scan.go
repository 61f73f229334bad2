package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/index"
)

const kindDirectory = disk.Directory

// item is one name found on disk. Where it is dirty, Sum and Recipe are what the index knew of it before, if anything:
// the base of a delta.
type item struct {
	name         string
	kind         disk.Kind
	dirty        bool
	linked       bool
	size         int64
	mtime, ctime int64
	ino          uint64
	sum          object.Digest
	recipe       *object.Digest
	dir          *folder // of a folder
}

func (t *item) setMeta(m disk.Meta) {
	t.kind, t.size, t.mtime, t.ctime, t.ino = m.Kind, m.Size, m.Mtime, m.Ctime, m.Ino
}

func (t *item) recipeDigest() object.Digest {
	if t.recipe == nil {
		return object.Digest{}
	}
	return *t.recipe
}

func (t *item) setRecipe(d object.Digest) {
	t.recipe = nil
	if !d.IsZero() {
		t.recipe = &d
	}
}

// entry returns what the index remembers of a clean item.
func (t *item) entry() index.Entry {
	return index.Entry{Kind: t.kind, Linked: t.linked, Size: t.size, Mtime: t.mtime, Ctime: t.ctime, Ino: t.ino, Sum: t.sum, Recipe: t.recipeDigest()}
}

// folder is one folder found on disk, its items sorted by name.
type folder struct {
	parent *folder
	name   string
	items  []item
}

// rel returns the folder's path below the top, with slashes.
func (f *folder) rel() string {
	if f.parent == nil {
		return ""
	}
	return join(f.parent.rel(), f.name)
}

// open opens the folder, component by component: no symlink is followed, and no path is too long.
func (f *folder) open(top string) (*disk.Dir, error) {
	if f.parent == nil {
		return disk.OpenDir(top)
	}
	p, err := f.parent.open(top)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Open(f.name)
}

// openFile opens a file of the folder for reading.
func (f *folder) openFile(top, name string) (*os.File, error) {
	d, err := f.open(top)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.OpenFile(name)
}

// scan is the walk of a tracked path, compared with its index.
type scan struct {
	top    string // folder on disk
	only   string // the single name looked at, where a file is tracked
	ignore Ignore
	idx    *index.Index
	fresh  bool
	keep   bool // list the temporary files of checkouts, too
	root   *folder
	files  int64
	bytes  int64 // of dirty files
	dirty  int64
	gone   []gone // in the index, not on disk
}

// gone is a file that the index has and the disk has not.
type gone struct {
	path string
	size int64
	sum  object.Digest
}

// kindOf says what the tracked path is on disk.
func kindOf(path string) (Kind, error) {
	d, err := disk.OpenDir(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	defer d.Close()
	m, err := d.Stat(filepath.Base(path))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	switch m.Kind {
	case disk.Directory:
		return Directory, nil
	case disk.Other:
		return "", fault.New(fault.Usage, "cannot save %s: it is a %s", path, m.Kind)
	default:
		return File, nil
	}
}

// run walks the tracked path.
func (c *scan) run(ctx context.Context, path string, kind Kind) error {
	c.top, c.root = path, &folder{}
	if kind == File {
		c.top, c.only = filepath.Dir(path), filepath.Base(path)
	}
	d, err := disk.OpenDir(c.top)
	if err != nil {
		return fmt.Errorf("read %s: %w", c.top, err)
	}
	defer d.Close()
	return c.folder(ctx, d, c.root, "", 0)
}

func (c *scan) folder(ctx context.Context, d *disk.Dir, f *folder, rel string, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fault.New(fault.Usage, "cannot save %s: folders more than %d deep", rel, maxDepth)
	}
	names, err := c.names(d, rel)
	if err != nil {
		return err
	}
	cur := c.idx.Dir(rel)
	note := func(name string, e *index.Entry) { c.gone = append(c.gone, gone{join(rel, name), e.Size, e.Sum}) }
	f.items = make([]item, 0, len(names))
	for _, name := range names {
		m, there, err := d.Lookup(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", join(rel, name), err)
		}
		if !there { // it went away since the listing
			continue
		}
		if c.ignore != nil && c.ignore(join(rel, name), m.Kind == disk.Directory) {
			continue
		}
		e := cur.Seek(name, note)
		if e == nil || m.Kind == disk.Other { // a name in the index was checked when it came there
			if err := c.checkItem(join(rel, name), name, m.Kind); err != nil {
				return err
			}
		}
		f.items = append(f.items, item{name: name})
		t := &f.items[len(f.items)-1]
		t.setMeta(m)
		if e != nil && m.Kind == disk.Directory {
			note(name, e)
		}
		if m.Kind != disk.Directory {
			c.judge(t, e, m)
		}
	}
	cur.Rest(note)
	return c.subfolders(ctx, d, f, rel, depth)
}

// names lists a folder in the order of raw bytes.
func (c *scan) names(d *disk.Dir, rel string) ([]string, error) {
	if c.only != "" && rel == "" {
		return []string{c.only}, nil
	}
	names, err := d.Names(nil)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", rel, err)
	}
	if !c.keep {
		names = slices.DeleteFunc(names, isTemp)
	}
	slices.Sort(names)
	return names, nil
}

func (c *scan) checkItem(path, name string, kind disk.Kind) error {
	if kind == disk.Other {
		return fault.New(fault.Usage, "cannot save %s: it is a socket, a pipe or a device", path).Hint("echo %s >> .mlxignore   # leave it out", path)
	}
	if err := checkName(name); err != nil {
		return fault.New(fault.Usage, "cannot save %s: no version may hold this name", path).Hint("echo %s >> .mlxignore   # leave it out", path)
	}
	return nil
}

// judge decides whether a file must be read.
func (c *scan) judge(t *item, e *index.Entry, m disk.Meta) {
	c.files++
	if e != nil {
		if !disk.HasExecutable && e.Kind.Regular() && m.Kind.Regular() { // no such bit here: as it was
			t.kind, m.Kind = e.Kind, e.Kind
		}
		t.sum, t.linked = e.Sum, e.Linked
		t.setRecipe(e.Recipe)
		if !c.fresh && c.idx.Clean(e, m) {
			return
		}
	}
	t.dirty = true
	c.dirty++
	c.bytes += m.Size
}

func (c *scan) subfolders(ctx context.Context, d *disk.Dir, f *folder, rel string, depth int) error {
	for i := range f.items {
		t := &f.items[i]
		if t.kind != disk.Directory {
			continue
		}
		t.dir = &folder{parent: f, name: t.name}
		sub, err := d.Open(t.name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
			return fault.New(fault.Conflict, "cannot read folder %s: it was replaced or removed meanwhile", join(rel, t.name))
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", join(rel, t.name), err)
		}
		err = c.folder(ctx, sub, t.dir, join(rel, t.name), depth+1)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// missingFolders adds the files of folders that the index has and the disk has not.
func (c *scan) missingFolders() {
	if c.idx == nil {
		return
	}
	there := map[string]bool{}
	c.root.each("", func(rel string, _ *folder) { there[rel] = true })
	c.idx.Folders(func(rel string) bool {
		if !there[rel] {
			c.idx.Dir(rel).Rest(func(name string, e *index.Entry) {
				c.gone = append(c.gone, gone{join(rel, name), e.Size, e.Sum})
			})
		}
		return true
	})
	slices.SortFunc(c.gone, func(a, b gone) int { return strings.Compare(a.path, b.path) })
}

// each calls visit with every folder, parents first.
func (f *folder) each(rel string, visit func(rel string, f *folder)) {
	visit(rel, f)
	for i := range f.items {
		if d := f.items[i].dir; d != nil {
			d.each(join(rel, d.name), visit)
		}
	}
}

// indexPath returns where the index of a tracked path lies.
func (s *Store) indexPath(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(s.o.Index, fmt.Sprintf("%x", sum[:12]))
}

// indexed is the head of an index: of which version, as of when, and what was stored then.
type indexed struct {
	root  object.Digest
	stamp int64
	packs []object.Digest
}

// saveIndex writes what a scan knows, all of it clean, as the index of a version.
func (s *Store) saveIndex(path string, root *folder, id object.Digest, stamp int64, packs []object.Digest) error {
	return saveIndexAs(s.indexPath(path), root, indexed{id, stamp, packs})
}

func saveIndexAs(file string, root *folder, h indexed) error {
	var w index.Builder
	root.each("", func(rel string, f *folder) {
		w.Folder(rel)
		for i := range f.items {
			if t := &f.items[i]; t.dir == nil {
				e := t.entry()
				w.Add(t.name, &e)
			}
		}
	})
	return w.Save(file, h.root, h.stamp, h.packs)
}
