package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// finish puts the parts together, and records what they make as a snapshot of one pass would be.
func (d *dividedSnapshot) finish(ctx context.Context, parts []snapshotShard) (saved, error) {
	kept, err := d.join(ctx, rootsOfParts(parts))
	if err != nil {
		return saved{}, fault.New(fault.KindOf(err), "cannot snapshot %s: %w", d.app.shown(d.data.rel), err)
	}
	for _, p := range parts {
		kept.Stored += p.Stored
	}
	if err := os.MkdirAll(filepath.Dir(d.repo.Abs(d.data.rel)), 0o777); err != nil {
		return saved{}, fault.New(fault.KindOf(err), "cannot write %s: %w", d.app.shown(d.data.rel+snapshot.Suffix), err)
	}
	done, err := d.keep(ctx, d.data.rel, d.pointer, kept)
	if err != nil || d.source == nil {
		return done, err
	}
	return done, d.recordSource(ctx, done, parts)
}

// join makes the version of all parts: here, or where the parts stay at the remote.
func (d *dividedSnapshot) join(ctx context.Context, parts []object.Digest) (snapshot.Saved, error) {
	if !d.stays() {
		return d.store.JoinTrees(ctx, parts)
	}
	dir, err := os.MkdirTemp(d.repo.Tmp(), "join-")
	if err != nil {
		return snapshot.Saved{}, err
	}
	defer os.RemoveAll(dir)
	store, err := snapshot.Open(snapshot.Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: d.app.now,
		Clone: snapshot.Clone{ID: strings.Repeat("0", 32), Dir: dir}})
	if err != nil {
		return snapshot.Saved{}, err
	}
	defer func() { _ = store.Close() }() // it held folders alone, for a moment
	r, err := d.app.openRemoteFor(ctx, d.backend.Remote, func() (*snapshot.Store, error) { return store, nil })
	if err != nil {
		return snapshot.Saved{}, err
	}
	if _, err := r.Sync(ctx); err != nil {
		return snapshot.Saved{}, notRead(err, r)
	}
	if err := r.FetchTreesOf(ctx, parts); err != nil {
		return snapshot.Saved{}, err
	}
	kept, err := store.JoinTrees(ctx, parts)
	if err != nil {
		return kept, err
	}
	if _, err := r.Push(ctx, remote.PushOptions{Roots: []remote.Root{{Root: kept.Root, Path: d.data.rel, Kind: snapshot.Directory}}}); err != nil {
		return kept, fault.New(fault.KindOf(err), "cannot push to %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
	}
	return kept, kept.Release()
}

// recordSource records where the version came from, as an import does: mlx import --update reads it again.
func (d *dividedSnapshot) recordSource(ctx context.Context, done saved, parts []snapshotShard) error {
	i, err := d.app.importer()
	if err != nil {
		return err
	}
	defer i.close()
	_, last, err := i.lastImport(ctx, d.data.rel, object.Digest{})
	if err != nil {
		return err
	}
	body := importBody{Path: d.data.rel, Root: done.body.Root, Source: d.source.Shown, Kind: string(d.source.Kind), Files: done.body.Files,
		Bytes: done.body.Bytes, At: d.app.now().UTC().Format(time.RFC3339Nano)}
	for _, p := range parts {
		body.Pins = append(body.Pins, p.Pins...)
	}
	slices.SortFunc(body.Pins, func(a, b source.Pin) int { return strings.Compare(a.Name, b.Name) })
	if err := i.approve(*d.source, ""); err != nil {
		return err
	}
	_, err = i.appendImport(ctx, body, last.ID)
	return err
}

// dryRun says what each shard would read, and what would be sent.
func (d *dividedSnapshot) dryRun(ctx context.Context) error {
	w := d.work()
	s := &shardSet{shardWork: w, app: d.app}
	code, patch, err := codeOf(ctx, d.repo, s.outsAside())
	if err != nil {
		return err
	}
	out := s.out(0)
	spec := run.Spec{Command: w.command(0, out), Dir: d.repo.Root, Folder: ".", Code: code, Patch: patch, Worktree: shardsWorktree, Outs: []run.Out{{Path: out, Abs: d.repo.Abs(out)}}}
	j, v, err := d.app.planDry(ctx, spec, onAsk{Backend: w.flags.on, Aside: w.aside, Apart: true, Stays: w.stays})
	if err != nil {
		return err
	}
	v.Command = "snapshot"
	sizes := make([]seenShard, w.flags.n)
	if d.seen != nil {
		sizes = d.seen.shardSizes(w.flags.n)
	}
	submit := len(v.Steps) - 1
	v.Steps[submit].What = cli.FormatNum(int64(w.flags.n), "job")
	v.Steps[submit].Why = "of " + j.name + " (" + j.backend.Type + ")"
	for i, size := range sizes {
		step := planStep{Do: "read", What: "shard " + shardName(i, w.flags.n), Why: "its files are known only there"}
		if d.seen != nil {
			step.Why, step.Bytes = cli.FormatNum(size.files, "file"), size.bytes
		}
		v.Steps = append(v.Steps, step)
	}
	return d.app.streams.Emit(v, func(t *cli.Text) { onPlanText(v, j, t) })
}
