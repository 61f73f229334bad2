package main

import (
	"context"

	"mlx/internal/drift"
)

// written refuses what the monitor names for later and nothing has: a measure of predictions that have no labels yet, a stage that drift
// would start. The night on which they are needed is too late to hear of it.
func (t *driftTurn) written(ctx context.Context) error {
	m := t.monitor
	if err := (drift.Quality{Monitor: t.name, Rules: qualityRules(t), At: m.At}).Check(); err != nil {
		return err
	}
	config, err := t.app.config()
	if err != nil || m.OnDrift.Repro == "" {
		return err
	}
	if _, ok := config.Stages.Get(m.OnDrift.Repro); ok {
		return nil
	}
	_, err = t.app.readPipeline(ctx) // it may be of a dvc.yaml; an unknown one is refused there
	return err
}
