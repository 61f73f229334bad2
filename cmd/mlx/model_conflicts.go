package main

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage"
)

// modelConflicts are the aliases and stages of models that people moved to several versions at once, and the numbers that two clones
// gave to different bytes.
func (a *app) modelConflicts(ctx context.Context) ([]conflictView, error) {
	r, err := a.registry()
	if err != nil {
		return nil, err
	}
	ctx = lineage.Steady(ctx)
	names, err := r.Contested(ctx)
	if err != nil {
		return nil, err
	}
	var all []conflictView
	for _, name := range names {
		m, err := r.Model(ctx, name)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, conflictsOf(m)...)
	}
	return slices.Clip(all), nil
}
