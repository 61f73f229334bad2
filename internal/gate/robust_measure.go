package gate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/stats"
)

// measured compares a measure of the disturbed rows with that of the same rows undisturbed.
func (t *robustTrial) measured() (Finding, error) {
	label, err := t.label()
	if err != nil {
		return Finding{}, err
	}
	design := stats.Design{Level: t.session.level(), Seed: uint64(t.session.spec.Seed)}
	if t.rule.Under.Swap != "" {
		for _, o := range t.origin {
			design.Clusters = append(design.Clusters, int32(o)) // one applicant with several zip codes is one applicant
		}
	}
	metric := stats.Metric(t.rule.Name)
	var c stats.Comparison
	switch {
	case slices.Contains(regressionMetrics(), metric):
		c, err = t.regression(label, metric, design)
	default:
		c, err = t.classes(label, metric, design)
	}
	if err != nil {
		return Finding{}, t.session.wrong(t.rule, "%v", err)
	}
	return t.compared(c, metric), nil
}

// compared is the finding of a comparison: A are the disturbed rows.
func (t *robustTrial) compared(c stats.Comparison, metric stats.Metric) Finding {
	f, r := t.finding(), t.rule
	judged := r.judged(c.A)
	verdicts := []Verdict{}
	if r.Min != nil || r.Max != nil {
		verdicts = append(verdicts, judged.Verdict)
	}
	f.Value, f.Baseline, f.Difference = finite(c.A), finite(c.B), finite(c.Diff)
	f.Shown = judged.Shown + " against " + r.shown(c.B) + " undisturbed"
	if lower, upper := finite(c.Lower), finite(c.Upper); lower != nil && upper != nil {
		f.Interval = &[2]float64{*lower, *upper}
		f.Shown += fmt.Sprintf("  %+.3f (%+.3f to %+.3f)", c.Diff, c.Lower, c.Upper)
	}
	if r.Margin != nil {
		better := c
		if metric.LessIsBetter() {
			better = c.Negated()
		}
		d := better.Decide(r.Margin.Value)
		verdicts = append(verdicts, Verdict(d.Verdict))
		if c.Problem == "" && c.SE == 0 && c.Diff == 0 {
			verdicts[len(verdicts)-1] = Pass // no answer changed at all
		}
		f.Detectable = finite(d.Detectable)
		if n := int64(d.RowsNeeded); n > 0 && Verdict(d.Verdict) == Inconclusive {
			f.RowsNeeded = &n
		}
	}
	f.Verdict = worst(verdicts)
	f.Note = joined(t.note, c.Problem, c.Method)
	return f
}

func (t *robustTrial) regression(label *askColumn, metric stats.Metric, d stats.Design) (stats.Comparison, error) {
	p := stats.RegressionPair{Quantile: cmp.Or(t.rule.Quantile, 0.5)}
	if t.answers[0].isWord {
		return stats.Comparison{}, fmt.Errorf("%s needs a model that answers with numbers", metric)
	}
	for i, a := range t.answers {
		o := t.origin[i]
		actual := label.number(o)
		if math.IsNaN(actual) {
			shown := dataQuote(label.text(o))
			if t.private(t.drawn.label) {
				shown = dataPrivate
			}
			return stats.Comparison{}, fmt.Errorf("the label %s in row %d is no number", shown, t.drawn.rows.at[o]+1)
		}
		p.Actual, p.A, p.B = append(p.Actual, actual), append(p.A, a.number), append(p.B, t.drawn.answers[o].number)
	}
	return p.Compare(metric, d)
}

// classes compares a measure of classes or of scores.
func (t *robustTrial) classes(label *askColumn, metric stats.Metric, d stats.Design) (stats.Comparison, error) {
	names := label.classNames()
	ranked := slices.Contains([]stats.Metric{stats.ROCAUC, stats.PRAUC, stats.LogLoss, stats.Brier, stats.ECE}, metric)
	scored := !t.answers[0].isWord && len(names) <= 2 && t.inScores(names)
	switch {
	case ranked && (len(names) > 2 || !scored):
		return stats.Comparison{}, fmt.Errorf("%s needs labels of two classes and a model that answers with scores", metric)
	case scored:
		return t.binary(label, names, metric, d)
	}
	return t.multi(label, names, metric, d)
}

// inScores says whether numbers are scores and not names of classes.
func (t *robustTrial) inScores(names []string) bool {
	if _, set := t.session.threshold0(); set {
		return true
	}
	named := true
	for _, a := range slices.Concat(t.drawn.answers, t.answers) {
		if a.number < 0 || a.number > 1 {
			return false
		}
		named = named && slices.Contains(names, a.text())
	}
	return !named || slices.Contains(names, "1") || slices.Contains(names, "true")
}

func (t *robustTrial) binary(label *askColumn, names []string, metric stats.Metric, d stats.Design) (stats.Comparison, error) {
	positive := t.session.positive(names)
	threshold, _ := t.session.threshold0()
	p := stats.BinaryPair{Threshold: threshold}
	probability := slices.Contains([]stats.Metric{stats.LogLoss, stats.Brier, stats.ECE}, metric) && t.session.spec.Logits
	score := func(v float64) float64 {
		if probability {
			return 1 / (1 + math.Exp(-v))
		}
		return v
	}
	for i, a := range t.answers {
		o := t.origin[i]
		is := int32(0)
		if label.text(o) == positive {
			is = 1
		}
		p.Labels, p.A, p.B = append(p.Labels, is), append(p.A, score(a.number)), append(p.B, score(t.drawn.answers[o].number))
	}
	return p.Compare(metric, d)
}

// multi compares classes by their names.
func (t *robustTrial) multi(label *askColumn, names []string, metric stats.Metric, d stats.Design) (stats.Comparison, error) {
	code := map[string]int32{}
	number := func(name string) int32 {
		if _, ok := code[name]; !ok {
			code[name] = int32(len(code))
		}
		return code[name]
	}
	for _, name := range names {
		number(name)
	}
	said := func(a answer) int32 { return number(label.className(a)) }
	p := stats.ClassPair{Average: stats.Average(t.rule.Average)}
	for i, a := range t.answers {
		o := t.origin[i]
		p.Labels, p.A, p.B = append(p.Labels, number(label.text(o))), append(p.A, said(a)), append(p.B, said(t.drawn.answers[o]))
	}
	p.Classes = len(code)
	if one := p.Average == "" || p.Average == "binary"; one && p.Classes <= 2 {
		return t.twoClasses(p, number(t.session.positive(names)), metric, d)
	} else if one {
		p.Average = stats.Macro
	}
	return p.Compare(metric, d)
}

// twoClasses compares one class with the other.
func (t *robustTrial) twoClasses(c stats.ClassPair, positive int32, metric stats.Metric, d stats.Design) (stats.Comparison, error) {
	p := stats.BinaryPair{Threshold: 0.5}
	is := func(code int32) float64 {
		if code == positive {
			return 1
		}
		return 0
	}
	for i := range c.Labels {
		p.Labels, p.A, p.B = append(p.Labels, int32(is(c.Labels[i]))), append(p.A, is(c.A[i])), append(p.B, is(c.B[i]))
	}
	return p.Compare(metric, d)
}

// classNames are the labels, each once, in their order: numbers by size.
func (c *askColumn) classNames() []string {
	return slices.SortedFunc(maps.Keys(c.byText()), compareNames)
}

// className is an answer in the words of the labels: what Python calls True is true, also as 1.
func (c *askColumn) className(a answer) string {
	name := a.text()
	if c.Type != dataset.Bool {
		return name
	}
	switch strings.ToLower(name) {
	case "1", "true":
		return "true"
	case "0", "false":
		return "false"
	}
	return name
}

// positive is the label of the positive class: what the gate says, else 1 or true, else the last of them.
func (s *session) positive(names []string) string {
	if s.spec.Positive != nil {
		return fmt.Sprint(s.spec.Positive)
	}
	for _, name := range []string{"1", "true"} {
		if slices.Contains(names, name) {
			return name
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}
