package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
	"mlx/internal/snapshot/internal/disk"
	"mlx/internal/snapshot/internal/index"
	"mlx/internal/snapshot/internal/sha2x"
)

// IdentifyOptions name what to identify on disk.
type IdentifyOptions struct {
	Dir    string                            // absolute folder that Paths start at
	Paths  []string                          // with slashes
	Ignore func(path string) (Ignore, error) // what is left out of the folder at path; nil leaves nothing out
	Fresh  bool                              // read every byte, whatever is remembered
}

// Identity is what stands at a path, as a version of it would be named.
type Identity struct {
	Kind       Kind
	Root       object.Digest // the version that it would be
	Digest     object.Digest // of a file its SHA-256, of a folder Root
	Executable bool          // a file that may be run
	Symlink    bool          // then Digest is of its target's name
}

// Identify says what stands at each path, without storing anything: what Save would name it. Only files whose metadata
// changed are read, and what was read is remembered. A path where nothing stands is left out of the answer.
func (s *Store) Identify(ctx context.Context, o IdentifyOptions) (map[string]Identity, error) {
	n := naming{s: s, o: o, out: make(map[string]Identity, len(o.Paths))}
	if err := n.files(ctx); err != nil {
		return nil, err
	}
	for _, p := range n.folders {
		id, err := n.folder(ctx, p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n.out[p] = id
	}
	return n.out, nil
}

// naming is one call of Identify. All single files share one index, by folder below Dir; each folder has one of its own.
type naming struct {
	s       *Store
	o       IdentifyOptions
	out     map[string]Identity
	folders []string
	known   *index.Index
	notes   map[string]map[string]index.Entry // to be remembered, by folder and name
	read    int
	pool    *pool
}

const identitySuffix = ".named"

// files identifies the single files and collects the folders.
func (n *naming) files(ctx context.Context) error {
	file := n.s.indexPath(n.o.Dir) + identitySuffix
	known, err := index.Load(file)
	if err != nil {
		return err
	}
	defer known.Close()
	n.known, n.notes = known, map[string]map[string]index.Entry{}
	stamp, err := index.Stamp(file)
	if err != nil && !readOnly(err) {
		return err
	}
	byFolder := map[string][]string{}
	for _, p := range n.o.Paths {
		dir, name := path.Split(path.Clean(p))
		byFolder[path.Clean(dir)] = append(byFolder[path.Clean(dir)], name)
	}
	for _, dir := range slices.Sorted(maps.Keys(byFolder)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		names := byFolder[dir]
		slices.Sort(names)
		if err := n.filesOf(ctx, dir, slices.Compact(names)); err != nil {
			return err
		}
	}
	if n.read > 0 && stamp > 0 {
		n.keepOthers()
		_ = n.save(file, stamp) // a cache: where it cannot be written, nothing is lost
	}
	return nil
}

// filesOf identifies what stands under some names of one folder.
func (n *naming) filesOf(ctx context.Context, dir string, names []string) error {
	d, err := disk.OpenDir(filepath.Join(n.o.Dir, filepath.FromSlash(dir)))
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, err)
	}
	defer d.Close()
	notes := map[string]index.Entry{}
	n.notes[dir] = notes
	cur := n.known.Dir(dir)
	keep := func(name string, e *index.Entry) {
		if n.settled(e) {
			notes[name] = *e
		}
	}
	for _, name := range names {
		m, there, err := d.Lookup(name)
		if err != nil && !absent(err) {
			return fmt.Errorf("read %s: %w", path.Join(dir, name), err)
		}
		e := cur.Seek(name, keep)
		if err != nil || !there {
			continue
		}
		p := path.Join(dir, name)
		if m.Kind == disk.Directory || name == "." || name == ".." {
			n.folders = append(n.folders, p)
			continue
		}
		if e == nil || n.o.Fresh || !n.known.Clean(e, m) {
			if e, err = n.readFile(ctx, d, p, m); err != nil {
				return err
			}
		}
		notes[name] = *e
		if n.out[p], err = n.single(name, e); err != nil {
			return err
		}
	}
	cur.Rest(keep)
	return nil
}

// absent says whether nothing can stand below a path that cannot be opened for this reason.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// settled says whether what was remembered before still is to be believed under a later time stamp.
func (n *naming) settled(e *index.Entry) bool {
	return e.Mtime < n.known.Stamp && e.Ctime < n.known.Stamp
}

// keepOthers takes over what is remembered of folders that nobody asked about.
func (n *naming) keepOthers() {
	n.known.Folders(func(rel string) bool {
		if n.notes[rel] != nil {
			return true
		}
		notes := map[string]index.Entry{}
		n.known.Dir(rel).Rest(func(name string, e *index.Entry) {
			if n.settled(e) {
				notes[name] = *e
			}
		})
		n.notes[rel] = notes
		return true
	})
}

func (n *naming) save(file string, stamp int64) error {
	var w index.Builder
	for dir, notes := range n.notes {
		w.Folder(dir)
		for _, name := range slices.Sorted(maps.Keys(notes)) {
			e := notes[name]
			w.Add(name, &e)
		}
	}
	return w.Save(file, object.Digest{}, stamp, nil)
}

// dry returns a pool whose workers name chunks and write none.
func (n *naming) dry() *pool {
	if n.pool == nil {
		n.pool = &pool{s: n.s, dry: true}
		for range max(1, n.s.o.Jobs) {
			n.pool.workers = append(n.pool.workers, &worker{p: n.pool, cutter: chunk.NewCutter(), stream: sha2x.NewStream()})
		}
	}
	return n.pool
}

// readFile reads a file that nothing is remembered of. A large one may be in the index of its last save.
func (n *naming) readFile(ctx context.Context, d *disk.Dir, p string, m disk.Meta) (*index.Entry, error) {
	n.read++
	abs := filepath.Join(n.o.Dir, filepath.FromSlash(p))
	if m.Size > bigFile && !n.o.Fresh {
		saved, err := index.Load(n.s.indexPath(abs))
		if err != nil {
			return nil, err
		}
		defer saved.Close()
		if e := saved.Dir("").Seek(path.Base(p), nil); e != nil && saved.Clean(e, m) {
			return e, nil
		}
	}
	f := &folder{items: []item{{name: path.Base(p), dirty: true}}}
	t := &f.items[0]
	t.setMeta(m)
	v := &saver{s: n.s, pool: n.dry(), scan: scan{top: filepath.Dir(abs), root: f, dirty: 1}}
	var err error
	switch {
	case m.Kind == disk.Symlink:
		err = v.pool.workers[0].symlink(d, t)
	case m.Kind.Regular() && m.Size <= bigFile:
		err = v.small(v.pool.workers[0], d, target{f, t})
	case m.Kind.Regular():
		err = v.read(ctx)
	default:
		err = v.scan.checkItem(p, t.name, m.Kind)
	}
	if err != nil {
		return nil, readError(p, err)
	}
	e := t.entry()
	return &e, nil
}

// single is the identity of one file.
func (n *naming) single(name string, e *index.Entry) (Identity, error) {
	b := appendTree(nil, []treeEntry{{Name: name, Kind: e.Kind, Size: e.Size, Sum: e.Sum, Recipe: e.Recipe}})
	sum, rec, err := n.dry().workers[0].object(b, nil)
	if !rec.IsZero() {
		sum = rec
	}
	return Identity{Kind: File, Root: sum, Digest: e.Sum, Executable: e.Kind == disk.Executable, Symlink: e.Kind == disk.Symlink}, err
}

// folder identifies a folder: by the index of its last save, else by that of its last naming, else by reading.
func (n *naming) folder(ctx context.Context, p string) (Identity, error) {
	var ignore Ignore
	var err error
	if n.o.Ignore != nil {
		if ignore, err = n.o.Ignore(p); err != nil {
			return Identity{}, err
		}
	}
	abs := filepath.Join(n.o.Dir, filepath.FromSlash(p))
	saved := n.s.indexPath(abs)
	stamp, err := index.Stamp(saved)
	if err != nil && !readOnly(err) {
		return Identity{}, err
	}
	var sc scan
	for _, file := range []string{saved, saved + identitySuffix} {
		idx, err := index.Load(file)
		if err != nil {
			return Identity{}, err
		}
		defer idx.Close()
		if idx == nil && file != saved {
			break
		}
		sc = scan{ignore: ignore, idx: idx, fresh: n.o.Fresh}
		if err := sc.run(ctx, abs, Directory); err != nil {
			return Identity{}, err
		}
		if idx != nil && !idx.Root.IsZero() && sc.asKnown() {
			return Identity{Kind: Directory, Root: idx.Root, Digest: idx.Root}, nil
		}
	}
	v := &saver{s: n.s, kind: Directory, scan: sc, pool: n.dry()}
	if err := v.read(ctx); err != nil {
		return Identity{}, err
	}
	root, err := v.trees()
	if err != nil {
		return Identity{}, err
	}
	if stamp > 0 {
		_ = saveIndexAs(saved+identitySuffix, v.scan.root, indexed{root: root, stamp: stamp})
	}
	return Identity{Kind: Directory, Root: root, Digest: root}, nil
}

// asKnown says whether what stands there is exactly what the index knows.
func (c *scan) asKnown() bool {
	if c.dirty > 0 {
		return false
	}
	c.missingFolders()
	there, known := 0, 0
	same := len(c.gone) == 0
	c.root.each("", func(rel string, _ *folder) {
		there++
		same = same && c.idx.HasFolder(rel)
	})
	c.idx.Folders(func(string) bool { known++; return true })
	return same && there == known
}
