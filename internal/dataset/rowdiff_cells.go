package dataset

import (
	"context"
	"iter"
	"slices"
)

// rowCells reads the rows that differ once more and names their cells.
type rowCells struct {
	*rowDiffing
	shelf   *rowShelf // rows of the second table that have a counterpart
	added   *rowSpill // rows of the second table that have none
	other   *rowReader
	rank    int64
	record  []byte
	scratch rowScratch
	change  RowChange
	shown   map[string]int
	columns []RowColumn // of rest
	private []bool      // of the key, then of the rest
}

// cells goes through the rows that differ: first those of the second table, which are put where their counterparts find them, then
// those of the first, in order.
func (d *rowDiffing) cells(ctx context.Context) error {
	d.out.Removed, d.out.Added = d.lists.removed, d.lists.more
	if d.lists.removed+d.lists.more+d.lists.changed == 0 {
		return nil
	}
	c := &rowCells{rowDiffing: d, shown: make(map[string]int), columns: make([]RowColumn, len(d.plan.rest))}
	c.shelf = &rowShelf{rowSpill: newRowSpill(d.opts.Temp, d.opts.Memory/4)}
	defer c.shelf.close()
	c.added = newRowSpill(d.opts.Temp, d.opts.Memory/8)
	defer c.added.close()
	for _, name := range d.plan.columns() {
		c.private = append(c.private, d.opts.Private != nil && d.opts.Private(name))
	}
	c.other = newRowReader(d.plan.fields(1))
	if err := c.rankRows(); err != nil {
		return err
	}
	if err := c.walk(ctx, 1, c.wanted(d.lists.added), c.second); err != nil {
		return err
	}
	first := func(b *Batch, i int, p [2]int64) error { return c.first(ctx, b, i, p) }
	if err := c.walk(ctx, 0, c.wanted(d.lists.first), first); err != nil {
		return err
	}
	if err := c.addedRows(ctx); err != nil {
		return err
	}
	d.out.Spilled += c.shelf.end + c.added.end
	for i := range c.columns {
		if c.columns[i].Changed > 0 {
			c.columns[i].Column = d.plan.rest[i].name
			d.out.Columns = append(d.out.Columns, c.columns[i])
		}
	}
	return nil
}

// rankRows tells the rows of the second table which place their counterparts have.
func (c *rowCells) rankRows() error {
	rank := int64(0)
	for p, err := range c.lists.first.pairs() {
		if err != nil {
			return err
		}
		if p[1] == 0 {
			continue
		}
		rank++
		b := p[1] - 1
		if err := c.lists.added.pair(int(b>>rowBucketBits), b, rank); err != nil {
			return err
		}
	}
	return nil
}

// wanted are the rows of a list that have to be read: when nobody gets all differences, of those without a counterpart only the sample.
func (c *rowCells) wanted(list *rowSpill) iter.Seq2[[2]int64, error] {
	return func(yield func([2]int64, error) bool) {
		alone := 0
		for p, err := range list.pairs() {
			if err == nil && p[1] == 0 && c.opts.Each == nil {
				if alone++; alone > c.opts.Sample {
					continue
				}
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// walk visits the rows of a list, which is in the order of the table.
func (c *rowCells) walk(ctx context.Context, side int, list iter.Seq2[[2]int64, error], visit func(*Batch, int, [2]int64) error) error {
	next, stop := iter.Pull2(list)
	defer stop()
	p, err, more := next()
	if err != nil || !more {
		return err
	}
	var before int64
	for b, err := range c.tables[side].Batches(ctx, Request{Columns: c.plan.columns()}) {
		if err != nil {
			return err
		}
		for more && p[0] < before+int64(b.Rows) {
			if err := visit(b, int(p[0]-before), p); err != nil {
				return err
			}
			if p, err, more = next(); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		before += int64(b.Rows)
	}
	return c.moved(side)
}

// second keeps a row of the second table.
func (c *rowCells) second(b *Batch, i int, p [2]int64) error {
	if p[1] > 0 {
		return c.shelf.put(p[1]-1, p[0], b.Columns, i)
	}
	c.record = appendRow(c.record[:0], p[0], b.Columns, i)
	return c.added.add(0, c.record)
}

// first tells what became of a row of the first table.
func (c *rowCells) first(ctx context.Context, b *Batch, i int, p [2]int64) error {
	key, rest := b.Columns[:len(c.plan.key)], b.Columns[len(c.plan.key):]
	c.change = RowChange{Change: RowRemoved, A: p[0] + 1, Key: c.change.Key[:0], Cells: c.change.Cells[:0]}
	c.keyOf(key, i)
	if p[1] == 0 {
		for k := range rest {
			c.cell(k, &rest[k], i, nil)
		}
		return c.tell(ctx)
	}
	c.change.Change, c.change.B = RowChanged, p[1]
	if err := c.shelf.take(c.rank, c.other); err != nil {
		return err
	}
	c.rank++
	for k := range key {
		if !c.plan.key[k].same(&c.scratch, &key[k], i, &c.other.columns[k], 0) {
			return c.moved(0)
		}
	}
	for k := range rest {
		r, a, b := &c.plan.rest[k], &rest[k], &c.other.columns[len(key)+k]
		if r.same(&c.scratch, a, i, b, 0) || c.opts.Tolerance != nil && r.near(c.opts.Tolerance(r.name), a, i, b, 0) {
			continue
		}
		c.cell(k, a, i, b)
		c.columns[k].Changed++
		c.largest(k, a, i, b)
	}
	if len(c.change.Cells) == 0 {
		return nil
	}
	c.out.Changed++
	return c.tell(ctx)
}

func (c *rowCells) addedRows(ctx context.Context) error {
	reader := newRowReader(c.plan.fields(1))
	key, rest := reader.columns[:len(c.plan.key)], reader.columns[len(c.plan.key):]
	for block, err := range c.added.blocks(0) {
		for err == nil && len(block) > 0 {
			if block, err = reader.read(block); err != nil {
				err = c.added.failed(err)
				break
			}
			c.change = RowChange{Change: RowAdded, B: reader.row + 1, Key: c.change.Key[:0], Cells: c.change.Cells[:0]}
			c.keyOf(key, 0)
			for k := range rest {
				c.cell(k, nil, 0, &rest[k])
			}
			err = c.tell(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *rowCells) keyOf(key []Column, i int) {
	for k := range key {
		c.change.Key = append(c.change.Key, c.value(k, &key[k], i))
	}
}

// cell adds a cell of a column to the change; nil is a row that is not there.
func (c *rowCells) cell(k int, a *Column, i int, b *Column) {
	n := len(c.plan.key) + k
	cell := RowCell{Column: c.plan.rest[k].name, A: RowValue{Missing: true}, B: RowValue{Missing: true}}
	if a != nil {
		cell.A = c.value(n, a, i)
	}
	if b != nil {
		cell.B = c.value(n, b, 0)
	}
	c.change.Cells = append(c.change.Cells, cell)
}

func (c *rowCells) value(n int, column *Column, i int) RowValue {
	switch {
	case c.private[n]:
		return RowValue{Text: RowMasked}
	case rowMissing(column, i):
		return RowValue{Missing: true}
	}
	c.scratch.a = column.AppendText(c.scratch.a[:0], i)
	return RowValue{Text: string(c.scratch.a)}
}

// largest keeps the numbers that are farthest apart.
func (c *rowCells) largest(k int, a *Column, i int, b *Column) {
	d, ok := c.plan.rest[k].distance(a, i, b, 0)
	n := len(c.plan.key) + k
	if old := c.columns[k].Largest; !ok || c.private[n] || old != nil && d <= old.Difference {
		return
	}
	c.columns[k].Largest = &RowLargest{d, c.change.A, slices.Clone(c.change.Key), c.value(n, a, i), c.value(n, b, 0)}
}

// tell hands on a difference.
func (c *rowCells) tell(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.shown[c.change.Change]++; c.shown[c.change.Change] <= c.opts.Sample {
		shown := c.change
		shown.Key, shown.Cells = slices.Clone(shown.Key), slices.Clone(shown.Cells)
		c.out.Sample = append(c.out.Sample, shown)
	}
	if c.opts.Each == nil {
		return nil
	}
	return c.opts.Each(ctx, &c.change)
}
