package drift

import (
	"context"
	"math"

	"mlx/internal/gate"
	"mlx/internal/stats"
)

// What calibration may lose before it counts: of the share that is observed a tenth, at most two points; and five points of a typical score.
const (
	calibrationShare = 0.1
	calibrationMost  = 0.02
	reliabilityMost  = 0.05 * 0.05
)

// calibration judges whether scores still mean what they meant: the mean predicted against the mean observed share, and the reliability
// part of the Brier score, both against the reference. It has no say where scores are no probabilities of two classes. It fails what is
// judged only where both sides have labels enough to be certain of; else it warns: labels are late in every window, and a score that was never
// right on average is no decay.
func (q Quality) calibration(ctx context.Context, rows *labelledRows) ([]gate.Finding, error) {
	if rows.task != ofTwo || rows.score == nil {
		return nil, nil
	}
	f := gate.Finding{Name: "calibration", Subject: "measure", Severity: gate.SeverityWarn, At: q.At}
	n := int64(len(rows.score))
	f.Rows = &n
	if n < q.MinRows {
		f.Verdict, f.Shown, f.Needs = gate.Inconclusive, counted(n, "labelled prediction"), "at least "+thousands(q.MinRows)
		return []gate.Finding{f}, nil
	}
	now, err := rows.calibrated(q)
	if err != nil {
		return nil, err
	}
	then := calibrationOf{gap: between{}, observed: now.observed} // of scores that are right on average
	f.Note = now.note
	if q.Reference != nil && q.Reference.Labelled >= q.MinRows {
		before, err := q.load(ctx, q.Reference)
		if err != nil {
			return nil, err
		}
		if then, err = before.calibrated(q); err != nil {
			return nil, err
		}
	}
	switch {
	case then.known && now.known:
		f.Severity, f.Baseline = gate.SeverityFail, &then.gap.at
	case then.known:
		f.Baseline = &then.gap.at
	default:
		why := q.noReference()
		if then.note != "" {
			why = "the reference has too few groups of rows for an interval"
		}
		f.Note = joined(why+": compared with scores that are right on average", f.Note)
	}
	return []gate.Finding{now.against(f, then), now.reliable(f, then)}, nil
}

// calibrationOf is how far the scores of one side are from what happened.
type calibrationOf struct {
	predicted, observed float64
	gap                 between // observed minus predicted, at 95%
	known               bool    // gap has an interval
	reliability         between // without what chance alone gives
	note                string
}

// calibrated measures the calibration of rows.
func (r *labelledRows) calibrated(q Quality) (calibrationOf, error) {
	c := calibrationOf{}
	residuals, scores := make([]float64, len(r.score)), 0.0
	actual := 0.0
	for i, s := range r.score {
		if math.IsNaN(s) {
			return c, q.unsound("the score is missing in row %d", r.places[i])
		}
		residuals[i] = r.actual[i] - s
		scores += s
		actual += r.actual[i]
	}
	n := float64(len(r.score))
	c.predicted, c.observed = scores/n, actual/n
	gap, known, note, err := meanOf(residuals, r.clusters)
	if err != nil {
		return c, err
	}
	c.gap, c.known, c.note = gap, known, note
	c.reliability, err = r.reliability()
	return c, err
}

// meanOf is the mean of values with its interval at 95%, clustered where rows belong together.
func meanOf(values []float64, clusters []int32) (b between, known bool, note string, err error) {
	v, err := stats.Values{A: values, B: make([]float64, len(values))}.Compare(stats.Design{Clusters: clusters, Level: 0.975})
	if err != nil {
		return b, false, "", err
	}
	b = between{at: v.A, low: v.Lower, high: v.Upper, se: v.SE}
	note = "rows are assumed independent"
	if clusters != nil {
		note = counted(int64(v.Units), "group") + " of rows are the units"
	}
	return b, isFinite(v.Lower) && isFinite(v.Upper), joined(note, v.Problem), nil
}

// reliabilityBins is how many bins of equal width reliability has, as ECE.
const reliabilityBins = 15

// reliability is the mean squared distance between score and observed share over bins, less what chance alone gives: that is more with
// fewer rows, so that windows of different length could not be compared.
func (r *labelledRows) reliability() (between, error) {
	var count, residual, observed [reliabilityBins]float64
	bin := make([]int, len(r.score))
	for i, s := range r.score {
		bin[i] = min(int(s*reliabilityBins), reliabilityBins-1)
		count[bin[i]]++
		residual[bin[i]] += r.actual[i] - s
		observed[bin[i]] += r.actual[i]
	}
	n, value, chance := float64(len(r.score)), 0.0, 0.0
	var mean [reliabilityBins]float64
	for b, k := range count {
		if k == 0 {
			continue
		}
		mean[b] = residual[b] / k
		value += k / n * mean[b] * mean[b]
		if p := observed[b] / k; k > 1 {
			chance += p * (1 - p) / (k - 1) * k / n
		}
	}
	influence := make([]float64, len(r.score))
	for i, s := range r.score {
		d := mean[bin[i]]
		influence[i] = d*d + 2*d*(r.actual[i]-s-d)
	}
	b, known, _, err := meanOf(influence, r.clusters)
	if !known {
		b.low, b.high = math.NaN(), math.NaN()
	}
	shift := value - chance - b.at
	return between{at: value - chance, low: b.low + shift, high: b.high + shift, se: b.se}, err
}

// against judges the mean predicted share against what was observed.
func (c calibrationOf) against(f gate.Finding, then calibrationOf) gate.Finding {
	change := c.gap
	if then.known {
		change = differenceOf(c.gap.at, [2]float64{c.gap.low, c.gap.high}, then.gap.at, [2]float64{then.gap.low, then.gap.high})
	}
	limit := min(calibrationMost, calibrationShare*then.observed)
	f.Value, f.Difference = &c.gap.at, &change.at
	f.Shown = "predicted " + fixed(c.predicted, 3) + ", observed " + fixed(c.observed, 3)
	if then.known {
		f.Shown += ", before " + fixed(then.predicted, 3) + " and " + fixed(then.observed, 3)
	}
	f.Needs = "a change of at most " + number(limit)
	f.Limit.Max = &limit
	switch {
	case !c.known:
		f.Verdict = gate.Inconclusive
		return f
	case math.Abs(change.at) > limit && (change.low > 0 || change.high < 0):
		f.Verdict = gate.Fail
	default:
		f.Verdict = gate.Pass
	}
	f.Interval = &[2]float64{change.low, change.high}
	f.Shown += " (change " + signed(change.at) + ", 95%: " + signed(change.low) + " to " + signed(change.high) + ")"
	return f
}

// reliable judges the distance between score and observed share over the bins of the score.
func (c calibrationOf) reliable(f gate.Finding, then calibrationOf) gate.Finding {
	f.Name = "reliability"
	limit := reliabilityMost
	now := c.reliability
	change := now
	f.Value, f.Baseline = &now.at, nil
	f.Shown = number(now.at)
	if then.known {
		was := then.reliability
		change = differenceOf(now.at, [2]float64{now.low, now.high}, was.at, [2]float64{was.low, was.high})
		f.Baseline = &was.at
		f.Shown += " against " + number(was.at)
	}
	f.Difference, f.Limit = &change.at, gate.Limit{Max: &limit}
	f.Needs = "a rise of at most " + number(limit)
	f.Note = joined("part of the Brier score that calibration would save, without what chance alone gives", f.Note)
	switch {
	case !isFinite(change.low):
		f.Verdict = gate.Inconclusive
	case change.at > limit && change.low > 0:
		f.Verdict = gate.Fail
	default:
		f.Verdict = gate.Pass
	}
	if isFinite(change.low) && isFinite(change.high) {
		f.Interval = &[2]float64{change.low, change.high}
	}
	return f
}
