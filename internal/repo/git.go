package repo

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"mlx/internal/fault"
)

// maxFileAt bounds a file that is read from a commit.
const maxFileAt = 16 << 20

// GitState is what git has checked out. Outside git, and before the first commit, Commit is empty.
type GitState struct {
	Branch   string // empty when detached
	Commit   string // full hex
	Detached bool
	Shallow  bool // the clone lacks older commits
}

// File is one file of a commit.
type File struct {
	Path string // relative to Root, with slashes
	Data []byte
}

// open opens the repository in process. It fails for formats that go-git does not know (reftable, SHA-256, partial
// clones, per-worktree configuration); callers then ask the git program.
func (r *Repo) open() (*git.Repository, error) {
	return git.PlainOpenWithOptions(r.WorkTree, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
}

// Head returns what is checked out.
func (r *Repo) Head(ctx context.Context) (GitState, error) {
	if r.NoGit {
		return GitState{}, nil
	}
	s := GitState{Shallow: r.shallow()}
	g, err := r.open()
	if err != nil {
		return r.headByProgram(ctx, s)
	}
	head, err := g.Reference(plumbing.HEAD, false)
	if err != nil {
		return r.headByProgram(ctx, s)
	}
	if head.Type() == plumbing.HashReference {
		s.Detached, s.Commit = true, head.Hash().String()
		return s, nil
	}
	s.Branch = head.Target().Short()
	tip, err := g.Reference(head.Target(), true)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return s, nil
	}
	if err != nil {
		return r.headByProgram(ctx, s)
	}
	s.Commit = tip.Hash().String()
	return s, nil
}

// shallow says whether the clone lacks older commits.
func (r *Repo) shallow() bool {
	info, err := os.Stat(filepath.Join(r.CommonDir, "shallow"))
	return err == nil && info.Size() > 0
}

func (r *Repo) headByProgram(ctx context.Context, s GitState) (GitState, error) {
	branch, err := r.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	s.Branch = strings.TrimSpace(string(branch))
	if err != nil && fault.KindOf(err) != fault.Conflict {
		return s, err
	}
	s.Detached = s.Branch == ""
	commit, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "HEAD")
	s.Commit = strings.TrimSpace(string(commit))
	if err != nil && fault.KindOf(err) != fault.Conflict {
		return s, err
	}
	return s, nil
}

// Resolve returns the commit that a git revision names.
func (r *Repo) Resolve(ctx context.Context, rev string) (string, error) {
	if r.NoGit {
		return "", fault.New(fault.NotFound, "cannot resolve %q: this project is outside git", rev)
	}
	out, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	if errors.Is(err, errNoGit) {
		if g, openErr := r.open(); openErr == nil {
			if hash, resolveErr := g.ResolveRevision(plumbing.Revision(rev)); resolveErr == nil {
				return hash.String(), nil
			}
		}
	}
	if fault.KindOf(err) != fault.Conflict {
		return "", err
	}
	unknown := fault.New(fault.NotFound, "cannot resolve %q: git knows no such revision", rev)
	if r.shallow() {
		return "", unknown.Hint("git fetch --unshallow   # this clone lacks older commits")
	}
	return "", unknown
}

// Commit is what a person wants to know of a commit.
type Commit struct {
	Subject, Author string
	At              time.Time // when it was committed
}

// CommitAt describes a commit.
func (r *Repo) CommitAt(ctx context.Context, commit string) (Commit, error) {
	out, err := r.git(ctx, "log", "-1", "--no-show-signature", "--format=%s%x00%an%x00%ct", commit)
	if err != nil {
		return Commit{}, err
	}
	fields := strings.Split(strings.TrimSpace(string(out)), "\x00")
	if len(fields) != 3 {
		return Commit{}, fault.New(fault.Integrity, "cannot read commit %.7s", commit)
	}
	seconds, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return Commit{}, fault.New(fault.Integrity, "cannot read commit %.7s: %w", commit, err)
	}
	return Commit{Subject: fields[0], Author: fields[1], At: time.Unix(seconds, 0).UTC()}, nil
}

// FileAt returns a file of a commit; path is relative to Root. A file that is not there is an error of kind NotFound.
func (r *Repo) FileAt(ctx context.Context, commit, path string) ([]byte, error) {
	if r.NoGit {
		return nil, fault.New(fault.NotFound, "cannot read %s of a commit: this project is outside git", path)
	}
	tree, err := r.treeAt(commit)
	if err != nil {
		data, err := r.git(ctx, "cat-file", "blob", commit+":"+r.prefix()+path)
		if fault.KindOf(err) == fault.Conflict {
			return nil, fault.New(fault.NotFound, "cannot read %s: it is not in commit %.12s", path, commit)
		}
		return data, err
	}
	f, err := tree.File(r.prefix() + path)
	if errors.Is(err, object.ErrFileNotFound) || err == nil && f.Mode == filemode.Symlink {
		return nil, fault.New(fault.NotFound, "cannot read %s: it is not in commit %.12s", path, commit)
	}
	if err != nil {
		return nil, fault.New(fault.Integrity, "cannot read %s of commit %.12s: %w", path, commit, err)
	}
	return readBlob(&f.Blob)
}

func (r *Repo) treeAt(commit string) (*object.Tree, error) {
	g, err := r.open()
	if err != nil {
		return nil, err
	}
	c, err := g.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		return nil, err
	}
	return c.Tree()
}

func readBlob(b *object.Blob) ([]byte, error) {
	if b.Size > maxFileAt {
		return nil, fault.New(fault.Usage, "cannot read git object %s: it has %d bytes", b.Hash, b.Size)
	}
	in, err := b.Reader()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(in)
}

// FilesAt yields the pointer files of the project in a commit. Those of projects further down are left out.
func (r *Repo) FilesAt(ctx context.Context, commit string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		if r.NoGit {
			return
		}
		err := r.filesAt(ctx, commit, func(f File) bool { return yield(f, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(File{}, err)
		}
	}
}

func (r *Repo) filesAt(ctx context.Context, commit string, yield func(File) bool) error {
	top := strings.TrimSuffix(r.prefix(), "/")
	if tree, err := r.treeAt(commit); err == nil {
		if top != "" {
			if tree, err = tree.Tree(top); err != nil {
				return nil // the project did not exist in that commit
			}
		}
		g, err := r.open()
		if err != nil {
			return err
		}
		return projectFiles(ctx, inProcess{g}, tree.Hash.String(), "", yield)
	}
	c, err := r.startCatFile(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return projectFiles(ctx, c, commit+":"+top, "", yield)
}

// projectFiles yields the pointer files below a tree, without entering another project.
func projectFiles(ctx context.Context, o objects, id, dir string, yield func(File) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := o.tree(id)
	if err != nil {
		return err
	}
	if dir != "" && slices.ContainsFunc(entries, func(e treeEntry) bool { return e.name == ConfigName }) {
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		switch {
		case e.kind == treeEntryKind:
			if err := projectFiles(ctx, o, e.id, name, yield); err != nil {
				return err
			}
		case e.kind == fileEntry && isPointerName(e.name):
			data, err := o.blob(e.id)
			if err != nil {
				return err
			}
			if looksLikePointer(data) && !yield(File{Path: name, Data: data}) {
				return errStopped
			}
		}
	}
	return nil
}

func splitZ(out []byte) []string {
	text := strings.TrimSuffix(string(out), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}
