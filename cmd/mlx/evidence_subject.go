package main

import (
	"context"
	"io"
	"io/fs"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// exactBytes are bytes that evidence can be bound to: a version of a model, an output of a run, or other data that is kept.
type exactBytes struct {
	name    string            // as a person types it
	path    string            // below the repository root
	digest  object.Digest     // of a file its SHA-256, of a folder its root
	root    object.Digest     // snapshot that keeps it
	inner   string            // where in the snapshot; "." is all of it
	version *registry.Version // nil: it is no model, or was not named as one
}

// exactly finds the bytes that a reference names. They need not be here.
func (a *app) exactly(ctx context.Context, ref string) (exactBytes, error) {
	t, err := a.resolve(ctx, ref)
	if err != nil {
		return exactBytes{}, err
	}
	if t.Kind == refModel && t.Inner == "" {
		_, v, err := a.modelVersion(ctx, t)
		if err != nil {
			return exactBytes{}, err
		}
		return bytesOf(v), nil
	}
	if t, err = a.versionBytes(ctx, t); err != nil {
		return exactBytes{}, err
	}
	if t.Kind == refPath {
		if t, err = a.tracked(ctx, t); err == nil && t.Kind == refPath {
			t, err = a.written(ctx, t)
		}
		if err != nil {
			return exactBytes{}, err
		}
	}
	if t.Kind == refRun && t.Inner == "" {
		return a.onlyOutput(ctx, ref, t)
	}
	if t.Kind == refPath || t.Kind == refConfig {
		return exactBytes{}, fault.New(fault.NotFound, "cannot find a version of %s: no snapshot and no run has these bytes", ref).
			Hint("mlx snapshot %s", shellWord(ref)).Hint("mlx model register NAME %s", shellWord(ref))
	}
	at, err := a.locate(ctx, t)
	if err != nil {
		return exactBytes{}, err
	}
	return a.located(ctx, ref, at)
}

// bytesOf are the bytes of a version.
func bytesOf(v *registry.Version) exactBytes {
	return exactBytes{name: v.Name(), path: v.Path, digest: v.Digest, root: v.Root, inner: ".", version: v}
}

// onlyOutput is what a run wrote, when that is one thing.
func (a *app) onlyOutput(ctx context.Context, ref string, t target) (exactBytes, error) {
	v, err := a.runOf(ctx, t)
	if err != nil {
		return exactBytes{}, err
	}
	if len(v.Outputs) != 1 {
		e := fault.New(fault.Usage, "cannot tell which output of %s is meant: it has %d", t.short(), len(v.Outputs))
		for _, o := range v.Outputs[:min(len(v.Outputs), 2)] {
			_ = e.Hint("%s", a.retyped(ref, ref+":"+o.Path))
		}
		return exactBytes{}, e
	}
	t.Inner = v.Outputs[0].Path
	at, err := a.locate(ctx, t)
	if err != nil {
		return exactBytes{}, err
	}
	return a.located(ctx, ref, at)
}

// located finds the digest of what lies at a place of a snapshot.
func (a *app) located(ctx context.Context, name string, at located) (exactBytes, error) {
	b := exactBytes{name: name, path: at.Path, root: at.Root, digest: at.Root, inner: "."}
	store, err := a.store()
	if err != nil {
		return b, err
	}
	tree, err := store.FS(ctx, at.Root)
	if err != nil {
		return b, a.notHere(ctx, err, at.Path, at.Root)
	}
	if b.inner, err = insideName(tree, at); err != nil || b.inner == "." {
		return b, err
	}
	b.digest, err = store.FileDigest(ctx, at.Root, b.inner)
	return b, err
}

// model opens the bytes for reading. Kind says of a version whether it is one file.
func (a *app) model(ctx context.Context, b exactBytes) (registry.ModelBytes, error) {
	m := registry.ModelBytes{Name: b.name}
	if b.root.IsZero() {
		return m, fault.New(fault.NotFound, "cannot read %s: its bytes are not kept here, only that it exists", b.name).Hint("mlx show %s", shellWord(b.name))
	}
	store, err := a.store()
	if err != nil {
		return m, err
	}
	tree, err := store.FS(ctx, b.root)
	if err != nil {
		return m, a.notHere(ctx, err, b.path, b.root)
	}
	m.FS = tree
	inner := b.inner
	if b.version != nil && b.version.Kind == "file" {
		list, err := fs.ReadDir(tree, ".")
		if err != nil {
			return m, err
		}
		if len(list) != 1 || list[0].IsDir() {
			return m, damagedVersion(b, "it is registered as one file, and its snapshot is not one")
		}
		inner = list[0].Name()
	}
	if inner == "." {
		return m, nil
	}
	info, err := fs.Lstat(tree, inner)
	if err != nil {
		return m, err
	}
	if info.IsDir() {
		m.FS, err = fs.Sub(tree, inner)
		return m, err
	}
	m.File = inner
	return m, nil
}

func damagedVersion(b exactBytes, why string) error {
	return fault.New(fault.Integrity, "cannot believe %s: %s", b.name, why).Hint("mlx verify %s --repair", shellWord(b.name))
}

// whole reads every byte of a version and compares it with the digest that evidence is bound to.
func (a *app) whole(ctx context.Context, b exactBytes) error {
	m, err := a.model(ctx, b)
	if err != nil {
		return err
	}
	progress := a.streams.Progress("reading "+b.name, "bytes", 0)
	defer progress.Done()
	read := func(_ string, f fs.File) error {
		n, err := io.Copy(io.Discard, f) // a file of a version is compared with its digest as it is read
		progress.Add(n)
		return err
	}
	if m.File != "" {
		store, err := a.store()
		if err != nil {
			return err
		}
		digest, err := store.FileDigest(ctx, b.root, m.File)
		if err == nil && digest != b.digest {
			err = damagedVersion(b, "its digest is "+digest.Short()+", not "+b.digest.Short())
		}
		if err == nil {
			err = eachModelFile(m, read)
		}
		return a.notHere(ctx, err, b.path, b.root)
	}
	if b.version != nil && b.digest != b.root {
		return damagedVersion(b, "its digest is "+b.root.Short()+", not "+b.digest.Short())
	}
	return a.notHere(ctx, eachModelFile(m, read), b.path, b.root)
}

// eachModelFile opens every file of a model.
func eachModelFile(m registry.ModelBytes, read func(name string, f fs.File) error) error {
	opened := func(name string) error {
		f, err := m.FS.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return read(name, f)
	}
	if m.File != "" {
		return opened(m.File)
	}
	return fs.WalkDir(m.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return opened(name)
	})
}
