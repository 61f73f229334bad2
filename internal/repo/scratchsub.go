package repo

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// Submodule is another repository at a path of a commit.
type Submodule struct {
	Path   string // from the root of the work tree, with slashes
	Commit string
}

// Submodules lists those of a commit.
func (r *Repo) Submodules(ctx context.Context, commit string) ([]Submodule, error) {
	if !validCommit(commit) {
		return nil, fault.New(fault.Usage, "cannot list submodules: %.80q is no commit", commit)
	}
	out, err := r.git(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var all []Submodule
	for _, line := range splitZ(out) {
		meta, name, _ := strings.Cut(line, "\t")
		if words := strings.Fields(meta); len(words) == 3 && words[0] == "160000" {
			all = append(all, Submodule{Path: name, Commit: words[2]})
		}
	}
	return all, nil
}

// HasSubmodule says whether the submodule is checked out in this work tree and has the commit, so that nothing need be
// fetched for it.
func (r *Repo) HasSubmodule(ctx context.Context, sub Submodule) bool {
	dir := filepath.Join(r.WorkTree, filepath.FromSlash(sub.Path))
	if !validCommit(sub.Commit) || !filepath.IsLocal(filepath.FromSlash(sub.Path)) {
		return false
	}
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return false // git would answer for the repository around it
	}
	_, err := runGit(ctx, gitCommand(ctx, dir, "cat-file", "-e", sub.Commit+"^{tree}"))
	return err == nil
}

// AddSubmodule writes the files of a submodule, which from has, into the work tree. It asks no network and leaves the
// submodule of from as it is.
func (s *ScratchTree) AddSubmodule(ctx context.Context, from *Repo, sub Submodule) error {
	admin, err := s.admin()
	if err != nil {
		return err
	}
	target := filepath.Join(s.Dir, filepath.FromSlash(sub.Path))
	if err := os.MkdirAll(target, 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot write submodule %s: %w", sub.Path, err)
	}
	dir := filepath.Join(from.WorkTree, filepath.FromSlash(sub.Path))
	index := "GIT_INDEX_FILE=" + filepath.Join(admin, "index-of-submodule")
	for _, args := range [][]string{
		{"read-tree", sub.Commit},
		{"--work-tree=" + target, "checkout-index", "--all", "--force"},
	} {
		cmd := gitCommand(ctx, dir, args...)
		cmd.Env = append(cmd.Env, index)
		if _, err := runGit(ctx, cmd); err != nil {
			return fault.New(fault.KindOf(err), "cannot write submodule %s: %w", sub.Path, err)
		}
	}
	return nil
}
