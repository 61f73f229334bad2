package main

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

// scanSubject is bytes to be judged, and what the answer is bound to.
type scanSubject struct {
	ref      fault.Ref
	digest   object.Digest // of a file its SHA-256, of a folder the version that it is
	root     object.Digest // snapshot that keeps it
	model    string        // when it was named as a version of a model
	version  int
	fsys     fs.FS
	releases []func() error
}

// scanSubject finds what a reference names. A path is what lies in the work tree now, also where it is tracked.
func (a *app) scanSubject(ctx context.Context, ref string) (scanSubject, error) {
	t, err := a.resolve(ctx, ref)
	if err != nil {
		return scanSubject{}, err
	}
	if t.Kind == refPath {
		return a.scanPath(ctx, t)
	}
	b, err := a.exactly(ctx, ref)
	if err != nil {
		return scanSubject{}, err
	}
	m, err := a.model(ctx, b)
	if err != nil {
		return scanSubject{}, err
	}
	return scanOf(b, m), nil
}

// scanOf is what bytes that were opened are as a subject.
func scanOf(b exactBytes, m registry.ModelBytes) scanSubject {
	s := scanSubject{ref: refOf(refSnapshot, b.root.Hex(), path.Join(b.path, strings.TrimPrefix(b.inner, "."))), digest: b.digest, root: b.root, fsys: m.FS}
	if b.version != nil {
		s.ref, s.model, s.version = refOf(refModel, b.version.Record.Hex(), b.version.Name()), b.version.Model, b.version.Version
	}
	if m.File != "" {
		s.ref.Name = strings.TrimSuffix(s.ref.Name, "/"+m.File)
		if b.version == nil && path.Base(b.path) != m.File {
			s.ref.Name = path.Join(b.path, m.File)
		}
		s.fsys = oneFile{m.FS, m.File}
	}
	return s
}

// scanPath keeps a path of the work tree as a version, so that what is judged is what the answer is bound to.
func (a *app) scanPath(ctx context.Context, t target) (scanSubject, error) {
	r, err := a.repo()
	if err != nil {
		return scanSubject{}, err
	}
	store, err := a.store()
	if err != nil {
		return scanSubject{}, err
	}
	ignore, err := r.Matcher(t.Name)
	if err != nil {
		return scanSubject{}, err
	}
	progress := a.streams.Progress("reading", "bytes", 0)
	kept, err := store.Save(ctx, snapshot.SaveOptions{Path: r.Abs(t.Name), Ignore: ignore, Fresh: true, Progress: progress})
	progress.Done()
	if err != nil {
		return scanSubject{}, fault.New(fault.KindOf(err), "cannot scan %s: %w", t.Name, err)
	}
	s := scanSubject{ref: refOf(refPath, "", t.Name), root: kept.Root, releases: []func() error{kept.Release}}
	if s.fsys, s.digest, err = a.scanned(ctx, t.Name, kept.Root); err != nil {
		a.free(s.releases)
		return scanSubject{}, err
	}
	return s, nil
}

// scanned opens the version that a path is. That of a single file is a file system of that file.
func (a *app) scanned(ctx context.Context, name string, root object.Digest) (fs.FS, object.Digest, error) {
	fsys, err := a.files(ctx, root)
	if err != nil {
		return nil, root, a.notHere(ctx, err, name, root)
	}
	file, err := insideName(fsys, located{Path: name, Root: root})
	if err != nil || file == "." {
		return fsys, root, err
	}
	store, err := a.store()
	if err != nil {
		return nil, root, err
	}
	digest, err := store.FileDigest(ctx, root, file)
	return oneFile{fsys, file}, digest, err
}

// oneFile is a file system that holds one file of another.
type oneFile struct {
	fs.FS
	name string
}

// ReadDir lists the one file.
func (o oneFile) ReadDir(string) ([]fs.DirEntry, error) {
	info, err := fs.Lstat(o.FS, o.name)
	if err != nil {
		return nil, err
	}
	return []fs.DirEntry{fs.FileInfoToDirEntry(info)}, nil
}

// Open opens the one file by its own name.
func (o oneFile) Open(name string) (fs.File, error) {
	if name == path.Base(o.name) {
		name = o.name
	}
	return o.FS.Open(name)
}
