package deploy

import (
	"context"
	"fmt"
	"math"
	"strings"

	"mlx/internal/gate"
)

// level is the confidence of everything that a rollout decides.
const level = 0.95

// Measured is what something outside says of a candidate: a command, a query, outcomes that came later.
type Measured struct {
	Value    float64     // NaN: there is none
	Baseline float64     // of stable; NaN: there is none
	Interval *[2]float64 // of the difference, else of the value
	Samples  int64       // 0: not known
	Verdict  gate.Verdict
	Shown    string // in words, in place of the numbers
	Note     string
}

// Judge says whether the answers of a candidate are good enough.
type Judge struct {
	// Ask measures what the target does not count. An error is no verdict: it cannot be told.
	Ask func(ctx context.Context, rule Rule, r Rollout) (Measured, error)
	// Budget is that of the service; nil: it has none.
	Budget func(ctx context.Context, r Rollout) (Budget, error)
	// Users are the values of users in both arms of an A/B test, since r.Began.
	Users func(ctx context.Context, r Rollout) ([]Event, error)
}

// Judge judges the sample of a rollout by its checks. All of them are judged, whatever becomes of the others.
func (j Judge) Judge(ctx context.Context, r Rollout) Judgement {
	var findings []gate.Finding
	if r.phase() == StateShadow && !r.uncompared() {
		findings = append(findings, coverage(r.Sample().Pairs))
	}
	if f, some := lost(r.Sample()); some {
		findings = append(findings, f)
	}
	for _, rule := range r.Checks {
		if rule.Kind == KindMeasure && rule.Name == MeasureDisagreement && r.phase() != StateShadow {
			continue // there are no copies at a step
		}
		f := j.find(ctx, rule, r)
		f.Name, f.Subject, f.Severity, f.At = rule.Called(), rule.Kind, rule.Severity, rule.At
		if f.Severity == "" {
			f.Severity = gate.SeverityFail
		}
		f.Limit = gate.Limit{Min: rule.Min, Max: rule.Max, Margin: rule.Margin}
		findings = append(findings, f)
	}
	if r.Strategy == AB && r.Last() {
		findings = append(findings, j.users(ctx, r))
	}
	return Verdict(findings)
}

func (j Judge) find(ctx context.Context, rule Rule, r Rollout) gate.Finding {
	s := r.Sample()
	if rule.Kind != KindMeasure {
		return j.asked(ctx, rule, r)
	}
	c, b := s.Candidate, s.Stable
	switch rule.Name {
	case MeasureErrors:
		return judgeShares(rule, share{c.Errors, c.Ended()}, share{b.Errors, b.Ended()}, r.From != nil)
	case MeasureSchema:
		return judgeShares(rule, share{c.Schema, c.Answers}, share{b.Schema, b.Answers}, true)
	case MeasureFallbacks:
		return judgeShares(rule, share{c.Retried, c.Ended()}, share{b.Retried, b.Ended()}, true)
	case MeasureDisagreement:
		return judgeShares(rule, share{s.Pairs.Disagreed, s.Pairs.Compared}, share{}, true)
	case MeasurePSI:
		return judgePSI(rule, c.Outputs, b.Outputs)
	case MeasureBudget:
		return j.budget(ctx, rule, r)
	}
	if q, ok := quantiles()[rule.Name]; ok {
		return judgeLatency(rule, q, c.Latency, b.Latency)
	}
	return unknown("there is no measure %.60q", rule.Name)
}

// unknown is what cannot be told.
func unknown(format string, args ...any) gate.Finding {
	return gate.Finding{Verdict: gate.Inconclusive, Shown: fmt.Sprintf(format, args...)}
}

// Verdict folds findings: no beats cannot tell, which beats yes. What only warns has no say. The reason is that of the first that decides.
func Verdict(findings []gate.Finding) Judgement {
	j := Judgement{Verdict: gate.Pass, Findings: findings}
	for _, f := range findings {
		if f.Severity == gate.SeverityWarn || f.Verdict == gate.Pass || f.Word() == "waived" {
			continue
		}
		if j.Verdict == gate.Pass || f.Verdict == gate.Fail && j.Verdict != gate.Fail {
			j.Verdict, j.Reason = gate.Inconclusive, reason(f)
			if f.Verdict == gate.Fail {
				j.Verdict = gate.Fail
			}
		}
	}
	return j
}

// reason says a finding in a few words: "errors 3.1% against 0.02%".
func reason(f gate.Finding) string {
	said := f.Note
	if said == "" {
		said = f.Shown
	}
	if f.Name == "" || f.Subject == subjectUsers {
		return said
	}
	return f.Name + " " + said
}

// asked judges what something outside measures.
func (j Judge) asked(ctx context.Context, rule Rule, r Rollout) gate.Finding {
	if j.Ask == nil {
		return unknown("nobody measures it")
	}
	m, err := j.Ask(ctx, rule, r)
	if err != nil {
		return unknown("%s", strings.TrimSpace(err.Error()))
	}
	f := gate.Finding{Verdict: gate.Pass, Value: finite(m.Value), Baseline: finite(m.Baseline), Interval: m.Interval, Shown: m.Shown, Note: m.Note,
		Needs: needs(rule, number)}
	if m.Samples > 0 {
		f.Rows = &m.Samples
	}
	if f.Value != nil && f.Baseline != nil {
		f.Difference = finite(m.Value - m.Baseline)
	}
	if f.Shown == "" && f.Value != nil {
		f.Shown = number(m.Value)
		if f.Baseline != nil {
			f.Shown += " against " + number(m.Baseline)
		}
	}
	switch {
	case m.Verdict != "":
		f.Verdict = m.Verdict
	case f.Value == nil:
		f.Verdict, f.Shown = gate.Inconclusive, "no value"
	case m.Samples > 0 && m.Samples < rule.MinSamples:
		f.Verdict = gate.Inconclusive
	default:
		f.Verdict = within(rule, m)
	}
	return f
}

// within compares a value with its limits. With an interval, a value is only over a limit when all of the interval is.
func within(rule Rule, m Measured) gate.Verdict {
	verdict := gate.Pass
	limit := func(value, bound float64, low, high *float64) {
		worst, best := value, value
		if low != nil {
			worst, best = *high, *low
		}
		switch {
		case best > bound:
			verdict = gate.Fail
		case worst > bound && verdict == gate.Pass:
			verdict = gate.Inconclusive
		}
	}
	var low, high, lowest, highest *float64 // of the value, and of its negative
	if m.Interval != nil {
		low, high = &m.Interval[0], &m.Interval[1]
		minusHigh, minusLow := -*high, -*low
		lowest, highest = &minusHigh, &minusLow
	}
	if rule.Max != nil {
		limit(m.Value, *rule.Max, low, high)
	}
	if rule.Min != nil {
		limit(-m.Value, -*rule.Min, lowest, highest)
	}
	if rule.Margin != nil {
		if math.IsNaN(m.Baseline) {
			return worse(verdict, gate.Inconclusive)
		}
		limit(m.Value-m.Baseline, *rule.Margin, low, high)
	}
	return verdict
}

// worse is the worse of two verdicts.
func worse(a, b gate.Verdict) gate.Verdict {
	switch {
	case a == gate.Fail || b == gate.Fail:
		return gate.Fail
	case a != gate.Pass || b != gate.Pass:
		return gate.Inconclusive
	}
	return gate.Pass
}

// finite is a number that a record can hold.
func finite(v float64) *float64 {
	if v-v != 0 {
		return nil
	}
	return &v
}

// needs says the limits of a rule in words.
func needs(rule Rule, say func(float64) string) string {
	var words []string
	if rule.Min != nil {
		words = append(words, "at least "+say(*rule.Min))
	}
	if rule.Max != nil {
		words = append(words, "limit "+say(*rule.Max))
	}
	if rule.Margin != nil {
		words = append(words, "limit +"+say(*rule.Margin))
	}
	if rule.Ratio != nil {
		words = append(words, "limit "+number(*rule.Ratio)+" times stable")
	}
	return strings.Join(words, ", ")
}

// budget judges what is left of the error budget. One that is used up stops a rollout where it is: that it was the candidate is for other
// checks to say.
func (j Judge) budget(ctx context.Context, rule Rule, r Rollout) gate.Finding {
	if j.Budget == nil {
		return unknown("the service has no slo")
	}
	b, err := j.Budget(ctx, r)
	if err != nil {
		return unknown("%s", strings.TrimSpace(err.Error()))
	}
	least := 0.0
	if rule.Min != nil {
		least = *rule.Min
	}
	f := gate.Finding{Verdict: gate.Pass, Value: finite(b.Left), Unit: "share", Shown: b.String(), Needs: "more than " + percent(least) + " left"}
	if !(b.Left > least) {
		f.Verdict = gate.Inconclusive
	}
	return f
}
