package gate

import (
	"context"
	"fmt"
	"strconv"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// Asking asks one model for predictions of rows, in the way in which gates ask theirs.
type Asking struct {
	Name  string // of what asks, for messages
	Model Model
	World World // Command, Serve and Allow are used
	At    fault.Position
}

// Said is what a model says of rows: numbers, or names of classes.
type Said struct {
	Texts []string
	Class bool
}

// MaxAsked is how many rows a model is asked for at most.
const MaxAsked = askMost

// Ask asks for the given rows of a table, counted from 0 and ascending, by the given columns.
func (q Asking) Ask(ctx context.Context, t *dataset.Table, columns []string, rows []int64) (Said, error) {
	if len(rows) > MaxAsked {
		return Said{}, fault.New(fault.Usage, "cannot judge %s: %d rows are more than the %d that a model is asked for", q.Name, len(rows), MaxAsked).In(q.At)
	}
	s := &session{spec: Spec{Name: q.Name, Model: &q.Model, At: q.At}}
	defer s.close()
	about, rule := Subject{World: q.World}, Rule{Kind: "measure", Name: "golden", At: q.At}
	ask, err := s.model(ctx, about, rule)
	if err != nil {
		return Said{}, err
	}
	frame, err := keptRows(ctx, t, columns, rows)
	if err != nil {
		return Said{}, fault.New(fault.KindOf(err), "cannot judge %s: %w", q.Name, err).In(q.At)
	}
	answers, err := s.predictions(ctx, ask, frame)
	if err != nil {
		return Said{}, fault.New(refusalKind(err), "%w", err).In(q.At)
	}
	said := Said{Texts: make([]string, len(answers))}
	for i, a := range answers {
		said.Class = a.isWord
		if said.Texts[i] = a.word; !a.isWord {
			said.Texts[i] = strconv.FormatFloat(a.number, 'g', -1, 64)
		}
	}
	return said, nil
}

// keptRows keeps the given rows of a table.
func keptRows(ctx context.Context, t *dataset.Table, columns []string, rows []int64) (*askFrame, error) {
	if err := t.Settle(ctx); err != nil {
		return nil, err
	}
	f := &askFrame{}
	for _, name := range columns {
		i := t.Schema().Index(name)
		if i < 0 {
			return nil, t.NoColumn(name)
		}
		f.columns = append(f.columns, askColumn{Field: t.Schema()[i]})
	}
	seen := int64(0)
	for b, err := range t.Batches(ctx, dataset.Request{Columns: columns}) {
		if err != nil {
			return nil, err
		}
		for f.rows < len(rows) && rows[f.rows] < seen+int64(b.Rows) {
			f.put(f.rows, b, int(rows[f.rows]-seen), rows[f.rows])
		}
		seen += int64(b.Rows)
	}
	if f.rows < len(rows) {
		return nil, fmt.Errorf("it has %d rows, and row %d is asked for", seen, rows[f.rows]+1)
	}
	return f, nil
}

// LowerIsBetter says of a measure of quality whether a smaller value is better; false for known: there is no such measure.
func LowerIsBetter(measure string) (less, known bool) {
	m, known := measureOf(measure)
	return m.less, known
}
