package main

import (
	"context"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// runRoot is a version that a run names.
type runRoot struct {
	remote.Root
	bytes int64
}

// rootsOfRun is what a run read, what it wrote, and the patch of its code.
func rootsOfRun(body run.Body) []runRoot {
	var all []runRoot
	for _, d := range body.Data {
		all = append(all, runRoot{Root: remote.Root{Root: d.Root, Path: d.Path, Kind: snapshot.Directory}})
	}
	for _, o := range body.Outputs {
		all = append(all, runRoot{remote.Root{Root: o.Root, Path: o.Path, Kind: snapshot.Kind(o.Kind)}, o.Bytes})
	}
	for _, kept := range body.Kept() {
		all = append(all, runRoot{Root: remote.Root{Root: kept.Root, Kind: kept.Kind}})
	}
	return all
}

// pushAfter sends records and what the run read and wrote, where mlx.yaml says so (runs: push:). The run is recorded
// already, so a failure is told and changes nothing: the next push brings what this one did not.
func (a *app) pushAfter(ctx context.Context, result *run.Result) {
	cfg, err := a.config()
	if err != nil {
		a.notPushedRun(result, err, "default")
		return
	}
	name := cfg.Runs.Push
	if name == "" || name == "never" {
		return
	}
	done, err := a.pushOfRun(ctx, name, result.View.Record)
	switch {
	case err != nil:
		a.notPushedRun(result, err, name)
	case done.Roots+done.Records > 0:
		a.streams.Note("%s", cli.Sentence(cli.Fmt("pushed to %s", cli.Str(done.name)), cli.Bytes(done.Bytes)))
	}
}

// notPushedRun tells why a run was not pushed, and what to type.
func (a *app) notPushedRun(result *run.Result, err error, name string) {
	a.streams.Note("run %s is recorded here and not pushed: %v", result.View.RunID.Short(), err)
	command := "mlx push"
	if name != "default" {
		command += " -r " + shellWord(name)
	}
	if hints := fault.Hints(err); len(hints) > 0 {
		a.streams.Note("hint: %s", hints[0])
		command += "   # then"
	}
	a.streams.Note("hint: %s", command)
}

// pushedRun is what was pushed after a run, and where.
type pushedRun struct {
	remote.Pushed
	name string
}

func (a *app) pushOfRun(ctx context.Context, name string, record object.Digest) (pushedRun, error) {
	if err := ctx.Err(); err != nil {
		return pushedRun{}, err
	}
	l, err := a.ledger()
	if err != nil {
		return pushedRun{}, err
	}
	rec, err := l.Get(ctx, record)
	if err != nil {
		return pushedRun{}, err
	}
	body, ok := runBody(rec)
	if !ok {
		return pushedRun{}, fault.New(fault.Integrity, "cannot push: %s is no record of a run", record.Short())
	}
	r, err := a.openRemote(ctx, name)
	if err != nil {
		return pushedRun{}, err
	}
	var roots []remote.Root
	for _, root := range rootsOfRun(body) {
		roots = append(roots, root.Root)
	}
	if err := a.mayLeave(ctx, r.Name(), roots); err != nil {
		return pushedRun{}, err
	}
	done, err := r.Push(ctx, remote.PushOptions{Roots: roots})
	if err != nil {
		return pushedRun{}, fault.New(fault.KindOf(err), "cannot push to %s: %w", r.Describe(), remoteTrouble(err, r.Name()))
	}
	return pushedRun{done, r.Name()}, nil
}
