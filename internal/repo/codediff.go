package repo

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// CodeVersion is the code that a run executed: a commit, empty before the first, what was changed since, as Patch returns
// it, and files that git did not know, at their paths below the project.
type CodeVersion struct {
	Commit string
	Patch  []byte
	Files  fs.FS // may be nil
}

// plain reports whether a commit says it all.
func (v CodeVersion) plain() bool { return len(v.Patch) == 0 && v.Files == nil && v.Commit != "" }

// FileChange is one file of code that differs, below the project.
type FileChange struct {
	Path    string
	Added   int64 // lines, -1 when the file is no text
	Removed int64
}

// CodeDiff is how two versions of code differ.
type CodeDiff struct {
	Files []FileChange
	Text  []byte // unified, when it was asked for
}

// CompareCode compares two versions of code, changes that were never committed included. Pointer files do not count. Nothing
// is written to the repository: what git needs on the way is in the folder scratch. With text the difference itself comes
// along; paths, below the project, limit all of it.
func (r *Repo) CompareCode(ctx context.Context, a, b CodeVersion, o CompareOptions) (CodeDiff, error) {
	if err := os.MkdirAll(o.Scratch, 0o777); err != nil {
		return CodeDiff{}, fault.New(fault.KindOf(err), "cannot compare code: %w", err)
	}
	dir, err := os.MkdirTemp(o.Scratch, "code-")
	if err != nil {
		return CodeDiff{}, fault.New(fault.KindOf(err), "cannot compare code: %w", err)
	}
	defer os.RemoveAll(dir)
	w := workshop{repo: r, dir: dir}
	if err := os.Mkdir(w.objects(), 0o777); err != nil {
		return CodeDiff{}, fault.New(fault.KindOf(err), "cannot compare code: %w", err)
	}
	var trees [2]string
	for i, v := range []CodeVersion{a, b} {
		if trees[i], err = w.tree(ctx, v, strconv.Itoa(i)); err != nil {
			return CodeDiff{}, err
		}
	}
	args := []string{"-c", "core.quotePath=true", "diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--relative"}
	limits := r.code()
	if len(o.Paths) > 0 {
		limits = append([]string{"--"}, limits[2:]...)
		for _, p := range o.Paths {
			limits = append(limits, ":(literal)"+p)
		}
	}
	out, err := w.git(ctx, "", append(append(args, "--numstat", "-z", trees[0], trees[1]), limits...)...)
	if err != nil {
		return CodeDiff{}, err
	}
	d := CodeDiff{Files: changesOf(out)}
	if o.Text && len(d.Files) > 0 {
		d.Text, err = w.git(ctx, "", append(append(args, trees[0], trees[1]), limits...)...)
	}
	return d, err
}

// CompareOptions say how CompareCode works.
type CompareOptions struct {
	Scratch string // folder for temporary files
	Text    bool
	Paths   []string
}

// changesOf reads git diff --numstat -z.
func changesOf(out []byte) []FileChange {
	var all []FileChange
	for _, entry := range splitZ(out) {
		fields := strings.SplitN(entry, "\t", 3)
		if len(fields) != 3 {
			continue
		}
		all = append(all, FileChange{Path: fields[2], Added: lines(fields[0]), Removed: lines(fields[1])})
	}
	return all
}

// lines reads a count of lines; git prints - for a file that is no text.
func lines(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	return -1
}

// workshop is where trees are made that no commit has. Objects made on the way stay in its folder.
type workshop struct {
	repo *Repo
	dir  string
}

// tree returns what git can compare: a commit, or a tree made of one and of what was not committed.
func (w workshop) tree(ctx context.Context, v CodeVersion, name string) (string, error) {
	if v.Commit != "" && (len(v.Commit) < 40 || strings.Trim(v.Commit, "0123456789abcdef") != "") {
		return "", fault.New(fault.Usage, "%q is no commit", v.Commit) // it comes from a record: never an option for git
	}
	if v.plain() {
		return v.Commit, nil
	}
	index := filepath.Join(w.dir, "index-"+name)
	start := v.Commit
	if start == "" {
		start = "--empty"
	}
	if _, err := w.git(ctx, index, "read-tree", start); err != nil {
		return "", err
	}
	if len(v.Patch) > 0 {
		cmd := w.command(ctx, index, "apply", "--cached", "--whitespace=nowarn", "-")
		cmd.Stdin = bytes.NewReader(v.Patch)
		if _, err := runGit(ctx, cmd); err != nil {
			return "", err
		}
	}
	if v.Files != nil {
		if err := w.add(ctx, index, v.Files, name); err != nil {
			return "", err
		}
	}
	out, err := w.git(ctx, index, "write-tree")
	return strings.TrimSpace(string(out)), err
}

// add puts files into the index at their paths below the project.
func (w workshop) add(ctx context.Context, index string, files fs.FS, name string) error {
	work := filepath.Join(w.dir, "files-"+name)
	inside, err := filepath.Rel(w.repo.WorkTree, w.repo.Root)
	if err != nil {
		inside = "."
	}
	if err := os.CopyFS(filepath.Join(work, inside), files); err != nil {
		return fault.New(fault.KindOf(err), "cannot compare code: %w", err)
	}
	cmd := w.command(ctx, index, "--work-tree="+work, "add", "--force", "--no-all", "--", work)
	_, err = runGit(ctx, cmd)
	return err
}

func (w workshop) objects() string { return filepath.Join(w.dir, "objects") }

func (w workshop) git(ctx context.Context, index string, args ...string) ([]byte, error) {
	cmd := w.command(ctx, index, args...)
	if index == "" {
		cmd.Dir = w.repo.gitFolder()
	}
	return runGit(ctx, cmd)
}

// command is git with objects of its own on top of those of the repository, and an index of its own if one is named. It
// runs at the top of the work tree: that is where the paths of a patch begin.
func (w workshop) command(ctx context.Context, index string, args ...string) *exec.Cmd {
	top := w.repo.WorkTree
	if top == "" {
		top = w.repo.gitFolder()
	}
	cmd := gitCommand(ctx, top, args...)
	cmd.Env = append(cmd.Env, "GIT_OBJECT_DIRECTORY="+w.objects(), "GIT_ALTERNATE_OBJECT_DIRECTORIES="+filepath.Join(w.repo.CommonDir, "objects"))
	if index != "" {
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+index)
	}
	return cmd
}
