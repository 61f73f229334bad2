package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/stats"
)

// robustTrial is one check on its way: the rows as they are, and as they were disturbed.
type robustTrial struct {
	session *session
	about   Subject
	rule    Rule
	drawn   *askRowsDrawn

	rows    *askFrame // disturbed
	origin  []int     // for each of them, which of the drawn rows it was
	answers []answer
	note    string
}

// disturb makes the disturbed rows and asks the model for them.
func (t *robustTrial) disturb(ctx context.Context, ask asker) error {
	u, s := *t.rule.Under, t.session
	if u.Swap != "" {
		if t.drawn.rows.index(u.Swap) < 0 || !slices.Contains(t.drawn.features, u.Swap) {
			return s.wrong(t.rule, "swap: the model does not read the column %q", u.Swap).Hint("it reads %s", list(t.drawn.features))
		}
		var err error
		if t.rows, t.origin, t.note, err = u.swapRows(t.drawn.rows, s.spec.Seed); err != nil {
			return s.wrong(t.rule, "swap: %v", err)
		}
		if len(t.origin) == 0 {
			return s.wrong(t.rule, "swap: the column %q has no other value in these rows", u.Swap).Hint("values: [A, B]   # beside swap")
		}
		if len(t.origin) > askMost*10 {
			return s.wrong(t.rule, "swap: %d rows with all other values are more than %d", len(t.origin), askMost*10).Hint("rows: 1000")
		}
	} else {
		columns, err := t.touched()
		if err != nil {
			return err
		}
		t.rows = u.disturb(t.drawn.rows, columns, s.spec.Seed)
		for i := range t.rows.rows {
			t.origin = append(t.origin, i)
		}
	}
	var err error
	t.answers, err = s.predictions(ctx, ask, t.rows.project(t.drawn.features))
	if err == nil && t.answers[0].isWord != t.drawn.answers[0].isWord {
		err = refused("the model answers rows with numbers and the disturbed ones with words, or the other way round")
	}
	return err
}

// touched are the columns that the disturbance changes.
func (t *robustTrial) touched() ([]string, error) {
	u := t.rule.Under
	columns := u.Columns
	for _, name := range columns {
		if !slices.Contains(t.drawn.features, name) {
			return nil, t.session.wrong(t.rule, "under: the model does not read the column %q", name).Hint("it reads %s", list(t.drawn.features))
		}
	}
	if columns == nil {
		columns = t.drawn.features
	}
	columns = slices.DeleteFunc(slices.Clone(columns), func(name string) bool {
		return !u.touches(t.drawn.rows.columns[t.drawn.rows.index(name)].Type)
	})
	if len(columns) == 0 {
		what := "number"
		if u.Noise == 0 {
			what = "text"
		}
		return nil, t.session.wrong(t.rule, "%s changes nothing: the model reads no column of type %s", strings.TrimPrefix(u.words(), "under "), what)
	}
	return columns, nil
}

// finding begins the finding.
func (t *robustTrial) finding() Finding {
	f := t.rule.finding()
	if t.rule.Title == "" {
		f.Name += " " + t.rule.Under.words()
	}
	rows := int64(t.drawn.rows.rows)
	f.Rows, f.Needs, f.Note = &rows, t.rule.limits(), t.note
	return f
}

// limits writes the limits in words, a margin among them.
func (r Rule) limits() string {
	needs := r.needs()
	if r.Margin == nil {
		return needs
	}
	if needs != "" {
		needs += ", "
	}
	return needs + "margin " + r.Margin.Text
}

// refusedFinding is the finding for a model that takes the rows as they are and not as they were disturbed.
func (t *robustTrial) refusedFinding(err error) Finding {
	f := t.finding()
	f.Verdict, f.Shown = Fail, "the model refuses disturbed rows"
	f.Note = lastLines([]byte(strings.TrimPrefix(err.Error(), "cannot judge "+t.session.spec.Name+": ")), 1)
	return f
}

// moved is the mean change of the score.
func (t *robustTrial) moved() (Finding, error) {
	if t.answers[0].isWord {
		return Finding{}, t.session.wrong(t.rule, "stat: mean needs a model that answers with numbers")
	}
	sum := 0.0
	for i, a := range t.answers {
		sum += math.Abs(a.number - t.drawn.answers[t.origin[i]].number)
	}
	mean := sum / float64(len(t.answers))
	f := t.finding()
	judged := t.rule.judged(mean)
	f.Verdict, f.Value, f.Shown = judged.Verdict, judged.Value, judged.Shown+" mean change"
	return f, nil
}

// changed is the share of rows whose decision changes: under a swap, with any of the other values.
func (t *robustTrial) changed() (Finding, error) {
	decide, err := t.decision()
	if err != nil {
		return Finding{}, err
	}
	flipped := make([]int, t.drawn.rows.rows) // one more than the place of the first disturbed row that changes it
	for i, a := range t.answers {
		if o := t.origin[i]; flipped[o] == 0 && decide(a) != decide(t.drawn.answers[o]) {
			flipped[o] = i + 1
		}
	}
	n := 0
	for _, at := range flipped {
		if at > 0 {
			n++
		}
	}
	rows := float64(len(flipped))
	f := t.finding()
	judged := t.rule.judged(float64(n) / rows)
	f.Verdict, f.Value = judged.Verdict, judged.Value
	f.Shown = fmt.Sprintf("%s of the decisions change (%d of %d)", shareText(float64(n)/rows), n, len(flipped))
	if i, err := stats.Wilson(float64(n), rows, t.session.level()); err == nil {
		f.Interval = &[2]float64{i.Lower, i.Upper}
	}
	if n > 0 {
		f.Failing = t.examples(flipped, n)
	}
	return f, nil
}

// decision is what is decided by an answer: its class, or on which side of the threshold its score lies.
func (t *robustTrial) decision() (func(answer) string, error) {
	if t.answers[0].isWord {
		return answer.text, nil
	}
	whole, scores := true, true
	for _, a := range slices.Concat(t.drawn.answers, t.answers) {
		whole = whole && a.number == math.Trunc(a.number)
		scores = scores && a.number >= 0 && a.number <= 1
	}
	threshold, set := t.session.threshold0()
	switch {
	case set || scores:
		return func(a answer) string { return strconv.FormatBool(a.number >= threshold) }, nil
	case whole:
		return answer.text, nil
	}
	return nil, t.session.wrong(t.rule, "the model answers with numbers that are no shares, and the gate has no threshold: nothing is decided").
		Hint("stat: mean   # beside max: how far the answers move")
}

// threshold0 is the score from which a row counts as positive, and whether the gate says so.
func (s *session) threshold0() (float64, bool) {
	switch {
	case s.spec.Threshold != nil && s.spec.Logits:
		p := *s.spec.Threshold
		return math.Log(p / (1 - p)), true
	case s.spec.Threshold != nil:
		return *s.spec.Threshold, true
	case s.spec.Logits:
		return 0, true
	}
	return 0.5, false
}

// examples shows some rows whose decision changes: what was put in, and both answers.
func (t *robustTrial) examples(flipped []int, n int) *Failing {
	f := &Failing{Count: int64(n), Header: []string{"before", "after"}}
	swap := t.rule.Under.Swap
	var column, put *askColumn
	if swap != "" {
		f.Header = []string{swap, "instead", "before", "after"}
		column, put = &t.drawn.rows.columns[t.drawn.rows.index(swap)], &t.rows.columns[t.rows.index(swap)]
	}
	private := swap != "" && t.private(swap)
	for o, at := range flipped {
		if at == 0 || len(f.Rows) == dataRowsKept {
			continue
		}
		f.Rows = append(f.Rows, RowAt{File: t.drawn.file, Row: t.drawn.rows.at[o] + 1})
		if len(f.Sample) == dataSamples {
			continue
		}
		var cells []string
		if private {
			cells = []string{dataPrivate, dataPrivate}
		} else if swap != "" {
			cells = []string{dataCut(column.text(o)), dataCut(put.text(at - 1))}
		}
		f.Sample = append(f.Sample, append(cells, dataCut(t.drawn.answers[o].shown()), dataCut(t.answers[at-1].shown())))
	}
	if t.drawn.file == "" {
		f.Rows = nil // the table is several files: the place in one of them is not known
	}
	return f
}

// private says whether values of a column are not to be shown.
func (t *robustTrial) private(column string) bool {
	if t.about.World.Meaning == nil {
		return false
	}
	m, _ := t.about.World.Meaning(t.drawn.table)
	return m.Columns[column].Private
}

// shown is an answer for people.
func (a answer) shown() string {
	if a.isWord {
		return a.word
	}
	return strconv.FormatFloat(a.number, 'g', 4, 64)
}

// label is the column of the labels, which a measure of quality needs.
func (t *robustTrial) label() (*askColumn, error) {
	if t.drawn.label == "" {
		return nil, t.session.wrong(t.rule, "%s needs the labels, and %s has no column %q", t.rule.quoted(), t.drawn.table, t.session.role("label")).
			Hint("columns: {label: COLUMN}   # in the gate")
	}
	c := &t.drawn.rows.columns[t.drawn.rows.index(t.drawn.label)]
	for i := range c.missing {
		if c.missing[i] || c.Type == dataset.Float && math.IsNaN(c.floats[i]) {
			return nil, fault.New(fault.Usage, "cannot judge %s: %s has no label in row %d", t.session.spec.Name, t.drawn.table, t.drawn.rows.at[i]+1).
				In(t.rule.At).Hint("label every row that the model is asked for")
		}
	}
	return c, nil
}
