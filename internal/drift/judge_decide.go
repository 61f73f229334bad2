package drift

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// decide judges the tests of a column, whose p-values are adjusted, and says in words what was found.
func (j *judging) decide(col *judgedColumn) Column {
	for i := range col.tests {
		j.decideTest(col, &col.tests[i])
	}
	c := col.Column
	c.Weight, c.Verdict, c.Why = j.weight(c.Name), Stable, ""
	c.Rows = c.Current.Rows
	c.MissingShare, c.ReferenceMissing = missingShare(c.Current), missingShare(c.Reference)
	first := 0
	if i := slices.IndexFunc(col.tests, func(t judgedTest) bool { return t.verdict == Drift }); i >= 0 {
		c.Verdict, first = Drift, i
	} else if i := slices.IndexFunc(col.tests, func(t judgedTest) bool { return t.verdict == CannotTell }); i >= 0 {
		c.Verdict, first, c.Why = CannotTell, i, col.tests[i].why
	}
	c.Measures = col.measures(first)
	if c.Verdict == Drift && col.tests[first].method != Missing && col.unit != "" {
		m := c.Measures[0]
		m.Method = Unit
		c.Measures = append([]Measure{m}, c.Measures...)
	}
	lead := c.Measures[0]
	c.Method, c.Value, c.Threshold, c.P, c.PAdjusted = lead.Method, lead.Value, lead.Threshold, lead.P, lead.PAdjusted
	if c.Verdict == Drift {
		c.Direction = col.direction(lead.Method)
	}
	c.Text = col.text(c)
	return c
}

// decideTest is the verdict of one test. What is below its threshold is stable whatever p is, unless p alone decides.
func (j *judging) decideTest(col *judgedColumn, t *judgedTest) {
	effect := t.value >= t.threshold && t.value > 0
	significant := t.adjusted < j.Level
	switch {
	case t.why != "":
		t.verdict = CannotTell
	case j.Spec.Judge == JudgeEffect:
		t.verdict = verdictOf(effect)
	case j.Spec.Judge == JudgeP:
		t.verdict = verdictOf(significant)
	default:
		t.verdict = verdictOf(effect && significant)
	}
	if t.verdict == Stable && j.Spec.Judge != JudgeEffect && effect && col.Clustered != nil && !significant {
		n, m := int64(len(col.Clustered.Reference)), int64(len(col.Clustered.Current))
		if least := j.exchange.least(n, m); t.p <= 4*least && least*float64(j.family()) > j.Level {
			t.verdict, t.why = CannotTell, fmt.Sprintf("%s and %s are too few to show it among %s", clustersText(int(n), j.grouped()),
				clustersText(int(m), j.grouped()), columnsText(len(j.columns)))
		}
	}
}

func verdictOf(drifted bool) Verdict {
	if drifted {
		return Drift
	}
	return Stable
}

func (j *judging) weight(column string) float64 {
	if key, ok := keyFor(j.Weights, column); ok {
		return j.Weights[key]
	}
	return 1
}

func missingShare(s Summary) float64 {
	if s.Rows == 0 {
		return 0
	}
	return float64(missingOf(s)) / float64(s.Rows)
}

// measures are the tests, the deciding one first, and then what was computed beside them.
func (col *judgedColumn) measures(first int) []Measure {
	var all []Measure
	add := func(t judgedTest) {
		all = append(all, Measure{Method: t.method, Value: known(t.value), Threshold: known(t.threshold), P: known(t.p), PAdjusted: known(t.adjusted), Verdict: t.verdict})
	}
	add(col.tests[first])
	for i, t := range col.tests {
		if i != first {
			add(t)
		}
	}
	for _, m := range []Method{PSI, KS, Wasserstein, JensenShannon, Hellinger, Chi2, TVD, LInfinity} {
		e, ok := col.Distances[m]
		if ok && m != col.tests[0].method {
			all = append(all, Measure{Method: m, Value: known(e.Value), P: known(e.P)})
		}
	}
	return all
}

func known(v float64) *float64 {
	if !isNumber(v) {
		return nil
	}
	return &v
}

// direction says which way numbers went: where their median is, else how wide they are.
func (col *judgedColumn) direction(by Method) string {
	r, c := col.Reference, col.Current
	switch {
	case by == Missing && missingShare(c) > missingShare(r):
		return "up"
	case by == Missing:
		return "down"
	case col.Kind != Numbers:
		return "other"
	case r.Median != nil && c.Median != nil && math.Abs(*c.Median-*r.Median) > 0.05*valueOr0(r.Std):
		if *c.Median > *r.Median {
			return "up"
		}
		return "down"
	case r.Std != nil && c.Std != nil && *c.Std > 1.1**r.Std:
		return "wider"
	case r.Std != nil && c.Std != nil && *c.Std < *r.Std/1.1:
		return "narrower"
	}
	return "other"
}

func valueOr0(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// text is what happened, in a few words.
func (col *judgedColumn) text(c Column) string {
	switch {
	case c.Verdict == CannotTell:
		return c.Why
	case c.Method == Missing:
		return "missing " + change(c.ReferenceMissing, c.MissingShare, shareText)
	case c.Method == Unseen:
		return col.newValues() + ", " + shareText(*c.Value) + " of the rows"
	}
	parts := []string{}
	if c.Method == Unit {
		parts = append(parts, col.unit)
	}
	if what := col.moved(c.Direction); what != "" {
		parts = append(parts, what)
	}
	t := col.tests[0]
	return strings.Join(append(parts, methodName(t.method)+" "+twoDigits(t.value)), ", ")
}

// moved says what of the distribution is different.
func (col *judgedColumn) moved(direction string) string {
	r, c := col.Reference, col.Current
	if col.Kind == Categories {
		return col.mostMoved(nil)
	}
	show := func(v float64) string { return valueText(v, r.Type) }
	switch {
	case direction == "wider" || direction == "narrower":
		if r.Type == "date" || r.Type == "time" {
			return direction
		}
		return direction + ", standard deviation " + change(*r.Std, *c.Std, shortNumber)
	case direction == "other" && slices.Contains(col.Bins.Atoms, true):
		return col.mostMoved(show)
	case r.Median != nil && c.Median != nil:
		return "median " + change(*r.Median, *c.Median, show)
	}
	return ""
}

// mostMoved is the category, or the single value, whose share changed most.
func (col *judgedColumn) mostMoved(show func(float64) string) string {
	b := col.Bins
	var n, m int64
	for i := range b.Reference {
		n, m = n+b.Reference[i], m+b.Current[i]
	}
	if n == 0 || m == 0 {
		return ""
	}
	share := func(i int) (float64, float64) {
		return float64(b.Reference[i]) / float64(n), float64(b.Current[i]) / float64(m)
	}
	best, gap := -1, -1.0
	for i := range b.Reference {
		if show == nil && i >= len(b.Categories) || show != nil && (i >= len(b.Atoms) || !b.Atoms[i] || i == 0 || i > len(b.Edges)) {
			continue
		}
		if p, q := share(i); math.Abs(p-q) > gap {
			best, gap = i, math.Abs(p-q)
		}
	}
	if best < 0 {
		return ""
	}
	name := ""
	if show != nil {
		name = show(b.Edges[best-1])
	} else {
		name = shownValue(b.Categories[best])
	}
	if show == nil && b.Categories[best] == "" { // perhaps of a private column
		name = "one category"
	}
	p, q := share(best)
	return name + " " + change(p, q, shareText)
}

// newValues names some that the reference does not have.
func (col *judgedColumn) newValues() string {
	n := len(col.New)
	if n == 0 {
		return "values that the reference does not have"
	}
	shown := make([]string, 0, 3)
	for _, v := range col.New[:min(n, 3)] {
		shown = append(shown, shownValue(v))
	}
	if n == 1 {
		return "new value " + shown[0]
	}
	text := "new values " + strings.Join(shown, ", ")
	if n > 3 {
		text += " and others"
	}
	return text
}
