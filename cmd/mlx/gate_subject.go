package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// gateSubject finds what a gate is for: --for, else what the gate says, else the newest run of this worktree; and what it is compared
// with: --against, else what the gate says.
func (a *app) gateSubject(o gateOptions) func(context.Context, gate.Spec) (gate.Subject, error) {
	return func(ctx context.Context, s gate.Spec) (gate.Subject, error) {
		if err := a.mayReadSubjects(o, s); err != nil {
			return gate.Subject{}, err
		}
		subject, err := a.judgedAs(ctx, cmp.Or(o.subject, a.fromConfig(s.For), "@last"), s)
		if err != nil {
			return gate.Subject{}, err
		}
		against := cmp.Or(o.against, a.fromConfig(s.Against))
		if against == "" {
			return subject, nil
		}
		baseline, err := a.judgedAs(ctx, against, s)
		if fault.KindOf(err) == fault.NotFound && s.WithoutBaseline != "" && strings.Contains(against, "@") {
			a.streams.Why("%s: nothing to compare with: %v", s.Name, err)
			return subject, nil
		}
		baseline.As, subject.Against = against, &baseline
		return subject, err
	}
}

// mayReadSubjects refuses URLs that the gate names as what is judged and compared, unless its user typed others.
func (a *app) mayReadSubjects(o gateOptions, s gate.Spec) error {
	for _, named := range [][2]string{{o.subject, s.For}, {o.against, s.Against}} {
		if named[0] != "" {
			continue
		}
		if err := a.mayRead(named[1]); err != nil {
			return fault.New(fault.KindOf(err), "cannot judge %s: %w", s.Name, err)
		}
	}
	return nil
}

// judgedAs is the subject that a reference names, as somebody would type it here: a run, the run of a model's version, or a table.
func (a *app) judgedAs(ctx context.Context, ref string, s gate.Spec) (gate.Subject, error) {
	ledger, err := a.ledger()
	if err != nil {
		return gate.Subject{}, err
	}
	if isTableURL(ref) || isPattern(ref) {
		return a.tableSubject(ctx, ref, s)
	}
	named, err := a.resolve(ctx, ref, refRun, refModel, refSnapshot, refPath, refGit)
	if err == nil && named.Inner == "" {
		named, err = a.runOfVersion(ctx, named, "judge")
	}
	if err != nil {
		return gate.Subject{}, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.Name, err)
	}
	if named.Kind != refRun || named.Inner != "" {
		return a.tableSubject(ctx, ref, s)
	}
	v, err := a.history(ledger).Get(ctx, named.ID)
	if err != nil {
		return gate.Subject{}, err
	}
	if v.State != run.Succeeded {
		return gate.Subject{}, unjudged(s, v)
	}
	subject := subjectOfRun(v)
	subject.World = a.gateWorld(gateWorld{app: a, run: &v, version: named.Version, file: s.At.File})
	subject.Unknown, err = critical(ctx, ledger, v.RunID)
	return subject, err
}

// tableSubject judges a table itself.
func (a *app) tableSubject(ctx context.Context, typed string, s gate.Spec) (gate.Subject, error) {
	w := gateWorld{app: a, typed: typed, file: s.At.File}
	ref, err := w.identify(ctx, typed)
	return gate.Subject{For: ref, Table: typed, World: a.gateWorld(w)}, err
}

// critical are the records about a thing that must not be passed over, of kinds that this version does not know.
func critical(ctx context.Context, l *lineage.Ledger, id object.Digest) ([]lineage.Record, error) {
	var all []lineage.Record
	for rec, err := range l.Referring(ctx, id) {
		if err != nil {
			return nil, err
		}
		if isCritical(rec) {
			all = append(all, rec)
		}
	}
	return all, nil
}

func isCritical(rec lineage.Record) bool {
	return rec.Crit && !slices.Contains([]string{snapshotSaved.Name(), tagSet.Name(), run.Started.Name(), run.Ended.Name(), gate.Judged.Name(),
		registry.Registered.Name(), registry.Described.Name(), registry.Aliased.Name(), registry.Logged.Name(), registry.Scanned.Name(),
		registry.Moved.Name(), registry.Signed.Name()}, rec.Kind)
}

func subjectOfRun(v run.View) gate.Subject {
	s := gate.Subject{For: gate.Ref{Kind: "run", ID: v.RunID}, Metrics: make(map[string]float64, len(v.Metrics)), Params: v.Params}
	for name, n := range v.Metrics {
		s.Metrics[name] = float64(n)
	}
	for _, d := range v.Data {
		if id, err := object.ParseDigest(d.ID); err == nil {
			s.Data = append(s.Data, gate.Ref{Kind: d.Kind, ID: id, Name: d.Name})
		}
	}
	return s
}

// unjudged refuses a run that did not succeed: its metrics may be from half of the work.
func unjudged(s gate.Spec, v run.View) error {
	why := stateVerb(v.State)
	if v.Cause != nil {
		why += ": " + *v.Cause
	}
	return fault.New(fault.Conflict, "cannot judge %s: run %s %s", s.Name, v.RunID.Short(), why).
		About(fault.Ref{Kind: "run", ID: v.ID}).Hint("mlx show %s", v.RunID.Short())
}

func stateVerb(s run.State) string {
	switch s {
	case run.Failed:
		return "failed"
	case run.Running, run.Lost:
		return "is " + string(s)
	default:
		return "was " + string(s)
	}
}
