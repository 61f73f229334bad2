package main

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/run"
)

// maxRepeatsOfRepeats bounds how far back the run is looked for that others repeat.
const maxRepeatsOfRepeats = 100

// stageOf is the stage that a run executed: its own, or that of the run which it repeats. A repeat names none itself, so
// that no pipeline takes its outputs for those of the stage.
func (j *rerunJob) stageOf(ctx context.Context, l *lineage.Ledger) (*run.Stage, error) {
	body := j.body
	for range maxRepeatsOfRepeats {
		if body.Stage != nil || body.RerunOf == "" {
			return body.Stage, nil
		}
		id, err := object.ParseDigest(body.RerunOf)
		if err != nil {
			return nil, j.cannot(fault.Integrity, "its record names a run %q", body.RerunOf)
		}
		rec, err := l.Get(ctx, id)
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		body, _ = runBody(rec)
	}
	return nil, nil
}

// asStage gives the run what its stage says in the tree: variables, and files of metrics.
func (j *rerunJob) asStage(ctx context.Context, t *rerunTree, s *run.Spec) {
	j.metricFiles = nil
	if j.stage == nil {
		return
	}
	all, err := t.app.stages(ctx)
	if err != nil {
		j.app.streams.Note("the stage %s of run %s cannot be read from its commit: %v", j.stage.Name, j.original.RunID.Short(), err)
		return
	}
	i := slices.IndexFunc(all, func(s pipeline.Stage) bool { return s.Name == j.stage.Name })
	if i < 0 {
		j.app.streams.Note("the commit of run %s has no stage %s: its variables and files of metrics are not known", j.original.RunID.Short(), j.stage.Name)
		return
	}
	stage := all[i]
	s.Env = append(assignments(stage.Env), s.Env...)
	for _, o := range stage.Outs {
		if o.Metrics {
			j.metricFiles = append(j.metricFiles, o.Path)
		}
	}
	s.After = func(context.Context) run.Aftermath { return stageMetrics(stage, t.repo.Abs) }
}
