package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// versionTable is a table in a snapshot, a run, a model or a revision of git; of a tracked path its last version, whatever stands here.
func (a *app) versionTable(ctx context.Context, where string) (*tableFiles, error) {
	w, err := a.versionWord(ctx, where)
	if err != nil {
		return nil, err
	}
	return a.tableOfVersion(ctx, w)
}

// versionWord is a word that names a table in a version, taken apart: what the word without its pattern names.
type versionWord struct {
	target
	where, word, pattern string
}

func (a *app) versionWord(ctx context.Context, where string) (versionWord, error) {
	word, pattern := where, ""
	if r := readRef(where); isPattern(r.inner) {
		at := strings.LastIndex(where, r.inner)
		base, rest := splitTablePattern(r.inner)
		word, pattern = where[:at]+base, rest
		if base == "." {
			word = strings.TrimSuffix(where[:at], ":")
		}
	}
	t, err := a.resolve(ctx, word)
	if fault.KindOf(err) == fault.NotFound && !strings.Contains(where, ":") && (strings.ContainsAny(where, "/.") || len(fault.Hints(err)) == 0) {
		return versionWord{}, a.missingTable(ctx, where)
	}
	if t.Kind == refConfig {
		err = fault.New(fault.Usage, "cannot read %s: it is a name in mlx.yaml and no table", where).Hint("mlx show %s", shellWord(where))
	}
	return versionWord{t, where, word, pattern}, err
}

func (a *app) tableOfVersion(ctx context.Context, w versionWord) (*tableFiles, error) {
	where, t := w.where, w.target
	at, err := a.tablePiece(ctx, where, t)
	if t.Kind == refGit && t.Inner != "" && fault.KindOf(err) == fault.NotFound {
		if committed, gitErr := a.committedTable(ctx, where, t); fault.KindOf(gitErr) != fault.NotFound {
			return committed, gitErr
		}
	}
	if err != nil {
		return nil, err
	}
	o, err := a.hereOrigin()
	if err != nil {
		return nil, err
	}
	v := &versionFiles{app: a, where: where, pattern: w.pattern, base: strings.TrimSuffix(w.word, ":"), sep: "/", p: piece{located: at, commit: t.Commit, from: o}}
	if t.Inner == "" && t.Kind != refPath {
		v.sep = ":"
	}
	if err := a.reading(ctx, v.p, v.p.all(), func() error { return v.find(ctx) }); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return &tableFiles{files: v.files, refer: v.ref, closes: []func() error{o.close}}, nil
}

// tablePiece finds where in which version the table stands.
func (a *app) tablePiece(ctx context.Context, where string, t target) (located, error) {
	if t.Kind == refPath {
		inner, err := a.tracked(ctx, t)
		if err != nil {
			return located{}, err
		}
		if inner.Kind != refSnapshot {
			return located{}, a.missingTable(ctx, where)
		}
		t = inner
	}
	if t.Kind == refRun && t.Inner == "" {
		outputs, err := a.outputsOf(ctx, t)
		if err != nil {
			return located{}, err
		}
		if len(outputs) != 1 {
			e := fault.New(fault.Usage, "cannot tell which output of %s is meant: it has %d", t.short(), len(outputs))
			for _, o := range outputs[:min(len(outputs), 2)] {
				_ = e.Hint("%s", a.retyped(where, where+":"+o.Path))
			}
			return located{}, e
		}
		return located{outputs[0].Path, outputs[0].Root, ""}, nil
	}
	if t.Kind != refSnapshot && t.Kind != refModel && t.Inner == "" {
		return located{}, fault.New(fault.Usage, "cannot read %s: it is no table", t.short()).Hint("mlx ls %s   # lists its data: then REF:PATH", t.certain())
	}
	return a.locate(ctx, t)
}

// committedTable is a file that git itself keeps.
func (a *app) committedTable(ctx context.Context, where string, t target) (*tableFiles, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	data, err := r.FileAt(ctx, t.Commit, t.Inner)
	if err != nil {
		return nil, err
	}
	f := dataset.File{Name: where, Size: int64(len(data)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
		At:   func(context.Context) (dataset.Random, error) { return inMemory{bytes.NewReader(data)}, nil }}
	refer := func(context.Context) (gate.Ref, error) {
		return gate.Ref{Kind: refGit, ID: object.Sum(data), Name: where}, nil
	}
	return &tableFiles{files: []dataset.File{f}, refer: refer}, nil
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// versionFiles are the files of a table in a version.
type versionFiles struct {
	app            *app
	where, pattern string
	base, sep      string // what stands before the name of a file in a folder
	p              piece

	inner string // of the table in the version; of a pattern the folder that it starts in
	names []string
	ids   []object.Digest
	dir   bool
	files []dataset.File
}

// find lists the files. That some of their bytes are not here is an error.
func (v *versionFiles) find(ctx context.Context) error {
	v.names, v.ids, v.files = nil, nil, nil
	fsys, inner, info, err := look(ctx, v.p)
	if err != nil {
		return err
	}
	v.inner, v.dir = inner, info.IsDir()
	switch {
	case v.pattern != "" && info.IsDir():
		sub, err := fs.Sub(fsys, inner)
		if err != nil {
			return err
		}
		v.names, err = globbed(sub, ".", v.pattern)
		for i := range v.names {
			v.names[i] = path.Join(inner, v.names[i])
		}
		if err != nil {
			return err
		}
	case info.IsDir():
		if v.names, err = dataset.Tree(fsys, inner, nil); err != nil {
			return err
		}
	default:
		v.names = []string{inner}
	}
	if len(v.names) == 0 {
		return fault.New(fault.Usage, "cannot read %s: there is no such file in it", v.where).Hint("mlx ls %s:", v.p.Root.Short())
	}
	for _, name := range v.names {
		if err := v.add(ctx, fsys, name); err != nil {
			return err
		}
	}
	return nil
}

func (v *versionFiles) add(ctx context.Context, fsys fs.FS, name string) error {
	here, err := v.p.from.store.HasFile(ctx, v.p.Root, name)
	if err != nil {
		return err
	}
	if !here {
		return fault.New(fault.NotFound, "cannot read %s of version %s: its bytes are not here", name, v.p.Root.Short())
	}
	f, err := dataset.FromFS(fsys, name, v.shown(name))
	if err != nil {
		return err
	}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return err
	}
	id, ok := info.Sys().(object.Digest)
	if !ok {
		return fault.New(fault.Internal, "cannot read %s: it has no digest", name)
	}
	v.files, v.ids = append(v.files, f), append(v.ids, id)
	return nil
}

// shown is how a file is called in messages: as what was typed, and what follows in the folder.
func (v *versionFiles) shown(name string) string {
	if !v.dir {
		return v.where
	}
	return v.base + v.sep + v.below(name)
}

// below is a name from the folder of the table.
func (v *versionFiles) below(name string) string {
	if v.inner == "." {
		return name
	}
	return strings.TrimPrefix(name, v.inner+"/")
}

// ref names the bytes: the version itself when all of it is the table, a file or folder of it by its own digest.
func (v *versionFiles) ref(ctx context.Context) (gate.Ref, error) {
	r := gate.Ref{Kind: refSnapshot, Name: v.where}
	var err error
	switch {
	case v.p.Inner == "" && v.pattern == "":
		r.ID = v.p.Root
	case v.pattern != "":
		rel := make([]string, len(v.names))
		for i, name := range v.names {
			rel[i] = v.below(name)
		}
		r.ID = listDigest(rel, v.ids)
	case v.dir:
		r.ID, err = v.p.from.store.Folder(ctx, v.p.Root, v.inner)
	default:
		r.ID = v.ids[0]
	}
	return r, err
}
