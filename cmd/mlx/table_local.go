package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// manyBytes is from where on it pays to remember the digest of a file.
const manyBytes = 8 << 20

// localTable is a file, a folder or a pattern of this machine. where is as typed, local without the prefix path:.
func (a *app) localTable(ctx context.Context, where, local string) (*tableFiles, error) {
	info, err := os.Stat(local)
	switch {
	case err == nil && info.IsDir():
		return a.folderTable(ctx, where, local)
	case err == nil && !info.Mode().IsRegular():
		return a.pipeTable(where, local)
	case err == nil:
		l := localFiles{app: a, where: where, base: filepath.Dir(local), names: []string{filepath.Base(local)}, single: local}
		return l.table()
	case !isPattern(local):
		if errors.Is(err, fs.ErrNotExist) {
			return nil, a.missingTable(ctx, local)
		}
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", local, err)
	}
	base, pattern := splitTablePattern(filepath.ToSlash(local))
	l := localFiles{app: a, where: where, base: filepath.FromSlash(base)}
	if l.names, err = globbed(os.DirFS(l.base), ".", pattern); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", local, err)
	}
	if len(l.names) == 0 {
		return nil, fault.New(fault.NotFound, "cannot read %s: no file fits the pattern", local).Hint("ls %s", shellWord(l.base))
	}
	return l.table()
}

func (a *app) folderTable(ctx context.Context, where, local string) (*tableFiles, error) {
	l := localFiles{app: a, where: where, base: local, folder: true}
	rel, pointer, err := a.trackedTable(local)
	if err != nil {
		return nil, err
	}
	var ignore dataset.Ignore
	if !pointer.Root.IsZero() {
		r, err := a.repo()
		if err != nil {
			return nil, err
		}
		if ignore, err = r.Matcher(rel); err != nil {
			return nil, err
		}
	}
	if l.names, err = dataset.Tree(os.DirFS(local), ".", ignore); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", local, err)
	}
	if len(l.names) == 0 {
		return nil, fault.New(fault.NotFound, "cannot read %s: there is no file in it", local)
	}
	return l.table()
}

// localFiles are the files of a table below a folder of this machine.
type localFiles struct {
	app    *app
	where  string
	base   string
	names  []string // below base, with slashes
	single string   // not empty: the one file, as typed
	folder bool     // all files of base
}

func (l localFiles) table() (*tableFiles, error) {
	t := &tableFiles{}
	fsys := os.DirFS(l.base)
	for _, name := range l.names {
		shown := l.single
		if shown == "" {
			shown = path.Join(filepath.ToSlash(l.base), name)
		}
		f, err := dataset.FromFS(fsys, name, shown)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, f)
	}
	t.refer = func(ctx context.Context) (gate.Ref, error) { return l.ref(ctx, t.files) }
	return t, nil
}

// ref names the bytes. Tracked data that is as its pointer file says is that version.
func (l localFiles) ref(ctx context.Context, files []dataset.File) (gate.Ref, error) {
	whole := l.single
	if l.folder {
		whole = l.base
	}
	if whole != "" {
		root, err := l.app.asTracked(ctx, whole)
		if err != nil || !root.IsZero() {
			return gate.Ref{Kind: refSnapshot, ID: root, Name: l.where}, err
		}
	}
	ids, err := l.identify(ctx, files)
	if err != nil {
		return gate.Ref{}, err
	}
	if l.single != "" {
		return gate.Ref{Kind: refPath, ID: ids[0], Name: l.where}, nil
	}
	return gate.Ref{Kind: refPath, ID: listDigest(l.names, ids), Name: l.where}, nil
}

// identify returns the SHA-256 of each file. Of large files of the project it is remembered as long as they stay as they are.
func (l localFiles) identify(ctx context.Context, files []dataset.File) ([]object.Digest, error) {
	ids := make([]object.Digest, len(files))
	var total int64
	for _, f := range files {
		total += f.Size
	}
	known := map[string]snapshot.Identity{}
	if rel, err := l.app.relTable(l.base); err == nil && rel != "" && total >= manyBytes {
		store, err := l.app.store()
		if err != nil {
			return nil, err
		}
		abs, err := filepath.Abs(l.base)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", l.base, err)
		}
		if known, err = store.Identify(ctx, snapshot.IdentifyOptions{Dir: abs, Paths: l.names}); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", l.where, err)
		}
	}
	for i, f := range files {
		if id, ok := known[l.names[i]]; ok && !id.Symlink {
			ids[i] = id.Digest
			continue
		}
		var err error
		if ids[i], err = fileSum(ctx, f); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// fileSum is the SHA-256 of a file of a table.
func fileSum(ctx context.Context, f dataset.File) (object.Digest, error) {
	in, err := f.Open(ctx)
	if err != nil {
		return object.Digest{}, err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return object.Digest{}, fault.New(fault.KindOf(err), "cannot read %s: %w", f.Name, err)
	}
	return object.Digest(h.Sum(nil)), nil
}

// listDigest names several files by what each is called and holds.
func listDigest(names []string, ids []object.Digest) object.Digest {
	h := sha256.New()
	for i, name := range names {
		fmt.Fprintf(h, "%s %q\n", ids[i].Hex(), name)
	}
	return object.Digest(h.Sum(nil))
}

// relTable is a path from the root of the repository; empty where there is none, or outside it.
func (a *app) relTable(local string) (string, error) {
	r, err := a.repo()
	if fault.KindOf(err) == fault.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	rel, err := r.Rel(local)
	if err != nil {
		return "", nil //nolint:nilerr // it lies elsewhere
	}
	return rel, nil
}

// trackedTable is the pointer of a path that is tracked as a whole; without one it is empty.
func (a *app) trackedTable(local string) (string, snapshot.Pointer, error) {
	rel, err := a.relTable(local)
	if err != nil || rel == "" || rel == "." {
		return rel, snapshot.Pointer{}, err
	}
	r, err := a.repo()
	if err != nil {
		return rel, snapshot.Pointer{}, err
	}
	p, _, err := a.pointerAt(r, rel)
	return rel, p, err
}

// asTracked is the version that a tracked path is, when what stands there is what its pointer names; else zero.
func (a *app) asTracked(ctx context.Context, local string) (object.Digest, error) {
	rel, pointer, err := a.trackedTable(local)
	if err != nil || pointer.Root.IsZero() {
		return object.Digest{}, err
	}
	r, err := a.repo()
	if err != nil {
		return object.Digest{}, err
	}
	store, err := a.store()
	if err != nil {
		return object.Digest{}, err
	}
	found, err := store.Identify(ctx, snapshot.IdentifyOptions{Dir: r.Root, Paths: []string{rel},
		Ignore: func(dir string) (snapshot.Ignore, error) { return r.Matcher(dir) }})
	if err != nil {
		return object.Digest{}, fault.New(fault.KindOf(err), "cannot read %s: %w", local, err)
	}
	if found[rel].Root == pointer.Root {
		return pointer.Root, nil
	}
	return object.Digest{}, nil
}

// splitTablePattern splits a pattern into the folder that it starts in and the rest.
func splitTablePattern(pattern string) (base, rest string) {
	segments := strings.Split(pattern, "/")
	n := 0
	for n < len(segments)-1 && !strings.ContainsAny(segments[n], "*?[") {
		n++
	}
	base = strings.Join(segments[:n], "/")
	if base == "" && strings.HasPrefix(pattern, "/") {
		base = "/"
	}
	if base == "" {
		base = "."
	}
	return base, strings.Join(segments[n:], "/")
}

// globbed lists the files below dir that fit a pattern, or lie in a folder that does, in natural order.
func globbed(fsys fs.FS, dir, pattern string) ([]string, error) {
	segments := strings.Split(pattern, "/")
	fits := func(rel string) bool {
		for p := rel; p != "." && p != "/"; p = path.Dir(p) {
			if repo.Match(pattern, p) {
				return true
			}
		}
		return false
	}
	hopeless := func(rel string, isDir bool) bool {
		if !isDir {
			return !fits(rel)
		}
		n := strings.Count(rel, "/") + 1
		head := segments[:min(n, len(segments))]
		for i, s := range head {
			if s == "**" {
				head = segments[:i+1]
				break
			}
		}
		return !repo.Match(strings.Join(head, "/"), rel) && head[len(head)-1] != "**" && !fits(rel)
	}
	return dataset.Walk(fsys, dir, hopeless)
}
