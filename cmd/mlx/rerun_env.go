package main

import (
	"context"

	"mlx/internal/repo"
	"mlx/internal/run"
)

// surroundings is what surrounds a command that would start in dir.
func (a *app) surroundings(_ context.Context, _ *repo.Repo, _ []string, _ string) (*run.Environment, error) {
	return nil, nil
}
