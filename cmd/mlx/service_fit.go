package main

import (
	"context"
	"errors"
	"slices"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/object"
)

// room is what this machine has for the servers of a candidate, and what they need: as mlx.yaml says, or as those of stable need, and as much
// more as the model is larger. What belongs to releases that are stopped when the candidate starts counts as free.
func (s *served) room(ctx context.Context, spec deploy.Spec, bytes int64) (deploy.Room, error) {
	r := deploy.Room{Replicas: spec.Replicas, NeedMemory: int64(s.cfg.Memory), NeedGPU: int64(s.cfg.GPUMemory)}
	seen, err := s.driver().Observe(ctx, s.name)
	if err != nil && !errors.Is(err, local.ErrNotRunning) {
		return r, err
	}
	m := local.LookAtMachine(ctx, s.dir)
	r.Memory = m.Memory
	var stable deploy.Seen
	for _, a := range seen.Arms {
		if spec.From != nil && a.Key == spec.From.Key {
			stable = a
		} else if m.Memory > 0 {
			r.Memory += a.Memory * int64(a.Ready)
		}
	}
	r.StableMemory = stable.Memory * int64(stable.Ready)
	if r.NeedMemory == 0 && stable.Memory > 0 {
		r.NeedMemory = stable.Memory + max(bytes-s.bytesOf(ctx, *spec.From), 0)
	}
	if len(m.GPUs) == 0 {
		return r, nil
	}
	for key, held := range m.Held {
		if stable.Key == key {
			r.StableGPU = held
		} else {
			m.GPUs[0] += held
		}
	}
	switch ready := int64(max(stable.Ready, 1)); {
	case r.NeedGPU == 0:
		r.NeedGPU = r.StableGPU / ready
	case r.StableGPU == 0: // who holds what is not told to everybody
		r.StableGPU = r.NeedGPU * int64(stable.Ready)
	}
	r.GPU = usableGPU(m, r.NeedGPU)
	return r, nil
}

// usableGPU is what is free of GPUs for servers that each need so much: a server lies on one GPU, unless none is large enough.
func usableGPU(m local.Machine, need int64) int64 {
	total, usable := int64(0), int64(0)
	for _, free := range m.GPUs {
		total += free
		if need > 0 {
			usable += free / need * need
		}
	}
	if need == 0 || len(m.GPUs) == 1 || need > slices.Max(m.Sizes) {
		return total
	}
	return max(usable, 1)
}

// bytesOf is how large the models of a release are; 0: not known.
func (s *served) bytesOf(ctx context.Context, rel deploy.Release) int64 {
	all, seen := int64(0), map[object.Digest]bool{}
	for _, part := range rel.Parts() {
		if seen[part.Record] {
			continue // two stages have the same model
		}
		seen[part.Record] = true
		v, err := s.app.recordedVersion(ctx, part)
		if err != nil {
			s.app.streams.Why("cannot tell how large %s is: %v", part.Name(), err)
			return 0
		}
		all += v.Bytes
	}
	return all
}

// fits says why a candidate does not fit on this machine, with the way out; nil: it does, or nobody knows.
func (s *served) fits(ctx context.Context, spec deploy.Spec, bytes int64) error {
	if s.onKubernetes() || s.hosts != nil {
		return nil // its scheduler knows; what other hosts have is not told here
	}
	room, err := s.room(ctx, spec, bytes)
	if err != nil {
		return err
	}
	fit := deploy.NewFit(room)
	otherwise := "memory: …, gpu_memory: …   # in services." + s.base() + ", where that is not what a server needs"
	switch {
	case !fit.Alone:
		return fault.New(fault.Conflict, "cannot deploy %s to %s: %s", spec.To.Name(), s.name, fit.Problem).Hint("%s", otherwise)
	case fit.Beside || spec.Strategy == deploy.Replace:
		return nil
	case spec.From == nil:
		return fault.New(fault.Conflict, "cannot deploy %s to %s: %s", spec.To.Name(), s.name, fit.Problem).Hint("%s", otherwise)
	}
	return fault.New(fault.Conflict, "cannot deploy %s to %s beside %s: %s", spec.To.Name(), s.name, spec.From.Name(), fit.Problem).
		Hint("mlx deploy %s %s --strategy replace   # stops %s first: %s does not answer meanwhile", shellWord(s.name), shellWord(spec.To.Name()), spec.From.Name(), s.name).
		Hint("%s", otherwise)
}
