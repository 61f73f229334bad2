package gate

import (
	"bytes"
	"cmp"
	"context"
	"math/bits"
	"strings"

	"mlx/internal/dataset"
)

// order is how one value must follow another.
type order struct{ down, strict bool }

func orderOf(name string) (order, bool) {
	switch name {
	case "increasing", "decreasing", "strictly_increasing", "strictly_decreasing":
		return order{down: name == "decreasing" || name == "strictly_decreasing", strict: name[0] == 's'}, true
	}
	return order{}, false
}

func dataOrders(name string) string {
	return strings.Replace(name, "_", " ", 1)
}

// follows says whether a value may come after another, by how the two compare. NaN compares as nothing does.
func (o order) follows(c int, comparable bool) bool {
	if o.down {
		c = -c
	}
	return comparable && (c > 0 || c == 0 && !o.strict)
}

// orderJudge marks every row whose value does not follow the one before it. Rows that are not judged stand outside of the order.
type orderJudge struct {
	rows  *rowJudge
	at    int
	order order

	last  *dataset.Column // one row: the last value of the rows before
	began bool
}

// orderPart is a batch, without its first value: that one is compared when the parts come together.
type orderPart struct {
	rowPart
	first       int // row; -1: the batch has no value
	head, tail  *dataset.Column
	firstSample []string
}

func (j *orderJudge) part(b *dataBatch) (any, error) {
	skip := b.bits()
	c := &b.Columns[j.at]
	dataUnion(skip, c.Missing)
	if j.rows.filter >= 0 {
		for i, w := range b.filters[j.rows.filter] {
			skip[i] |= ^w
		}
	}
	dataOnly(skip, b.Rows)
	p := orderPart{first: -1}
	last := -1
	for w := range skip {
		word := ^skip[w]
		if w == len(skip)-1 && b.Rows&63 != 0 {
			word &= 1<<(b.Rows&63) - 1
		}
		for ; word != 0; word &= word - 1 {
			row := w*64 + bits.TrailingZeros64(word)
			p.judged++
			if last < 0 {
				p.first = row
			} else if !j.order.follows(dataCompare(c, row, c, last)) {
				p.bad++
				if len(p.rows) < dataRowsKept {
					p.rows = append(p.rows, int32(row))
				}
			}
			last = row
		}
	}
	if p.first >= 0 {
		p.head, p.tail = dataOneRow(c, p.first), dataOneRow(c, last)
		p.firstSample = j.rows.frame.sample(b.Batch, j.rows.columns, p.first)
	}
	for _, row := range p.rows[:min(len(p.rows), dataSamples)] {
		p.sample = append(p.sample, j.rows.frame.sample(b.Batch, j.rows.columns, int(row)))
	}
	return p, nil
}

func (j *orderJudge) merge(at dataset.Span, part any) error {
	p := part.(orderPart)
	if p.first < 0 {
		return nil
	}
	if j.began && !j.order.follows(dataCompare(p.head, 0, j.last, 0)) {
		p.bad++
		p.rows = append([]int32{int32(p.first)}, p.rows...)
		p.sample = append([][]string{p.firstSample}, p.sample...)
	}
	j.last, j.began = p.tail, true
	return j.rows.merge(at, p.rowPart)
}

func (j *orderJudge) finish(ctx context.Context) ([]Finding, error) { return j.rows.finish(ctx) }

// dataCompare compares two values of one column. Comparable is false for NaN.
func dataCompare(a *dataset.Column, i int, b *dataset.Column, k int) (c int, comparable bool) {
	switch {
	case a.Type == dataset.Float:
		x, y := a.Floats[i], b.Floats[k]
		return cmp.Compare(x, y), x == x && y == y
	case a.Type == dataset.Decimal && a.Wide:
		return dataDecimal(a.Bytes(i), b.Bytes(k)), true
	case a.InTexts():
		return bytes.Compare(a.Bytes(i), b.Bytes(k)), true
	case a.Type == dataset.Uint:
		return cmp.Compare(uint64(a.Ints[i]), uint64(b.Ints[k])), true
	case a.Type == dataset.Null:
		return 0, true
	}
	return cmp.Compare(a.Ints[i], b.Ints[k]), true
}

// dataOneRow copies a value out of its batch.
func dataOneRow(c *dataset.Column, row int) *dataset.Column {
	one := &dataset.Column{Field: c.Field}
	switch {
	case c.Type == dataset.Float:
		one.Floats = []float64{c.Floats[row]}
	case c.InTexts():
		one.Texts = new(dataset.Texts)
		one.Texts.Append(c.Bytes(row))
	case c.Type != dataset.Null:
		one.Ints = []int64{c.Ints[row]}
	}
	return one
}
