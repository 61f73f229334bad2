package gate

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"

	"mlx/internal/fault"
)

// threshold holds a metric that the run recorded against fixed limits.
type threshold struct {
	gate string
	at   fault.Position // of the gate
	rule Rule
}

// Check finds the metric and compares it. A run that lacks the metric cannot be judged; a metric that is NaN cannot tell.
func (c threshold) Check(_ context.Context, s Subject) ([]Finding, error) {
	value, ok := s.Metrics[c.rule.Name]
	if !ok {
		return nil, c.missing(s)
	}
	return []Finding{c.rule.judged(value)}, nil
}

// judged is the finding of a rule with fixed limits about a value.
func (r Rule) judged(value float64) Finding {
	if value == 0 {
		value = 0 // a negative zero has no place in a record
	}
	f := r.finding()
	f.Verdict, f.Shown, f.Needs = r.within(value), r.shown(value), r.needs()
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		f.Value = &value
	}
	return f
}

// within compares. An infinite value may break a limit, but it keeps none: a training that diverged tells nothing.
func (r Rule) within(v float64) Verdict {
	switch {
	case math.IsNaN(v):
		return Inconclusive
	case r.Min != nil && v < r.Min.Value, r.Max != nil && v > r.Max.Value:
		return Fail
	case math.IsInf(v, 0):
		return Inconclusive
	}
	return Pass
}

// noMetrics is the one trouble of a gate, however many checks it has, with a subject that has no metrics at all.
func (c threshold) noMetrics(of Subject) error {
	return fault.New(fault.NotFound, "cannot judge %s: %s has no metrics (%s)", c.gate, of.For.words(), place(c.at)).
		In(c.at).About(fault.Ref{Kind: of.For.Kind, ID: of.For.ID.Hex(), Name: of.For.Name}).
		Hint("a command writes its metrics as JSON to the file that $MLX_METRICS names")
}

func (c threshold) missing(s Subject) error {
	if len(s.Metrics) == 0 {
		return c.noMetrics(s)
	}
	err := fault.New(fault.NotFound, "cannot judge %s: %s has no metric %q (%s)", c.gate, s.For.words(), c.rule.Name, place(c.rule.At)).
		In(c.rule.At).About(fault.Ref{Kind: s.For.Kind, ID: s.For.ID.Hex(), Name: s.For.Name})
	known := slices.Sorted(maps.Keys(s.Metrics))
	if near := fault.Nearest(c.rule.Name, known); near != "" {
		return err.Hint("did you mean %q? The %s has %s", near, s.For.Kind, list(known))
	}
	return err.Hint("the %s has %s", s.For.Kind, list(known))
}

// words names a thing as a person reads it: "run 5be01d7c93f2".
func (r Ref) words() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Kind + " " + r.ID.Short()
}

// needs writes the limits in words.
func (r Rule) needs() string {
	switch {
	case r.Min == nil && r.Max == nil:
		return ""
	case r.Min == nil:
		return "at most " + r.Max.Text
	case r.Max == nil:
		return "at least " + r.Min.Text
	}
	return r.Min.Text + " to " + r.Max.Text
}

// shown writes the value with three digits after the point, and with as many more as it takes to see on which side of
// the limits it lies: 0.7199 must not read as 0.72.
func (r Rule) shown(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) || v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	form := byte('f')
	if a := math.Abs(v); a < 0.1 || a >= 1e15 {
		form = 'g'
	}
	for digits := 3; digits < 17; digits++ {
		text := strconv.FormatFloat(v, form, digits, 64)
		if rounded, err := strconv.ParseFloat(text, 64); err == nil && r.sameSide(v, rounded) {
			return text
		}
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func (r Rule) sameSide(a, b float64) bool {
	for _, limit := range []*Bound{r.Min, r.Max} {
		if limit != nil && (a < limit.Value) != (b < limit.Value) || limit != nil && (a > limit.Value) != (b > limit.Value) {
			return false
		}
	}
	return true
}
