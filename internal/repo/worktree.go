package repo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/index"

	"mlx/internal/fault"
)

// worktree is one work tree of a clone. dir is empty for a bare repository and for a linked worktree whose folder is gone.
type worktree struct{ dir, gitDir string }

// worktrees returns the main work tree and every linked one.
func (r *Repo) worktrees() ([]worktree, error) {
	main, err := r.mainWorktree()
	if err != nil {
		return nil, err
	}
	all := []worktree{{dir: main, gitDir: r.CommonDir}}
	linked, err := os.ReadDir(filepath.Join(r.CommonDir, "worktrees"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.KindOf(err), "cannot list the worktrees: %w", err)
	}
	for _, entry := range linked {
		gitDir := filepath.Join(r.CommonDir, "worktrees", entry.Name())
		text, err := readSmall(filepath.Join(gitDir, "gitdir"), 4096)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read worktree %s: %w", entry.Name(), err)
		}
		w := worktree{gitDir: gitDir, dir: filepath.Dir(resolveFrom(gitDir, strings.TrimSpace(string(text))))}
		if !isDir(w.dir) {
			if isFile(filepath.Join(gitDir, "locked")) {
				return nil, fault.New(fault.Unavailable, "cannot read worktree %s: it is locked and %s is not there", entry.Name(), w.dir).
					Hint("git worktree remove --force --force %s   # if it is gone for good", shellWord(w.dir))
			}
			w.dir = ""
		}
		all = append(all, w)
	}
	return all, nil
}

// mainWorktree returns the folder of the main work tree, or "" in a bare repository. A submodule's git folder names it
// in its configuration.
func (r *Repo) mainWorktree() (string, error) {
	if r.GitDir == r.CommonDir && r.WorkTree != "" {
		return r.WorkTree, nil
	}
	if filepath.Base(r.CommonDir) == ".git" {
		return filepath.Dir(r.CommonDir), nil
	}
	text, err := readSmall(filepath.Join(r.CommonDir, "config"), 1<<20)
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot read the git configuration: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.TrimSpace(key) == "worktree" {
			return resolveFrom(r.CommonDir, strings.Trim(strings.TrimSpace(value), `"`)), nil
		}
	}
	return "", nil
}

// worktreeRoots yields the pointers in the files and in the index of one worktree.
func (r *Repo) worktreeRoots(ctx context.Context, w worktree, h *history) error {
	entries, err := r.indexOf(ctx, w)
	if err != nil {
		return err
	}
	h.where = InIndex
	for _, e := range entries {
		if !isPointerName(path.Base(e.path)) {
			continue
		}
		if w.dir != "" {
			if err := fileRoot(w.dir, e.path, h.yield); err != nil {
				return err
			}
		}
		if err := h.pointer(e.id, e.path); err != nil {
			return err
		}
	}
	if w.dir == "" {
		return nil
	}
	return r.filesRoots(ctx, w.dir, h.yield)
}

// filesRoots yields every pointer file below dir, also in folders that git ignores.
func (r *Repo) filesRoots(ctx context.Context, dir string, yield func(Seen) bool) error {
	w := pointerWalk{ctx: ctx, root: dir, everywhere: true}
	if err := w.walk("", nil); err != nil {
		return fault.New(fault.KindOf(err), "cannot look for pointer files: %w", err)
	}
	for _, rel := range w.found {
		if err := fileRoot(dir, rel, yield); err != nil {
			return err
		}
	}
	return nil
}

func fileRoot(dir, rel string, yield func(Seen) bool) error {
	data, err := readPointer(filepath.Join(dir, filepath.FromSlash(rel)))
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read pointer %s: %w", rel, err)
	}
	if looksLikePointer(data) && !yield(Seen{Path: rel, Data: data, Where: InFiles}) {
		return errStopped
	}
	return nil
}

// indexEntry is a file that git tracks, or one side of a merge conflict.
type indexEntry struct {
	path string // relative to the work tree
	id   string
}

// indexOf returns git's index of a worktree: by go-git, else (split, sparse or unsigned indexes) by the git program.
func (r *Repo) indexOf(ctx context.Context, w worktree) ([]indexEntry, error) {
	file := filepath.Join(w.gitDir, "index")
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read git's index: %w", err)
	}
	defer f.Close()
	var idx index.Index
	if err := index.NewDecoder(f).Decode(&idx); err != nil {
		return r.indexByProgram(ctx, file)
	}
	entries := make([]indexEntry, len(idx.Entries))
	for i, e := range idx.Entries {
		entries[i] = indexEntry{path: e.Name, id: e.Hash.String()}
	}
	return entries, nil
}

func (r *Repo) indexByProgram(ctx context.Context, file string) ([]indexEntry, error) {
	cmd := gitCommand(ctx, r.gitFolder(), "ls-files", "--stage", "--full-name", "-z", "--", ":/")
	cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+file)
	out, err := runGit(ctx, cmd)
	if err != nil {
		return nil, err
	}
	var entries []indexEntry
	for _, line := range splitZ(out) {
		meta, name, _ := strings.Cut(line, "\t")
		if words := strings.Fields(meta); len(words) == 3 {
			entries = append(entries, indexEntry{path: name, id: words[1]})
		}
	}
	return entries, nil
}
