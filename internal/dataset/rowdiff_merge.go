package dataset

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
)

// errRowOrder says that a table is not sorted by the key, or that a key stands twice: hash partitions settle that.
var errRowOrder = errors.New("rows are not in the order of their keys")

// rowOrder are the values of a column of the key, copied from a batch.
type rowOrder struct {
	ints  []int64 // floats among them, turned so that they keep their order
	texts *Texts
}

func (o *rowOrder) keep(c *Column, r *rowColumn, rows int) {
	switch r.mode {
	case rowAsTexts:
		if o.texts == nil {
			o.texts = &Texts{}
		}
		o.texts.Reset()
		for i := range rows {
			o.texts.Append(c.Bytes(i))
		}
	case rowAsFloats:
		o.ints = o.ints[:0]
		for _, v := range c.Floats[:rows] {
			o.ints = append(o.ints, rowFloatOrder(v))
		}
	default:
		o.ints = append(o.ints[:0], c.Ints[:rows]...)
	}
}

// rowFloatOrder maps floats to ints in the same order: -0 is 0, NaN is the largest.
func rowFloatOrder(v float64) int64 {
	if v != v {
		return math.MaxInt64
	}
	return sketchIntOf(sketchFloatKey(v))
}

func rowCompare(a []rowOrder, i int, b []rowOrder, j int) int {
	for k := range a {
		n := 0
		if a[k].texts != nil {
			n = bytes.Compare(a[k].texts.At(i), b[k].texts.At(j))
		} else {
			n = cmp.Compare(a[k].ints[i], b[k].ints[j])
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

// rowStream is one side of a merge: the parts of a table, in the order of its rows.
type rowStream struct {
	parts chan *rowPart
	now   *rowPart
	at    int
	row   int64 // number of the row at hand, from 0
	pool  *sync.Pool
}

// next moves to the next row; false is the end.
func (s *rowStream) next(ctx context.Context) (bool, error) {
	if s.now != nil {
		s.at++
		s.row++
	}
	for s.now == nil || s.at == s.now.rows {
		var part *rowPart
		select {
		case part = <-s.parts:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
		if part == nil {
			return false, nil
		}
		if s.now != nil {
			if s.at > 0 && part.rows > 0 && rowCompare(s.now.order, s.at-1, part.order, 0) >= 0 {
				return false, errRowOrder
			}
			if part.rows == 0 {
				continue
			}
			s.pool.Put(s.now)
		}
		s.now, s.at = part, 0
	}
	return true, nil
}

// merge finds the rows that differ between two sorted tables, without a disk.
func (d *rowDiffing) merge(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	hasher := newRowHasher(d.plan, true)
	var readers sync.WaitGroup
	var streams [2]*rowStream
	for side := range streams {
		s := &rowStream{parts: make(chan *rowPart, 2), pool: &hasher.parts}
		streams[side] = s
		readers.Go(func() {
			err := Fold(ctx, d.tables[side], Request{Columns: d.plan.columns()}, Folding[*rowPart]{
				Part: hasher.part,
				Merge: func(span Span, p *rowPart) error {
					d.places[side].add(span)
					d.out.Rows[side] += int64(p.rows)
					if p.missing >= 0 {
						return d.noKey(span, p)
					}
					select {
					case s.parts <- p:
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				},
			})
			if err != nil {
				cancel(err)
				return
			}
			close(s.parts)
		})
	}
	err := d.mergeStreams(ctx, streams)
	cancel(err)
	readers.Wait()
	return err
}

func (d *rowDiffing) mergeStreams(ctx context.Context, streams [2]*rowStream) error {
	a, b := streams[0], streams[1]
	moreA, err := a.next(ctx)
	if err != nil {
		return err
	}
	moreB, err := b.next(ctx)
	for err == nil && (moreA || moreB) {
		n := 0
		switch {
		case !moreB:
			n = -1
		case !moreA:
			n = 1
		default:
			n = rowCompare(a.now.order, a.at, b.now.order, b.at)
		}
		switch {
		case n < 0:
			err = d.lists.differ(a.row, -1)
		case n > 0:
			err = d.lists.add(b.row)
		case a.now.rest[a.at] != b.now.rest[b.at]:
			err = d.lists.differ(a.row, b.row)
		}
		if err == nil && n <= 0 {
			moreA, err = a.next(ctx)
		}
		if err == nil && n >= 0 {
			moreB, err = b.next(ctx)
		}
	}
	return err
}
