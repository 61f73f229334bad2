package repo

import (
	"context"
	"path"
	"path/filepath"

	"mlx/internal/fault"
)

// Projects returns every project of the git work tree that dir is in, for hooks: git calls them once for all projects.
// A work tree without projects is no error.
func Projects(ctx context.Context, dir string) ([]*Repo, error) {
	dir, err := canonical(dir)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot find the projects: %w", err)
	}
	for up := dir; ; up = filepath.Dir(up) {
		a, err := anchorAt(up)
		if err != nil {
			return nil, err
		}
		if a != nil && !a.noGit {
			return a.projects(ctx)
		}
		if up == filepath.Dir(up) {
			return nil, nil
		}
	}
}

func (a *anchor) projects(ctx context.Context) ([]*Repo, error) {
	top := &Repo{Root: a.dir, WorkTree: a.dir, GitDir: a.gitDir, CommonDir: a.commonDir}
	entries, err := top.indexOf(ctx, worktree{dir: a.dir, gitDir: a.gitDir})
	if err != nil {
		return nil, err
	}
	var all []*Repo
	for _, e := range entries {
		root := filepath.Join(a.dir, filepath.FromSlash(path.Dir(e.path)))
		if path.Base(e.path) != ConfigName || !isFile(filepath.Join(root, ConfigName)) {
			continue
		}
		r, err := a.project(root)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
