package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

type statusOptions struct {
	paths  []string
	check  bool
	fresh  bool
	remote string
}

func newStatus(a *app) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [PATH…]",
		Short: "Show what changed, what is not pushed, what needs attention",
		Long: `Compares tracked data with the versions that the pointer files name. Only files whose size, times or inode changed are read.
With --check the status is 1 unless all is clean. What is not pushed is as this clone last saw the default remote; with -r
the remote is asked, also whether it holds all that the pointer files of the commit name: if not, it is not clean.`,
		Example:           "mlx status\nmlx status --check data/flights\nmlx status --fresh\nmlx status -r team --check",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.paths = args
			return statusRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.check, "check", false, "end with status 1 unless all is clean")
	flags.StringVarP(&o.remote, "remote", "r", "", "ask the remote of this `NAME` what it holds")
	flags.BoolVar(&o.fresh, "fresh", false, "read every file, whatever is remembered of it")
	completeFlag(cmd, "remote", a.completeRemotes)
	return cmd
}

func statusRun(ctx context.Context, a *app, o statusOptions) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	code := make(chan gitView, 1)
	go func() { code <- a.gitStatus(ctx, r) }()
	v := newStatusView()
	var loose []string
	paths, err := a.selectData(ctx, o.paths, func(word, rel string) error {
		if _, err := os.Lstat(r.Abs(rel)); err != nil || pointerAbove(r, rel) != "" {
			return a.untracked(r, "status", word, rel)
		}
		loose = append(loose, rel)
		return nil
	})
	if err != nil {
		return err
	}
	for _, path := range paths {
		d, err := a.dataStatus(ctx, r, path, o.fresh)
		if err != nil {
			return err
		}
		v.add(d)
	}
	for _, path := range loose {
		v.add(dataView{Path: path, State: stateUntracked})
	}
	if v.Conflicts, err = a.tagConflicts(ctx); err != nil {
		return err
	}
	models, err := a.modelConflicts(ctx)
	if err != nil {
		return err
	}
	v.Conflicts = append(v.Conflicts, models...)
	if v.Attention, err = a.attention(ctx); err != nil {
		return err
	}
	if o.remote != "" {
		if v.Remote, err = a.askRemote(ctx, o.remote); err != nil {
			return err
		}
	}
	if v.NotPushed, err = a.notPushed(ctx, o.remote); err != nil {
		a.streams.Note("what is not pushed cannot be told: %v", err)
	}
	v.finish(r, <-code)
	if o.check && !v.Clean {
		a.answer(no)
	}
	if err := a.streams.EmitVerdict(v, !v.Clean || !o.check, func(t *cli.Text) { a.statusText(v, t) }); err != nil {
		return err
	}
	a.hintStatus(v)
	return nil
}

// gitStatus asks git about the code. That git refuses to answer is told, and is no reason to say nothing about data.
func (a *app) gitStatus(ctx context.Context, r *repo.Repo) gitView {
	head, err := r.Head(ctx)
	v := gitView{Branch: some(head.Branch), Commit: some(head.Commit)}
	if err == nil && head.Commit != "" {
		var dirty bool
		if dirty, err = r.Dirty(ctx); err == nil {
			v.Dirty = &dirty
		}
	}
	v.err = err
	return v
}

// dataStatus compares one tracked path with its pointer.
func (a *app) dataStatus(ctx context.Context, r *repo.Repo, path string, fresh bool) (dataView, error) {
	d := dataView{Path: path, State: stateClean}
	pointer, _, err := a.pointerAt(r, path)
	if fault.KindOf(err) == fault.Conflict {
		d.State = stateConflict
		return d, nil
	}
	if err != nil {
		return d, err
	}
	d.Snapshot = some(pointer.Root.Hex())
	if _, err := os.Lstat(r.Abs(path)); errors.Is(err, fs.ErrNotExist) {
		d.State, d.Removed, d.BytesDelta = stateMissing, pointer.Files, -pointer.Bytes
		return d, nil
	}
	err = a.countChanges(ctx, r, &d, pointer.Root, fresh)
	if d.Added+d.Changed+d.Removed > 0 {
		d.State = stateChanged
	}
	return d, err
}

func (a *app) countChanges(ctx context.Context, r *repo.Repo, d *dataView, base object.Digest, fresh bool) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	ignore, err := r.Matcher(d.Path)
	if err != nil {
		return err
	}
	progress := a.streams.Progress("comparing", "bytes", 0)
	defer progress.Done()
	changes := store.Status(ctx, snapshot.StatusOptions{Path: r.Abs(d.Path), Base: base, Ignore: ignore, Fresh: fresh, Progress: progress})
	for c, err := range changes {
		if err != nil {
			return a.notHere(ctx, fault.New(fault.KindOf(err), "cannot compare %s: %w", a.shown(d.Path), err), d.Path, base)
		}
		d.BytesDelta += c.BytesDelta
		switch c.Action {
		case snapshot.Added:
			d.Added++
		case snapshot.Changed:
			d.Changed++
		case snapshot.Removed:
			d.Removed++
		}
	}
	return nil
}
