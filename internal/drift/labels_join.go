package drift

import (
	"cmp"
	"context"
	"hash/maphash"
	"math"
	"slices"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// LabelTable is a table of true outcomes by id.
type LabelTable struct {
	Name      string // as messages call it
	Table     *dataset.Table
	ID, Label string // its columns
}

// LabelOptions say how labels are joined.
type LabelOptions struct {
	Temp   string // folder for what does not fit into memory
	Memory int64  // bytes of it before the disk is used; 0: 32 MiB
	Read   func(rows int64)
}

// maxLabel bounds the text of a label: it is a class or a number.
const maxLabel = 1 << 10

// labelJoin brings together what several tables say of the same ids. An id is hashed to 128 bits with functions drawn at random, so that
// nobody can make two that meet.
type labelJoin struct {
	spill labelSpill
	seeds [2]maphash.Seed
	rank  uint32
	read  func(rows int64)
}

func newLabelJoin(o LabelOptions) *labelJoin {
	j := &labelJoin{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, read: o.Read}
	j.spill.dir, j.spill.limit = o.Temp, cmp.Or(o.Memory, 32<<20)
	if j.read == nil {
		j.read = func(int64) {}
	}
	return j
}

func (j *labelJoin) close() { j.spill.close() }

func (j *labelJoin) key(text []byte) [2]uint64 {
	return [2]uint64{maphash.Bytes(j.seeds[0], text), maphash.Bytes(j.seeds[1], text)}
}

// labelPart is what is kept of a batch: entries without their row.
type labelPart struct {
	entries []labelEntry
	rows    int // of the batch
	noID    int // first row without an id; -1
	tooLong int // first row whose label is too long; -1
}

// labelColumns are the columns that a join reads. Empty names: the table has none.
type labelColumns struct{ id, label, time string }

func (c labelColumns) request() []string {
	return slices.DeleteFunc([]string{c.id, c.label, c.time}, func(n string) bool { return n == "" })
}

// part makes the entries of a batch. times reads the column of times; nil: there is none.
func (j *labelJoin) part(b *dataset.Batch, c labelColumns, times *rowFilter) *labelPart {
	p := &labelPart{rows: b.Rows, noID: -1, tooLong: -1, entries: make([]labelEntry, b.Rows)}
	column := func(name string) *dataset.Column {
		for i := range b.Columns {
			if name != "" && b.Columns[i].Name == name {
				return &b.Columns[i]
			}
		}
		return nil
	}
	id, label := column(c.id), column(c.label)
	var at []int64
	if times != nil {
		at = times.times(nil, b, chosen{n: b.Rows})
	}
	var text []byte
	labels := make([]byte, 0, 4*b.Rows) // one piece of memory for all
	for i := range p.entries {
		e := &p.entries[i]
		e.at = math.NaN()
		if at != nil && at[i] != noTime {
			e.at = times.seconds(at[i])
		}
		if id.Missing.Has(i) {
			if p.noID < 0 {
				p.noID = i
			}
			continue
		}
		text = cellText(text[:0], id, i)
		e.key = j.key(text)
		if label == nil || labelMissing(label, i) {
			continue
		}
		from := len(labels)
		labels = cellText(labels, label, i)
		e.text = labels[from:len(labels):len(labels)]
		if len(e.text) > maxLabel && p.tooLong < 0 {
			p.tooLong = i
		}
	}
	return p
}

// labelMissing says whether a row has no outcome yet.
func labelMissing(c *dataset.Column, i int) bool {
	return c.Missing.Has(i) || c.Type == dataset.Float && math.IsNaN(c.Floats[i]) || c.InTexts() && len(c.Bytes(i)) == 0
}

func cellText(dst []byte, c *dataset.Column, i int) []byte {
	if c.InTexts() {
		return append(dst, c.Bytes(i)...)
	}
	return c.AppendText(dst, i)
}

// predictions adds the ids of predictions, of the rows that count. It returns how many rows that are.
func (j *labelJoin) predictions(ctx context.Context, s Source, c labelColumns) (int64, error) {
	return j.fold(ctx, s, labelFold{columns: c, keep: j.spill.add})
}

// labels adds a table of labels: what it says counts more than what was added before. each is told every label that counts; it may be nil.
func (j *labelJoin) labels(ctx context.Context, l LabelTable, each func(id, label []byte) error) (rows, empty int64, err error) {
	j.rank++
	c := labelColumns{id: l.ID, label: l.Label}
	rows, err = j.fold(ctx, Source{Table: l.Table}, labelFold{name: l.Name, columns: c, each: each, keep: func(e labelEntry) error {
		if e.text == nil {
			empty++
			return nil
		}
		e.rank = j.rank
		return j.spill.add(e)
	}})
	return rows, empty, err
}

// labelFold is one reading of a table for a join.
type labelFold struct {
	name    string // of a table of labels: a row without an id is an error
	columns labelColumns
	each    func(id, label []byte) error
	keep    func(labelEntry) error
}

func (j *labelJoin) fold(ctx context.Context, from Source, f labelFold) (kept int64, err error) {
	if err := from.Table.Settle(ctx); err != nil { // what is kept cannot be taken back
		return 0, err
	}
	columns := from.reading(f.columns.request())
	filter, err := from.rowFilter(columns)
	if err != nil {
		return 0, err
	}
	var times *rowFilter
	if field, err := timeField(from.Table, f.columns.time); err == nil {
		times = newRowFilter(Rows{Zone: from.Rows.Zone}, field, slices.Index(columns, f.columns.time))
	}
	type made struct {
		*labelPart
		counting chosen
		ids      [][2][]byte
	}
	var passed int64
	err = dataset.Fold(ctx, from.Table, dataset.Request{Columns: columns}, dataset.Folding[made]{
		Part: func(b *dataset.Batch) (made, error) {
			m := made{labelPart: j.part(b, f.columns, times), counting: filter.choose(b, &partScratch{})}
			if f.each != nil {
				m.ids = labelTexts(b, f.columns)
			}
			return m, nil
		},
		Merge: func(s dataset.Span, m made) error {
			j.read(int64(s.Rows))
			if err := f.sound(s, m.labelPart); err != nil {
				return err
			}
			first, end := from.Rows.cut(passed, int64(m.counting.n))
			passed += int64(m.counting.n)
			for k := first; k < end; k++ {
				i := m.counting.at(int(k))
				e := m.entries[i]
				e.row = s.Seen + int64(i)
				kept++
				if err := f.keep(e); err != nil {
					return err
				}
				if f.each != nil && e.text != nil {
					if err := f.each(m.ids[i][0], m.ids[i][1]); err != nil {
						return err
					}
				}
			}
			return nil
		},
	})
	return kept, err
}

// sound refuses labels that nothing can be made of.
func (f labelFold) sound(s dataset.Span, p *labelPart) error {
	switch {
	case f.name != "" && p.noID >= 0:
		return fault.New(fault.Usage, "cannot read labels: %s row %d has no %s", s.File, s.Row+int64(p.noID), f.columns.id)
	case p.tooLong >= 0:
		return fault.New(fault.Usage, "cannot read labels: %s row %d: the label is longer than %d bytes", s.File, s.Row+int64(p.tooLong), maxLabel)
	}
	return nil
}

func labelTexts(b *dataset.Batch, c labelColumns) [][2][]byte {
	all := make([][2][]byte, b.Rows)
	texts := make([]byte, 0, 24*b.Rows) // one piece of memory for all
	for i := range all {
		for k := range b.Columns {
			at := 0
			switch b.Columns[k].Name {
			case c.id:
			case c.label:
				at = 1
			default:
				continue
			}
			from := len(texts)
			texts = cellText(texts, &b.Columns[k], i)
			all[i][at] = texts[from:len(texts):len(texts)]
		}
	}
	return all
}

// groups visits what was said of each id, in no order: entries by rank, then by row.
func (j *labelJoin) groups(ctx context.Context, visit func(of []labelEntry) error) error {
	if j.spill.file != nil {
		if err := j.spill.flush(); err != nil {
			return err
		}
	}
	for part := range labelParts {
		if err := ctx.Err(); err != nil {
			return err
		}
		all, err := j.spill.entries(part)
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b labelEntry) int {
			return cmp.Or(cmp.Compare(a.key[0], b.key[0]), cmp.Compare(a.key[1], b.key[1]), cmp.Compare(a.rank, b.rank), cmp.Compare(a.row, b.row))
		})
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].key == all[0].key {
				n++
			}
			if err := visit(all[:n]); err != nil {
				return err
			}
			all = all[n:]
		}
	}
	return nil
}
