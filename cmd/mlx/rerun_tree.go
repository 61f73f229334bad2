package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// rerunPrefix begins the names of temporary work trees.
const rerunPrefix = "rerun-"

// oldRerun is the age at which a temporary work tree goes, whoever made it.
const oldRerun = 30 * 24 * time.Hour

// rerunTree is where a run is repeated: the project as it was, in a folder that nobody works in.
type rerunTree struct {
	app    *app // this process as it works in the tree
	repo   *repo.Repo
	top    *os.Root // of the project in the tree; nothing is written outside of it
	index  string
	delete func() error
}

// remove takes the tree away. It may be called again, and of none.
func (t *rerunTree) remove() error {
	if t == nil || t.delete == nil {
		return nil
	}
	done := t.delete
	t.delete = nil
	var errs []error
	if t.top != nil {
		errs = append(errs, t.top.Close())
	}
	errs = append(errs, done(), os.RemoveAll(t.index))
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.KindOf(err), "cannot remove the temporary work tree: %w", err)
	}
	return nil
}

// sweepReruns removes what reruns left that were killed.
func (a *app) sweepReruns(r *repo.Repo) {
	host, now := a.host(), a.now()
	err := r.SweepScratch(rerunPrefix, func(name string, info fs.FileInfo) bool {
		var pid int
		_, err := fmt.Sscanf(name, rerunPrefix+hostMark(host)+"-%d-", &pid)
		gone := err == nil && ended(pid) || now.Sub(info.ModTime()) > oldRerun
		if gone {
			gone = os.RemoveAll(filepath.Join(filepath.Dir(r.WorkspaceIndex()), name)) == nil
		}
		return gone
	})
	if err != nil {
		a.streams.Why("cannot remove what an earlier rerun left: %v", err)
	}
}

// build makes the tree of the run: its commit, the changes and files on top, and its data.
func (j *rerunJob) build(ctx context.Context) (_ *rerunTree, err error) {
	if err := os.MkdirAll(j.repo.Tmp(), 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make a temporary work tree: %w", err)
	}
	dir, err := os.MkdirTemp(j.repo.Tmp(), fmt.Sprintf("%s%s-%d-*", rerunPrefix, hostMark(j.app.host()), os.Getpid()))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot make a temporary work tree: %w", err)
	}
	t := &rerunTree{index: filepath.Join(filepath.Dir(j.repo.WorkspaceIndex()), filepath.Base(dir))}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.remove())
		}
	}()
	if err := j.code(ctx, t, dir); err != nil {
		return t, err
	}
	if t.top, err = os.OpenRoot(t.repo.Root); err != nil {
		return t, fault.New(fault.KindOf(err), "cannot make a temporary work tree: %w", err)
	}
	t.app = j.app.inTree(t)
	if err := j.untracked(ctx, t); err != nil {
		return t, err
	}
	if err := j.checkout(ctx, t); err != nil {
		return t, err
	}
	return t, t.folders(j)
}

// inTree is this process as it works in the tree: the same records and bytes, other files.
func (a *app) inTree(t *rerunTree) *app {
	b := new(app)
	*b = *a
	b.opened, b.at, b.pipeline = nil, t.repo.Root, nil
	b.lazily()
	b.ledger = a.ledger
	b.repo = func() (*repo.Repo, error) { return t.repo, nil }
	b.store = sync.OnceValues(func() (*snapshot.Store, error) { return b.openStoreWith(t.index) })
	if _, err := os.Stat(t.repo.Abs(repo.ConfigName)); err != nil {
		b.config = a.config // the commit is older than mlx.yaml
	}
	return b
}

// code brings the commit and the uncommitted changes, or, outside git, what is there now.
func (j *rerunJob) code(ctx context.Context, t *rerunTree, dir string) error {
	if j.repo.NoGit {
		t.delete = func() error { return os.RemoveAll(dir) }
		here := *j.repo
		here.Root = dir
		t.repo = &here
		return j.copyProject(ctx, dir)
	}
	scratch, err := j.repo.AddScratch(ctx, dir, j.body.Code.Commit)
	if err != nil {
		return err
	}
	t.repo, t.delete = scratch.Repo, scratch.Remove
	subs, err := j.repo.Submodules(ctx, j.body.Code.Commit)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if err := scratch.AddSubmodule(ctx, j.repo, sub); err != nil {
			return err
		}
	}
	if name, err := scratch.LFSPointers(ctx); err != nil {
		return err
	} else if name != "" {
		return j.cannot(fault.NotFound, "Git LFS keeps %s and did not bring it", name).Hint("git lfs install && git lfs fetch --all")
	}
	if j.body.Code.Patch == nil {
		return os.MkdirAll(t.repo.Root, 0o777)
	}
	patch, err := j.patch(ctx)
	if err != nil {
		return err
	}
	if err := scratch.Apply(ctx, patch); err != nil {
		return err
	}
	return os.MkdirAll(t.repo.Root, 0o777)
}

// patch reads the uncommitted changes.
func (j *rerunJob) patch(ctx context.Context) ([]byte, error) {
	store, err := j.app.store()
	if err != nil {
		return nil, err
	}
	files, err := store.FS(ctx, *j.body.Code.Patch)
	if err != nil {
		return nil, j.damaged(err)
	}
	entries, err := fs.ReadDir(files, ".")
	if err == nil && len(entries) != 1 {
		err = fault.New(fault.Integrity, "the uncommitted changes are %d files", len(entries))
	}
	if err != nil {
		return nil, j.damaged(err)
	}
	patch, err := fs.ReadFile(files, entries[0].Name())
	if err != nil {
		return nil, j.damaged(err)
	}
	return patch, nil
}

// damaged words that what the run was made from cannot be read.
func (j *rerunJob) damaged(err error) error {
	e := fault.New(fault.KindOf(err), "cannot rerun %s: %w", j.original.RunID.Short(), err)
	if fault.KindOf(err) == fault.Integrity && len(fault.Hints(err)) == 0 {
		e.Hint("mlx verify   # names all that is damaged")
	}
	return e
}

// untracked puts the files in place that git did not know.
func (j *rerunJob) untracked(ctx context.Context, t *rerunTree) error {
	if j.body.Code.Files == nil {
		return nil
	}
	store, err := j.app.store()
	if err != nil {
		return err
	}
	files, err := store.FS(ctx, *j.body.Code.Files)
	if err != nil {
		return j.damaged(err)
	}
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		return put(t.top, files, name, d)
	})
	if err != nil {
		return j.damaged(err)
	}
	return nil
}

// put writes one entry of a file system below a root, which no link leads out of.
func put(top *os.Root, files fs.FS, name string, d fs.DirEntry) error {
	at := filepath.FromSlash(name)
	if d.IsDir() {
		return top.MkdirAll(at, 0o777)
	}
	return layFile(top, at, files, name)
}

// checkout brings the versions that the run read.
func (j *rerunJob) checkout(ctx context.Context, t *rerunTree) error {
	for _, w := range j.data {
		if err := plainParents(t.top, w.Path); err != nil {
			return j.cannot(fault.Conflict, "its data cannot be put at %s: %v", w.Path, err)
		}
		if _, err := t.app.restore(ctx, t.repo, w, checkoutOptions{force: true}); err != nil {
			return j.damaged(err)
		}
	}
	return nil
}

// plainParents makes the folders above a path and refuses links among them: a checkout follows these.
func plainParents(top *os.Root, rel string) error {
	var dirs []string
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		info, err := top.Lstat(filepath.FromSlash(dirs[i]))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return top.MkdirAll(filepath.FromSlash(path.Dir(rel)), 0o777)
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is no folder", dirs[i])
		}
	}
	return nil
}

// folders makes the working folder and those of the outputs: git keeps no empty ones.
func (t *rerunTree) folders(j *rerunJob) error {
	all := []string{j.body.Folder}
	for _, out := range j.body.Outs {
		all = append(all, path.Dir(out))
	}
	for _, dir := range all {
		if err := t.top.MkdirAll(filepath.FromSlash(dir), 0o777); err != nil {
			return j.cannot(fault.KindOf(err), "its folder %s cannot be made: %v", dir, err)
		}
	}
	return nil
}
