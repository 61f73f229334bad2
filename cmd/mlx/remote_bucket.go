package main

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

func (a *app) bucketProbes(ctx context.Context, remote repo.Remote) ([]remoteProbe, error) {
	return nil, fault.New(fault.Unavailable, "later")
}
