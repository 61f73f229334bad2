package main

import (
	"context"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// gateSpecs reads the gates that the command names.
func gateSpecs(a *app, o gateOptions) ([]gate.Spec, error) {
	file := repo.ConfigName
	var config *repo.Config
	var err error
	switch o.file {
	case "":
		config, err = a.config()
	case "-":
		file = "stdin"
		config, err = repo.ReadConfigFrom(file, a.streams.In)
	default:
		file = o.file
		config, err = repo.ReadConfig(file)
	}
	if err != nil {
		return nil, err
	}
	var specs []gate.Spec
	for name, g := range config.Gates.All() {
		specs = append(specs, gateSpec(file, name, g))
	}
	return gate.Choose(specs, o.names)
}

// gateSpec turns a gate as repo reads it into one as gate judges it.
func gateSpec(file, name string, g repo.Gate) gate.Spec {
	s := gate.Spec{Name: name, For: g.For, At: g.At}
	s.At.File = file
	s.More = set(
		key{"include", len(g.Include) > 0}, key{"predictions", g.Predictions != ""}, key{"against", g.Against != ""},
		key{"without_baseline", g.WithoutBaseline != ""},
	)
	for _, c := range g.Checks {
		r := gate.Rule{Min: bound(c.Min), Max: bound(c.Max), Severity: gate.Severity(c.Severity), At: c.At}
		r.At.File = file
		r.Kind, r.Name = subjectOf(c)
		r.More = set(
			key{"margin", c.Margin.Set}, key{"nulls", c.Nulls.Set}, key{"in", c.In != nil}, key{"mostly", c.Mostly.Set},
			key{"slices", c.Slices != nil}, key{"min_rows", c.MinRows != 0}, key{"timeout", c.Timeout.Duration != 0},
			key{"waiver", c.Waiver != ""},
		)
		s.Rules = append(s.Rules, r)
	}
	return s
}

// key is a key of mlx.yaml and whether it is there.
type key struct {
	name    string
	present bool
}

func set(keys ...key) []string {
	var names []string
	for _, k := range keys {
		if k.present {
			names = append(names, k.name)
		}
	}
	return names
}

func subjectOf(c repo.Check) (kind, name string) {
	for _, s := range [][2]string{{"metric", c.Metric}, {"measure", c.Measure}, {"column", c.Column}, {"expr", c.Expr}, {"command", c.Command}} {
		if s[1] != "" {
			return s[0], s[1]
		}
	}
	return "", ""
}

func bound(l repo.Limit) *gate.Bound {
	if !l.Set {
		return nil
	}
	return &gate.Bound{Value: l.Value, Text: l.Text}
}

// gateSubject finds what a gate is for: --for, else what the gate says, else the newest run of this worktree.
func (a *app) gateSubject(o gateOptions) func(context.Context, gate.Spec) (gate.Subject, error) {
	return func(ctx context.Context, s gate.Spec) (gate.Subject, error) {
		ref := "@last"
		for _, r := range []string{s.For, o.subject} {
			if r != "" {
				ref = r
			}
		}
		ledger, err := a.ledger()
		if err != nil {
			return gate.Subject{}, err
		}
		named, err := a.resolve(ctx, ref, refRun, refModel)
		if err == nil {
			named, err = a.runOfVersion(ctx, named, "judge")
		}
		if err != nil {
			return gate.Subject{}, fault.New(fault.KindOf(err), "cannot judge %s: %w", s.Name, err)
		}
		v, err := a.history(ledger).Get(ctx, named.ID)
		if err != nil {
			return gate.Subject{}, err
		}
		if v.State != run.Succeeded {
			return gate.Subject{}, unjudged(s, v)
		}
		subject := subjectOfRun(v)
		subject.Unknown, err = critical(ctx, ledger, v.RunID)
		return subject, err
	}
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
	s := gate.Subject{For: gate.Ref{Kind: "run", ID: v.RunID}, Metrics: make(map[string]float64, len(v.Metrics))}
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
