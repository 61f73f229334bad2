package dataset

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// duplicates is the error for keys that stand twice in a table.
func (d *rowDiffing) duplicates(ctx context.Context) error {
	var said []string
	for side, t := range d.lists.twice {
		if t.count == 0 {
			continue
		}
		text, err := d.twice(ctx, side, t)
		if err != nil {
			return err
		}
		said = append(said, text)
	}
	if len(said) == 0 {
		return nil
	}
	names := make([]string, len(d.plan.key))
	for i := range names {
		names[i] = strconv.Quote(d.plan.key[i].name)
	}
	return fault.New(fault.Usage, "cannot compare rows by %s: %s", strings.Join(names, ", "), strings.Join(said, "; ")).
		Hint("name more columns with --key, until they name one row; without --key whole rows are compared, however often they stand there")
}

// twice says which rows of a table have the same key.
func (d *rowDiffing) twice(ctx context.Context, side int, t rowTwice) (string, error) {
	var keys, values [2]string
	var places [2]string
	for i, row := range t.rows {
		var err error
		if keys[i], values[i], err = d.keyAt(ctx, side, row); err != nil {
			return "", err
		}
		file, line := d.places[side].of(row)
		places[i] = strconv.FormatInt(line, 10) + " of " + file
	}
	if len(d.places[side]) == 1 {
		_, line := d.places[side].of(t.rows[0])
		places[0] = strconv.FormatInt(line, 10)
	}
	if values[0] != values[1] {
		return "", fault.New(fault.Internal, "cannot compare rows: the hashes of two keys met, in rows %s and %s; trying again draws other ones", places[0], places[1])
	}
	text := keys[1] + " stands in row " + places[0] + " and again in row " + places[1]
	if t.count > 1 {
		text += " (and " + strconv.FormatInt(t.count-1, 10) + " more)"
	}
	return text, nil
}

// keyAt reads the key of a row: as a person is shown it, and as it is compared.
func (d *rowDiffing) keyAt(ctx context.Context, side int, row int64) (shown, value string, err error) {
	columns := d.plan.columns()[:len(d.plan.key)]
	for b, err := range d.tables[side].Batches(ctx, Request{Columns: columns}) {
		if err != nil {
			return "", "", err
		}
		if row >= int64(b.Rows) {
			row -= int64(b.Rows)
			continue
		}
		var words, values []string
		for k := range columns {
			c, r := &b.Columns[k], &d.plan.key[k]
			text := string(c.AppendText(nil, int(row)))
			if d.opts.Private != nil && d.opts.Private(r.name) {
				text = RowMasked
			}
			words = append(words, r.name+" "+strconv.Quote(text))
			tag, word, exact := r.canonical(nil, c, int(row))
			values = append(values, fmt.Sprintf("%d %d %q", tag, word, exact))
		}
		return strings.Join(words, ", "), strings.Join(values, ", "), nil
	}
	return "", "", d.moved(side)
}

// moved is the error for a table that changed while it was read.
func (d *rowDiffing) moved(side int) error {
	return fault.New(fault.Conflict, "cannot compare rows: %s changed while it was read", d.tables[side].files[0].name()).
		Hint("mlx snapshot PATH   # then compare versions, which do not change")
}
