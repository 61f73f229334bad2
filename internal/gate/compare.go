package gate

import (
	"fmt"
	"math"

	"mlx/internal/fault"
	"mlx/internal/stats"
)

// against judges the difference to production on the same rows: pass when the one-sided lower bound of candidate minus production is
// above minus the margin, fail when the upper bound is below it, else inconclusive. Both bounds have the level of the gate. Fixed limits
// hold for the value of the candidate as well.
func (c quality) against(sm *sample, f Finding) (judgement, error) {
	compared, tested, err := c.compare(sm)
	if err != nil {
		return judgement{}, sm.explained(err, c.m)
	}
	if math.IsNaN(compared.A) || math.IsInf(compared.A, 0) || math.IsNaN(compared.B) || math.IsInf(compared.B, 0) {
		f.Verdict, f.Shown = Inconclusive, c.undefined(sm)
		return judgement{f, math.NaN()}, nil
	}
	better := compared
	if c.m.less {
		better = compared.Negated()
	}
	margin := c.r.Margin.Value
	decision := better.Decide(margin)
	f.Value, f.Baseline, f.Difference = finite(compared.A), finite(compared.B), finite(compared.Diff)
	f.Verdict = worst([]Verdict{Verdict(decision.Verdict), c.r.within(compared.A)})
	f.Shown = c.shownAgainst(compared, &f)
	f.Note = joined(c.noteAgainst(sm, compared, decision, &f), tested)
	j := judgement{f, math.NaN()}
	if decision.Verdict == stats.Fail && c.r.within(compared.A) == Pass && !math.IsNaN(decision.P) {
		j.broken = 1 - decision.P
	}
	return j, nil
}

// shownAgainst writes "0.731 against 0.752  -0.021 (95%: -0.024 to -0.018)".
func (c quality) shownAgainst(v stats.Comparison, f *Finding) string {
	digits := digitsFor(c.r.Margin.Value)
	if v.Upper > v.Lower {
		digits = max(digits, digitsFor(v.Upper-v.Lower))
	}
	digits = min(digits, 6)
	text := fixedDigits(v.A, digits) + " against " + fixedDigits(v.B, digits) + "  " + signedDigits(v.Diff, digits)
	if math.IsNaN(v.Lower) || math.IsNaN(v.Upper) || math.IsInf(v.Upper-v.Lower, 0) {
		return text
	}
	f.Interval = &[2]float64{*finite(v.Lower), *finite(v.Upper)}
	return text + " (" + confidence(c.s.level()) + ": " + signedDigits(v.Lower, digits) + " to " + signedDigits(v.Upper, digits) + ")"
}

// noteAgainst says what it would take to decide, and what was taken for granted.
func (c quality) noteAgainst(sm *sample, v stats.Comparison, d stats.Decision, f *Finding) string {
	var note string
	if d.Verdict == stats.Inconclusive {
		note = v.Problem
		if v.SE > 0 {
			f.Detectable = finite(d.Detectable)
			direction := "drop"
			if c.m.less {
				direction = "rise"
			}
			note = thousands(int64(v.Rows)) + " rows can show a " + direction + " of " + fixedDigits(d.Detectable, digitsFor(d.Detectable))
		}
		if n := int64(d.RowsNeeded); v.SE > 0 && n > 0 {
			f.RowsNeeded = &n
			note += "; about " + thousands(roundedUp(n)) + " rows would decide"
		}
	}
	switch {
	case sm.g.clusters == nil:
		note = joined(note, "rows are assumed independent")
	case sm.g.table.roles.days:
		note = joined(note, thousands(int64(v.Units))+" days of "+sm.g.table.roles.cluster+" are the units")
	default:
		note = joined(note, thousands(int64(v.Units))+" clusters of "+sm.g.table.roles.cluster+" are the units")
	}
	if sm.g.byPlace {
		note = joined(note, "rows are matched by their place, for want of an id")
	}
	if sm.g.same {
		note = joined(note, "both predictions are the same bytes")
	}
	return note
}

// roundedUp keeps two digits: a number of rows needed is no better known.
func roundedUp(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit - 1) / unit * unit
}

// withoutBaseline is the verdict while there is nothing to compare with.
func (c quality) withoutBaseline(j *judgement) error {
	v := c.s.spec.WithoutBaseline
	if v == "" {
		return fault.New(fault.Usage, "cannot judge %s: margin: there is nothing to compare with (%s)", c.s.spec.Name, place(c.r.At)).In(c.r.At).
			Hint("mlx gate %s --against REF   # or `against:`, and `without_baseline: pass` while there is none", c.s.spec.Name)
	}
	if c.r.Min == nil && c.r.Max == nil && j.f.Value != nil {
		j.f.Verdict = Pass
	}
	j.f.Verdict = worst([]Verdict{j.f.Verdict, v})
	j.f.Note = joined("there is nothing to compare with yet", j.f.Note)
	return nil
}

// compare is the difference of the measure between both models, and in words what else was tested. Accuracy of independent rows by the exact
// pairs, ROC-AUC by DeLong, means of clustered rows by sums over clusters, measures without a bootstrap of their own by influence; everything
// else by the paired bootstrap.
func (c quality) compare(sm *sample) (v stats.Comparison, tested string, err error) {
	d := c.s.design(sm, c.s.level())
	switch {
	case sm.n == 0:
		v = stats.Comparison{A: math.NaN(), B: math.NaN()}
	case c.m.name == "accuracy" && sm.weights == nil && sm.clusters == nil:
		return sm.comparePairs(c.s.level())
	case c.m.kind == ofQueries:
		v, err = stats.RankingPair{Relevance: sm.actual, A: sm.models[0].scores, B: sm.models[1].scores, Queries: sm.queries, K: c.r.firstK()}.
			Compare(c.ranking(), d)
	case c.m.kind == ofNumbers:
		v, err = stats.RegressionPair{Actual: sm.actual, A: sm.models[0].scores, B: sm.models[1].scores, Quantile: c.r.Quantile, Weights: sm.weights}.
			Compare(stats.Metric(c.m.name), d)
	case c.m.kind == ofClasses && c.m.name != "accuracy":
		v, err = c.compareClasses(sm, d)
	case c.m.kind == ofScores && sm.g.binary:
		v, err = c.compareScores(sm, d)
	default:
		v, err = c.compareLinear(sm, d)
	}
	return v, "", err
}

// stratified keeps the number of rows of each class in resamples of independent rows.
func stratified(sm *sample, d stats.Design) stats.Design {
	if d.Clusters == nil {
		d.Strata = sm.labels
	}
	return d
}

// comparePairs compares accuracies by the rows that only one of both models gets right.
func (sm *sample) comparePairs(level float64) (v stats.Comparison, tested string, err error) {
	right := [2][]bool{make([]bool, sm.n), make([]bool, sm.n)}
	for k := range right {
		for i, y := range sm.labels {
			right[k][i] = sm.models[k].predicted[i] == y
		}
	}
	pairs, err := stats.NewDiscordant(right[0], right[1])
	if err != nil {
		return v, "", err
	}
	v, err = pairs.Compare(level)
	return v, fmt.Sprintf("exact McNemar p %.2g", pairs.McNemar().Exact), err
}

func (c quality) compareClasses(sm *sample, d stats.Design) (stats.Comparison, error) {
	average, several := c.average(sm.g)
	if !sm.g.binary || several {
		return stats.ClassPair{Labels: sm.labels, A: sm.models[0].predicted, B: sm.models[1].predicted, Classes: len(sm.g.classes), Average: average,
			Weights: sm.weights}.Compare(stats.Metric(c.m.name), stratified(sm, d))
	}
	pair := stats.BinaryPair{Labels: sm.labels, A: sm.decisions(0), B: sm.decisions(1), Threshold: 0.5, Weights: sm.weights}
	return pair.Compare(stats.Metric(c.m.name), stratified(sm, d))
}

func (c quality) compareScores(sm *sample, d stats.Design) (stats.Comparison, error) {
	pair := stats.BinaryPair{Labels: sm.labels, A: sm.models[0].scores, B: sm.models[1].scores, Threshold: sm.g.threshold(), Weights: sm.weights}
	switch {
	case c.m.name == "roc_auc":
		return pair.DeLong(d)
	case c.m.name == "ece" && c.r.bins(defaultBins) == defaultBins, c.m.name == "pr_auc", c.m.name == "log_loss", c.m.name == "brier":
		return pair.Compare(stats.Metric(c.m.name), stratified(sm, d))
	}
	return c.compareLinear(sm, d)
}

// compareLinear compares by the influence of each row on both values.
func (c quality) compareLinear(sm *sample, d stats.Design) (stats.Comparison, error) {
	var values [2]float64
	var influences [2][]float64
	for k := range values {
		var err error
		if values[k], err = c.value(sm, k); err != nil {
			return stats.Comparison{}, err
		}
		if influences[k], err = c.influence(sm, k, values[k]); err != nil {
			return stats.Comparison{}, err
		}
	}
	if influences[0] == nil || influences[1] == nil || math.IsNaN(values[0]-values[1]) {
		return stats.Comparison{A: values[0], B: values[1], Diff: values[0] - values[1], SE: math.NaN(), Lower: math.NaN(), Upper: math.NaN(),
			Rows: sm.n, Units: sm.n, Problem: "no interval is known for this measure"}, nil
	}
	return sm.linear(values[0], influences[0], values[1], influences[1], d)
}
