package deploy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mlx/internal/gate"
	"mlx/internal/stats"
)

// share is how many of some.
type share struct{ k, n int64 }

func (s share) value() float64 { return float64(s.k) / float64(s.n) }

func (s share) stats() stats.Share { return stats.Share{Successes: float64(s.k), Of: float64(s.n)} }

// enough is how many answers without one error exclude a share of 1 % at 95 %.
const enough = 300

// wholeCoverage is the share of the copies that must have been compared, for anything to be told from them.
const wholeCoverage = 0.95

// uncompared says that the target compares no answers: the copies are answered, and not one was to be compared. They are judged by themselves, if
// nobody asks how they compare.
func (r Rollout) uncompared() bool {
	asked := slices.ContainsFunc(r.Checks, func(c Rule) bool { return c.Kind == KindMeasure && c.Name == MeasureDisagreement })
	s := r.Sample()
	return !asked && s.Pairs.Eligible == 0 && s.Candidate.Ended() > 0
}

// coverage says how many of the copies were compared.
func coverage(p Pairs) gate.Finding {
	f := gate.Finding{Name: "coverage", Subject: KindMeasure, Severity: gate.SeverityFail, Unit: "share", Needs: "at least " + percent(wholeCoverage),
		Verdict: gate.Inconclusive, Shown: "no copies", Rows: &p.Eligible}
	if p.Eligible == 0 {
		return f
	}
	v := share{p.Compared, p.Eligible}.value()
	f.Value = finite(v)
	f.Shown = fmt.Sprintf("%s: %s of %s copies compared", percent(math.Floor(1000*v)/1000), group(p.Compared), group(p.Eligible))
	if v >= wholeCoverage {
		f.Verdict = gate.Pass
		return f
	}
	var lost []string
	for _, l := range []struct {
		n    int64
		what string
	}{{p.Dropped, "dropped"}, {p.Unlike, "not comparable"}} {
		if l.n > 0 {
			lost = append(lost, group(l.n)+" "+l.what)
		}
	}
	if len(lost) > 0 {
		f.Shown += " (" + strings.Join(lost, ", ") + ")"
	}
	return f
}

// judgeShares judges a share of the candidate by its own limit and by that of stable.
//
// Fail must hold however often one looks, and so rests on bounds for all times at once; pass is acted on at the end of a step, and rests on the
// bounds of one look.
func judgeShares(rule Rule, c, b share, compared bool) gate.Finding {
	f := gate.Finding{Verdict: gate.Pass, Unit: "share", Rows: &c.n, Needs: shareNeeds(rule)}
	if rule.Max == nil && rule.Margin == nil { // schema
		rule.Max = new(float64)
	}
	if !compared && rule.Margin != nil { // there is nothing beside it: it may fail as often as it may fail more often
		rule.Max, rule.Margin = rule.Margin, nil
	}
	if c.n == 0 {
		f.Verdict, f.Shown = gate.Inconclusive, "no answers"
		return f
	}
	f.Value, f.Shown = finite(c.value()), percent(c.value())
	if rule.Max != nil {
		f.Verdict = belowShare(c, *rule.Max)
	}
	if rule.Margin != nil {
		f.Verdict = worse(f.Verdict, judgeMargin(&f, c, b, *rule.Margin))
	}
	if need := max(rule.MinSamples, enough); c.n < need && f.Verdict != gate.Fail {
		f.Verdict, f.RowsNeeded = gate.Inconclusive, &need
		f.Note = f.Shown + fmt.Sprintf(" of %s answers, %s are needed", group(c.n), group(need))
	}
	return f
}

// belowShare judges a share by a limit of its own.
func belowShare(c share, limit float64) gate.Verdict {
	if limit == 0 {
		if c.k > 0 {
			return gate.Fail
		}
		return gate.Pass
	}
	k, n := float64(c.k), float64(c.n)
	if p, err := stats.AboveShare(k, n, limit); err == nil && p < 1-level {
		return gate.Fail
	}
	if once, err := stats.ClopperPearson(k, n, 2*level-1); err == nil && once.Upper <= limit {
		return gate.Pass
	}
	return gate.Inconclusive
}

// judgeMargin judges by how much a share is larger than that of stable.
func judgeMargin(f *gate.Finding, c, b share, margin float64) gate.Verdict {
	if b.n == 0 {
		f.Shown += " against nothing"
		return gate.Inconclusive
	}
	once, err := stats.ShareDifference(c.stats(), b.stats(), 2*level-1)
	if err != nil {
		return gate.Inconclusive
	}
	f.Baseline, f.Difference, f.Interval = finite(b.value()), finite(once.Value), &[2]float64{once.Lower, once.Upper}
	f.Shown = fmt.Sprintf("%s points (95%%: to %s)", points(once.Value), points(once.Upper))
	f.Note = percent(c.value()) + " against " + percent(b.value())
	if always, err := stats.ShareDifferenceSequence(c.stats(), b.stats(), level); err == nil && always.Lower > margin {
		return gate.Fail
	}
	if once.Upper <= margin {
		return gate.Pass
	}
	return gate.Inconclusive
}

// shareNeeds says the limits of a share: "limit +1 point".
func shareNeeds(rule Rule) string {
	var words []string
	if rule.Max != nil {
		words = append(words, "limit "+percent(*rule.Max))
	}
	if rule.Margin != nil {
		unit := " points"
		if *rule.Margin == 0.01 {
			unit = " point"
		}
		words = append(words, "limit +"+digits(100**rule.Margin)+unit)
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
