package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mlx/internal/dataset"
)

// moment is when something is known: so long after the time of the row, or when a column says.
type moment struct {
	after time.Duration
	at    int // of the column in a batch; -1: relative to the time of the row
	field dataset.Field
}

// lateColumn is a feature and when it is known.
type lateColumn struct {
	name  string
	known moment
	rows  int64         // in which it is late; -1: in all
	most  time.Duration // by which it is late
}

// availableJudge finds the features that are known only after the prediction is made. An AUC that is too good would not show them: one
// column of many may leak and lift it by little.
type availableJudge struct {
	rule      Rule
	meaning   Meaning
	predicted moment
	eventAt   int // of the column of the time of a row; -1: no row is looked at
	event     dataset.Field
	zone      *time.Location
	columns   []lateColumn
	features  []string
	note      string
	judged    int64
}

// planAvailable compares what the columns of a table declare with the time of the prediction.
func planAvailable(ctx context.Context, f *dataFrame, r Rule) ([]dataJudge, error) {
	features, err := f.features(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(features) == 0 {
		return nil, f.session.wrong(r, "nothing says which columns the model reads").
			Hint("features: [carrier, origin]   # in the gate, or a file that lists them; or log the model with its signature")
	}
	meaning := f.declaring()
	j := &availableJudge{rule: r, meaning: meaning, features: features, eventAt: -1}
	if j.zone, err = f.zoneOf(r, meaning); err != nil {
		return nil, err
	}
	if meaning.PredictedAt == "" && len(leakDeclared(meaning)) > 0 {
		return nil, f.session.wrong(r, "nothing says when a prediction is made").
			Hint("predicted_at: -2h   # of tables: %s in mlx.yaml: relative to its time, or a column", f.name())
	}
	if j.predicted, err = f.moment(r, meaning.PredictedAt); err != nil {
		return nil, err
	}
	var silent []string
	for _, name := range features {
		declared := meaning.Columns[name].AvailableAt
		if declared == "" {
			silent = append(silent, name)
			continue
		}
		known, err := f.moment(r, declared)
		if err != nil {
			return nil, err
		}
		j.columns = append(j.columns, lateColumn{name: name, known: known})
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		j.note = fmt.Sprintf("nothing says when %s %s known", list(silent), dataAre(int64(len(silent))))
	}
	return []dataJudge{j}, j.needEvent(f, r)
}

// declaring is the meaning of the table; when that says nothing of when columns are known, the one of the training or the predictions.
func (f *dataFrame) declaring() Meaning {
	spec := f.session.spec
	for _, where := range []string{f.where, spec.Train, spec.Predictions, spec.Table} {
		if f.world.Meaning == nil || where == "" {
			continue
		}
		if m, ok := f.world.Meaning(where); ok && len(leakDeclared(m)) > 0 {
			return m
		}
	}
	return f.meaning
}

// needEvent finds the time of the rows if a span is compared with a column.
func (j *availableJudge) needEvent(f *dataFrame, r Rule) error {
	mixed := slices.ContainsFunc(j.columns, func(c lateColumn) bool { return c.known.at >= 0 != (j.predicted.at >= 0) })
	if !mixed {
		return nil
	}
	if j.meaning.Time == "" {
		return f.session.wrong(r, "a span is relative to the time of a row, and nothing says which column that is").
			Hint("time: time_hour   # of tables: %s in mlx.yaml", f.name())
	}
	at, err := f.column(r, j.meaning.Time)
	if err != nil {
		return err
	}
	j.eventAt, j.event = at, f.schema[f.schema.Index(j.meaning.Time)]
	return f.moments(r, j.event)
}

// moment reads when something is known: a span, else the name of a column of times.
func (f *dataFrame) moment(r Rule, text string) (moment, error) {
	if text == "" {
		return moment{at: -1}, nil
	}
	if span, ok := leakSpan(text); ok {
		return moment{after: span, at: -1}, nil
	}
	at, err := f.column(r, text)
	if err != nil {
		return moment{}, err
	}
	field := f.schema[f.schema.Index(text)]
	return moment{at: at, field: field}, f.moments(r, field)
}

// lateness is how often and by how much each column is late in some rows.
type lateness struct {
	rows []int64
	most []time.Duration
	all  int64
}

func (j *availableJudge) part(b *dataBatch) (any, error) {
	l := lateness{rows: make([]int64, len(j.columns)), most: make([]time.Duration, len(j.columns)), all: int64(b.Rows)}
	for i, c := range j.columns {
		if c.known.at < 0 && j.predicted.at < 0 {
			continue
		}
		for row := range b.Rows {
			known, ok := j.when(b, c.known, row)
			predicted, also := j.when(b, j.predicted, row)
			if late := known.Sub(predicted); ok && also && late > 0 {
				l.rows[i]++
				l.most[i] = max(l.most[i], late)
			}
		}
	}
	return l, nil
}

// when is a moment in a row; false when it is missing.
func (j *availableJudge) when(b *dataBatch, m moment, row int) (time.Time, bool) {
	at, field := m.at, m.field
	if at < 0 {
		at, field = j.eventAt, j.event
	}
	c := &b.Columns[at]
	if c.Missing.Has(row) || field.Type == dataset.Null {
		return time.Time{}, false
	}
	return dataMoment(field, c.Ints[row], j.zone).Add(m.after), true
}

func (j *availableJudge) merge(_ dataset.Span, part any) error {
	l := part.(lateness)
	j.judged += l.all
	for i := range j.columns {
		j.columns[i].rows += l.rows[i]
		j.columns[i].most = max(j.columns[i].most, l.most[i])
	}
	return nil
}

func (j *availableJudge) finish(context.Context) ([]Finding, error) {
	f := j.rule.finding()
	f.Note, f.Needs = j.note, "known when the prediction is made"
	if j.meaning.PredictedAt != "" {
		f.Needs += " (" + j.meaning.PredictedAt + ")"
	}
	if len(j.columns) == 0 {
		f.Verdict, f.Shown = Inconclusive, fmt.Sprintf("none of %s says when it is known", dataCount(int64(len(j.features)), "feature"))
		return []Finding{f}, nil
	}
	var late []string
	for _, c := range j.columns {
		switch by := c.known.after - j.predicted.after; {
		case c.known.at < 0 && j.predicted.at < 0 && by > 0:
			late = append(late, fmt.Sprintf("%s (%s)", c.name, dataSpan(by)))
		case c.rows > 0:
			late = append(late, fmt.Sprintf("%s (up to %s, in %s)", c.name, dataSpan(c.most), dataCount(c.rows, "row")))
		}
	}
	n := float64(len(late))
	f.Value, f.Verdict = &n, Pass
	f.Shown = fmt.Sprintf("%s known in time", dataCount(int64(len(j.columns)), "feature"))
	if len(late) > 0 {
		f.Verdict = Fail
		f.Shown = fmt.Sprintf("%d of %s %s known too late: %s", len(late), dataCount(int64(len(j.features)), "feature"), dataAre(int64(len(late))),
			strings.Join(late, ", "))
	}
	if j.rule.Max != nil {
		f.Verdict = j.rule.within(n)
	}
	return []Finding{f}, nil
}
