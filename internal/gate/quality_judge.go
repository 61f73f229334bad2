package gate

import (
	"context"
	"math"
	"strconv"
	"strings"

	"mlx/internal/stats"
)

// judgement is a finding on its way: with slices, the chance that what it found is chance decides as well.
type judgement struct {
	f      Finding
	broken float64 // one-sided p of "the limit or the margin is kept"; NaN when it is not known
}

// level is the confidence of intervals.
func (s *session) level() float64 {
	if s.spec.Level == 0 {
		return 0.95
	}
	return s.spec.Level
}

// quantile is that of a standard normal which an interval at the level reaches on either side: 1.96 at 95%.
func (s *session) quantile() float64 { return math.Sqrt2 * math.Erfinv(s.level()) }

// design says how rows depend on each other; level is that of each bound.
func (s *session) design(sm *sample, level float64) stats.Design {
	return stats.Design{Clusters: sm.clusters, Level: level, Seed: uint64(s.spec.Seed), Workers: 2}
}

// judged is the finding about a sample: against production when there is a margin, and by fixed limits.
func (c quality) judged(ctx context.Context, sm *sample, of Subject) (judgement, error) {
	if err := ctx.Err(); err != nil {
		return judgement{}, err
	}
	rows := int64(sm.n)
	base := c.r.finding()
	base.Rows, base.Level, base.Needs = &rows, c.s.spec.Level, c.needs()
	if c.r.MinRows > 0 && rows < c.r.MinRows {
		base.Verdict, base.Shown = Inconclusive, thousands(rows)+" rows"
		base.Note = "fewer than " + thousands(c.r.MinRows) + " rows"
		return judgement{base, math.NaN()}, nil
	}
	if c.m.kind == ofGroups {
		return c.unfairness(sm, base)
	}
	if c.r.Margin != nil && of.Against != nil {
		return c.against(sm, base)
	}
	j, err := c.alone(sm, base)
	if err == nil && c.r.Margin != nil {
		err = c.withoutBaseline(&j)
	}
	return j, err
}

// needs writes the limits in words: "margin 0.010, at least 0.72".
func (c quality) needs() string {
	var all []string
	if m := c.r.Margin; m != nil {
		text := fixedDigits(m.Value, digitsFor(m.Value))
		if m.Unit == "share" {
			text = m.Text
		}
		all = append(all, "margin "+text)
	}
	if limits := c.r.needs(); limits != "" {
		all = append(all, limits)
	}
	return strings.Join(all, ", ")
}

// alone judges the value of the candidate by fixed limits: the value itself decides, and the interval is shown.
func (c quality) alone(sm *sample, f Finding) (judgement, error) {
	value, err := c.value(sm, 0)
	if err != nil {
		return judgement{}, err
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		f.Verdict, f.Shown = Inconclusive, c.undefined(sm)
		return judgement{f, math.NaN()}, nil
	}
	f.Value, f.Verdict, f.Shown = finite(value), c.r.within(value), c.r.shown(value)
	around, err := c.interval(sm, value)
	if err != nil {
		return judgement{}, err
	}
	f.Note = c.remarks(sm)
	j := judgement{f, math.NaN()}
	c.surround(&j, value, around)
	return j, nil
}

// bounds is an interval around a value, and the standard error behind it.
type bounds struct{ low, high, se float64 }

// surround shows the interval, and says when a limit lies inside it.
func (c quality) surround(j *judgement, value float64, b bounds) {
	if !(b.high > b.low) || math.IsInf(b.high-b.low, 0) {
		return
	}
	f := &j.f
	f.Interval = &[2]float64{b.low, b.high}
	digits := max(digitsFor(b.high-b.low), 3)
	f.Shown += " (" + confidence(c.s.level()) + ": " + fixedDigits(b.low, digits) + " to " + fixedDigits(b.high, digits) + ")"
	for _, limit := range []*Bound{c.r.Min, c.r.Max} {
		if limit != nil && b.low < limit.Value && limit.Value < b.high {
			f.Note = joined(f.Note, "the interval reaches across the limit")
		}
	}
	if f.Verdict != Fail || b.se == 0 {
		return
	}
	j.broken = 1
	if limit := c.r.Min; limit != nil && value < limit.Value {
		j.broken = normalBelow((value - limit.Value) / b.se)
	}
	if limit := c.r.Max; limit != nil && value > limit.Value {
		j.broken = min(j.broken, normalBelow((limit.Value-value)/b.se))
	}
}

// normalBelow is the chance that a standard normal is below z.
func normalBelow(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// interval is the two-sided interval of the value of the candidate; an empty one when none is known.
func (c quality) interval(sm *sample, value float64) (bounds, error) {
	level := c.s.level()
	if b, ok, err := c.proportion(sm, level); ok || err != nil {
		return b, err
	}
	if c.m.name == "median_ae" {
		return c.medianInterval(sm)
	}
	influence, err := c.influence(sm, 0, value)
	if err != nil {
		return bounds{}, sm.explained(err, c.m)
	}
	if influence == nil || sm.n < 2 {
		return bounds{}, nil
	}
	d := c.s.design(sm, (1+level)/2)
	if c.m.kind == ofQueries && d.Clusters == nil {
		d.Clusters = sm.queries
	}
	compared, err := sm.linear(value, influence, 0, nil, d)
	if err != nil {
		return bounds{}, err
	}
	return c.m.cut(bounds{compared.Lower, compared.Upper, compared.SE}), nil
}

// linear compares two values by the influence of each row on them.
func (sm *sample) linear(a float64, influenceA []float64, b float64, influenceB []float64, d stats.Design) (stats.Comparison, error) {
	spread := func(value float64, influence []float64) []float64 {
		all := make([]float64, sm.n)
		for i := range influence {
			all[i] = value + float64(sm.n)*influence[i]
		}
		return all
	}
	return stats.Values{A: spread(a, influenceA), B: spread(b, influenceB)}.Compare(d)
}

// cut keeps an interval within the values that the measure can have.
func (m measure) cut(b bounds) bounds {
	if m.low != nil {
		b.low = max(b.low, *m.low)
	}
	if m.high != nil {
		b.high = min(b.high, *m.high)
	}
	return b
}

// proportion is Wilson's interval, for measures that are a share of independent rows.
func (c quality) proportion(sm *sample, level float64) (bounds, bool, error) {
	if sm.weights != nil || sm.clusters != nil || c.m.kind != ofClasses {
		return bounds{}, false, nil
	}
	m, err := c.matrix(sm, 0)
	if err != nil {
		return bounds{}, false, sm.explained(err, c.m)
	}
	_, several := c.average(sm.g)
	var hits, of float64
	switch k := m.Of(len(sm.g.classes) - 1); {
	case c.m.name == "accuracy":
		hits, of = m.Accuracy()*m.Total(), m.Total()
	case several || !sm.g.binary:
		return bounds{}, false, nil
	case c.m.name == "precision":
		hits, of = k.TP, k.TP+k.FP
	case c.m.name == "recall":
		hits, of = k.TP, k.TP+k.FN
	case c.m.name == "specificity":
		hits, of = k.TN, k.TN+k.FP
	default:
		return bounds{}, false, nil
	}
	i, err := stats.Wilson(min(math.Round(hits), of), of, level)
	return bounds{i.Lower, i.Upper, math.Sqrt(i.Value * (1 - i.Value) / of)}, true, err
}

// medianInterval is between two of the sorted errors: as many rows from the middle as the share of rows below it varies.
func (c quality) medianInterval(sm *sample) (bounds, error) {
	if sm.n < 2 || sm.weights != nil {
		return bounds{}, nil
	}
	i, err := sm.asRegression(0).Interval(stats.MedianAE, 0, c.s.design(sm, (1+c.s.level())/2))
	if err != nil {
		return bounds{}, sm.explained(err, c.m)
	}
	return bounds{i.Lower, i.Upper, (i.Upper - i.Lower) / 2 / c.s.quantile()}, nil
}

// remarks are what else to know about a value.
func (c quality) remarks(sm *sample) string {
	var note string
	if sm.weights != nil {
		note = "weighted by " + sm.g.table.roles.weight
	}
	if c.m.name == "accuracy" && sm.rows == nil {
		counts := make([]float64, len(sm.g.classes))
		for i, y := range sm.labels {
			counts[y] += sm.weight(i)
		}
		most := 0.0
		for _, n := range counts {
			most = max(most, n/sm.total())
		}
		note = joined(note, "the majority class alone: "+fixedDigits(most, 3))
	}
	return note
}

// joined puts remarks behind each other.
func joined(all ...string) string {
	var kept []string
	for _, text := range all {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "; ")
}

// confidence writes a confidence: 95%.
func confidence(level float64) string { return strconv.FormatFloat(level*100, 'g', 4, 64) + "%" }

// digitsFor is how many digits after the point show a distance with two digits that matter: at least three, at most twelve.
func digitsFor(distance float64) int {
	if !(distance > 0) || math.IsInf(distance, 0) {
		return 3
	}
	return min(max(1-int(math.Floor(math.Log10(distance))), 3), 12)
}

func fixedDigits(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if zero := strings.TrimLeft(text, "-0."); zero == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}

// signed writes a difference with its sign.
func signedDigits(v float64, digits int) string {
	text := fixedDigits(v, digits)
	if !strings.HasPrefix(text, "-") {
		return "+" + text
	}
	return text
}
