package source

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"mlx/internal/fault"
)

// dvcRepo is a repository of dvc: what it tracks, and where its bytes may be.
type dvcRepo struct {
	dir    string
	clone  bool   // dir is ours and is removed in the end
	from   string // what was cloned
	outs   []dvcOut
	config dvcConfig

	lockPlaces sync.Mutex
	places     map[string]*place // by name of the remote; "" is the cache
}

// dvcOut is a file or folder that dvc tracks.
type dvcOut struct {
	path    string // from the root of the repository
	md5     string // 32 digits; of a folder the sum of its list
	folder  bool
	legacy  bool // sums of text may be over unix line ends
	remote  string
	trouble error
}

const maxOuts = 200_000

func (r *dvcRepo) close() {
	for _, p := range r.places {
		if p.bucket != nil {
			p.bucket.Close() //nolint:errcheck // it was only read
		}
	}
	if r.clone {
		os.RemoveAll(r.dir)
	}
}

// Outs lists the paths that a dvc repository tracks, and says of which it cannot tell the content.
func (f *Fetcher) Outs(ctx context.Context, s Source) (paths []string, troubles []error, err error) {
	r, err := f.openDVC(ctx, s)
	if err != nil {
		return nil, nil, s.failed(err)
	}
	for _, o := range r.outs {
		if o.trouble != nil {
			troubles = append(troubles, s.At(o.path).failed(o.trouble))
			continue
		}
		paths = append(paths, o.path)
	}
	return paths, troubles, nil
}

// dvc brings what a repository of dvc tracks at a path: an output, a part of one, or a folder with some in it.
func (f *Fetcher) dvc(ctx context.Context, q Request) (Result, error) {
	r, err := f.openDVC(ctx, q.Source)
	if err != nil {
		return Result{}, err
	}
	inner := q.Source.inner
	var items []item
	for _, o := range r.outs {
		rel, below := strings.CutPrefix(o.path+"/", inner+"/")
		part, above := strings.CutPrefix(inner+"/", o.path+"/")
		if !below && !(above && o.folder) {
			continue
		}
		found, err := f.dvcItems(ctx, r, o, strings.TrimSuffix(part, "/"))
		if err != nil {
			return Result{}, naming(strings.TrimSuffix(rel, "/"), err)
		}
		if below {
			for i := range found {
				found[i].pin.Name = path.Join(strings.TrimSuffix(rel, "/"), found[i].pin.Name)
			}
		}
		items = append(items, found...)
	}
	if len(items) == 0 {
		return Result{}, r.unknown(inner)
	}
	return f.assemble(ctx, q, items)
}

// unknown is the error for a path that dvc does not track, with the nearest that it does.
func (r *dvcRepo) unknown(inner string) error {
	names := make([]string, len(r.outs))
	for i, o := range r.outs {
		names[i] = o.path
	}
	e := fault.New(fault.NotFound, "dvc tracks no %s there", inner)
	if near := fault.Nearest(inner, names); near != "" {
		return e.Hint("mlx import dvc:REPO:%s", near)
	}
	if len(names) > 0 {
		return e.Hint("mlx import dvc:REPO:%s   # one of %d", names[0], len(names))
	}
	return e
}

// dvcItems lists the files of an output; part limits a folder to a path in it.
func (f *Fetcher) dvcItems(ctx context.Context, r *dvcRepo, o dvcOut, part string) ([]item, error) {
	if o.trouble != nil {
		return nil, o.trouble
	}
	if !o.folder {
		return []item{f.dvcItem(r, o, "", o.md5)}, nil
	}
	list, err := f.dvcList(ctx, r, o)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, e := range list {
		name := e.Path
		if part != "" {
			rest, ok := strings.CutPrefix(e.Path+"/", part+"/")
			if !ok {
				continue
			}
			name = strings.TrimSuffix(rest, "/")
		}
		items = append(items, f.dvcItem(r, o, name, e.MD5))
	}
	return items, nil
}

func (f *Fetcher) dvcItem(r *dvcRepo, o dvcOut, name, sum string) item {
	return item{
		pin:  Pin{Name: name, Bytes: -1, ETag: sum},
		read: func(ctx context.Context, w io.Writer) error { return f.dvcBytes(ctx, r, o, dvcKey{sum, false}, w) },
		md5: func(raw, text string) error {
			if raw == sum || o.legacy && text == sum {
				return nil
			}
			return fault.New(fault.Integrity, "the bytes kept as md5 %s have the sum %s", sum, raw)
		},
	}
}

// openDVC reads what a repository tracks, once. A git repository is cloned by the user's own git, for its credentials.
func (f *Fetcher) openDVC(ctx context.Context, s Source) (*dvcRepo, error) {
	if r := f.clones[s.given]; r != nil {
		return r, nil
	}
	r := &dvcRepo{dir: s.given, places: make(map[string]*place)}
	if info, err := os.Stat(filepath.Join(r.dir, ".dvc")); err != nil || !info.IsDir() {
		if isFolder(r.dir, "") && !isBare(r.dir) {
			return nil, fault.New(fault.NotFound, "it has no .dvc folder, so it is no repository of dvc").Hint("mlx import dvc:REPO   # the folder that holds .dvc, or a git URL")
		}
		if err := f.cloneDVC(ctx, r); err != nil {
			r.close()
			return nil, err
		}
	}
	err := r.load(ctx, f.o.Config)
	if err != nil {
		r.close()
		return nil, err
	}
	f.clones[s.given] = r
	return r, nil
}

func isBare(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "HEAD"))
	_, objects := os.Stat(filepath.Join(dir, "objects"))
	return err == nil && objects == nil
}

func (f *Fetcher) cloneDVC(ctx context.Context, r *dvcRepo) error {
	from := r.dir
	dir, err := os.MkdirTemp(f.o.Tmp, "clone-*")
	if err != nil {
		return err
	}
	r.dir, r.clone, r.from = dir, true, from
	tail := &lastLines{}
	// A cloned repository must not bring links, hooks or helpers of its own to this machine.
	cmd := exec.CommandContext(ctx, "git", "-c", "core.symlinks=false", "-c", "protocol.ext.allow=never", "-c", "core.hooksPath="+os.DevNull,
		"clone", "--quiet", "--depth", "1", "--no-tags", "--template=", "--", from, dir) //nolint:gosec // a list of words
	cmd.Env = append(append([]string{}, f.o.Environ...), "GIT_TERMINAL_PROMPT=0", "GIT_LFS_SKIP_SMUDGE=1")
	cmd.Stderr = tail
	if err := cmd.Run(); err != nil {
		shown, _ := redactRepo(from)
		return fault.New(fault.Unavailable, "git cannot clone it%s", strings.ReplaceAll(tail.told(), from, shown))
	}
	if info, err := os.Stat(filepath.Join(dir, ".dvc")); err != nil || !info.IsDir() {
		return fault.New(fault.NotFound, "it has no .dvc folder, so it is no repository of dvc")
	}
	return nil
}

// load finds the .dvc files and dvc.lock files.
func (r *dvcRepo) load(ctx context.Context, read func(string) (map[string]any, error)) error {
	if read == nil {
		return fault.New(fault.Usage, "files of dvc cannot be read here")
	}
	var err error
	base := r.dir
	if from := strings.TrimPrefix(r.from, "file://"); r.clone && isFolder(from, r.dir) {
		base = from
	}
	if r.config, err = readDVCConfig(filepath.Join(r.dir, ".dvc"), filepath.Join(base, ".dvc")); err != nil {
		return err
	}
	err = filepath.WalkDir(r.dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || ctx.Err() != nil:
			return firstOf(ctx.Err(), err)
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".dvc"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(r.dir, filepath.Dir(p))
		if err != nil {
			return err
		}
		switch base := filepath.ToSlash(rel); {
		case d.Name() == "dvc.lock":
			err = r.lock(p, base, read)
		case strings.HasSuffix(d.Name(), ".dvc"):
			err = r.file(p, base, read)
		}
		if len(r.outs) > maxOuts {
			err = fault.New(fault.Usage, "more than %d outputs", maxOuts)
		}
		return err
	})
	slices.SortStableFunc(r.outs, func(a, b dvcOut) int { return cmp.Compare(a.path, b.path) })
	return err
}

func (r *dvcRepo) file(p, base string, read func(string) (map[string]any, error)) error {
	m, err := read(p)
	if err != nil {
		return unreadable(p, err)
	}
	wdir, _ := m["wdir"].(string)
	r.outs = append(r.outs, outsOf(m["outs"], path.Join(base, wdir))...)
	return nil
}

// lock reads dvc.lock, whose paths start in the working folder that dvc.yaml gives each stage.
func (r *dvcRepo) lock(p, base string, read func(string) (map[string]any, error)) error {
	m, err := read(p)
	if err != nil {
		return unreadable(p, err)
	}
	stages, ok := m["stages"].(map[string]any)
	if _, new := m["schema"]; !ok && !new {
		stages = m // as the first version wrote it
	}
	var defined map[string]any
	if yaml, err := read(filepath.Join(filepath.Dir(p), "dvc.yaml")); err == nil {
		defined, _ = yaml["stages"].(map[string]any)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return unreadable("dvc.yaml", err)
	}
	for name, value := range stages {
		stage, _ := value.(map[string]any)
		r.outs = append(r.outs, outsOf(stage["outs"], path.Join(base, wdirOf(defined, name)))...)
	}
	return nil
}

func wdirOf(defined map[string]any, name string) string {
	stage, ok := defined[name].(map[string]any)
	if group, _, found := strings.Cut(name, "@"); !ok && found {
		stage, _ = defined[group].(map[string]any)
	}
	if each, ok := stage["do"].(map[string]any); ok {
		stage = each
	}
	wdir, _ := stage["wdir"].(string)
	return wdir
}

func unreadable(p string, err error) error {
	return fault.New(fault.Usage, "cannot read %s of dvc: %w", filepath.Base(p), err)
}
