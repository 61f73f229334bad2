package main

import (
	"context"
	"slices"

	"mlx/internal/pipeline"
	"mlx/internal/run"
)

// after looks at what the command has left, as mlx repro does on its own machine: whether all outputs are there, and the files of
// metrics. What the command read was laid out from versions for it alone, so nobody can have changed it meanwhile.
func (j *agentJob) after(context.Context) run.Aftermath {
	stage := pipeline.Stage{}
	abs := func(rel string) string { return j.source(rel) }
	for _, out := range j.body.Outs {
		stage.Outs = append(stage.Outs, pipeline.Out{Path: out, Metrics: slices.Contains(j.body.Job.MetricFiles, out)})
	}
	found := stageMetrics(stage, abs)
	if missing := notWritten(stage, abs); missing != "" && j.body.Stage != nil {
		found.Cause = missing
	}
	return found
}
