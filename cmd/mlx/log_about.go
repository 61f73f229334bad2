package main

import (
	"context"
	"slices"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// filter says whether a record is about what was asked for. A nil filter takes everything.
type filter func(lineage.Record) bool

// about makes the filter for a list of references: what happened to any of them.
func (a *app) about(ctx context.Context, refs []string) (filter, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	found, err := a.resolveAll(ctx, refs)
	if err != nil {
		return nil, err
	}
	filters := make([]filter, 0, len(found))
	for _, t := range found {
		f, err := a.aboutOne(ctx, t)
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return func(rec lineage.Record) bool {
		return slices.ContainsFunc(filters, func(f filter) bool { return f(rec) })
	}, nil
}

func (a *app) aboutOne(ctx context.Context, t target) (filter, error) {
	switch t.Kind {
	case refPath:
		return func(rec lineage.Record) bool { return touches(rec, t.Name) }, nil
	case refGit:
		return func(rec lineage.Record) bool {
			body, ok := runBody(rec)
			return ok && body.Code.Commit == t.Commit
		}, nil
	case refConfig:
		return func(rec lineage.Record) bool {
			body, err := gate.Judged.Decode(rec)
			return err == nil && slices.ContainsFunc(body.Gates, func(g gate.Result) bool { return g.Name == t.Name })
		}, nil
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	ids := map[object.Digest]bool{t.ID: true}
	if !t.Record.ID.IsZero() && recordTarget(t.Record).same(t) {
		ids[t.Record.ID] = true
	}
	for rec, err := range l.Referring(ctx, t.ID) {
		if err != nil {
			return nil, err
		}
		ids[rec.ID] = true
	}
	return func(rec lineage.Record) bool { return ids[rec.ID] }, nil
}

func runBody(rec lineage.Record) (run.Body, bool) {
	kind := run.Ended
	if run.Started.Is(rec) {
		kind = run.Started
	}
	body, err := kind.Decode(rec)
	return body, err == nil
}

// touches reports whether a record is about a path, or something in it.
func touches(rec lineage.Record, path string) bool {
	if snapshotSaved.Is(rec) {
		body, err := snapshotSaved.Decode(rec)
		return err == nil && (within(body.Path, path) || within(path, body.Path))
	}
	body, ok := runBody(rec)
	if !ok {
		return false
	}
	return slices.ContainsFunc(body.Data, func(d run.Data) bool { return within(d.Path, path) || within(path, d.Path) }) ||
		slices.ContainsFunc(body.Outputs, func(o run.Output) bool { return within(o.Path, path) || within(path, o.Path) })
}
