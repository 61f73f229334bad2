package main

import (
	"context"

	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
)

// formKubernetes is the form of a service as objects of a cluster.
const formKubernetes = "kubernetes"

// exportKubernetes writes the objects of what is in service: the same bytes for one release, however often it was rolled out.
func (s *served) exportKubernetes(ctx context.Context, v *exportView) error {
	if !s.onKubernetes() {
		return fault.New(fault.Usage, "cannot export %s as kubernetes: its target is not a cluster", s.name).In(s.cfg.At).
			Hint("target: kubernetes   # in services.%s", s.name).Hint("mlx export systemd service:%s", shellWord(s.name))
	}
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return err
	}
	if known.Current == nil {
		return fault.New(fault.NotFound, "cannot export %s: nothing is in service", s.name).Hint("mlx deploy %s %s@vN", shellWord(s.name), shellWord(s.cfg.Model))
	}
	settings, err := s.kubeSettings(ctx)
	if err != nil {
		return err
	}
	if settings.Form == "" || settings.Agent == "" {
		d, err := s.kube.open(ctx) // the cluster says which form it has, and what its pods have beside their servers
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot export %s: %w", s.name, err).
				Hint("kubernetes: {form: gateway, agent: IMAGE@sha256:…, …}   # in services.%s: then no cluster is asked", s.name)
		}
		if err := s.withAgentOf(ctx, *known.Current); err != nil {
			return err
		}
		settings.Form, settings.Agent = d.Settings.Form, d.Agent()
	}
	if err := settings.CheckExport(); err != nil {
		return err
	}
	all, err := deploykube.Objects(settings, deploy.Desired{Service: s.name, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: *known.Current, Share: deploy.All, Replicas: max(s.cfg.Replicas, 1)}}})
	if err != nil {
		return err
	}
	v.Of = []fault.Ref{{Kind: refService, Name: s.name}}
	v.Files = []export.File{{Name: deploykube.NameOf(s.name) + ".yaml", Text: deploykube.YAML(all)}}
	return nil
}
