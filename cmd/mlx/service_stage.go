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
	for _, part := range r.To.Parts() {
		if err := s.settleOne(ctx, r, part); err != nil {
			return err
		}
	}
	return nil
}

// settleOne moves the stage to a version that has come into service by a rollout.
func (s *served) settleOne(ctx context.Context, r deploy.Rollout, rel deploy.Release) error {
	to, err := readStage(s.cfg.Stage)
	if err != nil {
		return err
	}
	reg, v, err := s.standing(ctx, rel)
	if err != nil || v == nil || v.Stage == to {
		return err
	}
	if held, err := s.heldBy(ctx, v, to); err != nil || held != "" {
		if err == nil {
			s.app.streams.Note("%s stays in %s: %s serves it there", v.Name(), v.Stage, held)
		}
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

// heldBy is the service that a version must not be taken from: a version in production does not go back to staging because the service of
// another environment serves it as well.
func (s *served) heldBy(ctx context.Context, v *registry.Version, to registry.Stage) (string, error) {
	if v.Stage != registry.Production || to == registry.Production {
		return "", nil
	}
	cfg, err := s.app.config()
	if err != nil {
		return "", err
	}
	for name, other := range cfg.Everywhere() {
		if name == s.name || other.Model != v.Model || other.Stage != string(v.Stage) {
			continue
		}
		known, err := s.book.Service(ctx, name)
		if err != nil {
			return "", err
		}
		if known.Current != nil && known.Current.Record == v.Record {
			return name, nil
		}
	}
	return "", nil
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
