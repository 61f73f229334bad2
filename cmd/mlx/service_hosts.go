package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/fleet"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// hostsTarget is the hosts of a service as one target. Records and bytes get there by the default remote: before anything that they do not know yet
// is asked of them, it is pushed, and each host pulls what it lacks.
type hostsTarget struct {
	*fleet.Driver
	served *served

	mu      sync.Mutex
	brought map[string]bool // releases that the remote has, by key
}

// newHostsTarget connects to nobody yet; nil: the service has no hosts.
func newHostsTarget(s *served) (*hostsTarget, error) {
	if len(s.cfg.Hosts) == 0 {
		return nil, nil
	}
	t := &hostsTarget{Driver: &fleet.Driver{}, served: s, brought: map[string]bool{}}
	for _, h := range s.cfg.Hosts {
		host, err := s.app.nodeHost(h.Host, repo.Backend{Type: "ssh", Host: h.Host})
		if err != nil {
			return nil, err
		}
		host.Dir = h.Dir
		argv := []string{cmp.Or(h.Mlx, "mlx"), "agent", "service", s.name}
		dial := func(ctx context.Context) (io.ReadWriteCloser, error) {
			if err := s.mayServe(ctx); err != nil { // it names the hosts, and what is started there
				return nil, err
			}
			c, err := host.Program(ctx, argv)
			if err != nil {
				return nil, err
			}
			return c, nil
		}
		t.Members = append(t.Members, fleet.Member{Name: h.Host, Target: &hostMember{Remote: &fleet.Remote{Dial: dial}, host: h, served: s}})
	}
	return t, nil
}

// Apply pushes what the hosts may lack before it asks them.
func (t *hostsTarget) Apply(ctx context.Context, d deploy.Desired) error {
	if err := t.bring(ctx, d); err != nil {
		return err
	}
	return t.Driver.Apply(ctx, d)
}

// reached are the hosts that can be asked.
func (t *hostsTarget) reached() deploy.Driver {
	return broughtTo{Driver: t.Driver.Reached(), bring: t.bring}
}

// broughtTo is a target to which is brought what it may lack.
type broughtTo struct {
	deploy.Driver
	bring func(ctx context.Context, d deploy.Desired) error
}

// Apply brings it, and asks.
func (b broughtTo) Apply(ctx context.Context, d deploy.Desired) error {
	if err := b.bring(ctx, d); err != nil {
		return err
	}
	return b.Driver.Apply(ctx, d)
}

// bring pushes the records and the bytes of releases that this process has not pushed yet. What gives everything to what is or was in service,
// as an abort and a rollback do, waits for no remote: the hosts have that.
func (t *hostsTarget) bring(ctx context.Context, d deploy.Desired) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, err := t.served.book.Service(ctx, t.served.name)
	if err != nil {
		return nil //nolint:nilerr // the ledger is damaged: users come before records
	}
	lacks := slices.ContainsFunc(d.Arms, func(a deploy.Arm) bool {
		same := func(r deploy.Release) bool { return r.Key == a.Release.Key }
		served := a.Role == deploy.Previous || known.Current != nil && same(*known.Current) || slices.ContainsFunc(known.Good, same)
		return !served && !t.brought[a.Release.Key]
	})
	if !lacks {
		return nil
	}
	if err := t.served.hasRemote(); err != nil {
		return err
	}
	if err := t.served.mlx(ctx, "push", "-q"); err != nil {
		return fault.New(fault.KindOf(err), "cannot bring what is to be served to the hosts of %s: mlx push: %w", t.served.name, err).Hint("mlx push")
	}
	for _, a := range d.Arms {
		t.brought[a.Release.Key] = true
	}
	return nil
}

// hasRemote refuses what would get nowhere.
func (s *served) hasRemote() error {
	cfg, err := s.app.config()
	if err != nil {
		return err
	}
	if cfg.Default() == "" {
		return fault.New(fault.Usage, "cannot serve %s on its hosts: they get models and records by the default remote, and %s has none", s.name, repo.ConfigName).
			In(s.cfg.At).Hint("mlx remote add team URL --default")
	}
	return nil
}

// mlx runs this program in the project, apart from what this process prints.
func (s *served) mlx(ctx context.Context, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return fault.New(fault.Internal, "cannot find this program: %w", err)
	}
	r, err := s.app.repo()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-C", r.Root}, args...)...)
	var said bytes.Buffer
	cmd.Stderr, cmd.Env, cmd.WaitDelay = &said, s.app.unhanded(), time.Second // what it has started may hold its stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(said.String()), "mlx: "), "\n")
		return fault.New(fault.Unavailable, "%s", cmp.Or(first, err.Error()))
	}
	return nil
}

// hostMember is one host.
type hostMember struct {
	*fleet.Remote
	host   repo.Host
	served *served
}

// Apply asks the host for a state.
func (m *hostMember) Apply(ctx context.Context, d deploy.Desired) error {
	return m.told(m.Remote.Apply(ctx, d))
}

// Observe asks the host how it is.
func (m *hostMember) Observe(ctx context.Context, service string) (deploy.Actual, error) {
	seen, err := m.Remote.Observe(ctx, service)
	return seen, m.told(err)
}

// Ask asks the host for what only hosts of several know.
func (m *hostMember) Ask(ctx context.Context, what string, of, said any) error {
	return m.told(m.Remote.Ask(ctx, what, of, said))
}

// told says what is to be done on a host where that is known.
func (m *hostMember) told(err error) error {
	words, program := "", cmp.Or(m.host.Mlx, "mlx")
	switch {
	case errors.Is(err, fleet.ErrGone):
		words = program + " service run " + shellWord(m.served.name)
	case errors.Is(err, fleet.ErrDenied):
		words = program + " trust"
	default:
		return err
	}
	return fault.New(fault.KindOf(err), "%w", err).Hint("ssh %s   # and there: cd %s && %s", shellWord(m.host.Host), shellWord(m.host.Dir), words)
}

// labelsApart is why no labels are joined to what several hosts have answered.
const labelsApart = "each of its hosts has a log of predictions of its own, and labels are joined to one log"

// mayCarryOnHosts refuses a rollout that several hosts cannot carry.
func (s *served) mayCarryOnHosts(spec deploy.Spec) error {
	bad := func(what, hint string) error {
		return fault.New(fault.Usage, "cannot deploy to %s: %s", s.name, what).In(s.cfg.At).Hint("%s", hint)
	}
	if spec.Users != nil && spec.Users.Label != "" {
		return bad(labelsApart, "kpi: {command: …}   # in place of label: it asks wherever the outcomes are")
	}
	for _, rule := range spec.Checks {
		if rule.Kind == kindLabel {
			return bad(labelsApart, "checks: [{command: …}]   # in place of monitor: it asks wherever the outcomes are")
		}
	}
	return s.hasRemote()
}
