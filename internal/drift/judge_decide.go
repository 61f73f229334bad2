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
		if c.Why == namesRowsWhy {
			c.Weight = 0
		}
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
	}
	shift, width := shiftOf(r, c), 0.0
	if r.Std != nil && c.Std != nil && *r.Std+*c.Std > 0 {
		width = math.Log(*c.Std / *r.Std)
	}
	switch {
	case math.Abs(shift) > max(0.02, math.Abs(width)/2) && shift > 0:
		return "up"
	case math.Abs(shift) > max(0.02, math.Abs(width)/2):
		return "down"
	case width > 0.1:
		return "wider"
	case width < -0.1:
		return "narrower"
	}
	return "other"
}

// shiftOf is how far the median moved, in standard deviations of the wider side.
func shiftOf(r, c Summary) float64 {
	if r.Median == nil || c.Median == nil || *r.Median == *c.Median {
		return 0
	}
	return (*c.Median - *r.Median) / max(valueOr0(r.Std), valueOr0(c.Std))
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
		return "missing " + change(c.ReferenceMissing, c.MissingShare, shareTo)
	case c.Method == Unseen:
		return col.newValues() + ", " + shareText(*c.Value) + " of the rows"
	}
	parts := []string{}
	direction := c.Direction
	if c.Method == Unit {
		parts, direction = append(parts, col.unit), "" // what is told is where the values are now
	}
	if what := col.moved(direction); what != "" {
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
	show := valueText(r.Type)
	switch {
	case direction == "wider" || direction == "narrower":
		if r.Type == "date" || r.Type == "time" {
			return direction
		}
		return direction + ", standard deviation " + change(*r.Std, *c.Std, valueText(""))
	case direction == "other" && slices.Contains(col.Bins.Atoms, true):
		return col.mostMoved(show)
	case r.Median != nil && c.Median != nil:
		return "median " + change(*r.Median, *c.Median, show)
	}
	return ""
}

// mostMoved is the category, or the single value, whose share changed most.
func (col *judgedColumn) mostMoved(show func(v float64, more int) string) string {
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
		p, q := share(i)
		// Of two that moved as much the rarer one says more.
		if d := math.Abs(p - q); d > gap+1e-9 || d > gap-1e-9 && rarer(b, i, best) {
			best, gap = i, max(d, gap)
		}
	}
	if best < 0 {
		return ""
	}
	name := ""
	if show != nil {
		name = show(b.Edges[best-1], 0)
	} else {
		name = shownValue(b.Categories[best])
	}
	if show == nil && b.Categories[best] == "" { // perhaps of a private column
		name = "one category"
	}
	p, q := share(best)
	return name + " " + change(p, q, shareTo)
}

// rarer says whether a bin has fewer rows than another.
func rarer(b Bins, i, other int) bool {
	return other >= 0 && b.Reference[i]+b.Current[i] < b.Reference[other]+b.Current[other]
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
