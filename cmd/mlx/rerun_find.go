package main

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// rerunJob is a run that is to be repeated, and what is known of it.
type rerunJob struct {
	app      *app
	repo     *repo.Repo
	original run.View
	body     run.Body
	stage    *run.Stage // that it executed, nil for none

	times     int
	tolerance run.Tolerance
	dryRun    bool
	on        string // backend that repeats it; empty for this process

	data     []restoration   // what the run read, by path
	absent   []absentVersion // what is to be fetched
	pending  bool            // a dry run did not fetch it
	releases []func() error  // of what was fetched

	metricFiles []string // outputs of its stage that are files of metrics

	needs []run.Need       // what differs here, or what the repeat does without
	lacks []error          // what it cannot do without
	here  *run.Environment // what surrounds the command on this machine; nil when the run recorded nothing of it
}

// rerunJob finds the run that a reference names: a run itself, or the one that wrote a file.
func (a *app) rerunJob(ctx context.Context, ref string) (*rerunJob, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	found, err := a.resolve(ctx, ref)
	if err == nil {
		found, err = a.runOfVersion(ctx, found, "rerun")
	}
	if err != nil {
		return nil, err
	}
	if found.Kind == refPath {
		if found, err = a.written(ctx, found); err != nil {
			return nil, err
		}
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	j := &rerunJob{app: a, repo: r}
	switch {
	case found.Kind == refRun && found.Inner == "":
		j.original, err = a.history(l).Get(ctx, found.ID)
	case found.Kind == refSnapshot && found.Inner == "":
		j.original, err = a.writerOf(ctx, l, found, ref)
	case found.Kind == refConfig && found.Section == "stages": // else it would have been the run
		if _, err = a.stageRun(ctx, found.Name); err == nil {
			err = fault.New(fault.NotFound, "cannot rerun %s: no run of it is known here", ref)
		}
	default:
		err = fault.New(fault.Usage, "cannot rerun %s: it is no run, and no file that a run wrote", found.short()).Hint("mlx log -k run")
	}
	if err != nil {
		return nil, err
	}
	if j.original.State == run.Running {
		return nil, fault.New(fault.Conflict, "cannot rerun %s: it is still running", j.original.RunID.Short()).
			Hint("mlx show %s", j.original.RunID.Short())
	}
	rec, err := l.Get(ctx, j.original.Record)
	if err != nil {
		return nil, err
	}
	body, ok := runBody(rec)
	if !ok || len(body.Command) == 0 {
		return nil, fault.New(fault.Integrity, "cannot rerun %s: its record names no command", j.original.RunID.Short())
	}
	j.body = body
	j.stage, err = j.stageOf(ctx, l)
	return j, err
}

// writerOf is the run that wrote a version first. One that only repeated it is not asked for.
func (a *app) writerOf(ctx context.Context, l *lineage.Ledger, t target, ref string) (run.View, error) {
	var found *lineage.Record
	for rec, err := range l.Referring(ctx, t.ID) {
		if err != nil {
			return run.View{}, err
		}
		body, ok := runBody(rec)
		if !ok || found != nil && (body.RerunOf != "" || rec.LC > found.LC) {
			continue
		}
		for _, o := range body.Outputs {
			if o.Root == t.ID {
				found = &rec
			}
		}
	}
	if found == nil {
		return run.View{}, fault.New(fault.NotFound, "cannot rerun %s: no run that is known here wrote it", ref).Hint("mlx lineage %s", shellWord(ref))
	}
	return a.history(l).Of(*found)
}
