package gate

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"mlx/internal/dataset"
)

// uniqueJudge marks every row whose key another row has as well. Of integers that only rise nothing is kept; when they turn out not to,
// their column is read once more.
type uniqueJudge struct {
	rows    *rowJudge
	columns []int
	store   *keyStore
	missing bool // missing values are values of a key
	rising  bool // so far
	last    int64
}

// risingPart says that the integers of a batch rise strictly.
type risingPart struct {
	first, last int64
	n           int
	rising      bool
}

// keyPart is the keys of the judged rows of a batch.
type keyPart struct {
	keys []uint64
	rows []int32 // nil: all
	n    int
}

// planUnique holds that no value, or combination of columns, appears twice.
func planUnique(_ context.Context, f *dataFrame, c dataColumn) (dataJudge, error) {
	columns, names := []int{c.at}, []string{c.Name}
	for _, name := range c.rule.Columns {
		if c.rule.References != "" || slices.Contains(names, name) {
			continue
		}
		at, err := f.column(c.rule, name)
		if err != nil {
			return nil, err
		}
		columns, names = append(columns, at), append(names, name)
	}
	words := "no value twice"
	if len(names) > 1 {
		words = "no two rows with the same " + strings.Join(names, ", ")
	}
	return f.unique(c.rule, c.title, columns, words)
}

func (f *dataFrame) unique(r Rule, title string, columns []int, needs string) (*uniqueJudge, error) {
	rows, err := f.newRowJudge(r, title, columns)
	if err != nil {
		return nil, err
	}
	rows.is, rows.needs = "not unique", needs
	j := &uniqueJudge{rows: rows, columns: columns, store: newKeyStore(newDataKey(f.fields(columns)), f.world.Temp)}
	j.rising, j.last = j.store.narrow, math.MinInt64
	return j, nil
}

func (f *dataFrame) fields(columns []int) []dataset.Field {
	fields := make([]dataset.Field, len(columns))
	for i, at := range columns {
		fields[i] = f.schema[f.schema.Index(f.columns[at])]
	}
	return fields
}

func (j *uniqueJudge) part(b *dataBatch) (any, error) {
	if j.store.narrow && !j.missing {
		return j.risingOf(b), nil
	}
	return keysOf(b, j.store.dataKey, j.columns, j.rows.filter, j.missing), nil
}

func (j *uniqueJudge) risingOf(b *dataBatch) risingPart {
	c := &b.Columns[j.columns[0]]
	p := risingPart{first: math.MinInt64, last: math.MinInt64, rising: true}
	if c.Missing == nil && j.rows.filter < 0 && b.Rows > 0 {
		p.n, p.first, p.last = b.Rows, c.Ints[0], c.Ints[b.Rows-1]
		for i, v := range c.Ints[1:] {
			if v <= c.Ints[i] {
				p.rising = false
				break
			}
		}
		return p
	}
	for i, v := range c.Ints {
		if c.Missing.Has(i) || j.rows.filter >= 0 && !b.filters[j.rows.filter].Has(i) {
			continue
		}
		if p.n == 0 {
			p.first = v
		} else if v <= p.last {
			p.rising = false
		}
		p.n, p.last = p.n+1, v
	}
	return p
}

// keysOf makes the keys of the judged rows of a batch: those that the filter selects and in which no column is missing.
func keysOf(b *dataBatch, k dataKey, at []int, filter int, missing bool) keyPart {
	skip := b.bits()
	columns := make([]*dataset.Column, len(at))
	for i, c := range at {
		if columns[i] = &b.Columns[c]; !missing {
			dataUnion(skip, columns[i].Missing)
		}
	}
	if filter >= 0 {
		for i, w := range b.filters[filter] {
			skip[i] |= ^w
		}
	}
	dataOnly(skip, b.Rows)
	p := keyPart{n: b.Rows - skip.Count()}
	p.keys = k.add(make([]uint64, 0, p.n*k.words()), columns, b.Rows, skip)
	if p.n < b.Rows {
		p.rows = make([]int32, 0, p.n)
		for i := range b.Rows {
			if !skip.Has(i) {
				p.rows = append(p.rows, int32(i))
			}
		}
	}
	return p
}

// each calls visit with every key and the row of the table that has it, from 0.
func (p keyPart) each(seen int64, words int, visit func(key []uint64, row uint64) error) error {
	for i := range p.n {
		row := i
		if p.rows != nil {
			row = int(p.rows[i])
		}
		if err := visit(p.keys[i*words:(i+1)*words], uint64(seen)+uint64(row)); err != nil {
			return err
		}
	}
	return nil
}

func (j *uniqueJudge) merge(at dataset.Span, part any) error {
	if p, ok := part.(risingPart); ok {
		if p.n > 0 {
			j.rising = j.rising && p.rising && (j.rows.judged == 0 || p.first > j.last)
			j.rows.judged, j.last = j.rows.judged+int64(p.n), p.last
		}
		return nil
	}
	p := part.(keyPart)
	j.rows.judged += int64(p.n)
	return p.each(at.Seen, j.store.words(), j.store.put)
}

// keep reads the keys of a column that does not rise.
func (j *uniqueJudge) keep(ctx context.Context) error {
	f := j.rows.frame
	var filters []*exprRows
	if j.rows.filter >= 0 {
		filters = f.filters
	}
	names, at := []string{f.columns[j.columns[0]]}, []int{0}
	if filters != nil {
		names, at = f.columns, j.columns
	}
	j.rows.judged = 0
	return dataset.Fold(ctx, f.table.Table, dataset.Request{Columns: names}, dataset.Folding[keyPart]{
		Part: func(batch *dataset.Batch) (keyPart, error) {
			b := &dataBatch{Batch: batch}
			if err := b.filter(filters); err != nil {
				return keyPart{}, err
			}
			return keysOf(b, j.store.dataKey, at, j.rows.filter, j.missing), nil
		},
		Merge: func(at dataset.Span, p keyPart) error { return j.merge(at, p) },
	})
}

func (j *uniqueJudge) finish(ctx context.Context) ([]Finding, error) {
	defer j.store.spill.close()
	if j.store.narrow && !j.missing {
		if j.rising {
			return j.rows.finish(ctx)
		}
		if err := j.keep(ctx); err != nil {
			return nil, err
		}
	}
	var bad firstRows
	err := j.store.each(func(seen *keySeen, row uint64) {
		switch seen.count++; seen.count {
		case 1:
			seen.first = row
		case 2:
			bad.add(seen.first)
			bad.add(row)
		default:
			bad.add(row)
		}
	}, nil)
	if err != nil {
		return nil, err
	}
	if err := j.rows.found(ctx, bad); err != nil {
		return nil, err
	}
	return j.rows.finish(ctx)
}

// firstRows counts rows and keeps the first.
type firstRows struct {
	count int64
	first []uint64 // in order
}

func (f *firstRows) add(row uint64) {
	f.count++
	if len(f.first) == dataRowsKept && row > f.first[dataRowsKept-1] {
		return
	}
	i, _ := slices.BinarySearch(f.first, row)
	f.first = slices.Insert(f.first, i, row)
	if len(f.first) > dataRowsKept {
		f.first = f.first[:dataRowsKept]
	}
}

// found takes rows that turned out to be bad only after the whole table was read. It reads the table once more, as far as the last row
// that the sample shows.
func (j *rowJudge) found(ctx context.Context, bad firstRows) error {
	j.failing = Failing{Count: bad.count}
	f := j.frame
	for _, row := range bad.first {
		j.failing.Rows = append(j.failing.Rows, f.place(int64(row)))
	}
	wanted := bad.first[:min(len(bad.first), dataSamples)]
	if len(wanted) == 0 {
		return nil
	}
	names, all := make([]string, len(j.columns)), make([]int, len(j.columns))
	for i, at := range j.columns {
		names[i], all[i] = f.columns[at], i
	}
	seen := uint64(0)
	for b, err := range f.table.Batches(ctx, dataset.Request{Columns: names}) {
		if err != nil {
			return err
		}
		for len(wanted) > 0 && wanted[0] < seen+uint64(b.Rows) {
			j.failing.Sample = append(j.failing.Sample, f.sample(b, all, int(wanted[0]-seen)))
			wanted = wanted[1:]
		}
		if seen += uint64(b.Rows); len(wanted) == 0 {
			break
		}
	}
	return nil
}

// place is where a row of the table stands, which counts from 0.
func (f *dataFrame) place(row int64) RowAt {
	i, _ := slices.BinarySearchFunc(f.starts, row+1, func(at dataset.Span, row int64) int { return cmp.Compare(at.Seen, row) })
	if i == 0 {
		return RowAt{Row: row + 1}
	}
	at := f.starts[i-1]
	return RowAt{File: at.File, Row: row - at.Seen + at.Row}
}
