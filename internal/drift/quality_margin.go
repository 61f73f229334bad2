package drift

import (
	"math"
	"slices"
	"strconv"

	"mlx/internal/gate"
	"mlx/internal/stats"
)

// against compares a rule's findings with those of the reference. Both are other rows, so that nothing can be paired: the bounds of the
// difference come from those of both values (Zou and Donner 2008). Pass when the one-sided lower bound of the difference is above minus the
// margin, fail when the upper bound is below it, else inconclusive, as gates do.
func (q Quality) against(r gate.Rule, found, base []gate.Finding) []gate.Finding {
	ps := make([]float64, len(found))
	for i := range found {
		k := slices.IndexFunc(base, func(b gate.Finding) bool { return b.Name == found[i].Name })
		if k < 0 {
			found[i].Verdict = worse(found[i].Verdict, gate.Inconclusive)
			found[i].Note = joined(found[i].Note, "the reference has no such rows")
			ps[i] = math.NaN()
			continue
		}
		ps[i] = q.compared(r, &found[i], base[k])
	}
	q.corrected(found, ps)
	return found
}

// compared puts the comparison into a finding and returns the p-value of "the margin is kept"; NaN when it is not known.
func (q Quality) compared(r gate.Rule, f *gate.Finding, base gate.Finding) float64 {
	f.Limit.Margin = &r.Margin.Value
	f.Needs = joined("margin "+number(r.Margin.Value), limited(r, f.Needs))
	if f.Value == nil || base.Value == nil {
		f.Verdict = worse(f.Verdict, gate.Inconclusive)
		f.Note = joined(f.Note, "of the reference: "+base.Shown)
		return math.NaN()
	}
	difference := *f.Value - *base.Value
	f.Baseline, f.Difference = base.Value, &difference
	if f.Interval == nil || base.Interval == nil {
		f.Verdict = worse(f.Verdict, gate.Inconclusive)
		f.Shown = number(*f.Value) + " against " + number(*base.Value)
		f.Note = joined(f.Note, "no interval is known for the difference: it takes "+strconv.Itoa(stats.MinClusters)+" days or clusters of either side")
		return math.NaN()
	}
	d := differenceOf(*f.Value, *f.Interval, *base.Value, *base.Interval)
	one := d.narrowed(q.level())
	f.Interval = &[2]float64{one.low, one.high}
	f.Shown = number(*f.Value) + " against " + number(*base.Value) + "  " + signed(difference) + " (" + confidenceOf(q.level()) + ": " +
		signed(one.low) + " to " + signed(one.high) + ")"
	low, high := one.low, one.high
	if lessIsBetter(r.Name) {
		low, high = -one.high, -one.low
	}
	f.Verdict = worse(f.Verdict, gate.Verdict(stats.Decide(low, high, r.Margin.Value)))
	f.Note = joined(f.Note, "against other rows, of the reference")
	better := difference
	if lessIsBetter(r.Name) {
		better = -difference
	}
	if d.se == 0 {
		return math.NaN()
	}
	return normalBelow((better + r.Margin.Value) / d.se)
}

// limited is what else a rule demands than its margin.
func limited(r gate.Rule, needs string) string {
	if r.Min == nil && r.Max == nil {
		return ""
	}
	return needs
}

// corrected takes back failures of slices that may be chance among so many (Holm).
func (q Quality) corrected(found []gate.Finding, ps []float64) {
	if q.Correction == "none" || len(found) < 3 {
		return
	}
	known := make([]float64, len(ps)-1)
	for i, p := range ps[1:] { // the first is that of all rows
		known[i] = p
		if math.IsNaN(p) {
			known[i] = 1
		}
	}
	for i, p := range stats.Holm(known) {
		if f := &found[i+1]; f.Verdict == gate.Fail && !math.IsNaN(ps[i+1]) && p > 1-q.level() {
			f.Verdict = gate.Inconclusive
			f.Note = joined(f.Note, "among "+strconv.Itoa(len(known))+" slices this may be chance")
		}
	}
}

// nothingToCompare is the finding of a rule with a margin while there is no labelled reference.
func (q Quality) nothingToCompare(r gate.Rule, found []gate.Finding) []gate.Finding {
	why := q.noReference()
	for i := range found {
		f := &found[i]
		f.Limit.Margin, f.Needs = &r.Margin.Value, joined("margin "+number(r.Margin.Value), limited(r, f.Needs))
		f.Verdict, f.Note = worse(f.Verdict, gate.Inconclusive), joined(why, f.Note)
	}
	return found
}

// noReference says what is missing of the reference.
func (q Quality) noReference() string {
	if q.Reference == nil || q.Reference.Labelled == 0 {
		return "there are no labelled predictions of the reference"
	}
	return "the reference has " + counted(q.Reference.Labelled, "labelled prediction")
}

// worse is the verdict of two that both have to hold.
func worse(a, b gate.Verdict) gate.Verdict {
	switch {
	case a == gate.Fail || b == gate.Fail:
		return gate.Fail
	case a == gate.Pass && b == gate.Pass:
		return gate.Pass
	}
	return gate.Inconclusive
}

// between is the interval of a difference, two-sided at a level, and the standard error behind it.
type between struct{ at, low, high, se float64 }

// differenceOf is the interval of a - b from the intervals of both, which come from different rows.
func differenceOf(a float64, ia [2]float64, b float64, ib [2]float64) between {
	d := between{at: a - b}
	d.low = d.at - math.Hypot(a-ia[0], ib[1]-b)
	d.high = d.at + math.Hypot(ia[1]-a, b-ib[0])
	d.se = (d.high - d.low) / 2 / twoSided(0.95)
	return d
}

// narrowed makes the bounds one-sided: a limit is broken on one side only.
func (d between) narrowed(level float64) between {
	share := oneSided(level) / twoSided(level)
	d.low, d.high = d.at-(d.at-d.low)*share, d.at+(d.high-d.at)*share
	return d
}

func (q Quality) level() float64 {
	if q.Level == 0 {
		return 0.95
	}
	return q.Level
}

func twoSided(level float64) float64 { return math.Sqrt2 * math.Erfinv(level) }
func oneSided(level float64) float64 { return math.Sqrt2 * math.Erfinv(2*level-1) }
func normalBelow(z float64) float64  { return math.Erfc(-z/math.Sqrt2) / 2 }
func confidenceOf(l float64) string  { return number(l*100) + "%" }
func isFinite(v float64) bool        { return !math.IsNaN(v) && !math.IsInf(v, 0) }
func number(v float64) string        { return strconv.FormatFloat(v, 'g', 4, 64) }
func fixed(v float64, d int) string  { return strconv.FormatFloat(v, 'f', d, 64) }
func lessIsBetter(measure string) bool {
	return stats.Metric(measure).LessIsBetter() || slices.Contains([]string{"calibration", "reliability"}, measure)
}

func signed(v float64) string {
	text := number(v)
	if v >= 0 {
		return "+" + text
	}
	return text
}
