package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// sentTree is the work tree as a backend gets it: what git tracks, as it is now, and what a run keeps of the rest. Data travels by
// itself, and what is only a trace of other work, .git and virtual environments, not at all.
type sentTree struct {
	files  []train.TreeFile
	wanted map[string]bool // paths of the files, and of the folders above them
	bytes  int64
}

// treeOf lists the work tree. code must name every untracked file that is kept.
func (a *app) treeOf(ctx context.Context, r *repo.Repo, spec run.Spec) (sentTree, error) {
	t := sentTree{wanted: map[string]bool{}}
	if err := a.tooLarge(spec.Code); err != nil {
		return t, err
	}
	ignored, err := r.Matcher(".")
	if err != nil {
		return t, err
	}
	names, err := treeNames(ctx, r, spec)
	if err != nil {
		return t, err
	}
	for _, name := range names {
		if ignoredBelow(ignored, name) || slices.ContainsFunc(spec.Data, func(d run.Data) bool { return within(name, d.Path) }) {
			continue
		}
		info, err := os.Lstat(r.Abs(name))
		if err != nil || info.IsDir() || !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			continue // deleted here, or nothing that can be kept
		}
		t.add(train.TreeFile{Path: name, Bytes: info.Size()})
	}
	large, sum, err := train.Weigh(t.files)
	t.bytes = sum
	if err != nil {
		return t, a.slimmer(err, large)
	}
	for _, f := range large {
		a.streams.Note("%s is sent with the code: %s", a.shown(f.Path), cli.FormatBytes(f.Bytes))
	}
	if len(large) > 0 {
		a.streams.Hint("mlx snapshot "+a.typed(large[0].Path), "data travels once: mlx run -d")
	}
	return t, nil
}

func (t *sentTree) add(f train.TreeFile) {
	t.files = append(t.files, f)
	for at := f.Path; at != "." && !t.wanted[at]; at = path.Dir(at) {
		t.wanted[at] = true
	}
}

// treeNames are the paths of what is sent, before they are looked at.
func treeNames(ctx context.Context, r *repo.Repo, spec run.Spec) ([]string, error) {
	if r.NoGit {
		return walkNames(r, ".", spec.Outs)
	}
	tracked, err := r.TrackedFiles(ctx)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot list the work tree: %w", err)
	}
	held := map[string]bool{} // tracked, and changed so that nobody may know
	for _, l := range spec.Code.LeftOut {
		held[l.Path] = l.Why == changesLeftOut
	}
	var names []string
	for _, name := range slices.Concat(tracked, spec.Code.Untracked) {
		if held[name] {
			continue
		}
		info, err := os.Lstat(r.Abs(name))
		if err == nil && info.IsDir() { // a submodule
			below, err := walkNames(r, name, nil)
			if err != nil {
				return nil, err
			}
			names = append(names, below...)
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// walkNames lists the files below a folder that no git tells of, as those of an untracked one.
func walkNames(r *repo.Repo, folder string, outs []run.Out) ([]string, error) {
	var all []string
	err := filepath.WalkDir(r.Abs(folder), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.Root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.Name() == ".git" || d.Name() == ".mlx":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || slices.ContainsFunc(outs, func(o run.Out) bool { return within(rel, o.Path) }):
			return nil
		}
		all = append(all, rel)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.KindOf(err), "cannot list the work tree: %w", err)
	}
	keep, _ := r.Sort(all)
	return keep, nil
}

// ignoredBelow says whether .mlxignore leaves a path out, or a folder above it.
func ignoredBelow(ignored func(rel string, isDir bool) bool, name string) bool {
	if ignored == nil {
		return false
	}
	for i := range len(name) {
		if name[i] == '/' && ignored(name[:i], true) {
			return true
		}
	}
	return ignored(name, false)
}

// tooLarge refuses a tree in which an untracked file is too large to be kept: the command may need it, and would miss it far away.
func (a *app) tooLarge(code run.Code) error {
	for _, l := range code.LeftOut {
		if !strings.HasPrefix(l.Why, "more than ") {
			continue
		}
		return fault.New(fault.Usage, "cannot send the work tree: %s has %s, and nothing ignores it", a.shown(l.Path), cli.FormatBytes(l.Bytes)).
			Hint("mlx snapshot %s   # data that the command reads: then mlx run -d %s", a.typed(l.Path), a.typed(l.Path)).
			Hint("echo %s >> .gitignore   # the command does not need it", shellWord("/"+l.Path))
	}
	return nil
}

// slimmer adds to the error of a tree that is too large what it is made of.
func (a *app) slimmer(err error, large []train.TreeFile) error {
	if len(large) == 0 {
		return fault.New(fault.KindOf(err), "%w", err).Hint("echo FOLDER/ >> .mlxignore   # what the command does not need")
	}
	f := large[0]
	return fault.New(fault.KindOf(err), "%w; the largest file is %s: %s", err, a.shown(f.Path), cli.FormatBytes(f.Bytes)).
		Hint("mlx snapshot %s   # data that the command reads: then mlx run -d %s", a.typed(f.Path), a.typed(f.Path)).
		Hint("echo %s >> .mlxignore   # the command does not need it", shellWord("/"+f.Path))
}

// saveTree makes the tree a version. What is remembered of its files is kept apart from what other saves of this folder remember.
func (a *app) saveTree(ctx context.Context, r *repo.Repo, t sentTree) (snapshot.Saved, error) {
	at := r.WorkspaceIndex()
	store, err := a.openStoreWith(filepath.Join(filepath.Dir(at), "sent-"+filepath.Base(at)))
	if err != nil {
		return snapshot.Saved{}, err
	}
	defer func() { _ = store.Close() }() // it was only written to, and what it wrote is durable
	progress := a.streams.Progress("reading", "bytes", 0)
	saved, err := store.Save(ctx, snapshot.SaveOptions{
		Path: r.Root, Ignore: func(rel string, _ bool) bool { return !t.wanted[rel] }, Progress: progress,
	})
	progress.Done()
	if err != nil {
		return saved, fault.New(fault.KindOf(err), "cannot keep the work tree: %w", err)
	}
	return saved, nil
}
