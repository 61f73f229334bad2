package dataset

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
)

// Folding is how a table becomes an answer. Part runs on several goroutines at once and makes something small of one batch; Merge takes
// the parts one after the other, in the order of the rows, so that the answer does not depend on the number of workers.
type Folding[P any] struct {
	Start func() // before the first part, and again when a type was widened and everything is read anew; may be nil
	Part  func(*Batch) (P, error)
	Merge func(Span, P) error // may be nil
}

// Fold reads the columns of a table once and folds them. It reads in bounded memory, on Options.Workers goroutines.
func Fold[P any](ctx context.Context, t *Table, req Request, f Folding[P]) error {
	for {
		want, err := t.project(req)
		if err != nil {
			return err
		}
		if f.Start != nil {
			f.Start()
		}
		err = foldOnce(ctx, t, want, f)
		var wider *widening
		if !errors.As(err, &wider) {
			if err == nil && t.covered(want) {
				t.settled.Store(true)
			}
			return err
		}
		if err := t.widen(wider); err != nil {
			return err
		}
	}
}

// piece is a unit on its way: the worker sends what it made of each batch, then closes.
type piece[P any] struct {
	file  int
	at    int // number of the unit in the table
	unit  unit
	parts chan part[P]
}

type part[P any] struct {
	rows int
	made P
	err  error
}

func foldOnce[P any](ctx context.Context, t *Table, want Schema, f Folding[P]) error {
	ctx, cancel := context.WithCancel(ctx)
	todo := make(chan *piece[P])
	order := make(chan *piece[P], t.opts.Workers) // how far reading may run ahead of merging
	var learning atomic.Bool                      // a type was widened: of what follows only the types count
	part := func(b *Batch) (made P, err error) {
		if learning.Load() {
			return made, nil
		}
		return f.Part(b)
	}
	var workers sync.WaitGroup
	for range t.opts.Workers {
		workers.Go(func() {
			for p := range todo {
				p.work(ctx, part)
			}
		})
	}
	var readErr error
	workers.Go(func() {
		defer close(order)
		defer close(todo)
		readErr = spread(ctx, t, want, todo, order)
	})
	c := collector[P]{t: t, merge: f.Merge, file: -1}
	err := c.collect(ctx, order, &learning)
	cancel()
	for range order { // let the reader see that it is over
	}
	workers.Wait()
	if err == nil {
		err = readErr
	}
	return err
}

// spread hands out the units of all files.
func spread[P any](ctx context.Context, t *Table, want Schema, todo, order chan<- *piece[P]) error {
	at := 0
	for i, file := range t.files {
		for u, err := range file.units(ctx, want) {
			if one, ok := u.(*shardUnit); ok {
				at = one.at
			}
			p := &piece[P]{file: i, at: at, unit: u, parts: make(chan part[P], partsOf(u))}
			at++
			if err != nil {
				p.parts <- part[P]{err: err} // in its turn: what stands before it in the file is judged first
				close(p.parts)
			}
			select {
			case order <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err != nil {
				return nil
			}
			select {
			case todo <- p:
			case <-ctx.Done():
				close(p.parts)
				return ctx.Err()
			}
		}
	}
	return nil
}

// partsOf is how many parts of a unit may wait for those of the units before it: all of them, so that no worker stands still.
func partsOf(u unit) int {
	if known, ok := u.(interface{ parts() int }); ok {
		return max(known.parts(), 4)
	}
	return 4
}

func (p *piece[P]) work(ctx context.Context, make func(*Batch) (P, error)) {
	defer close(p.parts)
	for b, err := range p.unit.decode(ctx) {
		next := part[P]{err: err}
		if err == nil {
			next.rows = b.Rows
			next.made, next.err = make(b)
		}
		select {
		case p.parts <- next:
		case <-ctx.Done():
			return
		}
		if next.err != nil {
			return
		}
	}
}

// collector merges the parts in the order of the rows.
type collector[P any] struct {
	t     *Table
	merge func(Span, P) error
	file  int
	row   int64 // the next, in its file
	seen  int64
	wider *widening // what was learned of types
}

// collect merges until a type is widened. It then learns from as many units again as it had come: what is read anew for one column is
// read for all that widen there, and the reading of a table with many of them stays in proportion to its size.
func (c *collector[P]) collect(ctx context.Context, order <-chan *piece[P], learning *atomic.Bool) error {
	units, last := 0, 0
	for p := range order {
		if units++; learning.Load() && units > last {
			break
		}
		err := c.unit(p)
		var wider *widening
		if errors.As(err, &wider) {
			if !learning.Swap(true) {
				last = 2 * units
			}
			c.learn(wider)
		} else if err != nil {
			if c.wider != nil {
				break // what came before is judged first, by its new type
			}
			return err
		}
	}
	if err := ctx.Err(); err != nil || c.wider == nil {
		return err
	}
	return c.wider
}

// unit merges the parts of a unit, and returns the error of one of them.
func (c *collector[P]) unit(p *piece[P]) error {
	if p.file != c.file {
		c.row, c.file = 1, p.file
	}
	for next := range p.parts {
		if next.err != nil {
			return next.err
		}
		if c.merge != nil && c.wider == nil {
			if err := c.merge(Span{File: c.t.files[c.file].name(), Row: c.row, Seen: c.seen, Unit: p.at, Rows: next.rows}, next.made); err != nil {
				return err
			}
		}
		c.seen += int64(next.rows)
		c.row += int64(next.rows)
	}
	return nil
}

// learn keeps of each column what widens it first: the rest was held against a type that is no more.
func (c *collector[P]) learn(w *widening) {
	for ; w != nil; w = w.next {
		at := &c.wider
		for *at != nil && (*at).column != w.column {
			at = &(*at).next
		}
		if *at == nil {
			*at = &widening{column: w.column, to: w.to, fresh: w.fresh}
		}
	}
}

// Batches reads the columns of a table in the order of the rows, on one goroutine. The types must be settled.
func (t *Table) Batches(ctx context.Context, req Request) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		want, err := t.project(req)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, file := range t.files {
			for u, err := range file.units(ctx, want) {
				if err != nil {
					yield(nil, err)
					return
				}
				for b, err := range u.decode(ctx) {
					if !yield(b, err) || err != nil {
						return
					}
				}
			}
		}
	}
}
