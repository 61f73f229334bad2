// Package fleet hides that a service runs on several hosts: they are one target. Each host obeys the same, in the same order; what all of them
// count is counted together, and what one of them does not do is not done.
package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// Member is one host.
type Member struct {
	Name   string
	Target deploy.Driver
}

// Driver is the target of several hosts.
type Driver struct {
	Members []Member

	mu    sync.Mutex
	asked uint64                     // the latest generation that was asked for here
	kept  map[string]map[string]kept // what each member counted of a release, which it may have lost since
}

var _ deploy.Driver = (*Driver)(nil)

// applying is how long a host has to do what it is asked, longer than the lease of any other. What it pulls for that goes on when nobody waits for it
// any more: it is asked again.
const applying = time.Minute

// Apply asks the hosts one after the other while a candidate is to have traffic: it stops at the first that does not obey, and the others keep what
// they have, and lose it with their lease. What takes traffic from a candidate, or gives nobody anything new, is asked of all hosts at once: one
// that does not answer holds up none of the others.
func (d *Driver) Apply(ctx context.Context, want deploy.Desired) error {
	d.mu.Lock()
	d.asked = max(d.asked, want.Generation)
	d.mu.Unlock()
	ask := func(m Member) error {
		ctx, stop := context.WithTimeout(ctx, applying)
		defer stop()
		if err := m.Target.Apply(ctx, want); err != nil {
			return m.At(err)
		}
		return nil
	}
	all := make([]error, len(d.Members))
	if want.Lease > 0 {
		for _, m := range d.Members {
			if err := ask(m); err != nil {
				return err
			}
		}
		return nil
	}
	var asking sync.WaitGroup
	for i, m := range d.Members {
		asking.Go(func() { all[i] = ask(m) })
	}
	asking.Wait()
	for _, err := range all {
		if err != nil && !errors.Is(err, deploy.ErrStale) {
			return err // that one is away is worse than that it has obeyed somebody else, which is seen once it is asked
		}
	}
	return errors.Join(all...)
}

// At says which host an error is of, once: the way there names it as well.
func (m Member) At(err error) error {
	text := err.Error()
	once := strings.NewReplacer("cannot reach "+m.Name+": ", "", "mlx on "+m.Name+" ", "mlx there ", "the connection to "+m.Name+" ", "the connection ").Replace(text)
	if once == text {
		return fault.New(fault.KindOf(err), "host %s: %w", m.Name, err)
	}
	e := fault.New(fault.KindOf(err), "host %s: %s", m.Name, once)
	e.Hints = fault.Hints(err)
	return e
}

// Host is how one member is.
type Host struct {
	Name   string
	Actual deploy.Actual
	Err    error // it could not be asked
}

// patience is how long a host has to say how it is: the leases of the others run out meanwhile.
const patience = 10 * time.Second

// Look asks every host how it is, all at once.
func (d *Driver) Look(ctx context.Context, service string) []Host {
	hosts := make([]Host, len(d.Members))
	var asking sync.WaitGroup
	for i, m := range d.Members {
		asking.Go(func() {
			ctx, stop := context.WithTimeout(ctx, patience)
			defer stop()
			hosts[i].Name = m.Name
			if hosts[i].Actual, hosts[i].Err = m.Target.Observe(ctx, service); hosts[i].Err != nil {
				hosts[i].Err = m.At(hosts[i].Err)
			}
		})
	}
	asking.Wait()
	return hosts
}

// Observe puts together what the hosts do. One that cannot be asked makes all of it unknown.
func (d *Driver) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	hosts := d.Look(ctx, service)
	for _, h := range hosts {
		if h.Err != nil {
			return deploy.Actual{}, h.Err
		}
	}
	return d.Together(hosts), nil
}

// Reached is the target without the hosts that cannot be asked: what is to take users away from a release does not wait for them. They are
// told when they are asked for the next time.
func (d *Driver) Reached() deploy.Driver { return reached{d} }

type reached struct{ all *Driver }

// Apply asks every host, all at once where nothing is on trial. It has failed only where a host can be asked how it is, and does not obey.
func (r reached) Apply(ctx context.Context, want deploy.Desired) error {
	err := r.all.Apply(ctx, want)
	if err == nil || errors.Is(err, deploy.ErrStale) {
		return err
	}
	seen := 0
	for _, h := range r.all.Look(ctx, want.Service) {
		switch {
		case h.Err != nil:
		case h.Actual.Generation < want.Generation:
			return err
		case h.Actual.Generation > want.Generation:
			return deploy.ErrStale
		default:
			seen++
		}
	}
	if seen == 0 {
		return err
	}
	return nil
}

// Observe puts together what those hosts do that can be asked; with none of them nothing is known.
func (r reached) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	hosts := r.all.Look(ctx, service)
	there := slices.DeleteFunc(slices.Clone(hosts), func(h Host) bool { return h.Err != nil })
	if len(there) == 0 && len(hosts) > 0 {
		return deploy.Actual{}, hosts[0].Err
	}
	return r.all.Together(there), nil
}
