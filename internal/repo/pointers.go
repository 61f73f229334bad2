package repo

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// Pointers returns the data that this project tracks: the paths, relative to Root and sorted, whose pointer files are
// here. The nearest mlx.yaml owns a pointer, and a data folder owns everything in it.
//
// Two sources together find all of them without reading a data folder: git's index knows the committed ones, wherever
// they are; a walk finds those just made. The walk enters no folder that has a pointer beside it, that git ignores, or
// that is a project or repository of its own, so a data folder of a million files costs nothing.
func (r *Repo) Pointers(ctx context.Context) ([]string, error) {
	w := pointerWalk{ctx: ctx, root: r.Root}
	rules, err := r.excludes()
	if err != nil {
		return nil, err
	}
	if err := w.walk("", rules); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot look for pointer files: %w", err)
	}
	committed, err := r.indexPointers(ctx)
	if err != nil {
		return nil, err
	}
	return r.keepPointers(append(w.found, committed...))
}

// indexPointers returns the pointer files in git's index at or below Root.
func (r *Repo) indexPointers(ctx context.Context) ([]string, error) {
	if r.NoGit {
		return nil, nil
	}
	entries, err := r.indexOf(ctx, worktree{dir: r.WorkTree, gitDir: r.GitDir})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if rel, below := strings.CutPrefix(e.path, r.prefix()); below && isPointerName(path.Base(rel)) {
			found = append(found, rel)
		}
	}
	return found, nil
}

// keepPointers drops what is no pointer file, lies inside data or belongs to a project further down, and returns the
// data paths.
func (r *Repo) keepPointers(files []string) ([]string, error) {
	slices.Sort(files)
	paths := map[string]bool{}
	other := map[string]bool{".": false}
	for _, file := range slices.Compact(files) {
		if r.otherProject(path.Dir(file), other) {
			continue
		}
		data, err := readPointer(r.Abs(file))
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read pointer %s: %w", file, err)
		}
		path := strings.TrimSuffix(file, PointerExt)
		if looksLikePointer(data) || data != nil && exists(r.Abs(path)) {
			paths[path] = true // what stands beside its data is a pointer, if a damaged one
		}
	}
	var all []string
	for p := range paths {
		if !insideData(p, paths) {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all, nil
}

// otherProject says whether a folder below Root belongs to a project of its own; known remembers the answers.
func (r *Repo) otherProject(dir string, known map[string]bool) bool {
	answer, ok := known[dir]
	if !ok {
		answer = r.otherProject(path.Dir(dir), known) || isFile(filepath.Join(r.Abs(dir), ConfigName))
		known[dir] = answer
	}
	return answer
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func insideData(p string, data map[string]bool) bool {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if data[dir] {
			return true
		}
	}
	return false
}

// excludes returns the rules that hold before the walk begins: git's own exclude file and the ignore files above Root.
func (r *Repo) excludes() (ignoreRules, error) {
	if r.NoGit {
		return nil, nil
	}
	above, err := ignoreFiles(r.WorkTree, path.Dir(strings.TrimSuffix(r.prefix(), "/")), ".gitignore")
	if err != nil || r.prefix() == "" {
		above = nil
	}
	text, err := readSmall(filepath.Join(r.CommonDir, "info", "exclude"), maxIgnore)
	if err != nil {
		text = nil // absent, mostly; git goes on without it as well
	}
	return rebase(append(parseIgnore("", text), above...), r.prefix()), nil
}

// rebase makes rules of the work tree apply to paths relative to the folder prefix, which ends in a slash.
func rebase(rules ignoreRules, prefix string) ignoreRules {
	for i := range rules {
		rules[i].above = prefix
	}
	return rules
}

// pointerWalk looks for pointer files below root.
type pointerWalk struct {
	ctx        context.Context
	root       string
	also       string // a name that is looked for besides pointers
	everywhere bool   // enter ignored folders and other projects as well: for gc, which must not miss one
	found      []string
}

func (w *pointerWalk) walk(dir string, rules ignoreRules) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := readDir(filepath.Join(w.root, filepath.FromSlash(dir)))
	if err != nil {
		if dir != "" && !w.everywhere && os.IsPermission(err) {
			return nil // a folder nobody may read holds nothing that is tracked
		}
		return err
	}
	names := make(map[string]bool)
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.Type().IsRegular() && isPointerName(name):
			names[name] = true
			w.found = append(w.found, path.Join(dir, name))
		case w.also != "" && name == w.also:
			w.found = append(w.found, path.Join(dir, name))
		case name == ".git" && dir != "", name == ConfigName && dir != "" && !w.everywhere:
			w.found = slices.DeleteFunc(w.found, func(p string) bool { return strings.HasPrefix(p, dir+"/") })
			return nil
		case name == ".gitignore" && !w.everywhere:
			text, err := readSmall(filepath.Join(w.root, filepath.FromSlash(dir), name), maxIgnore)
			if err == nil {
				rules = append(slices.Clip(rules), parseIgnore(dir, text)...)
			}
		}
	}
	for _, e := range entries {
		name := e.Name()
		rel := path.Join(dir, name)
		if !e.IsDir() || name == ".git" || name == ".mlx" || names[name+PointerExt] || !w.everywhere && rules.ignored(rel, true) {
			continue
		}
		if err := w.walk(rel, rules); err != nil {
			return err
		}
	}
	return nil
}

// readDir lists a folder without sorting it.
func readDir(dir string) ([]os.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}
