package main

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/deploy/fleet"
	"mlx/internal/fault"
)

func newAgentService(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "service SERVICE",
		Short:  "Relay on a host what another mlx asks of a service",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return fleet.Serve(cmd.Context(), a.streams.In, a.streams.Out, args[0], a.relayed(args[0]))
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// relayed is this machine as one of the hosts of a service. Why it cannot be one is the answer to whatever is asked.
func (a *app) relayed(name string) deploy.Driver {
	s, err := a.openService(name)
	if err != nil {
		return refusing{err}
	}
	return &pullingTarget{Driver: s.hereDriver(), served: s}
}

// refusing is a host that is none.
type refusing struct{ why error }

func (r refusing) Apply(context.Context, deploy.Desired) error { return r.why }

func (r refusing) Observe(context.Context, string) (deploy.Actual, error) {
	return deploy.Actual{}, r.why
}

func (r refusing) Answer(context.Context, string, json.RawMessage) (any, error) { return nil, r.why }

// pullingTarget is this machine as one of several hosts: records that it lacks are pulled before they are obeyed.
type pullingTarget struct {
	deploy.Driver
	served *served
	mu     sync.Mutex
}

// allowed refuses everything while the user of this machine has not allowed what the service runs here.
func (p *pullingTarget) allowed(ctx context.Context) error {
	err := p.served.mayServe(ctx)
	if fault.KindOf(err) == fault.Denied {
		return fleet.ErrDenied
	}
	return err
}

// Observe says how this machine is.
func (p *pullingTarget) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	if err := p.allowed(ctx); err != nil {
		return deploy.Actual{}, err
	}
	return p.Driver.Observe(ctx, service)
}

// Apply pulls the records of releases that are not known here. What is only kept ready is no reason to wait for a remote: others get everything then.
func (p *pullingTarget) Apply(ctx context.Context, d deploy.Desired) error {
	if err := p.allowed(ctx); err != nil {
		return err
	}
	for _, arm := range d.Arms {
		if arm.Role == deploy.Previous || p.knows(ctx, arm.Release) {
			continue
		}
		if err := p.pull(ctx, arm.Release); err != nil {
			return err
		}
	}
	return p.Driver.Apply(ctx, d)
}

func (p *pullingTarget) knows(ctx context.Context, rel deploy.Release) bool {
	_, err := p.served.app.recordedVersion(ctx, rel)
	return fault.KindOf(err) != fault.NotFound
}

// pull pulls one at a time: who asks again may not have waited for the one before.
func (p *pullingTarget) pull(ctx context.Context, rel deploy.Release) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.knows(ctx, rel) {
		return nil
	}
	if err := p.served.mlx(ctx, "pull", "--no-checkout", "-q"); err != nil {
		return fault.New(fault.KindOf(err), "it cannot pull %s: %w", rel.Name(), err)
	}
	return nil
}

// Answer says what this machine knows besides, as one of several.
func (p *pullingTarget) Answer(ctx context.Context, what string, of json.RawMessage) (any, error) {
	if err := p.allowed(ctx); err != nil {
		return nil, err
	}
	switch what {
	case askStrength:
		var t strength
		if err := json.Unmarshal(of, &t); err != nil {
			return nil, fault.New(fault.Usage, "cannot understand which requests are to be answered: %w", err)
		}
		seen, err := p.Driver.Observe(ctx, p.served.name)
		if err != nil {
			return nil, err
		}
		j, err := t.judge(ctx, seen)
		return strengthSaid{j.Verdict, j.Reason}, err
	case askPeriods:
		if !p.served.hasSLO() {
			return nil, fault.New(fault.Conflict, "its mlx.yaml says nothing of an slo, and so it counts nothing for one").
				Hint("git pull   # there, and start mlx service run anew")
		}
		return p.served.periodsHere(ctx)
	}
	return nil, fault.New(fault.Unavailable, "mlx there cannot be asked for %s", what)
}
