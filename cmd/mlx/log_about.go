package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// filter says which records are about what was asked for. The nil filter takes everything, and so does one without takes:
// then where says it all.
type filter struct {
	takes func(lineage.Record) bool
	where string                           // an expression for the ledger
	all   map[object.Digest]lineage.Record // all that it takes, superseded ones too; nil when only looking at each record tells

	moments  *moments // of the models that are asked about: then what is superseded is history, and is shown
	monitors []string // all that is asked about, if it is that
	services bool     // one is asked about: all its rollouts are shown
}

// whole reports whether the ledger alone can select what is asked for.
func (f *filter) whole() bool { return f == nil || f.takes == nil }

// about makes the filter for a list of references: what happened to any of them.
func (a *app) about(ctx context.Context, refs []string) (*filter, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	refs, err := a.spelled(ctx, refs)
	if err != nil {
		return nil, err
	}
	var tests []func(lineage.Record) bool
	var clauses, monitors []string
	ids := make(map[object.Digest]lineage.Record)
	var known *moments
	services := false
	for _, ref := range refs {
		m, err := a.meaning(ctx, ref)
		if err != nil {
			return nil, err
		}
		if m.where != "" {
			clauses = append(clauses, m.where)
		}
		if m.monitor != "" {
			monitors = append(monitors, m.monitor)
		}
		if m.test != nil {
			tests = append(tests, m.test)
			continue
		}
		switch {
		case deployable(m.target):
			services = true
			err = a.collectDeployed(ctx, m.target, ids)
		case m.target.Kind == refModel:
			known, err = a.collectModel(ctx, m.target, ids, known)
		default:
			err = a.collect(ctx, m.target, ids)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(clauses) == len(refs) {
		f := &filter{where: strings.Join(clauses, " or ")}
		if len(monitors) == len(refs) {
			f.monitors = monitors
		}
		return f, nil
	}
	f := &filter{all: ids, moments: known, services: services}
	if len(tests) > 0 {
		f.all = nil
	}
	f.takes = func(rec lineage.Record) bool {
		_, known := ids[rec.ID]
		return known || slices.ContainsFunc(tests, func(test func(lineage.Record) bool) bool { return test(rec) })
	}
	return f, nil
}

// meaning is what a reference asks a log for: the records of a target, or those that pass a test, which may be known as an
// expression as well.
type meaning struct {
	target  target
	test    func(lineage.Record) bool
	where   string
	monitor string // whose records they are
}

func (a *app) meaning(ctx context.Context, ref string) (meaning, error) {
	if name, ok := strings.CutPrefix(ref, "stage:"); ok && name != "" {
		if m, err := a.runsOfStage(ctx, name); err != nil || m.test != nil {
			return m, err
		}
	}
	if name, ok := strings.CutPrefix(ref, "monitor:"); ok && name != "" {
		if m, err := a.aboutMonitor(ctx, name); err != nil || m.test != nil {
			return m, err
		}
	}
	t, err := a.resolve(ctx, ref)
	if err != nil {
		return meaning{}, err
	}
	if t.Kind == refConfig && t.Section == "monitors" {
		if m, err := a.aboutMonitor(ctx, t.Name); err != nil || m.test != nil {
			return m, err
		}
	}
	m := meaning{target: t, test: a.lookingAt(t)}
	if t.Kind == refGit {
		m.where = "code.commit == " + strconv.Quote(t.Commit)
	}
	return m, nil
}

// runsOfStage asks for all runs of a stage, with those of a matrix. A stage without runs is left to mlx.yaml.
func (a *app) runsOfStage(ctx context.Context, name string) (meaning, error) {
	l, err := a.ledger()
	if err != nil {
		return meaning{}, err
	}
	matrix := name + "@"
	where := fmt.Sprintf("(stage.name == %s or stage.name startsWith %s)", pathWord(name), pathWord(matrix))
	n, err := l.Count(ctx, lineage.Query{Nouns: []string{"run"}, Where: where})
	if err != nil || n == 0 {
		return meaning{}, err
	}
	return meaning{where: where, test: func(rec lineage.Record) bool {
		body, ok := runBody(rec)
		return ok && body.Stage != nil && (body.Stage.Name == name || strings.HasPrefix(body.Stage.Name, matrix))
	}}, nil
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
		if deployable(t) {
			return nil
		}
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

// collectModel adds what happened to a model, or to one version of it, and to known what that tells of each record.
func (a *app) collectModel(ctx context.Context, t target, ids map[object.Digest]lineage.Record, known *moments) (*moments, error) {
	r, err := a.registry()
	if err != nil {
		return nil, err
	}
	m, v, err := t.Model, (*registry.Version)(nil), error(nil)
	if !t.ID.IsZero() || m == nil {
		if m, v, err = a.modelVersion(ctx, t); err != nil {
			return nil, err
		}
	}
	records, err := r.Log(ctx, m)
	if err != nil {
		return nil, err
	}
	if v == nil { // those of one version refer to it
		if err := packagedOf(ctx, r, m, ids); err != nil {
			return nil, err
		}
	}
	for _, rec := range records {
		if v == nil || v.About(rec) {
			ids[rec.ID] = rec
		}
	}
	if v != nil {
		for rec, err := range r.Ledger.Referring(ctx, v.Record) { // tags, runs that read it, versions derived from it
			if err != nil {
				return nil, err
			}
			ids[rec.ID] = rec
		}
	}
	fresh := momentsOf(m, a.now())
	if known != nil {
		maps.Copy(fresh.tenures, known.tenures)
		maps.Copy(fresh.next, known.next)
		maps.Copy(fresh.clashes, known.clashes)
	}
	return fresh, nil
}

// selected yields from all what q would: of its nouns, not before its time, not superseded, newest first.
func (f *filter) selected(q lineage.Query) iter.Seq2[lineage.Record, error] {
	superseded := make(map[object.Digest]bool)
	for _, rec := range f.all {
		for _, p := range rec.Prev {
			if f.moments == nil && !f.services && f.all[p].Noun() == rec.Noun() {
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
