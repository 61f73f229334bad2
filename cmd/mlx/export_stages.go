package main

import (
	"context"

	"mlx/internal/pipeline"
)

// exportStages reads the stages of mlx.yaml.
func (a *app) exportStages(_ context.Context) ([]pipeline.Stage, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	var all []pipeline.Stage
	for name, s := range cfg.Stages.All() {
		stage := pipeline.Stage{Name: name, Group: name, Cmd: s.Cmd, Folder: ".", Deps: s.Deps, Retries: s.Retries, On: s.On, At: s.At}
		for _, out := range s.Outs {
			stage.Outs = append(stage.Outs, pipeline.Out{Path: out})
		}
		for _, out := range s.Metrics {
			stage.Outs = append(stage.Outs, pipeline.Out{Path: out, Metrics: true})
		}
		all = append(all, stage)
	}
	return all, nil
}
