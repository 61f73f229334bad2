package main

import (
	"context"
	"os"

	"mlx/internal/run"
	"mlx/internal/train"
)

// repeatOn executes the run once on a backend: the tree is what is sent. Its outputs stay in the store, where they are compared.
func (j *rerunJob) repeatOn(ctx context.Context, tree *rerunTree, spec run.Spec) (run.View, error) {
	ask := onAsk{Backend: j.on, MetricFiles: j.metricFiles, Apart: true}
	if was := j.body.Job; was != nil {
		ask.Resources = train.Resources{
			Nodes: was.Nodes, Ranks: was.Ranks, GPUs: was.GPUs, CPUs: was.CPUs, Memory: was.MemoryBytes, // its type of GPU is a word of its own backend
		}
	}
	if len(ask.MetricFiles) == 0 && j.body.Job != nil {
		ask.MetricFiles = j.body.Job.MetricFiles
	}
	spec.Used, spec.After = j.body.Used, nil
	out := live{stdout: os.Stderr, stderr: os.Stderr}
	if j.app.streams.Quiet {
		out = live{}
	}
	result, err := tree.app.executeOn(ctx, spec, ask, out)
	return j.repeated(ctx, result, err)
}
