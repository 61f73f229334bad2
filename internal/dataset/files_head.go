package dataset

import (
	"context"
	"errors"
)

// Head returns the first n rows as text, nil where a value is missing. Of a text file no more is read than it takes; types are as far
// known as these rows tell.
func (t *Table) Head(ctx context.Context, n int) ([][]*string, error) {
	for {
		rows, err := t.headOnce(ctx, n)
		var wider *widening
		if !errors.As(err, &wider) {
			return rows, err
		}
		if err := t.widen(wider); err != nil {
			return nil, err
		}
	}
}

func (t *Table) headOnce(ctx context.Context, n int) ([][]*string, error) {
	rows := [][]*string{}
	for b, err := range t.Batches(ctx, Request{}) {
		if err != nil {
			return nil, err
		}
		for k := 0; k < b.Rows && len(rows) < n; k++ {
			row := make([]*string, len(b.Columns))
			for i := range b.Columns {
				if c := &b.Columns[i]; !c.Missing.Has(k) {
					text := string(c.AppendText(nil, k))
					row[i] = &text
				}
			}
			rows = append(rows, row)
		}
		if len(rows) == n {
			break
		}
	}
	return rows, nil
}

// NamesTable says whether the name of a file says that it is a table.
func NamesTable(name string) bool { return formatOf(name) != "" }
