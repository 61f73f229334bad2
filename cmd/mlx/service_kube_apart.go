package main

import (
	"context"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

// apartThere refuses to serve at a route, or from a file, of another service that was deployed, which may be the same one in another environment. Of two
// routes for the same requests a Gateway takes the older one, whatever mlx counts, and who follows a file takes away what is no longer in it.
func (s *served) apartThere(ctx context.Context) error {
	cfg, err := s.app.config()
	if err != nil {
		return err
	}
	for name, other := range cfg.Everywhere() {
		if name == s.name || other.Target != repo.TargetKubernetes {
			continue
		}
		what, hint := shared(s.cfg.Kubernetes, other.Kubernetes)
		if what == "" {
			continue
		}
		known, err := s.book.Service(ctx, name)
		if err != nil {
			return err
		}
		if _, busy := known.Progress(); busy || known.Current != nil {
			return fault.New(fault.Conflict, "cannot deploy to %s: %s is in service with %s", s.name, name, what).In(s.cfg.Kubernetes.At).Hint("%s", hint)
		}
	}
	return nil
}

// shared is what two services on Kubernetes have in common that only one can have, and what gives the other one its own; empty: nothing.
func shared(a, b repo.Kubernetes) (what, hint string) {
	route := func(k repo.Kubernetes) string {
		return strings.Join([]string{k.Context, k.Gateway, k.Hostname, strings.TrimRight(k.Path, "/")}, "\n")
	}
	file := func(k repo.Kubernetes) string {
		return strings.Join([]string{k.GitOps.Repo, k.GitOps.Branch, k.GitOps.Path}, "\n")
	}
	switch {
	case a.GitOps.Path != "" && file(a) == file(b):
		return "the same file " + a.GitOps.Path, "kubernetes: {gitops: {path: …}}   # another file for each service and environment"
	case a.Gateway != "" && route(a) == route(b) && a.Form != repo.FormKnative && b.Form != repo.FormKnative:
		return "the same hostname and path of Gateway " + a.Gateway, "kubernetes: {hostname: …, path: …}   # others for each service and environment"
	}
	return "", ""
}
