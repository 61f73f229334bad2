package main

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

// filter says which records are about what was asked for. The nil filter takes everything.
type filter struct {
	takes func(lineage.Record) bool
	all   map[object.Digest]lineage.Record // all that it takes, superseded ones too; nil when only looking at each record tells
}

// about makes the filter for a list of references: what happened to any of them.
func (a *app) about(ctx context.Context, refs []string) (*filter, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	refs, err := a.spelled(ctx, refs)
	if err != nil {
		return nil, err
	}
	found, err := a.resolveAll(ctx, refs)
	if err != nil {
		return nil, err
	}
	var tests []func(lineage.Record) bool
	ids := make(map[object.Digest]lineage.Record)
	for _, t := range found {
		if test := a.lookingAt(t); test != nil {
			tests = append(tests, test)
			continue
		}
		if err := a.collect(ctx, t, ids); err != nil {
			return nil, err
		}
	}
	f := &filter{all: ids}
	if len(tests) > 0 {
		f.all = nil
	}
	f.takes = func(rec lineage.Record) bool {
		_, known := ids[rec.ID]
		return known || slices.ContainsFunc(tests, func(test func(lineage.Record) bool) bool { return test(rec) })
	}
	return f, nil
}

// lookingAt is the test for what has no digest of its own, or nil for what has.
func (a *app) lookingAt(t target) func(lineage.Record) bool {
	switch t.Kind {
	case refPath:
		return func(rec lineage.Record) bool { return touches(rec, t.Name) }
	case refGit:
		return func(rec lineage.Record) bool {
			body, ok := runBody(rec)
			return ok && body.Code.Commit == t.Commit
		}
	case refConfig:
		return func(rec lineage.Record) bool {
			body, err := gate.Judged.Decode(rec)
			return err == nil && slices.ContainsFunc(body.Gates, func(g gate.Result) bool { return g.Name == t.Name })
		}
	}
	return nil
}

// collect adds the records that name a thing, and its own.
func (a *app) collect(ctx context.Context, t target, ids map[object.Digest]lineage.Record) error {
	l, err := a.ledger()
	if err != nil {
		return err
	}
	if !t.Record.ID.IsZero() && recordTarget(t.Record).same(t) {
		ids[t.Record.ID] = t.Record
	}
	for rec, err := range l.Referring(ctx, t.ID) {
		if err != nil {
			return err
		}
		ids[rec.ID] = rec
	}
	return nil
}

// selected yields from all what q would: of its nouns, not before its time, not superseded, newest first.
func (f *filter) selected(q lineage.Query) iter.Seq2[lineage.Record, error] {
	superseded := make(map[object.Digest]bool)
	for _, rec := range f.all {
		for _, p := range rec.Prev {
			if f.all[p].Noun() == rec.Noun() {
				superseded[p] = true
			}
		}
	}
	var out []lineage.Record
	for _, rec := range f.all {
		if !superseded[rec.ID] && !rec.At.Before(q.Since) && (len(q.Nouns) == 0 || slices.Contains(q.Nouns, rec.Noun())) {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b lineage.Record) int {
		return cmp.Or(cmp.Compare(b.LC, a.LC), b.ID.Compare(a.ID))
	})
	return func(yield func(lineage.Record, error) bool) {
		for _, rec := range out {
			if !yield(rec, nil) {
				return
			}
		}
	}
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
	if importMade.Is(rec) {
		body, err := importMade.Decode(rec)
		return err == nil && (within(body.Path, path) || within(path, body.Path))
	}
	body, ok := runBody(rec)
	if !ok {
		return false
	}
	return slices.ContainsFunc(body.Data, func(d run.Data) bool { return within(d.Path, path) || within(path, d.Path) }) ||
		slices.ContainsFunc(body.Outputs, func(o run.Output) bool { return within(o.Path, path) || within(path, o.Path) })
}
