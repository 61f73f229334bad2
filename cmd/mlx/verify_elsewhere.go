package main

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/snapshot"
)

// withoutElsewhere leaves out the versions of which this machine has nothing and that a remote, as last seen, holds: a pull
// brings records of versions that nobody here has asked for, and these are not lost.
func (a *app) withoutElsewhere(ctx context.Context, store *snapshot.Store, roots []object.Digest) ([]object.Digest, error) {
	config, err := a.config()
	if err != nil {
		return nil, err
	}
	var remotes []*remote.Known
	for _, c := range config.Remotes.All() {
		known, err := a.recall(c)
		if err != nil {
			return nil, err
		}
		remotes = append(remotes, known)
	}
	var here []object.Digest
	for _, root := range roots {
		held := false
		for _, known := range remotes {
			held = held || known.Holds(root)
		}
		if held {
			_, err := store.FS(ctx, root)
			if fault.KindOf(err) == fault.NotFound && err != nil {
				continue
			}
		}
		here = append(here, root)
	}
	return here, nil
}
