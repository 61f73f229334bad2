package main

import (
	"cmp"
	"context"
	"strings"

	"mlx/internal/deploy"
	"mlx/internal/deploy/haproxy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
	"mlx/internal/repo"
)

// formHAProxy is the form of the lines of haproxy.cfg.
const formHAProxy = "haproxy"

// byHAProxy says whether the requests of the service come through an HAProxy, and not through a router of mlx.
func (s *served) byHAProxy() bool { return s.cfg.Target == repo.TargetHAProxy }

// haproxy is the HAProxy of the service.
func (s *served) haproxy() haproxy.Settings {
	h := s.cfg.HAProxy
	named := strings.ReplaceAll(s.name, "@", "-") // of an environment: HAProxy has no such names
	return haproxy.Settings{Socket: h.Socket, Backend: cmp.Or(h.Backend, named), Log: h.Log, Servers: max(s.cfg.Replicas, 1), Listen: s.cfg.Listen}
}

// exportHAProxy prints the lines of haproxy.cfg.
func (s *served) exportHAProxy(v *exportView) error {
	if !s.byHAProxy() {
		return fault.New(fault.Usage, "cannot export %s as haproxy: its requests come through the router of mlx", s.name).In(s.cfg.At).
			Hint("target: haproxy   # in services.%s of %s", s.name, repo.ConfigName)
	}
	c := haproxy.Config{Settings: s.haproxy(), Service: s.name, Idempotent: s.cfg.Idempotent, Ready: serveOf(s.cfg).Ready,
		InFlight: s.cfg.Limits.InFlight, Time: s.cfg.Limits.Time.Duration}
	v.Of = []fault.Ref{{Kind: refService, Name: s.name}}
	v.Files = []export.File{{Name: s.name + ".cfg", Text: c.Lines()}}
	return nil
}

// mayRunHAProxy is what the supervisor keeps running behind an HAProxy that is as it has to be.
func (s *served) mayRunHAProxy(ctx context.Context, o serviceRunOptions, options local.Options) (local.Options, error) {
	if o.port > 0 {
		return options, fault.New(fault.Usage, "cannot run %s on port %d: HAProxy takes its requests", s.name, o.port).Hint("bind 127.0.0.1:%d   # in haproxy.cfg", o.port)
	}
	if err := s.apart(ctx); err != nil {
		return options, err
	}
	if err := s.haproxy().Check(ctx); err != nil {
		return options, fault.New(fault.KindOf(err), "cannot run %s: %w", s.name, err).Hint("mlx export haproxy service:%s   # prints all lines", shellWord(s.name))
	}
	options.Listen, options.Datagrams, options.Await = s.cfg.HAProxy.Log, true, 0
	return options, nil
}

// apart refuses what a service that runs here has already, as the same service in another environment would: its backend, or its log lines.
func (s *served) apart(ctx context.Context) error {
	cfg, err := s.app.config()
	if err != nil {
		return err
	}
	mine := s.haproxy()
	for name, of := range cfg.Everywhere() {
		if name == s.name || of.Target != repo.TargetHAProxy {
			continue
		}
		other, err := s.app.servedAs(name, of)
		if err != nil {
			return err
		}
		theirs, what, key := other.haproxy(), "", ""
		switch {
		case theirs.Log == mine.Log:
			what, key = "takes log lines at "+mine.Log, "log: 127.0.0.1:5515"
		case theirs.Socket == mine.Socket && theirs.Backend == mine.Backend:
			what, key = "drives backend "+mine.Backend+" of "+mine.Socket, "backend: "+strings.ReplaceAll(s.name, "@", "-")
		default:
			continue
		}
		if _, err := other.supervisor().Running(ctx); err != nil {
			continue // it does not run here
		}
		fails := fault.New(fault.Conflict, "cannot run %s: %s, which runs here, %s", s.name, name, what).In(s.cfg.HAProxy.At)
		if _, environment := repo.SplitService(s.name); environment != "" {
			return fails.Hint("environments: {%s: {services.%s.haproxy.%s}}", environment, s.base(), key)
		}
		return fails.Hint("haproxy: {%s, …}   # in services.%s", key, s.base())
	}
	return nil
}

// mayCarry refuses a rollout that an HAProxy cannot carry. What mlx.yaml asks for is refused when it is read; this is what was typed.
func (s *served) mayCarry(spec deploy.Spec) error {
	if s.hosts != nil {
		return s.mayCarryOnHosts(spec)
	}
	if !s.byHAProxy() {
		return nil
	}
	bad := func(what string) error {
		return fault.New(fault.Usage, "cannot deploy to %s: HAProxy %s", s.name, what).In(s.cfg.At).
			Hint("target: host   # in services.%s of %s: HAProxy may stand before the router of mlx", s.name, repo.ConfigName)
	}
	switch {
	case spec.Strategy == deploy.AB:
		return bad("keeps no user with one version")
	case spec.Strategy == deploy.ShadowOnly || spec.Mirror > 0:
		return bad("copies no requests")
	}
	for _, rule := range spec.Checks {
		for _, name := range []string{deploy.MeasureDisagreement, deploy.MeasurePSI, deploy.MeasureSchema} {
			if rule.Name == name || rule.Kind == "expr" && strings.Contains(rule.Name, name) {
				return bad("looks into no answer, and so nobody knows " + name)
			}
		}
	}
	return nil
}
