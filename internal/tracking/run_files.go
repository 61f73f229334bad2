package tracking

import (
	"context"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// tell adds to what is known of a run, be it over or in the bin.
func (s *Server) tell(ctx context.Context, id object.Digest, e run.Entry) error {
	return s.change(ctx, clientID(id), e, func(*held) error { return nil })
}

// runShelf finds the files that a run logged, and the outputs that mlx kept of it.
func (s *Server) runShelf(ctx context.Context, id string) (shelf, error) {
	digest, err := s.digestOf(ctx, id)
	if err != nil {
		return shelf{}, err
	}
	body, _, err := s.body(ctx, digest)
	if err != nil {
		return shelf{}, err
	}
	var sh shelf
	var root object.Digest
	if h := s.written(clientID(digest)); h != nil {
		sh.live, root = h.Artifacts()
	} else if body.Tracking != nil && body.Tracking.Artifacts != nil {
		root = body.Tracking.Artifacts.Root
	}
	if !root.IsZero() {
		sh.kept = append(sh.kept, kept{at: ".", root: root})
	}
	for _, o := range body.Outputs {
		sh.kept = append(sh.kept, kept{at: o.Path, root: o.Root, file: o.Kind == string(snapshot.File)})
	}
	return sh, nil
}

// runBench is where files of a run are changed. One that is over is gone on with.
func (s *Server) runBench(ctx context.Context, id string) (workbench, error) {
	for range maxReopened {
		h, err := s.writer(ctx, id)
		if err != nil {
			return workbench{}, err
		}
		if err := s.active(h); err != nil {
			return workbench{}, err
		}
		dir, done, err := h.Upload(ctx)
		if fault.KindOf(err) == fault.Conflict && h.Closed() {
			s.letGo(h) // it was recorded meanwhile
			continue
		}
		return workbench{folder: dir, done: func() error { return nil }, release: func() { done(); s.settleLater(h) }}, err
	}
	return workbench{}, failf(BadRequest, "Run %.100s changes too fast", id)
}

// modelMetrics are the metrics that a run measured on a model that it logged.
func (s *Server) modelMetrics(ctx context.Context, m registry.LoggedModel) ([]modelMetric, error) {
	if m.Run == nil {
		return nil, nil
	}
	body, _, err := s.body(ctx, *m.Run)
	if err != nil || body.Tracking == nil {
		return nil, err
	}
	var all []modelMetric
	for _, p := range body.Tracking.Measured {
		if p.Model == m.ID {
			all = append(all, modelMetric{Key: p.Key, Value: p.Value, Timestamp: p.MS, Step: p.Step, Model: m.ID,
				Run: clientID(*m.Run), Dataset: p.Dataset, Digest: p.Digest})
		}
	}
	return all, nil
}
