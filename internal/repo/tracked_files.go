package repo

import (
	"context"
	"slices"
	"strings"
)

// Files is what git tracks of the project, sorted, relative to Root.
type Files []string

// TrackedFiles lists what git's index holds below Root; nothing outside git.
func (r *Repo) TrackedFiles(ctx context.Context) (Files, error) {
	if r.NoGit {
		return nil, nil
	}
	entries, err := r.indexOf(ctx, worktree{dir: r.WorkTree, gitDir: r.GitDir})
	if err != nil {
		return nil, err
	}
	prefix := r.prefix()
	files := make(Files, 0, len(entries))
	for _, e := range entries {
		if rel, below := strings.CutPrefix(e.path, prefix); below {
			files = append(files, rel)
		}
	}
	slices.Sort(files)
	return files, nil
}

// Hold says whether one of the files is path or lies in it.
func (f Files) Hold(path string) bool {
	if path == "." {
		return len(f) > 0
	}
	if _, found := slices.BinarySearch(f, path); found {
		return true
	}
	at, _ := slices.BinarySearch(f, path+"/")
	return at < len(f) && strings.HasPrefix(f[at], path+"/")
}
