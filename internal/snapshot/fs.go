package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// FS returns a version as a file system (fs.ReadDirFS, fs.StatFS, fs.ReadLinkFS). It is safe for many goroutines; each
// opened file belongs to one, but for its ReadAt.
func (s *Store) FS(ctx context.Context, root object.Digest) (fs.FS, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	list, err := r.root(root)
	if err != nil {
		return nil, err
	}
	return &treeFS{ctx: ctx, s: s, r: r, root: list, dirs: map[string][]treeEntry{}}, nil
}

// FileDigest returns the SHA-256 of the whole file (or tree) at a path of a version, as sha256sum would print it.
func (s *Store) FileDigest(ctx context.Context, root object.Digest, name string) (object.Digest, error) {
	f, err := s.FS(ctx, root)
	if err != nil {
		return object.Digest{}, err
	}
	t, ok := f.(*treeFS)
	if !ok {
		return object.Digest{}, fs.ErrInvalid
	}
	e, err := t.find("digest", name)
	if err != nil {
		return object.Digest{}, err
	}
	return e.Sum, nil
}

// treeFS is a version as a file system.
type treeFS struct {
	ctx  context.Context //nolint:containedctx // fs.FS has no other way to carry it
	s    *Store
	mu   sync.Mutex // guards r and dirs
	r    *reader
	dirs map[string][]treeEntry // folders that were read last
	root []treeEntry
}

// find returns the entry at a path; "." is a folder without a name.
func (t *treeFS) find(op, name string) (*treeEntry, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return &treeEntry{Name: ".", Kind: kindDirectory}, nil
	}
	list, err := t.list(path.Dir(name))
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	base := path.Base(name)
	i, ok := slices.BinarySearchFunc(list, base, func(e treeEntry, n string) int { return compare(e.Name, n) })
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return &list[i], nil
}

// validPath is fs.ValidPath that also takes names which are not UTF-8: a version may hold them.
func validPath(name string) bool { return fs.ValidPath(strings.ToValidUTF8(name, "?")) }

// list returns the entries of a folder.
func (t *treeFS) list(dir string) ([]treeEntry, error) {
	if dir == "." {
		return t.root, nil
	}
	t.mu.Lock()
	list, ok := t.dirs[dir]
	t.mu.Unlock()
	if ok {
		return list, nil
	}
	if strings.Count(dir, "/") > maxDepth {
		return nil, fault.New(fault.Integrity, "folders more than %d deep", maxDepth)
	}
	e, err := t.find("open", dir)
	if err != nil {
		return nil, err
	}
	if e.Kind != kindDirectory {
		return nil, fs.ErrNotExist
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list, err = t.r.tree(e)
	if err == nil {
		if len(t.dirs) >= dirsKept {
			clear(t.dirs)
		}
		t.dirs[dir] = list
	}
	return list, err
}

// dirsKept is how many folders a file system remembers: a walk needs those on its way down.
const dirsKept = 64

// Open implements fs.FS.
func (t *treeFS) Open(name string) (fs.File, error) {
	e, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if e.Kind == kindDirectory {
		list, err := t.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openDir{info: info{e}, list: list}, nil
	}
	r, err := t.s.reader()
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(r.rows(e.Sum, e.Recipe, e.Size))
	return &openFile{ctx: t.ctx, s: t.s, r: r, info: info{e}, next: next, stop: stop, whole: sha256.New()}, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !validPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	list, err := t.list(name)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, len(list))
	for i := range list {
		out[i] = fs.FileInfoToDirEntry(info{&list[i]})
	}
	return out, nil
}

// Stat implements fs.StatFS; it describes a symlink itself.
func (t *treeFS) Stat(name string) (fs.FileInfo, error) { return t.Lstat(name) }

// Lstat implements fs.ReadLinkFS.
func (t *treeFS) Lstat(name string) (fs.FileInfo, error) {
	e, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{e}, nil
}

// ReadLink implements fs.ReadLinkFS.
func (t *treeFS) ReadLink(name string) (string, error) {
	e, err := t.find("readlink", name)
	if err != nil {
		return "", err
	}
	if e.Kind != disk.Symlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b, err := t.r.bytes(e.Sum, e.Recipe, e.Size, maxName)
	return string(b), err
}

// info describes an entry. A version has no times.
type info struct{ e *treeEntry }

func (i info) Name() string       { return i.e.Name }
func (i info) Size() int64        { return i.e.Size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.e.Kind == kindDirectory }

// Sys returns the SHA-256 of the whole file.
func (i info) Sys() any { return i.e.Sum }

func (i info) Mode() fs.FileMode {
	switch i.e.Kind {
	case disk.Directory:
		return fs.ModeDir | 0o555
	case disk.Symlink:
		return fs.ModeSymlink | 0o777
	case disk.Executable:
		return 0o555
	case disk.File, disk.Other:
	}
	return 0o444
}

// openFile reads a file chunk by chunk.
type openFile struct {
	ctx  context.Context //nolint:containedctx // fs.File has no other way to carry it
	s    *Store
	r    *reader
	info info
	next func() (row, error, bool)
	stop func()
	rest bytes.Reader

	whole hash.Hash // of what was read, compared at the end with what the tree names
	any   anywhere
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

func (f *openFile) Close() error {
	f.stop()
	return nil
}

func (f *openFile) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for f.rest.Len() == 0 {
		if err := f.ctx.Err(); err != nil {
			return 0, err
		}
		w, err, ok := f.next()
		if !ok {
			if object.Digest(f.whole.Sum(nil)) != f.info.e.Sum {
				return 0, fmt.Errorf("%s: %w", f.info.Name(), notTheFile(f.info.e))
			}
			return 0, io.EOF
		}
		if err == nil {
			var c []byte
			if c, err = f.r.Read(w.ID); err == nil && len(c) != w.Len {
				err = wrongSize(f.info.e, int64(len(c)))
			}
			if err == nil {
				f.rest.Reset(c)
				f.whole.Write(c) // a hash never fails
			}
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.info.Name(), err)
		}
	}
	return f.rest.Read(b)
}

// openDir lists a folder.
type openDir struct {
	info info
	list []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: errors.New("it is a folder")}
}

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		out := d.list
		d.list = nil
		return out, nil
	}
	if len(d.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	out := d.list[:n]
	d.list = d.list[n:]
	return out, nil
}
