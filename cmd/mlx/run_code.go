package main

import (
	"context"
	"path"
	"slices"
	"sync"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// maxUntracked is how many untracked files a record names, and how many that it does not keep.
const maxUntracked = 50

// saveOnceBelow is how many bytes of untracked files are read anew by each run. More are remembered, as those of a
// snapshot are.
const saveOnceBelow = 8 << 20

// codeOf asks git which code is about to run: the commit, how the work tree differs from it, and which files git does not
// know at all. What the run declares as its output is no code. executeRun keeps the untracked files that are named.
func codeOf(ctx context.Context, r *repo.Repo, outs []run.Out) (run.Code, []byte, error) {
	if r.NoGit {
		return run.Code{}, nil, nil
	}
	var patch repo.Patch
	var untracked []string
	var errs [2]error
	var asked sync.WaitGroup
	asked.Go(func() { patch, errs[0] = r.Patch(ctx) })
	asked.Go(func() { untracked, errs[1] = r.Untracked(ctx) })
	head, err := r.Head(ctx)
	address := ""
	if err == nil {
		address, err = r.FetchURL(ctx, head.Branch)
	}
	asked.Wait()
	for _, err := range []error{err, errs[1], errs[0]} { // one cause breaks all three; git words that of the last one worst
		if err != nil {
			return run.Code{}, nil, fault.New(fault.KindOf(err), "cannot start the run: %w", err)
		}
	}
	untracked = slices.DeleteFunc(untracked, func(file string) bool {
		return slices.ContainsFunc(outs, func(o run.Out) bool { return within(file, o.Path) })
	})
	keep, left := r.Sort(untracked)
	code := run.Code{
		Commit: head.Commit, Branch: head.Branch, Dirty: len(patch.Text)+len(patch.LeftOut) > 0,
		Untracked: keep, UntrackedCount: len(keep), Remote: run.CleanURL(address), LeftOutCount: len(left) + len(patch.LeftOut),
	}
	for _, file := range patch.LeftOut {
		code.LeftOut = append(code.LeftOut, run.LeftOut{Path: file, Why: changesLeftOut})
	}
	slices.SortStableFunc(left, func(a, b repo.LeftOut) int { // what somebody may miss comes first, should there be too many
		switch {
		case a.Plain == b.Plain:
			return 0
		case b.Plain:
			return -1
		}
		return 1
	})
	for _, l := range left[:min(len(left), maxUntracked)] {
		code.LeftOut = append(code.LeftOut, run.LeftOut{Path: l.Path, Why: l.Why, Bytes: l.Bytes})
	}
	return code, patch.Text, nil
}

// changesLeftOut is why the changes of a tracked file are not kept.
const changesLeftOut = "may hold secrets, so its changes are not in the patch"

// usual says whether nobody would expect a file that is left out to be kept.
func usual(l run.LeftOut) bool {
	return slices.Contains([]string{"virtual environment", "conda environment", "packages", "cache", "tracked data"}, l.Why)
}

// toldBefore reports whether the run before in this worktree left out the same files for the same reasons.
func (a *app) toldBefore(ctx context.Context, c run.Code, worktree string) bool {
	l, err := a.ledger()
	if err != nil {
		return false
	}
	last, err := a.history(l).Last(ctx, worktree, 0)
	return err == nil && slices.EqualFunc(last.LeftOut, c.LeftOut, func(x, y run.LeftOut) bool { return x.Path == y.Path && x.Why == y.Why })
}

// noteLeftOut tells in one line what of the code no record keeps; not again for every run, for nobody reads it then.
func (a *app) noteLeftOut(ctx context.Context, c run.Code, worktree string) {
	var missed []cli.Cell
	for _, l := range c.LeftOut {
		if usual(l) {
			a.streams.Why("%s is not kept: %s", l.Path, l.Why)
			continue
		}
		missed = append(missed, cli.Fmt("%s (%s)", cli.Path(a.shown(l.Path)), cli.Str(l.Why)))
	}
	if len(missed) == 0 {
		return
	}
	tell := a.streams.Note
	if a.toldBefore(ctx, c, worktree) {
		tell = a.streams.Why
	}
	const most = 3
	names := missed[0]
	for _, m := range missed[1:min(len(missed), most)] {
		names = cli.Fmt("%s, %s", names, m)
	}
	if len(missed) > most {
		names = cli.Fmt("%s, …", names)
	}
	verb := "are"
	if len(missed) == 1 {
		verb = "is"
	}
	tell("%s", cli.Sentence(cli.Fmt("%s %s not kept: %s", cli.Str(cli.FormatNum(int64(len(missed)), "file")), cli.Str(verb), names)))
}

// keepFiles saves the untracked files that code names as one folder, and shortens the list to what a record holds. A file
// that cannot be saved is no reason not to run: code says then that none was kept.
func keepFiles(ctx context.Context, r *repo.Repo, store *snapshot.Store, code *run.Code) (release func() error) {
	release = func() error { return nil }
	if len(code.Untracked) > 0 && code.Files == nil {
		wanted := map[string]bool{}
		for _, file := range code.Untracked {
			for ; file != "." && !wanted[file]; file = path.Dir(file) {
				wanted[file] = true
			}
		}
		saved, err := store.Save(ctx, snapshot.SaveOptions{
			Path: r.Root, Once: r.SizeBelow(code.Untracked, saveOnceBelow), Ignore: func(rel string, _ bool) bool { return !wanted[rel] },
		})
		if err == nil {
			code.Files, release = &saved.Root, saved.Release
		} else {
			code.LeftOut = append([]run.LeftOut{{Path: ".", Why: "untracked files cannot be saved: " + err.Error()}}, code.LeftOut...)
			code.LeftOutCount++
		}
	}
	code.Untracked = code.Untracked[:min(len(code.Untracked), maxUntracked)]
	code.LeftOut = code.LeftOut[:min(len(code.LeftOut), maxUntracked)]
	return release
}
