package local

import (
	"context"
	"errors"
	"slices"

	"mlx/internal/deploy"
)

// Control is how a router is told.
type Control interface {
	// Apply asks the router for a state. deploy.ErrStale: it has obeyed that generation, or a later one.
	Apply(ctx context.Context, d deploy.Desired) error
	// Renew says that the candidate of a generation may keep its traffic for another lease.
	Renew(ctx context.Context, generation uint64) error
	Actual(ctx context.Context) (deploy.Actual, error)
}

// Driver is the target host: this machine, where a supervisor runs the service.
type Driver struct {
	Supervisor Client
	Router     Control
}

var _ deploy.Driver = (*Driver)(nil)

// Apply starts what gets traffic before it gets it, and stops what gets none any more after that.
func (d *Driver) Apply(ctx context.Context, want deploy.Desired) error {
	have, err := d.Supervisor.Arms()
	if err != nil {
		return err
	}
	after := armsOf(want)
	both := Arms{Arms: slices.Clone(after.Arms)}
	for _, w := range have.Arms {
		if !slices.ContainsFunc(both.Arms, func(o Wanted) bool { return o.Release.Key == w.Release.Key }) {
			both.Arms = append(both.Arms, w)
		}
	}
	if !same(both, have) {
		// Who does not know yet that somebody else has acted must not start what that one has stopped: nobody would stop it again.
		if seen, err := d.Router.Actual(ctx); err == nil && seen.Generation > want.Generation {
			return deploy.ErrStale
		}
		if _, err := d.Supervisor.Want(ctx, both); err != nil {
			return err
		}
	}
	if err := d.obey(ctx, want); err != nil {
		return err
	}
	if same(both, after) {
		return nil
	}
	_, err = d.Supervisor.Want(ctx, after)
	return err
}

// obey asks the router, or renews the lease of what it was asked for before.
func (d *Driver) obey(ctx context.Context, want deploy.Desired) error {
	err := d.Router.Apply(ctx, want)
	if !errors.Is(err, deploy.ErrStale) {
		return err
	}
	seen, lookErr := d.Router.Actual(ctx)
	if lookErr != nil {
		return lookErr
	}
	if seen.Generation != want.Generation || seen.Reverted != nil || !does(seen, want) {
		return err
	}
	if want.Lease == 0 {
		return nil
	}
	return d.Router.Renew(ctx, want.Generation)
}

// does says whether every release gets the share that is wanted.
func does(seen deploy.Actual, want deploy.Desired) bool {
	return !slices.ContainsFunc(want.Arms, func(a deploy.Arm) bool {
		return !slices.ContainsFunc(seen.Arms, func(s deploy.Seen) bool { return s.Key == a.Release.Key && s.Share == a.Share }) && a.Share > 0
	})
}

func same(a, b Arms) bool {
	return slices.EqualFunc(a.Arms, b.Arms, func(x, y Wanted) bool {
		return x.Release.Key == y.Release.Key && x.Replicas == y.Replicas && x.Until.Equal(y.Until)
	})
}

func armsOf(d deploy.Desired) Arms {
	var a Arms
	for _, one := range d.Arms {
		same := slices.IndexFunc(a.Arms, func(w Wanted) bool { return w.Release.Key == one.Release.Key })
		if same >= 0 { // stable and its own shadow
			a.Arms[same].Replicas = max(a.Arms[same].Replicas, one.Replicas)
			continue
		}
		a.Arms = append(a.Arms, Wanted{Release: one.Release, Replicas: one.Replicas, Until: one.Until})
	}
	return a
}

// Observe joins what the router counts with what the supervisor knows of the servers.
func (d *Driver) Observe(ctx context.Context, _ string) (deploy.Actual, error) {
	running, err := d.Supervisor.Running(ctx)
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return deploy.Actual{}, err
	}
	gone := err != nil
	seen, err := d.Router.Actual(ctx)
	if err != nil {
		if gone {
			return deploy.Actual{}, ErrNotRunning
		}
		if running.Router.Trouble != "" {
			err = errors.Join(err, errors.New("router: "+running.Router.Trouble))
		}
		return deploy.Actual{}, err
	}
	if gone {
		seen.Trouble = "its supervisor does not run: servers that end are not started again"
	}
	for _, a := range running.Arms {
		i := slices.IndexFunc(seen.Arms, func(s deploy.Seen) bool { return s.Key == a.Key })
		if i < 0 {
			seen.Arms = append(seen.Arms, deploy.Seen{Key: a.Key})
			i = len(seen.Arms) - 1
		}
		s := &seen.Arms[i]
		s.Replicas, s.Ready, s.Restarts, s.Trouble, s.Servers, s.Memory = a.Replicas, len(a.Servers), a.Restarts, a.Trouble, a.Servers, a.Memory
		s.Stages = a.Stages
	}
	return seen, nil
}
