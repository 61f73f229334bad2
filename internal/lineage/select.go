package lineage

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/where"
	"mlx/internal/object"
)

// Select yields the records that q selects, in its order. An error ends the sequence; damage that was met in other places
// comes last, after every record that could be read.
func (l *Ledger) Select(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		p, err := compile(q)
		if err != nil {
			yield(Record{}, err)
			return
		}
		v, rows, err := l.find(ctx, p)
		if err != nil {
			yield(Record{}, err)
			return
		}
		if l.yieldRows(ctx, v, rows, yield) && v.damage != nil {
			yield(Record{}, v.damage)
		}
	}
}

// Count returns how many records q selects.
func (l *Ledger) Count(ctx context.Context, q Query) (int, error) {
	p, err := compile(q)
	if err != nil {
		return 0, err
	}
	v, rows, err := l.find(ctx, p)
	if err == nil {
		err = v.damage
	}
	return len(rows), err
}

// Current returns the records of a noun that no other of that noun names in Prev, among those for which where is true.
// More than one is a conflict for whoever expected one value.
func (l *Ledger) Current(ctx context.Context, noun, where string) ([]Record, error) {
	var out []Record
	for r, err := range l.Select(ctx, Query{Nouns: []string{noun}, Where: where}) {
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// plan is a query whose texts have been read.
type plan struct {
	Query
	filter     where.Expr
	sort       where.Path
	descending bool
}

func compile(q Query) (*plan, error) {
	p := &plan{Query: q}
	var err error
	if p.filter, err = where.Parse(q.Where); err != nil {
		return nil, err
	}
	if q.Limit < 0 {
		return nil, fault.New(fault.Usage, "cannot select %d records", q.Limit)
	}
	key, descending := strings.CutPrefix(q.Sort, "-")
	p.descending = descending
	if key != "" {
		if p.sort, err = where.ParsePath(key); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// hit is a selected row with all that it is ordered by.
type hit struct {
	part int
	row  int
	key  column.Key
	lc   uint64
	id   object.Digest
}

// find returns the view it looked at and the selected rows in order.
func (l *Ledger) find(ctx context.Context, p *plan) (*view, []hit, error) {
	for range 3 { // an index that proves damaged is built again
		v, err := l.view()
		if err != nil {
			return nil, nil, err
		}
		hits, err := v.run(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		if !v.indexDamaged() {
			return v, hits, nil
		}
	}
	return nil, nil, fault.New(fault.Integrity, "cannot read the ledger: its index is damaged each time it is read").Hint("mlx verify --ledger")
}

func (v *view) indexDamaged() bool {
	return slices.ContainsFunc(v.parts, func(p *part) bool { return p.ix.Damaged() })
}

func (v *view) run(ctx context.Context, p *plan) ([]hit, error) {
	hidden := v.hidden(p)
	best := &top{limit: p.Limit, compare: p.compare}
	for i, part := range v.parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := part.filter(p.filter)
		if err != nil {
			return nil, err
		}
		if p.Nouns != nil {
			rows.And(part.ix.OfNouns(p.Nouns))
		}
		for _, row := range part.ix.Gone() {
			rows.Clear(int(row))
		}
		if hidden != nil {
			rows.AndNot(hidden[i])
		}
		if !p.Since.IsZero() {
			since(rows, part.ix, p.Since)
		}
		if err := v.collect(p, i, rows, best); err != nil {
			return nil, err
		}
	}
	return best.sorted(), nil
}

func since(rows column.Bits, ix *column.Index, t time.Time) {
	from := t.UnixMicro()
	for row, at := range ix.Times() {
		if at < from {
			rows.Clear(row)
		}
	}
}

// hidden returns by part the rows that a later record supersedes; nil if all are wanted.
func (v *view) hidden(p *plan) []column.Bits {
	if p.All {
		return nil
	}
	out := make([]column.Bits, len(v.parts))
	for i, part := range v.parts {
		out[i] = part.ix.Superseded()
	}
	for i, part := range v.parts {
		part.ix.Foreign(func(id object.Digest, row int) bool {
			for j, other := range v.parts {
				if i == j {
					continue
				}
				if at, ok := other.ix.Find(id); ok && column.Supersedes(part.ix.Kind(row), other.ix.Kind(at)) {
					out[j].Set(at)
				}
			}
			return true
		})
	}
	return out
}

func (v *view) collect(p *plan, i int, rows column.Bits, best *top) error {
	part := v.parts[i]
	ids, clock := part.ix.IDs(), part.ix.Clock()
	key := func(int) (column.Key, error) { return column.Key{}, nil }
	if p.sort != nil {
		key = part.keys(p.sort)
	}
	if part.ix.Locate(); part.ix.Damaged() {
		return nil // find sees it and starts again
	}
	for row := range rows.Each {
		h := hit{part: i, row: row, lc: clock[row], id: ids[row]}
		if v.jumped[i] {
			h.lc = 0
		}
		var err error
		if h.key, err = key(row); err != nil {
			return err
		}
		best.add(h)
	}
	return nil
}

// compare orders hits: by the sort key, values that are missing last in either direction; then newest first.
func (p *plan) compare(a, b *hit) int {
	x, y := &a.key, &b.key
	const missing = 3
	if c := cmp.Compare(x.Class, y.Class); c != 0 {
		if p.descending && x.Class != missing && y.Class != missing {
			return -c
		}
		return c
	}
	c := cmp.Or(cmp.Compare(x.Num, y.Num), strings.Compare(x.Str, y.Str))
	if p.descending {
		c = -c
	}
	return cmp.Or(c, cmp.Compare(b.lc, a.lc), b.id.Compare(a.id))
}

// top keeps the first limit hits, all if that is 0, each record once.
type top struct {
	limit   int
	compare func(a, b *hit) int
	hits    []hit // with a limit: a heap whose root is the last of them
}

func (t *top) add(h hit) {
	if t.limit == 0 || len(t.hits) < t.limit {
		if t.limit > 0 && t.has(h.id) {
			return
		}
		t.hits = append(t.hits, h)
		if t.limit > 0 {
			t.up(len(t.hits) - 1)
		}
		return
	}
	if t.compare(&h, &t.hits[0]) >= 0 || t.has(h.id) {
		return
	}
	t.hits[0] = h
	t.down(0)
}

// has is only asked about hits that would be kept, which are few after the first.
func (t *top) has(id object.Digest) bool {
	return slices.ContainsFunc(t.hits, func(h hit) bool { return h.id == id })
}

func (t *top) up(i int) {
	for i > 0 && t.compare(&t.hits[i], &t.hits[(i-1)/2]) > 0 {
		t.hits[i], t.hits[(i-1)/2] = t.hits[(i-1)/2], t.hits[i]
		i = (i - 1) / 2
	}
}

func (t *top) down(i int) {
	for {
		last := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(t.hits) && t.compare(&t.hits[c], &t.hits[last]) > 0 {
				last = c
			}
		}
		if last == i {
			return
		}
		t.hits[i], t.hits[last] = t.hits[last], t.hits[i]
		i = last
	}
}

func (t *top) sorted() []hit {
	slices.SortFunc(t.hits, func(a, b hit) int { return t.compare(&a, &b) })
	return slices.CompactFunc(t.hits, func(a, b hit) bool { return a.id == b.id })
}
