package main

import (
	"context"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/remote"
)

// asked answers what an endpoint asks of the repository. Clients call at the same time; what a command does, it does alone.
type asked struct {
	app *app
	mu  sync.Mutex
}

// allow judges a move of a version by the policy of mlx.yaml as it is now, like mlx promote.
func (k *asked) allow(ctx context.Context, v *registry.Version, to registry.Stage) ([]registry.Evidence, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := *k.app
	now.config = sync.OnceValues(k.app.readConfig) // a server outlives many versions of it
	r, err := now.registry()
	if err != nil {
		return nil, err
	}
	m, err := r.Model(ctx, v.Model)
	if err != nil {
		return nil, err
	}
	if err := now.mayMove(m, v, to); err != nil {
		return nil, err
	}
	d, err := now.judgeMove(ctx, v, to)
	if err != nil {
		return nil, err
	}
	if d.Allowed {
		return d.Evidence(), nil
	}
	var missing []string
	for _, a := range d.Needs {
		if a.Verdict != registry.Pass {
			missing = append(missing, a.What+" ("+a.Said+")")
		}
	}
	refusal := fault.New(fault.Denied, "the policy of mlx.yaml does not let %s move to %s: %s", v.Name(), to, strings.Join(missing, ", "))
	for _, a := range d.Needs {
		if a.Verdict != registry.Pass && a.Command != "" {
			refusal.Hint("%s", a.Command)
		}
	}
	return nil, refusal
}

// fetch brings a version that is not here from the default remote.
func (k *asked) fetch(ctx context.Context, root object.Digest) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	o, err := k.app.hereOrigin()
	if err != nil {
		return err
	}
	if o.remote == nil {
		return fault.New(fault.NotFound, "snapshot %s is not on this machine", root.Short()).Hint("mlx remote add NAME URL   # one that has it")
	}
	r, err := o.remote(ctx)
	if err != nil {
		return err
	}
	k.app.streams.Why("snapshot %s is not here: it is fetched", root.Short())
	done, err := r.Fetch(ctx, remote.FetchOptions{Roots: []object.Digest{root}})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot fetch snapshot %s from %s: %w", root.Short(), r.Describe(), remoteTrouble(err, r.Name()))
	}
	return done.Release() // records keep it
}
