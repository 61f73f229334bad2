package repo

import (
	"context"
	"strings"
)

// lfsHead begins a git-lfs pointer.
const lfsHead = "version https://git-lfs.github.com/spec/"

// lfsProbe is how many tracked files are looked into for git-lfs; data is rarely mixed.
const lfsProbe = 20

// Tracked says what git already holds of a path.
type Tracked struct {
	Files int  // files at or below the path in git's index
	LFS   bool // they are kept by git-lfs
}

// IsTracked says what git already holds at or below path, relative to Root.
func (r *Repo) IsTracked(ctx context.Context, path string) (Tracked, error) {
	if r.NoGit {
		return Tracked{}, nil
	}
	entries, err := r.indexOf(ctx, worktree{dir: r.WorkTree, gitDir: r.GitDir})
	if err != nil {
		return Tracked{}, err
	}
	var t Tracked
	var probe []string
	path = r.prefix() + path
	for _, e := range entries {
		if e.path != path && !strings.HasPrefix(e.path, path+"/") {
			continue
		}
		t.Files++
		if len(probe) < lfsProbe {
			probe = append(probe, e.id)
		}
	}
	if t.Files == 0 {
		return t, nil
	}
	t.LFS, err = r.anyLFS(ctx, probe)
	return t, err
}

func (r *Repo) anyLFS(ctx context.Context, blobs []string) (bool, error) {
	var source objects
	if g, err := r.open(); err == nil {
		source = inProcess{g}
	} else {
		c, err := r.startCatFile(ctx)
		if err != nil {
			return false, err
		}
		defer c.close()
		source = c
	}
	for _, id := range blobs {
		data, err := source.blob(id)
		if err != nil {
			return false, err
		}
		if strings.HasPrefix(string(data), lfsHead) {
			return true, nil
		}
	}
	return false, nil
}
