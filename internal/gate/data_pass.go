package gate

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// dataPass reads one table once, for all rules about it.
type dataPass struct {
	session   *session
	where     string // empty: the table that is judged
	otherwise string // when none is judged
	rules     []*dataRule

	done    bool
	err     error
	scratch sync.Pool
}

// dataFrame is a table while rules are planned: it collects the columns and filters that they read.
type dataFrame struct {
	session *session
	table   Table
	where   string
	schema  dataset.Schema
	meaning Meaning
	world   World
	others  map[string]Table // other tables that rules read, by what they are called
	columns []string
	filters []*exprRows
	starts  []dataset.Span // where each file begins
}

// dataBatch is a batch with the rows that each filter selects.
type dataBatch struct {
	*dataset.Batch
	filters []dataset.Bits
	arena   []uint64
	used    int
	whole   dataRoom[int64] // for what expressions compute
	real    dataRoom[float64]
}

// ints returns room for an integer of every row, valid until the part of the batch is made.
func (b *dataBatch) ints() []int64 { return b.whole.next(b.Rows) }

func (b *dataBatch) floats() []float64 { return b.real.next(b.Rows) }

// dataRoom is room for columns that are computed, kept from batch to batch.
type dataRoom[T int64 | float64] struct {
	all  [][]T
	used int
}

func (r *dataRoom[T]) next(rows int) []T {
	if r.used == len(r.all) {
		r.all = append(r.all, nil)
	}
	if cap(r.all[r.used]) < rows {
		r.all[r.used] = make([]T, rows)
	}
	r.used++
	return r.all[r.used-1][:rows]
}

// bits returns an empty set of the rows of the batch, valid until its part is made.
func (b *dataBatch) bits() dataset.Bits {
	n := (b.Rows + 63) / 64
	if b.used+n > len(b.arena) {
		b.arena, b.used = make([]uint64, max(2*len(b.arena), 16*n)), 0
	}
	set := b.arena[b.used : b.used+n : b.used+n]
	b.used += n
	clear(set)
	return set
}

// read judges all rules, the first time that it is asked.
func (p *dataPass) read(ctx context.Context, s Subject) error {
	if p.done {
		return p.err
	}
	p.done = true
	p.err = p.readOnce(ctx, s)
	return p.err
}

func (p *dataPass) readOnce(ctx context.Context, s Subject) error {
	where := cmp.Or(p.where, s.Table, p.otherwise)
	if where == "" {
		return p.session.wrong(p.rules[0].rule, "%s is no table", s.For.words()).
			Hint("table: data/flights   # in the gate or in the check says which table to read")
	}
	f := &dataFrame{session: p.session, world: s.World, where: where, others: make(map[string]Table), columns: []string{}}
	table, err := f.open(ctx, where)
	if err != nil {
		return err
	}
	f.table, f.schema = table, table.Schema()
	if s.World.Meaning != nil {
		f.meaning, _ = s.World.Meaning(where)
	}
	p.plan(ctx, f)
	if p.troubled() { // a type may still widen and a rule fit it then
		if err := table.Settle(ctx); err != nil {
			return p.unread(err)
		}
		f.schema = table.Schema()
		if p.plan(ctx, f); p.troubled() {
			return nil
		}
	}
	if err := p.fold(ctx, f); err != nil {
		return p.unread(err)
	}
	for _, r := range p.rules {
		r.findings, r.err = f.finish(ctx, r)
	}
	return nil
}

func (p *dataPass) unread(err error) error {
	return fault.New(fault.KindOf(err), "cannot judge %s: %w", p.session.spec.Name, err)
}

// plan makes the judges of all rules anew, for the types that are known now. Which columns are read, and where they stand in a batch,
// stays as it is: a plan asks for its columns before it looks at their types.
func (p *dataPass) plan(ctx context.Context, f *dataFrame) {
	f.filters = nil
	for _, r := range p.rules {
		r.judges, r.err = r.plan(ctx, f, r.rule)
	}
}

func (p *dataPass) troubled() bool {
	return slices.ContainsFunc(p.rules, func(r *dataRule) bool { return r.err != nil })
}

// fold reads the table. A rule that turns out not to fit a widened type has its error; the others are judged.
func (p *dataPass) fold(ctx context.Context, f *dataFrame) error {
	var judges []dataJudge
	started := false
	return dataset.Fold(ctx, f.table.Table, dataset.Request{Columns: slices.Clone(f.columns)}, dataset.Folding[[]any]{
		Start: func() {
			if started { // a type was widened
				f.schema = f.table.Schema()
				p.plan(ctx, f)
			}
			started, judges, f.starts = true, nil, nil
			for _, r := range p.rules {
				if r.err == nil {
					judges = append(judges, r.judges...)
				}
			}
		},
		Part: func(b *dataset.Batch) ([]any, error) { return p.part(f, judges, b) },
		Merge: func(at dataset.Span, parts []any) error {
			if len(f.starts) == 0 || f.starts[len(f.starts)-1].File != at.File {
				f.starts = append(f.starts, at)
			}
			for i, part := range parts {
				if err := judges[i].merge(at, part); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func (p *dataPass) part(f *dataFrame, judges []dataJudge, batch *dataset.Batch) ([]any, error) {
	b, ok := p.scratch.Get().(*dataBatch)
	if !ok {
		b = new(dataBatch)
	}
	defer p.scratch.Put(b)
	b.Batch, b.used, b.whole.used, b.real.used, b.filters = batch, 0, 0, 0, b.filters[:0]
	if err := b.filter(f.filters); err != nil {
		return nil, err
	}
	parts := make([]any, len(judges))
	for i, j := range judges {
		var err error
		if parts[i], err = j.part(b); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// filter finds the rows that each filter selects.
func (b *dataBatch) filter(filters []*exprRows) error {
	for _, filter := range filters {
		truth, unknown := b.bits(), b.bits()
		if err := filter.eval(b, truth, unknown); err != nil {
			return err
		}
		b.filters = append(b.filters, truth)
	}
	return nil
}

func (f *dataFrame) finish(ctx context.Context, r *dataRule) ([]Finding, error) {
	if r.err != nil {
		return nil, r.err
	}
	var all []Finding
	for _, j := range r.judges {
		found, err := j.finish(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// open opens a table once. Whoever gave the function closes the table.
func (f *dataFrame) open(ctx context.Context, where string) (Table, error) {
	if t, ok := f.others[where]; ok {
		return t, nil
	}
	if f.world.Table == nil {
		return Table{}, fault.New(fault.Usage, "cannot judge %s: there are no tables here", f.session.spec.Name)
	}
	t, err := f.world.Table(ctx, where)
	if err != nil {
		return Table{}, fault.New(fault.KindOf(err), "cannot judge %s: %w", f.session.spec.Name, err)
	}
	f.others[where] = t
	return t, nil
}

// settled opens another table whose types are final.
func (f *dataFrame) settled(ctx context.Context, where string) (Table, error) {
	t, err := f.open(ctx, where)
	if err != nil {
		return t, err
	}
	if err := t.Settle(ctx); err != nil {
		return t, fault.New(fault.KindOf(err), "cannot judge %s: %w", f.session.spec.Name, err)
	}
	return t, nil
}

// column returns where in a batch a column stands.
func (f *dataFrame) column(r Rule, name string) (int, error) {
	if f.schema.Index(name) < 0 {
		return 0, f.session.noColumn(r, f.name(), f.schema, name)
	}
	at := slices.Index(f.columns, name)
	if at < 0 {
		at = len(f.columns)
		f.columns = append(f.columns, name)
	}
	return at, nil
}

// filter returns which filter of a batch selects the rows that a rule judges; -1 is all.
func (f *dataFrame) filter(r Rule) (int, error) {
	if r.Where == "" {
		return -1, nil
	}
	for i, known := range f.filters {
		if known.text == r.Where {
			return i, nil
		}
	}
	e, err := f.compileExpr(r, r.Where)
	if err != nil {
		return 0, err
	}
	f.filters = append(f.filters, e)
	return len(f.filters) - 1, nil
}

func (f *dataFrame) private(column string) bool { return f.meaning.Columns[column].Private }

// name is what the table is called.
func (f *dataFrame) name() string { return f.where }
