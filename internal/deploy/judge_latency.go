package deploy

import (
	"fmt"
	"math"

	"mlx/internal/gate"
	"mlx/internal/stats"
)

const micro = 1e6

// judgeLatency judges the quantile q of the latency by a limit in seconds, and by what it is on stable.
//
// That the quantile is above a limit means that more than a share 1-q of the answers are, which is a share like others: exact, whatever the
// distribution. A limit that follows from stable is taken from the bound of stable's quantile that speaks against the verdict.
func judgeLatency(rule Rule, q float64, c, b Histogram) gate.Finding {
	rows := c.Count()
	f := gate.Finding{Verdict: gate.Pass, Unit: "s", Rows: &rows, Needs: needs(rule, seconds)}
	if rows == 0 {
		f.Verdict, f.Shown = gate.Inconclusive, "no answers"
		return f
	}
	value := c.Quantile(q) / micro
	bounds := quantileBounds(c, q)
	f.Value, f.Shown = finite(value), seconds(value)
	if rule.Max != nil {
		f.Verdict = belowLatency(c, q, *rule.Max, *rule.Max)
	}
	if rule.Ratio != nil || rule.Margin != nil {
		f.Verdict = worse(f.Verdict, judgeAgainst(&f, rule, q, c, b))
	}
	if need := max(rule.MinSamples, quantileNeeds(q)); rows < need && f.Verdict != gate.Fail {
		f.Verdict, f.RowsNeeded = gate.Inconclusive, &need
		f.Note = f.Shown + fmt.Sprintf(" of %s answers, %s are needed", group(rows), group(need))
	} else if f.Verdict == gate.Inconclusive {
		f.Shown += fmt.Sprintf(" (95%%: to %s)", seconds(bounds[1]))
	}
	if f.Baseline == nil {
		f.Interval = finitePair(bounds)
	}
	return f
}

// quantileNeeds is how many answers a quantile needs: ten beyond it, which are 1,000 for P99.
func quantileNeeds(q float64) int64 { return int64(math.Round(10 / (1 - q))) }

// quantileBounds are the bounds of a quantile in seconds, each at level; infinite where there are too few values.
func quantileBounds(h Histogram, q float64) [2]float64 {
	at, err := stats.QuantileShares(q, float64(h.Count()), 2*level-1)
	if err != nil || h.Count() == 0 {
		return [2]float64{0, math.Inf(1)}
	}
	r := [2]float64{0, math.Inf(1)}
	if at.Lower > 0 {
		r[0] = h.Quantile(at.Lower) / micro
	}
	if at.Upper <= 1 {
		r[1] = h.Quantile(at.Upper) / micro
	}
	return r
}

// belowLatency judges whether the quantile is below a limit: it fails above one, and passes below another.
func belowLatency(h Histogram, q, fails, passes float64) gate.Verdict {
	n := float64(h.Count())
	above := func(limit float64) float64 { return min(max(math.Round(n-h.Below(limit*micro)), 0), n) }
	if fails-fails == 0 {
		if p, err := stats.AboveShare(above(fails), n, 1-q); err == nil && p < 1-level {
			return gate.Fail
		}
	}
	if once, err := stats.ClopperPearson(above(passes), n, 2*level-1); err == nil && once.Upper <= 1-q {
		return gate.Pass
	}
	return gate.Inconclusive
}

// judgeAgainst judges the quantile by that of stable.
func judgeAgainst(f *gate.Finding, rule Rule, q float64, c, b Histogram) gate.Verdict {
	if b.Count() < quantileNeeds(q) {
		f.Shown += fmt.Sprintf(" against %s answers of stable, %s are needed", group(b.Count()), group(quantileNeeds(q)))
		return gate.Inconclusive
	}
	stable, bounds := b.Quantile(q)/micro, quantileBounds(b, q)
	f.Baseline, f.Difference = finite(stable), finite(*f.Value-stable)
	f.Shown += " against " + seconds(stable)
	verdict := gate.Pass
	if rule.Ratio != nil {
		verdict = worse(verdict, belowLatency(c, q, *rule.Ratio*bounds[1], *rule.Ratio*bounds[0]))
	}
	if rule.Margin != nil {
		verdict = worse(verdict, belowLatency(c, q, *rule.Margin+bounds[1], *rule.Margin+bounds[0]))
	}
	return verdict
}

// finitePair is an interval that a record can hold.
func finitePair(v [2]float64) *[2]float64 {
	if v[0]-v[0] != 0 || v[1]-v[1] != 0 {
		return nil
	}
	return &v
}
