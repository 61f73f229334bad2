package main

import (
	"context"
	"io/fs"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// patchFile is the one file in the snapshot of an uncommitted patch.
const patchFile = "uncommitted.patch"

// maxPatch bounds an uncommitted patch that is read back.
const maxPatch = 64 << 20

// codeChanges compares the code of two runs: commits, what was changed since and not committed, and kept files that git
// did not know. nil when the code is the same. Commits that differ in pointer files only have the same code: pointers
// count as data.
func (a *app) codeChanges(ctx context.Context, x, y run.View, o diffOptions) (*codeChange, error) {
	same := func(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }
	if same(x.Commit, y.Commit) && same(x.Patch, y.Patch) && same(x.Files, y.Files) {
		return nil, nil
	}
	c := &codeChange{A: withPatch(x), B: withPatch(y), Changes: []fileChange{}}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	if r.NoGit || x.Commit == nil || y.Commit == nil {
		return c, nil
	}
	found, err := a.compareCode(ctx, x, y, o)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil { // git may not have both commits: what differs stays unknown
		a.streams.Why("code: %v", err)
		return c, nil
	}
	if len(found.Files) == 0 {
		return nil, nil
	}
	n := int64(len(found.Files))
	c.Files = &n
	for _, f := range found.Files {
		c.Changes = append(c.Changes, fileChange{Path: f.Path, Added: countOrNull(f.Added), Removed: countOrNull(f.Removed)})
	}
	if o.text {
		c.Patch = some(string(found.Text))
	}
	return c, nil
}

func countOrNull(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (a *app) compareCode(ctx context.Context, x, y run.View, o diffOptions) (repo.CodeDiff, error) {
	r, err := a.repo()
	if err != nil {
		return repo.CodeDiff{}, err
	}
	left, err := a.codeOfRun(ctx, x)
	if err != nil {
		return repo.CodeDiff{}, err
	}
	right, err := a.codeOfRun(ctx, y)
	if err != nil {
		return repo.CodeDiff{}, err
	}
	return r.CompareCode(ctx, left, right, repo.CompareOptions{Scratch: r.Tmp(), Text: o.text, Paths: o.paths})
}

// codeOfRun reads back the code that a run executed.
func (a *app) codeOfRun(ctx context.Context, v run.View) (repo.CodeVersion, error) {
	c := repo.CodeVersion{Commit: *v.Commit}
	if v.Patch != nil {
		files, err := a.kept(ctx, *v.Patch)
		if err != nil {
			return c, err
		}
		if info, err := fs.Stat(files, patchFile); err == nil && info.Size() > maxPatch {
			return c, fault.New(fault.Integrity, "cannot read the uncommitted changes of run %s: %d bytes are too many", v.RunID.Short(), info.Size())
		}
		if c.Patch, err = fs.ReadFile(files, patchFile); err != nil {
			return c, fault.New(fault.KindOf(err), "cannot read the uncommitted changes of run %s: %w", v.RunID.Short(), err)
		}
	}
	if v.Files != nil {
		files, err := a.kept(ctx, *v.Files)
		if err != nil {
			return c, err
		}
		c.Files = files
	}
	return c, nil
}

// kept opens a snapshot by its digest in hex.
func (a *app) kept(ctx context.Context, digits string) (fs.FS, error) {
	root, err := object.ParseDigest(digits)
	if err != nil {
		return nil, err
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	here, err := store.Has(ctx, root)
	if err == nil && !here {
		err = fault.New(fault.NotFound, "snapshot %s is not on this machine", root.Short())
	}
	if err != nil {
		return nil, err
	}
	return store.FS(ctx, root)
}

func withPatch(v run.View) *string {
	if v.Commit == nil {
		return nil
	}
	commit := *v.Commit
	if v.Patch != nil {
		commit += "+" + (*v.Patch)[:12]
	}
	return &commit
}

// maxFilesShown is how many changed files of code, and how many packages, a person is shown.
const maxFilesShown = 10

// codeRows adds the commits and the files that differ.
func (c *comparison) codeRows(v *codeChange) {
	if v == nil {
		return
	}
	cells := []cli.Cell{commitCell(v.A), commitCell(v.B)}
	if v.Files != nil {
		cells = append(cells, cli.Num(*v.Files, "file"))
	}
	c.add("code", "commit", cells...)
	for i, f := range v.Changes {
		if c.t.TTY() && i == maxFilesShown && len(v.Changes) > maxFilesShown+1 {
			c.add("code", "and "+cli.FormatNum(int64(len(v.Changes)-i), "more file"))
			break
		}
		if !c.t.TTY() {
			c.add("code", f.Path, countCell(f.Added), countCell(f.Removed))
			continue
		}
		words := cli.Str("no text")
		if f.Added != nil && f.Removed != nil {
			words = cli.Fmt("+%s -%s", cli.Count(*f.Added), cli.Count(*f.Removed))
		}
		c.add("code", f.Path, cli.Str(""), cli.Str(""), words)
	}
}

func countCell(n *int64) cli.Cell {
	if n == nil {
		return cli.None()
	}
	return cli.Count(*n)
}
