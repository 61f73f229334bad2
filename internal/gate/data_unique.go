package gate

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/dataset"
)

// uniqueJudge marks every row whose key another row has as well. Nothing is kept of integers while they only rise.
type uniqueJudge struct {
	rows    *rowJudge
	columns []int
	table   string // where it stands
	store   *keyStore
	missing bool // a row whose every column is missing is judged as well
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
	return &uniqueJudge{rows: rows, columns: columns, store: newKeyStore(newDataKey(f.fields(columns)), f.world.Temp)}, nil
}

func (f *dataFrame) fields(columns []int) []dataset.Field {
	fields := make([]dataset.Field, len(columns))
	for i, at := range columns {
		fields[i] = f.schema[f.schema.Index(f.columns[at])]
	}
	return fields
}

func (j *uniqueJudge) part(b *dataBatch) (any, error) {
	return keysOf(b, j.store.dataKey, j.columns, j.rows.filter, j.missing), nil
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
	p := part.(keyPart)
	j.rows.judged += int64(p.n)
	return p.each(at.Seen, j.store.words(), j.store.put)
}

func (j *uniqueJudge) finish(ctx context.Context) ([]Finding, error) {
	defer j.store.spill.close()
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
	i, _ := slices.BinarySearchFunc(f.starts, row+1, func(at dataset.Span, row int64) int { return compareNumbers(at.Seen, row) })
	if i == 0 {
		return RowAt{Row: row + 1}
	}
	at := f.starts[i-1]
	return RowAt{File: at.File, Row: row - at.Seen + at.Row}
}
