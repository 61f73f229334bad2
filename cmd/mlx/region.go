package main

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/remote"
)

// regionTag says where data must stay: mlx snapshot --tag region=eu.
const regionTag = "region"

// mayLeave refuses to send data that is tagged with a region to a remote that is not in it.
func (a *app) mayLeave(ctx context.Context, name string, roots []remote.Root) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	config, err := a.config()
	if err != nil {
		return err
	}
	c, _ := config.Remotes.Get(name)
	said, err := tags(ctx, l)
	if err != nil {
		return err
	}
	for _, root := range roots {
		for _, t := range said[root.Root] {
			if t.Name != regionTag || t.Value == c.Region {
				continue
			}
			where := "is in no region"
			if c.Region != "" {
				where = "is in region " + c.Region
			}
			return fault.New(fault.Denied, "cannot push %s to %s: version %s has to stay in region %s, and the remote %s", a.shown(root.Path), name, root.Root.Short(), t.Value, where).
				About(fault.Ref{Kind: refSnapshot, ID: root.Root.Hex(), Name: root.Path}).
				Hint("mlx push -r NAME   # a remote with region: %s", t.Value)
		}
	}
	return nil
}
