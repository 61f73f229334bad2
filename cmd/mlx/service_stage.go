package main

import (
	"context"

	"mlx/internal/deploy"
	"mlx/internal/registry"
)

// settleStage moves the stage that the service owns to what is in service now. A version that left service is archived, as mlx promote does;
// one that comes back leaves the archive.
func (s *served) settleStage(ctx context.Context, r deploy.Rollout) error {
	if s.cfg.Stage == "" || r.State != deploy.StateCompleted || !r.Served() {
		return nil
	}
	to, err := readStage(s.cfg.Stage)
	if err != nil {
		return err
	}
	reg, v, err := s.standing(ctx, r.To)
	if err != nil || v == nil || v.Stage == to {
		return err
	}
	var evidence []registry.Evidence
	if r.Strategy != deploy.Back {
		d, err := s.policy(ctx, v)
		if err != nil {
			return err
		}
		evidence = d.Evidence()
	}
	evidence = append(evidence, registry.Evidence{What: "rollout", Record: r.ID})
	why := "in service " + s.name
	if r.Message != "" {
		why += ": " + r.Message
	}
	_, err = reg.Move(ctx, registry.Step{Version: v, To: to, Why: why, Evidence: evidence})
	return err
}

// standing is the version of a release as it stands in the registry now; nil: it was erased there, or has another number.
func (s *served) standing(ctx context.Context, rel deploy.Release) (registry.Registry, *registry.Version, error) {
	reg, err := s.app.registry()
	if err != nil {
		return reg, nil, err
	}
	m, err := reg.Model(ctx, rel.Model)
	if err != nil {
		return reg, nil, err
	}
	for _, v := range m.Live() {
		if v.Record == rel.Record {
			return reg, v, nil
		}
	}
	return reg, nil, nil
}
