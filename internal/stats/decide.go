package stats

import "math"

// Verdict is what a comparison says.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"         // not worse by the margin or more
	Fail         Verdict = "fail"         // worse by more than the margin
	Inconclusive Verdict = "inconclusive" // the rows cannot tell
)

// Decide judges a difference, candidate minus production where more is better, by its one-sided bounds: pass when the lower bound is above -margin,
// fail when the upper one is below -margin, else inconclusive; also for NaN. The margin is at least 0.
func Decide(lower, upper, margin float64) Verdict {
	switch {
	case lower > -margin:
		return Pass
	case upper < -margin:
		return Fail
	}
	return Inconclusive
}

// Comparison is one metric of two models on the same rows: a is the candidate, b is production.
type Comparison struct {
	A, B, Diff   float64 // Diff is A - B
	SE           float64 // the standard error of Diff
	Lower, Upper float64 // one-sided confidence bounds of Diff, each at Level; together the two-sided interval at 2 Level - 1
	Level        float64
	Rows         int
	Units        int     // clusters, or Rows when these are independent
	Degrees      float64 // degrees of freedom of the bounds; +Inf: normal or percentiles
	Method       string  // e.g. "DeLong", "paired bootstrap, 2000 resamples"
	Problem      string  // why nothing can be told, then bounds are NaN; e.g. "3 clusters, at least 5 needed"
}

// Negated turns a metric of which less is better into one of which more is: A, B and Diff change sign, the bounds also their places.
func (c Comparison) Negated() Comparison {
	c.A, c.B, c.Diff, c.Lower, c.Upper = -c.A, -c.B, -c.Diff, -c.Upper, -c.Lower
	return c
}

// Decision is a verdict with what it would take to reach one.
type Decision struct {
	Verdict    Verdict
	P          float64 // one-sided, of "worse by the margin or more", by the normal or t distribution
	Detectable float64 // the margin at which an equally good model would pass with probability 0.8: (z.95+z.80) SE
	RowsNeeded int     // rows at which it would at this margin: Rows (Detectable/margin)^2, rounded up; 0 when unknown
}

// Decide judges the comparison at a margin; see Decide. Negate a metric of which less is better first.
func (c Comparison) Decide(margin float64) Decision {
	d := Decision{Verdict: Decide(c.Lower, c.Upper, margin), P: math.NaN(), Detectable: Detectable(c.SE, c.Level, power)}
	if c.SE > 0 { // else nothing was bounded, and there may be no degrees of freedom
		d.P = tSurvival((c.Diff+margin)/c.SE, c.Degrees)
	}
	d.RowsNeeded = RowsNeeded(c.SE, c.Rows, margin, c.Level)
	return d
}

// power is the chance of a verdict that Detectable and RowsNeeded are for.
const power = 0.8

// Detectable is the smallest margin at which an equal model passes with the probability power: (z_level + z_power) SE.
func Detectable(se, level, power float64) float64 {
	return (normalQuantile(level) + normalQuantile(power)) * se
}

// RowsNeeded is how many rows like these give an equal model a chance of 0.8 to pass at the margin: rows (z_level + z.80)^2 SE^2/margin^2, rounded up.
// For accuracy at level .95 that is about 6.2 (discordant share)/margin^2. 0 when SE or margin is zero or not a number, or above 2^53.
func RowsNeeded(se float64, rows int, margin, level float64) int {
	d := Detectable(se, level, power) / margin
	n := math.Ceil(float64(rows) * d * d)
	if !(se > 0 && margin > 0 && n < 1<<53) {
		return 0
	}
	return int(n)
}
