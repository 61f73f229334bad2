package main

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/run"
)

// gateWorld is how checks on a run reach tables, files, commands and the model.
func (a *app) gateWorld(_ run.View, _ target) gate.World {
	return gate.World{Now: a.now()}
}

// tableSubject judges a table itself.
func (a *app) tableSubject(_ context.Context, ref string, s gate.Spec) (gate.Subject, error) {
	return gate.Subject{}, fault.New(fault.Usage, "cannot judge %s: %s is no run and no model", s.Name, ref)
}
