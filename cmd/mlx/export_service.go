package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
)

// targetForms are the forms that tell a target of a service what it needs.
func targetForms() []string { return []string{formHAProxy, formKubernetes} }

// exportOfService writes units that run a service for as long as this machine does.
func (a *app) exportOfService(ctx context.Context, o exportOptions, v *exportView) error {
	name := strings.TrimPrefix(o.refs[0], refService+":")
	switch {
	case !slices.Contains(targetForms(), o.form) && !slices.Contains(export.ServiceForms(), o.form):
		return fault.New(fault.Usage, "cannot export a service as %s", o.form).Hint("%s", a.retyped(o.form, "systemd"))
	case o.schedule != "" || o.image != "" || len(o.secrets) > 0:
		return fault.New(fault.Usage, "cannot export a service with --schedule, --image or --secret: it runs all the time").
			Hint("mlx export systemd %s", shellWord(o.refs[0]))
	}
	if err := inEnvironment(&name, o.env); err != nil {
		return err
	}
	s, err := a.openService(name)
	if err != nil {
		return err
	}
	switch o.form {
	case formHAProxy:
		return s.exportHAProxy(v)
	case formKubernetes:
		return s.exportKubernetes(ctx, v)
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	const spare = 15 * time.Second // beside what requests and servers may take
	stop := s.drain() + cmp.Or(s.cfg.StopTimeout.Duration, serverStops) + spare
	unit := export.Service{Name: name, User: a.user(), Listen: s.cfg.Listen, Stop: stop}
	if s.byHAProxy() {
		unit.Listen = ""
	} else if _, held := export.ListenStream(s.cfg.Listen); !held {
		a.streams.Note("without a socket: mlx.yaml gives %s no listen: with an address and a port, so systemd cannot hold those who connect", name)
	}
	v.Of = []fault.Ref{{Kind: refService, Name: name}}
	v.Files, err = export.Units(unit, export.Site{Root: r.Root})
	return err
}
