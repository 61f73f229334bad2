package gate

import (
	"context"
	"math/rand/v2"
	"slices"

	"mlx/internal/dataset"
)

// askColumn is one column of rows that are kept in memory.
type askColumn struct {
	dataset.Field
	missing []bool
	ints    []int64
	floats  []float64
	texts   []string
}

// askFrame is some rows of a table, kept in memory.
type askFrame struct {
	columns []askColumn
	rows    int
	at      []int64 // place of each row in its table, from 0
}

// askMost bounds the rows that are kept, and so the rows that a model is asked for.
const askMost = 100_000

// drawRows keeps n rows of a table, each as likely as every other; the same rows for the same seed. They stand in the order of the
// table.
func drawRows(ctx context.Context, t *dataset.Table, columns []string, n int, seed int64) (*askFrame, error) {
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
	random := rand.New(rand.NewPCG(uint64(seed), 0x6d6c78)) //nolint:gosec // a draw that can be repeated, no secret
	seen := int64(0)
	for b, err := range t.Batches(ctx, dataset.Request{Columns: columns}) {
		if err != nil {
			return nil, err
		}
		for i := range b.Rows {
			slot := int64(f.rows)
			if f.rows == n {
				slot = random.Int64N(seen + 1)
			}
			if slot < int64(n) {
				f.put(int(slot), b, i, seen)
			}
			seen++
		}
	}
	return f.inOrder(), nil
}

// put copies row i of a batch into a slot.
func (f *askFrame) put(slot int, b *dataset.Batch, i int, at int64) {
	if slot == f.rows {
		f.rows++
		f.at = append(f.at, 0)
		for c := range f.columns {
			f.columns[c].grow()
		}
	}
	f.at[slot] = at
	for c := range f.columns {
		f.columns[c].copy(slot, &b.Columns[c], i)
	}
}

func (c *askColumn) grow() {
	c.missing = append(c.missing, false)
	switch {
	case c.inTexts():
		c.texts = append(c.texts, "")
	case c.Type == dataset.Float:
		c.floats = append(c.floats, 0)
	default:
		c.ints = append(c.ints, 0)
	}
}

func (c *askColumn) inTexts() bool {
	return c.Type >= dataset.Text || c.Type == dataset.Decimal && c.Wide
}

func (c *askColumn) copy(slot int, from *dataset.Column, i int) {
	c.missing[slot] = from.Type == dataset.Null || from.Missing.Has(i)
	switch {
	case c.missing[slot]:
	case c.inTexts():
		c.texts[slot] = string(from.Bytes(i))
	case c.Type == dataset.Float:
		c.floats[slot] = from.Floats[i]
	default:
		c.ints[slot] = from.Ints[i]
	}
}

// inOrder sorts the rows as they stand in their table.
func (f *askFrame) inOrder() *askFrame {
	order := make([]int, f.rows)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(f.at[a] - f.at[b]) })
	return f.pick(order)
}

// pick makes a frame of some rows, in a given order; a row may come more than once.
func (f *askFrame) pick(rows []int) *askFrame {
	g := &askFrame{rows: len(rows), at: picked(f.at, rows), columns: make([]askColumn, len(f.columns))}
	for i, c := range f.columns {
		g.columns[i] = askColumn{Field: c.Field, missing: picked(c.missing, rows), ints: picked(c.ints, rows), floats: picked(c.floats, rows),
			texts: picked(c.texts, rows)}
	}
	return g
}

func picked[T any](from []T, rows []int) []T {
	if len(from) == 0 {
		return nil
	}
	to := make([]T, len(rows))
	for i, r := range rows {
		to[i] = from[r]
	}
	return to
}

// slice is a copy of the rows from a to b.
func (f *askFrame) slice(a, b int) *askFrame {
	rows := make([]int, 0, b-a)
	for i := a; i < b; i++ {
		rows = append(rows, i)
	}
	return f.pick(rows)
}

// project is the frame with some of its columns, in a given order.
func (f *askFrame) project(names []string) *askFrame {
	g := &askFrame{rows: f.rows, at: f.at}
	for _, name := range names {
		g.columns = append(g.columns, f.columns[f.index(name)])
	}
	return g
}

func (f *askFrame) index(name string) int {
	return slices.IndexFunc(f.columns, func(c askColumn) bool { return c.Name == name })
}

// column is one row of a column as a column of a table, to be read as any other.
func (c *askColumn) column(i int) dataset.Column {
	one := dataset.Column{Field: c.Field}
	if c.missing[i] {
		one.Missing = dataset.Bits{1}
	}
	switch {
	case c.inTexts():
		one.Texts = &dataset.Texts{}
		one.Texts.Append([]byte(c.texts[i]))
	case c.Type == dataset.Float:
		one.Floats = c.floats[i : i+1]
	default:
		one.Ints = c.ints[i : i+1]
	}
	return one
}

// text is the value in row i as text; nothing when it is missing.
func (c *askColumn) text(i int) string {
	one := c.column(i)
	return string(one.AppendText(nil, 0))
}

// number is the value in row i as a number; NaN when it is none.
func (c *askColumn) number(i int) float64 {
	one := c.column(i)
	return one.Number(0)
}
