package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

// ScratchTree is a work tree of one commit that shows nothing of what anybody is working on: it lies among the
// temporary files of the project and goes when it has served.
type ScratchTree struct {
	Repo *Repo  // the project in this work tree: it has its own root and shares all state
	Dir  string // of the work tree

	common string
}

// AddScratch makes a work tree of a commit in dir, an empty folder below Tmp. No hook of the user's runs, because one
// that mlx itself installed would check out data.
func (r *Repo) AddScratch(ctx context.Context, dir, commit string) (*ScratchTree, error) {
	if !validCommit(commit) {
		return nil, fault.New(fault.Usage, "cannot make a work tree: %.80q is no commit", commit)
	}
	s := &ScratchTree{Dir: dir, common: r.CommonDir}
	if _, err := r.git(ctx, "-c", "core.hooksPath="+os.DevNull, "worktree", "add", "--force", "--detach", dir, commit); err != nil {
		return nil, errors.Join(fault.New(fault.KindOf(err), "cannot make a work tree of %.7s: %w", commit, err), s.Remove())
	}
	admin, err := s.admin()
	if err != nil || admin == "" {
		return nil, errors.Join(fault.New(fault.Conflict, "cannot make a work tree of %.7s: git does not know it afterwards", commit), err, s.Remove())
	}
	s.Repo = &Repo{
		Root: filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(r.prefix(), "/"))), WorkTree: dir, GitDir: admin,
		CommonDir: r.CommonDir, Home: r.Home, Shared: r.Shared,
	}
	return s, nil
}

// validCommit says whether text is the full name of a commit, which no option of git is.
func validCommit(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

// HasCommit says whether a commit is in this clone, with the trees and files that it needs.
func (r *Repo) HasCommit(ctx context.Context, commit string) (bool, error) {
	if r.NoGit || !validCommit(commit) {
		return false, nil
	}
	_, err := r.git(ctx, "cat-file", "-e", commit+"^{tree}")
	if fault.KindOf(err) == fault.Conflict {
		return false, nil
	}
	return err == nil, err
}

// InCommit says whether a commit has a file or folder at a path below Root.
func (r *Repo) InCommit(ctx context.Context, commit, rel string) bool {
	if r.NoGit || !validCommit(commit) {
		return false
	}
	_, err := r.git(ctx, "cat-file", "-e", commit+":"+r.prefix()+rel)
	return err == nil
}

// Apply makes an uncommitted change, as Patch returned it.
func (s *ScratchTree) Apply(ctx context.Context, patch []byte) error {
	cmd := gitCommand(ctx, s.Dir, "apply", "--whitespace=nowarn", "--binary", "-")
	cmd.Stdin = bytes.NewReader(patch)
	if _, err := runGit(ctx, cmd); err != nil {
		return fault.New(fault.KindOf(err), "cannot apply the uncommitted changes: %w", err)
	}
	return nil
}

// Remove takes the work tree out of git's list, then its files. The folder of that list stays, also an empty one: git, which
// makes it and then a folder in it, fails if it is gone in between.
func (s *ScratchTree) Remove() error {
	admin, err := s.admin()
	if err == nil && admin != "" {
		err = os.RemoveAll(admin)
	}
	return errors.Join(err, removeTree(s.Dir))
}

// admin is the folder in which git keeps what it knows of the work tree, "" when it knows nothing. The work tree itself
// is not asked: what ran in it may have removed anything.
func (s *ScratchTree) admin() (string, error) {
	if s.common == "" { // outside git
		return "", nil
	}
	parent := filepath.Join(s.common, "worktrees")
	entries, err := os.ReadDir(parent)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return "", fault.New(fault.KindOf(err), "cannot list the worktrees: %w", err)
	}
	for _, entry := range entries {
		dir := filepath.Join(parent, entry.Name())
		text, err := readSmall(filepath.Join(dir, "gitdir"), 4096)
		if err == nil && filepath.Dir(resolveFrom(dir, strings.TrimSpace(string(text)))) == filepath.Clean(s.Dir) {
			return dir, nil
		}
	}
	return "", nil
}

// removeTree removes a folder, also one in which a program took away the right to.
func removeTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // else the removal says what is wrong
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove a temporary work tree: %w", err)
	}
	return nil
}

// SweepScratch removes the temporary work trees, with names of prefix, whose makers are gone.
func (r *Repo) SweepScratch(prefix string, gone func(name string, info fs.FileInfo) bool) error {
	entries, err := os.ReadDir(r.Tmp())
	if err != nil {
		return nil // nothing was ever left there
	}
	var errs []error
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), prefix) && gone(entry.Name(), info) {
			s := ScratchTree{Dir: filepath.Join(r.Tmp(), entry.Name()), common: r.CommonDir}
			errs = append(errs, s.Remove())
		}
	}
	return errors.Join(errs...)
}

// LFSPointers names a file of the work tree whose content Git LFS keeps and did not bring, "" for none.
func (s *ScratchTree) LFSPointers(ctx context.Context) (string, error) {
	out, err := runGit(ctx, gitCommand(ctx, s.Dir, "ls-files", "-z", "--", ":(attr:filter=lfs)"))
	if err != nil {
		return "", err
	}
	for _, name := range splitZ(out) {
		text, err := readSmall(filepath.Join(s.Dir, filepath.FromSlash(name)), 1024)
		if err == nil && bytes.HasPrefix(text, []byte("version https://git-lfs")) {
			return name, nil
		}
	}
	return "", nil
}
