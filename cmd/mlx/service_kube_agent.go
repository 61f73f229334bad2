package main

import (
	"context"
	"slices"

	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/fault"
)

// kubePlatform is that of packages for which nothing else is said.
const kubePlatform = "linux/amd64"

// withAgent chooses the image of mlx for the pods of a service that has none yet, which must run on some platforms. It is sent nowhere.
func (s *served) withAgent(ctx context.Context, need []string) error {
	v, err := s.kube.open(ctx)
	if err != nil {
		return err
	}
	s.kube.mu.Lock()
	defer s.kube.mu.Unlock()
	return s.chooseAgent(ctx, v, need)
}

func (s *served) chooseAgent(ctx context.Context, v *deploykube.Driver, need []string) error {
	if v.Agent() != "" || v.Settings.Repository == "" {
		return nil
	}
	built, err := s.app.agentAnywhere(ctx, need, s.cfg.Kubernetes.Agent)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot count what %s answers on Kubernetes: %w", s.name, err).
			Hint("kubernetes: {agent: FILE}   # in services.%s: mlx for Linux, or a folder with mlx-linux-amd64 and mlx-linux-arm64", s.name)
	}
	s.kube.fresh = built
	v.SetAgent(v.Settings.Repository + "@" + built.Digest)
	return nil
}

// withAgentOf chooses the one that a deploy of a release would have, and has it there.
func (s *served) withAgentOf(ctx context.Context, r deploy.Release) error {
	need, err := s.platforms(ctx, r)
	if err == nil {
		err = s.withAgent(ctx, need)
	}
	if err != nil {
		return err
	}
	return s.sendAgent(ctx)
}

// sendAgent has it there.
func (s *served) sendAgent(ctx context.Context) error {
	v, err := s.kube.open(ctx)
	if err != nil {
		return err
	}
	return s.keepAgent(ctx, v)
}

// keepAgent has the repository of the model hold that image, before there are pods of it.
func (s *served) keepAgent(ctx context.Context, v *deploykube.Driver) error {
	s.kube.mu.Lock()
	defer s.kube.mu.Unlock()
	if err := s.chooseAgent(ctx, v, nil); err != nil || s.kube.fresh == nil {
		return err
	}
	if _, err := s.app.access().Keep(ctx, v.Settings.Repository, s.kube.fresh); err != nil {
		return err
	}
	s.kube.fresh = nil
	return nil
}

// platforms are what the packages of a release are for.
func (s *served) platforms(ctx context.Context, r deploy.Release) ([]string, error) {
	var all []string
	for _, part := range r.Parts() {
		v, err := s.app.recordedVersion(ctx, part)
		if err != nil {
			return nil, err
		}
		known, err := s.app.packagesOf(ctx, v)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(known, func(p packageRecord) bool { return p.body.Image == part.Image })
		if at < 0 || known[at].body.Platform == "" || slices.Contains(all, known[at].body.Platform) {
			continue
		}
		all = append(all, known[at].body.Platform)
	}
	if len(all) == 0 {
		all = []string{kubePlatform}
	}
	return all, nil
}
