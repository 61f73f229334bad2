package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"mlx/internal/audit"
	"mlx/internal/dataset"
	"mlx/internal/deploy"
	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// kindLabel is the subject of a rule about outcomes that came later.
const kindLabel = "label"

// rested is an answer for which nobody asks again for a while.
type rested struct {
	asked time.Time
	took  time.Duration
	got   deploy.Measured
}

// fresh says whether it is too early to ask again: that takes a tenth of the time at most.
func (r rested) fresh(now time.Time) bool { return r.took > 0 && now.Sub(r.asked) < kpiRest*r.took }

// labelRule is what a rule of a rollout asks of labelled predictions, in the words of gates.
func labelRule(rule deploy.Rule) gate.Rule {
	limit := func(v *float64) *gate.Bound {
		if v == nil {
			return nil
		}
		return &gate.Bound{Value: *v}
	}
	return gate.Rule{Kind: "measure", Name: rule.Name, Title: rule.Called(), Min: limit(rule.Min), Max: limit(rule.Max), Margin: limit(rule.Margin), At: rule.At}
}

// qualityOf is what is asked of the predictions of an arm of which the outcome is known.
func (s *served) qualityOf(rule deploy.Rule, m repo.Monitor) drift.Quality {
	q := drift.Quality{Monitor: rule.Monitor, Rules: []gate.Rule{labelRule(rule)}, Positive: m.Predictions.Positive.Value, Cluster: m.Cluster,
		Level: level, MinRows: rule.MinSamples, At: rule.At, Now: s.app.now(), Temp: s.app.scratch(), Seed: int64(m.Seed)}
	if m.Predictions.Threshold.Set {
		q.Threshold = &m.Predictions.Threshold.Value
	}
	return q
}

// level is the confidence of what is said of labelled predictions.
const level = 0.95

// askLabels judges what the candidate and stable have answered since the rollout was planned by the outcomes that are known.
func (s *served) askLabels(ctx context.Context, rule deploy.Rule, r deploy.Rollout) (m deploy.Measured, err error) {
	name := r.ID.Hex() + rule.Monitor + rule.Called()
	if before := s.asked[name]; before.fresh(s.app.now()) {
		return before.got, nil
	}
	began := s.app.now()
	if m, err = s.judgeLabels(ctx, rule, r); err == nil {
		now := s.app.now()
		if s.asked == nil {
			s.asked = map[string]rested{}
		}
		s.asked[name] = rested{now, max(now.Sub(began), 1), m}
	}
	return m, err
}

func (s *served) judgeLabels(ctx context.Context, rule deploy.Rule, r deploy.Rollout) (m deploy.Measured, err error) {
	config, err := s.config()
	if err != nil {
		return m, err
	}
	monitor, _ := config.Monitors.Get(rule.Monitor)
	q := s.qualityOf(rule, monitor)
	labels, done, err := s.labelsOf(ctx, rule.Monitor)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, done()) }()
	var closes closers
	defer func() { err = errors.Join(err, closes.Close()) }()
	side := func(rel deploy.Release) (*drift.Labelled, error) {
		l, p, err := s.labelledArm(ctx, labelledArm{rel, r.At, rule.Monitor, monitor}, labels)
		if err != nil || l == nil {
			return nil, err
		}
		closes = append(closes, l.Close)
		q.ID, q.Score, q.Class = p.ID, p.Score, p.Class
		return l, nil
	}
	if q.Current, err = side(r.To); err != nil {
		return m, err
	}
	if q.Current == nil {
		return deploy.Measured{Value: math.NaN(), Baseline: math.NaN(), Verdict: gate.Inconclusive, Shown: "no predictions of " + r.To.Versions()}, nil
	}
	if rule.Margin != nil && r.From != nil {
		if q.Reference, err = side(*r.From); err != nil {
			return m, err
		}
	}
	found, err := q.Findings(ctx)
	if err != nil {
		return m, err
	}
	return measuredOf(found[0]), nil
}

// measuredOf is what a finding of a gate says to a rollout.
func measuredOf(f gate.Finding) deploy.Measured {
	m := deploy.Measured{Value: math.NaN(), Baseline: math.NaN(), Interval: f.Interval, Verdict: f.Verdict, Shown: f.Shown, Note: f.Note}
	if f.Value != nil {
		m.Value = *f.Value
	}
	if f.Baseline != nil {
		m.Baseline = *f.Baseline
	}
	if f.Rows != nil {
		m.Samples = *f.Rows
	}
	if f.Value == nil && f.Needs != "" { // too few labels
		m.Shown += ", " + f.Needs
	}
	m.Note = m.Shown // what is missing is said by the monitor
	return m
}

// labelledArm is a release whose answers since a time are judged.
type labelledArm struct {
	release deploy.Release
	since   time.Time
	name    string // of the monitor
	monitor repo.Monitor
}

// labelledArm joins the answers of a release with labels; nil: there are none. Its Close lets go of everything.
func (s *served) labelledArm(ctx context.Context, arm labelledArm, labels []drift.LabelTable) (l *drift.Labelled, p *drift.Predictions, err error) {
	where := refService + ":" + s.name
	found, err := s.app.predictionTable(ctx, s.name, audit.Window{From: arm.since}, false)
	if err != nil || found == nil {
		return nil, nil, err
	}
	some := false
	for i := range found.files {
		found.files[i].Open = ofRelease(found.files[i].Open, arm.release.Key)
		if !some {
			if some, err = anything(ctx, found.files[i]); err != nil {
				return nil, nil, found.close(err)
			}
		}
	}
	if !some {
		return nil, nil, found.close(nil)
	}
	opts, err := s.app.tableOptions(where, s.app.tableMeaning)
	if err != nil {
		return nil, nil, found.close(err)
	}
	opts.Temp = s.app.scratch()
	t, err := found.open(ctx, opts, false)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	ref := *found.named
	ref.Name = arm.release.Name() + " in " + s.name
	if p, err = predictionsIn(drift.Source{Name: ref.Name, Ref: ref, Table: t.Table}, arm.name, arm.monitor); err != nil {
		return nil, nil, err
	}
	l, err = p.Labelled(ctx, labels, nil, drift.LabelOptions{Temp: s.app.scratch()})
	return l, p, err
}

// ofRelease leaves only the rows of a release. In JSON such a word stands nowhere but in its own column: within a text its quotes are escaped.
func ofRelease(open func(context.Context) (io.ReadCloser, error), key string) func(context.Context) (io.ReadCloser, error) {
	word := fmt.Appendf(nil, `"release":%q`, key)
	return func(ctx context.Context) (io.ReadCloser, error) {
		all, err := open(ctx)
		if err != nil {
			return nil, err
		}
		in, out := io.Pipe()
		go func() {
			defer all.Close()
			lines := bufio.NewReader(all)
			for {
				line, err := lines.ReadBytes('\n')
				if bytes.Contains(line, word) {
					if _, err := out.Write(line); err != nil {
						return // nobody reads any more
					}
				}
				if err != nil {
					_ = out.CloseWithError(err) // it never fails; at the end it is io.EOF
					return
				}
			}
		}()
		return in, nil
	}
}

// anything says whether there is a byte in a file.
func anything(ctx context.Context, f dataset.File) (bool, error) {
	in, err := f.Open(ctx)
	if err != nil {
		return false, err
	}
	n, err := io.ReadFull(in, make([]byte, 1))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n == 1, errors.Join(err, in.Close())
}

// mayJudge refuses checks that could never be judged.
func (s *served) mayJudge(spec deploy.Spec) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	for _, rule := range spec.Checks {
		if rule.Kind != kindLabel {
			continue
		}
		bad := func(format string, args ...any) *fault.Error {
			return fault.New(fault.Usage, "cannot judge by "+rule.Called()+": "+format, args...).In(rule.At)
		}
		if err := s.labels(rule.Monitor, "", bad); err != nil {
			return err
		}
		if !s.logsAny() {
			return bad("labels are joined to the log of predictions, which keeps none").Hint("log: {share: 100%%}   # in services.%s", s.base())
		}
		m, _ := config.Monitors.Get(rule.Monitor)
		if err := s.qualityOf(rule, m).Check(); err != nil {
			return err
		}
	}
	return nil
}

// logsAny says whether the log has any request.
func (s *served) logsAny() bool { return s.logged() > 0 }
