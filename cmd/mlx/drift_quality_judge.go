package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/gate"
)

// judge adds what is found of the predictions to the answer of the window.
func (p *driftPredictions) judge(ctx context.Context, a *drift.Answer) (err error) {
	if p.current.found == nil {
		return nil // there are none, and the answer says what is missing
	}
	if p.turn.monitor.Current == "" && len(a.Columns) == 0 && a.Verdict == drift.CannotTell {
		a.Verdict, a.Why = drift.Stable, ""
		a.Notes = append(a.Notes, "the reference has no column of the predictions: only their quality is judged")
	}
	j := predictionsJudge{driftPredictions: p, answer: a}
	defer func() { err = errors.Join(err, j.closes.Close()) }()
	current, err := j.open(ctx, p.current)
	if err != nil {
		return err
	}
	var reference *drift.Predictions
	if p.reference.found != nil {
		if reference, err = j.open(ctx, p.reference); err != nil {
			return err
		}
	}
	if reference != nil && p.turn.monitor.Current != "" {
		if err := j.drifted(ctx, *current, *reference); err != nil {
			return err
		}
	}
	return j.quality(ctx, current, reference)
}

// predictionsJudge is the judgement of predictions on its way.
type predictionsJudge struct {
	*driftPredictions
	answer *drift.Answer
	closes closers
}

func (j *predictionsJudge) open(ctx context.Context, d driftData) (*drift.Predictions, error) {
	t := j.turn
	s, err := d.open(ctx, t.app)
	if err != nil {
		return nil, err
	}
	j.closes = append(j.closes, func() (err error) { closeSource(s, &err); return err })
	if s.Table == nil {
		return nil, d.onlyTables()
	}
	if s.Rows.Time != "" && s.Table.Schema().Index(s.Rows.Time) < 0 {
		s.Rows.Time = ""
		j.answer.Notes = append(j.answer.Notes, d.name+" has no column "+t.monitor.Time+": all of its predictions count")
	}
	return predictionsIn(s, t.name, t.monitor)
}

// drifted compares the distribution of the predictions themselves.
func (j *predictionsJudge) drifted(ctx context.Context, current, reference drift.Predictions) error {
	t := j.turn
	spec := drift.Spec{Level: t.spec.Level, Correction: t.spec.Correction, Seed: t.spec.Seed, MinRows: t.spec.MinRows, TimeZone: t.spec.TimeZone}
	spec = predictionsSpec(spec, t.spec, current, reference)
	if len(spec.Columns) == 0 {
		return nil
	}
	spec, err := spec.Complete()
	if err != nil {
		return err
	}
	compared, err := drift.Compare(ctx, reference.Source, current.Source, spec, drift.Options{Temp: t.app.scratch()})
	if err != nil {
		return err
	}
	j.answer.Add(drift.PredictionDrift(compared.Judge(spec, j.answer.AsOf).Columns)...)
	return nil
}

// predictionsSpec compares what both tables have of scores and classes, and groups rows where both know how.
func predictionsSpec(spec, as drift.Spec, current, reference drift.Predictions) drift.Spec {
	both := func(column string) bool {
		return column != "" && current.Table.Schema().Index(column) >= 0 && reference.Table.Schema().Index(column) >= 0
	}
	spec.Schema, spec.Columns = drift.SchemaIgnore, nil
	for _, column := range []string{current.Score, current.Class} {
		if both(column) {
			spec.Columns = append(spec.Columns, column)
		}
	}
	if both(as.Cluster) {
		spec.Cluster = as.Cluster
	} else if both(as.Time) {
		spec.Time = as.Time
	}
	return spec
}

// quality judges the predictions whose outcomes are known.
func (j *predictionsJudge) quality(ctx context.Context, current, reference *drift.Predictions) error {
	q := j.question(current)
	options := drift.LabelOptions{Temp: j.turn.app.scratch()}
	labelled, err := current.Labelled(ctx, j.labels, j.columns(q), options)
	if err != nil {
		return err
	}
	j.closes = append(j.closes, labelled.Close)
	q.Current = labelled
	if reference != nil && (reference.Label != "" || j.own && reference.ID != "") {
		labels := j.labels
		if !j.own {
			labels = nil // its ids are its own
		}
		if q.Reference, err = reference.Labelled(ctx, labels, j.columns(q), options); err != nil {
			return err
		}
		j.closes = append(j.closes, q.Reference.Close)
	} else if reference != nil && len(j.labels) > 0 {
		j.answer.Notes = append(j.answer.Notes, "labels are not joined to "+j.reference.name+": it has no column of outcomes, and is no part of "+
			j.turn.monitor.Predictions.Table)
	}
	if labelled.Labelled == 0 && len(q.Rules) == 0 && j.turn.monitor.Stream.Method == "" {
		j.answer.Notes = append(j.answer.Notes, "no prediction of the window has a label: its quality is not judged")
	} else if err := j.labelled(ctx, q); err != nil {
		return err
	}
	if !j.turn.monitor.Unlabelled {
		return nil
	}
	found, err := q.Unlabelled(ctx, *current)
	j.answer.Add(found...)
	return err
}

func (j *predictionsJudge) labelled(ctx context.Context, q drift.Quality) error {
	found, err := q.Findings(ctx)
	if err != nil {
		return err
	}
	j.answer.Add(found...)
	s := streamOf(j.turn)
	if s.Method == "" {
		return nil
	}
	f, err := q.Stream(ctx, s)
	if err == nil {
		j.answer.Add(f)
	}
	return err
}

// question is what the monitor asks of its predictions.
func (j *predictionsJudge) question(p *drift.Predictions) drift.Quality {
	m := j.turn.monitor
	q := drift.Quality{Monitor: j.turn.name, ID: p.ID, Score: p.Score, Class: p.Class, Model: m.Predictions.Model,
		Positive: m.Predictions.Positive.Value, Cluster: m.Cluster,
		Time: m.Time, Zone: m.TimeZone, Seed: int64(m.Seed), At: m.At, Now: j.answer.AsOf, Temp: j.turn.app.scratch(), MinRows: int64(m.MinRows)}
	if m.Level.Set {
		q.Level = 1 - m.Level.Value
	}
	if m.Predictions.Threshold.Set {
		q.Threshold = &m.Predictions.Threshold.Value
	}
	q.Rules = qualityRules(j.turn)
	return q
}

// qualityRules are the checks of the monitor, as gates have them.
func qualityRules(t *driftTurn) []gate.Rule {
	var all []gate.Rule
	for _, c := range t.monitor.Quality {
		all = append(all, gateRule(c))
	}
	return all
}

// columns are those that the checks read; nil: any.
func (j *predictionsJudge) columns(q drift.Quality) []string {
	if strings.ContainsRune(q.Score, '*') {
		return nil
	}
	all := []string{q.ID, q.Score, q.Class, q.Cluster, q.Time, q.Model}
	for _, r := range q.Rules {
		if r.Where != "" || len(r.Columns) > 0 {
			return nil // an expression reads what it likes
		}
		all = append(all, r.Group)
		for _, cut := range r.Slices {
			all = append(all, strings.Split(cut, "+")...)
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// between is how two sides are compared. Of predictions alone neither ids nor outcomes are, and that training data has other columns is no
// news.
func (t *driftTurn) between(ref, cur drift.Source) drift.Spec {
	m := t.monitor
	spec := t.betweenLogs(ref, cur)
	if m.Predictions.Table == "" || m.Current != "" || ref.Table == nil || cur.Table == nil {
		return spec
	}
	spec.Ignore = slices.Clone(spec.Ignore)
	for _, column := range []string{cmp.Or(m.Predictions.ID, "id"), cmp.Or(m.Predictions.Label, "label"), m.Predictions.Model} {
		if column != "" && (ref.Table.Schema().Index(column) >= 0 || cur.Table.Schema().Index(column) >= 0) {
			spec.Ignore = append(spec.Ignore, column)
		}
	}
	if m.Schema == "" {
		spec.Schema = drift.SchemaIgnore
	}
	return spec
}

// qualityConfig is what the monitor says of predictions, for the digest of its configuration.
func (t *driftTurn) qualityConfig() []any {
	m := t.monitor
	if m.Predictions.Table == "" {
		return nil
	}
	p := m.Predictions
	return []any{[]string{p.Table, p.ID, p.Score, p.Class, p.Label, p.Model, p.Reference, m.Labels}, p.Positive.Value, p.Threshold.Set, p.Threshold.Value,
		qualityRules(t), streamOf(t), m.Unlabelled}
}

func streamOf(t *driftTurn) drift.Stream {
	s := t.monitor.Stream
	return drift.Stream{Method: s.Method, Of: s.Of, Delta: s.Delta, Lambda: s.Lambda, Warmup: s.Warmup}
}
