package repo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"mlx/internal/fault"
)

// Seen is a pointer file found somewhere in a clone.
type Seen struct {
	Path  string // relative to the work tree, with slashes
	Data  []byte
	Where string // InFiles, InIndex or InHistory
}

// The places of a pointer.
const (
	InFiles   = "the files of a worktree"
	InIndex   = "the index of a worktree"
	InHistory = "git history"
)

// CloneAt returns what is needed to ask another clone for its PointerRoots: home is the folder of its state, common its
// shared git folder, or empty outside git.
func CloneAt(home, common string) (*Repo, error) {
	r := &Repo{Home: home, Shared: home, NoGit: common == "", GitDir: common, CommonDir: common}
	if r.NoGit {
		r.Root = filepath.Dir(home)
	}
	for _, dir := range []string{r.Home, r.gitFolder()} {
		if _, err := os.Stat(dir); err != nil {
			return nil, fault.New(fault.KindOf(err), "cannot read the clone: %w", err)
		}
	}
	return r, nil
}

// PointerRoots yields every pointer file that anything in this clone can still bring back: in the files and the index
// of every worktree, in every commit of `git rev-list --all --reflog` (so in stashes, tags, remote branches), and in
// the commits of a merge, rebase or bisect under way. All projects of the clone are included. Each distinct tree and
// blob is read once. Any error means that the answer is incomplete: gc must not go on.
func (r *Repo) PointerRoots(ctx context.Context) iter.Seq2[Seen, error] {
	return func(yield func(Seen, error) bool) {
		if err := r.pointerRoots(ctx, func(s Seen) bool { return yield(s, nil) }); err != nil && !errors.Is(err, errStopped) {
			yield(Seen{}, err)
		}
	}
}

// errStopped ends a walk whose caller wants no more.
var errStopped = errors.New("stopped")

func (r *Repo) pointerRoots(ctx context.Context, yield func(Seen) bool) error {
	if r.NoGit {
		return r.filesRoots(ctx, r.Root, yield)
	}
	c, err := r.startCatFile(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	h := &history{ctx: ctx, objects: c, trees: map[string]bool{}, blobs: map[string]bool{}, where: InHistory, yield: yield}
	worktrees, err := r.worktrees()
	if err != nil {
		return err
	}
	tips, err := r.historyTrees(ctx, worktrees)
	if err != nil {
		return err
	}
	for _, id := range tips {
		if err := h.walk(id, ""); err != nil {
			return err
		}
	}
	for _, w := range worktrees {
		if err := r.worktreeRoots(ctx, w, h); err != nil {
			return err
		}
	}
	return nil
}

// history walks trees for pointer files, each object once.
type history struct {
	ctx          context.Context
	objects      objects
	trees, blobs map[string]bool
	where        string
	yield        func(Seen) bool
}

func (h *history) walk(id, dir string) error {
	if h.trees[id] {
		return nil
	}
	h.trees[id] = true
	if err := h.ctx.Err(); err != nil {
		return err
	}
	entries, err := h.objects.tree(id)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		switch {
		case e.kind == treeEntryKind:
			err = h.walk(e.id, name)
		case e.kind == fileEntry && isPointerName(e.name):
			err = h.pointer(e.id, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *history) pointer(id, name string) error {
	if h.blobs[id] {
		return nil
	}
	h.blobs[id] = true
	data, err := h.objects.blob(id)
	if err != nil {
		return err
	}
	if looksLikePointer(data) && !h.yield(Seen{Path: name, Data: data, Where: h.where}) {
		return errStopped
	}
	return nil
}

// historyTrees returns the distinct trees of all commits that git still holds, and of references that name a tree.
// References of mlx itself hold no project.
func (r *Repo) historyTrees(ctx context.Context, worktrees []worktree) ([]string, error) {
	cmd := gitCommand(ctx, r.gitFolder(), "rev-list", "--exclude=refs/mlx/*", "--all", "--reflog", "--ignore-missing", "--format=%T", "--stdin")
	cmd.Env = append(cmd.Env, "GIT_NO_REPLACE_OBJECTS=1")
	cmd.Stdin = strings.NewReader(strings.Join(specialHeads(worktrees), "\n") + "\n")
	out, err := runGit(ctx, cmd)
	if err != nil {
		return nil, err
	}
	var trees []string
	seen := map[string]bool{}
	add := func(id string) {
		if id != "" && !seen[id] {
			seen[id] = true
			trees = append(trees, id)
		}
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		if line := lines.Text(); !strings.HasPrefix(line, "commit ") {
			add(line)
		}
	}
	out, err = r.git(ctx, "for-each-ref", "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		for i := 0; i+1 < len(words); i += 2 {
			if words[i] == "tree" {
				add(words[i+1])
			}
		}
	}
	return trees, nil
}

// specialHeads returns the commits that an operation under way in a worktree will need, and its HEAD.
func specialHeads(worktrees []worktree) []string {
	id := regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{40}\b`)
	var ids []string
	for _, w := range worktrees {
		for _, pattern := range []string{"*HEAD*", "BISECT_*", "rebase-merge/*", "rebase-apply/*", "sequencer/*"} {
			files, _ := filepath.Glob(filepath.Join(globQuote(w.gitDir), filepath.FromSlash(pattern)))
			for _, file := range files {
				if text, err := readSmall(file, 1<<20); err == nil {
					ids = append(ids, id.FindAllString(string(text), -1)...)
				}
			}
		}
	}
	return ids
}

// globQuote protects a folder's own name from filepath.Glob. On Windows a backslash cannot quote; brackets stay.
func globQuote(dir string) string {
	if filepath.Separator == '\\' {
		return dir
	}
	return strings.NewReplacer("[", `\[`, "*", `\*`, "?", `\?`, `\`, `\\`).Replace(dir)
}

// isPointerName says whether a file of this name can be a pointer.
func isPointerName(name string) bool {
	return len(name) > len(PointerExt) && strings.HasSuffix(name, PointerExt)
}

// looksLikePointer tells a pointer file, whole or with a merge conflict, from what other programs call .mlx: the live
// scripts of MATLAB, the filter scripts of MeshLab.
func looksLikePointer(data []byte) bool {
	return bytes.HasPrefix(data, []byte("mlx pointer ")) || bytes.HasPrefix(data, []byte("<<<<<<< "))
}

// ReadPointer returns the pointer file of the data at path, relative to Root; nil when there is none. Of a file that is
// far too long for a pointer only the beginning is read.
func (r *Repo) ReadPointer(path string) ([]byte, error) {
	return readPointer(r.Abs(path) + PointerExt)
}

// readPointer reads the beginning of a regular file; nil when there is none.
func readPointer(file string) ([]byte, error) {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPointerBlob))
	if data == nil {
		data = []byte{}
	}
	return data, err
}
