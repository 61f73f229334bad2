package main

import (
	"maps"

	"mlx/internal/gate"
	"mlx/internal/repo"
)

// gateConfig reads the file that holds the gates, and says what positions call it.
func gateConfig(a *app, typed string) (file string, config *repo.Config, err error) {
	switch typed {
	case "":
		config, err = a.config()
		return repo.ConfigName, config, err
	case "-":
		config, err = repo.ReadConfigFrom("stdin", a.streams.In)
		return "stdin", config, err
	}
	config, err = repo.ReadConfig(typed)
	return typed, config, err
}

// gateSpec turns a gate as repo reads it into one as gate judges it. What it includes is put in by includeGates.
func gateSpec(file, name string, g repo.Gate) gate.Spec {
	s := gate.Spec{
		Name: name, For: g.For, Table: g.Table, Predictions: g.Predictions, Labels: g.Labels, Positive: g.Positive.Value, Logits: g.Logits,
		Cluster: g.Cluster, Time: g.Time, TimeZone: g.TimeZone, Against: g.Against, WithoutBaseline: gate.Verdict(g.WithoutBaseline),
		Train: g.Train, Features: g.Features.List, FeaturesFile: g.Features.File, Level: g.Level.Value, Correction: g.Correction,
		Seed: int64(g.Seed), Rules: []gate.Rule{}, At: g.At,
	}
	s.At.File = file
	if g.Columns.Len() > 0 {
		s.Columns = maps.Collect(g.Columns.All())
	}
	if g.Threshold.Set {
		s.Threshold = &g.Threshold.Value
	}
	if m := g.Model; m.At.Line != 0 {
		s.Model = gateModel(m)
	}
	for _, c := range g.Checks {
		r := gateRule(c)
		r.At.File = file
		s.Rules = append(s.Rules, r)
	}
	return s
}

func gateModel(m repo.ModelCall) *gate.Model {
	return &gate.Model{Command: m.Command, Serve: m.Serve, URL: m.URL, Protocol: m.Protocol, Name: m.Name, Ready: m.Ready,
		Batch: m.Batch, Timeout: m.Timeout.Duration, Price: bound(m.Price)}
}

func gateRule(c repo.Check) gate.Rule {
	r := gate.Rule{
		Title: c.Name, Min: bound(c.Min), Max: bound(c.Max), Margin: bound(c.Margin), Nulls: share(c.Nulls), In: scalars(c.In),
		NotIn: scalars(c.NotIn), Type: c.Type, Regex: c.Regex, NotRegex: c.NotRegex, MinLength: bound(c.MinLength),
		MaxLength: bound(c.MaxLength), Unique: c.Unique, Order: c.Order, References: c.References, Schema: c.Schema, Mostly: share(c.Mostly),
		Stat: c.Stat, Reference: c.Reference, Columns: c.Columns, Table: c.Table, Where: c.Where, Slices: c.Slices,
		MinRows: int64(c.MinRows), Average: c.Average, Group: c.Group, K: c.K, Quantile: c.Quantile, Bins: c.Bins, Rows: c.Rows,
		MinSamples: int64(c.MinSamples), Severity: gate.Severity(c.Severity), Timeout: c.Timeout.Duration, At: c.At,
	}
	r.Kind, r.Name = subjectOf(c)
	if u := c.Under; u.At.Line != 0 {
		r.Under = &gate.Under{Noise: u.Noise, Missing: u.Missing.Value, Typos: u.Typos.Value, Swap: u.Swap, Values: scalars(u.Values),
			Attack: u.Attack, Columns: u.Columns}
	}
	if l := c.Load; l.At.Line != 0 {
		r.Load = &gate.Load{Rate: float64(l.Rate), Time: l.Time.Duration, Batch: l.Batch}
	}
	if w := c.Waiver; w.At.Line != 0 {
		r.Waiver = &gate.Waiver{Owner: w.Owner, Reason: w.Reason, Until: w.Until}
	}
	return r
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
	if l.Value == 0 {
		l.Value = 0 // a negative zero has no place in a record
	}
	return &gate.Bound{Value: l.Value, Unit: l.Unit, Text: l.Text}
}

func share(s repo.Share) *float64 {
	if !s.Set {
		return nil
	}
	return &s.Value
}

func scalars(all []repo.Scalar) []any {
	if all == nil {
		return nil
	}
	values := make([]any, len(all))
	for i, s := range all {
		values[i] = s.Value
	}
	return values
}
