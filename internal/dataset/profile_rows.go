package dataset

import (
	"context"
	"math"
)

// profileRows says which rows of a table a profile is of.
type profileRows struct {
	keep        func(*Batch) Bits
	skip, limit int64
	seen        int64
}

// choose leaves the rows of a batch that count; it is used by several goroutines.
func (p *profileRows) choose(b *Batch) *Batch {
	if p.keep == nil {
		return b
	}
	kept := p.keep(b)
	n := kept.Count()
	if n == b.Rows {
		return b
	}
	rows := make([]int, 0, n)
	for i := range b.Rows {
		if kept.Has(i) {
			rows = append(rows, i)
		}
	}
	return b.pick(rows)
}

// cut leaves those after skip and up to limit of the rows that come one batch after the other, and says whether more may follow.
func (p *profileRows) cut(b *Batch) (*Batch, bool) {
	last := int64(math.MaxInt64)
	if p.limit > 0 {
		last = p.skip + p.limit
	}
	from := min(max(p.skip-p.seen, 0), int64(b.Rows))
	to := max(min(last-p.seen, int64(b.Rows)), from)
	p.seen += int64(b.Rows)
	if from > 0 || to < int64(b.Rows) {
		rows := make([]int, 0, to-from)
		for i := from; i < to; i++ {
			rows = append(rows, int(i))
		}
		b = b.pick(rows)
	}
	return b, p.seen < last
}

// inOrder makes the profile of rows that are counted from the beginning, on one goroutine.
func (p *profiler) inOrder(ctx context.Context, t *Table, want Request, f Folding[*Profile]) error {
	if err := t.Settle(ctx); err != nil {
		return err
	}
	f.Start()
	for b, err := range t.Batches(ctx, want) {
		if err != nil {
			return err
		}
		b, more := p.rows.cut(p.rows.choose(b))
		if err := f.Merge(Span{}, p.part(b)); err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return ctx.Err()
}

// pick is a copy of some rows of a batch.
func (b *Batch) pick(rows []int) *Batch {
	out := &Batch{Rows: len(rows), Columns: make([]Column, len(b.Columns))}
	for k := range b.Columns {
		from, to := &b.Columns[k], &out.Columns[k]
		to.Field = from.Field
		if from.Missing != nil {
			to.Missing = make(Bits, len(rows)/64+1)
			for i, row := range rows {
				if from.Missing.Has(row) {
					to.Missing.Set(i)
				}
			}
		}
		switch {
		case from.Type == Null:
		case from.Codes != nil:
			to.Texts, to.Codes = from.Texts, pickOf(from.Codes, rows)
		case from.InTexts():
			to.Texts = &Texts{Offsets: []uint32{0}}
			for _, row := range rows {
				to.Texts.Append(from.Texts.At(row))
			}
		case from.Type == Float:
			to.Floats = pickOf(from.Floats, rows)
		default:
			to.Ints = pickOf(from.Ints, rows)
		}
	}
	return out
}

func pickOf[T any](all []T, rows []int) []T {
	picked := make([]T, len(rows))
	for i, row := range rows {
		picked[i] = all[row]
	}
	return picked
}

// of is the columns with these names, in their order; all if there are none.
func (s Schema) of(names []string) Schema {
	if len(names) == 0 {
		return s
	}
	some := make(Schema, 0, len(names))
	for _, name := range names {
		if i := s.Index(name); i >= 0 {
			some = append(some, s[i])
		}
	}
	return some
}
