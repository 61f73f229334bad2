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
		page, err := l.Page(ctx, q)
		if err != nil {
			yield(Record{}, err)
			return
		}
		for r, err := range page.Records {
			if !yield(r, err) {
				return
			}
		}
	}
}

// Page is a selection of which it is known how large it is.
type Page struct {
	Total   int // records that the query selects, were it not for its limit
	Records iter.Seq2[Record, error]
}

// Page selects as Select does. It reads the index, and records as they are asked for.
func (l *Ledger) Page(ctx context.Context, q Query) (Page, error) {
	p, err := compile(q)
	if err != nil {
		return Page{}, err
	}
	v, found, err := l.find(ctx, p)
	if err != nil {
		return Page{}, err
	}
	page := Page{Total: found.total, Records: func(yield func(Record, error) bool) {
		if l.yieldRows(ctx, v, found.hits, yield) && v.damage != nil {
			yield(Record{}, v.damage)
		}
	}}
	if v.strays > 0 && p.Limit > 0 && len(found.hits) == p.Limit { // records may be there twice
		if page.Total, err = l.Count(ctx, q); err != nil {
			return Page{}, err
		}
	}
	return page, nil
}

// Count returns how many records q selects, whatever its limit.
func (l *Ledger) Count(ctx context.Context, q Query) (int, error) {
	q.Limit = min(q.Limit, 0)
	p, err := compile(q)
	if err != nil {
		return 0, err
	}
	p.counting = true
	v, found, err := l.find(ctx, p)
	if err == nil && v.strays > 0 { // records may be there twice
		p.counting = false
		v, found, err = l.find(ctx, p)
	}
	if err == nil {
		err = v.damage
	}
	return found.total, err
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
	counting   bool           // no hit is wanted, only how many there are
	extra      []column.Extra // by part, once it has run
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

// found is what a query selects: the first hits in its order, and how many there are.
type found struct {
	hits  []hit
	total int
}

// find returns the view it looked at and what is selected in it.
func (l *Ledger) find(ctx context.Context, p *plan) (*view, found, error) {
	var all found
	var failed error
	v, err := l.look(ctx, func(v *view) { all, failed = v.run(ctx, p) })
	return v, all, cmp.Or(err, failed)
}

func (v *view) indexDamaged() bool {
	return slices.ContainsFunc(v.parts, func(p *part) bool { return p.ix.Damaged() })
}

func (v *view) run(ctx context.Context, p *plan) (found, error) {
	p.extra = make([]column.Extra, len(v.parts))
	best := &top{limit: p.Limit, compare: p.compare}
	for i := range slices.Backward(v.parts) { // the newest first: what comes after is rarely kept
		rows, err := v.rowsOf(ctx, p, i)
		if err != nil {
			return found{}, err
		}
		if p.counting {
			best.seen += rows.Count()
			continue
		}
		if err := v.collect(p, i, rows, best); err != nil {
			return found{}, err
		}
	}
	hits := best.sorted()
	for _, h := range hits {
		v.parts[h.part].ix.Locate(h.row) // where a record is must be known to be sound before it is read
	}
	if p.Limit == 0 && !p.counting {
		best.seen = len(hits)
	}
	return found{hits, best.seen}, nil
}

// rowsOf returns the rows of a part that p selects.
func (v *view) rowsOf(ctx context.Context, p *plan, i int) (column.Bits, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	part := v.parts[i]
	p.extra[i] = part.extra(p.Extra)
	in := column.Scope{Extra: p.extra[i], Rows: part.scope(&p.Query)}
	if in.Rows != nil && in.Rows.Count() == 0 {
		return in.Rows, nil // no value has to be compared
	}
	rows, err := part.filter(p.filter, in)
	if err != nil {
		return nil, err
	}
	if in.Rows != nil {
		rows.And(in.Rows)
	}
	for _, row := range part.ix.Gone() {
		rows.Clear(int(row))
	}
	if !p.All {
		rows.AndNot(v.superseded()[i])
	}
	if !p.Since.IsZero() {
		since(rows, part.ix, p.Since)
	}
	return rows, nil
}

// extra finds the rows of a part that something is known of.
func (p *part) extra(known []Extra) column.Extra {
	if len(known) == 0 {
		return nil
	}
	all := make(column.Extra)
	for _, e := range known {
		if all[e.Field] == nil {
			all[e.Field] = make(map[int][]string)
		}
		if row, ok := p.ix.Find(e.ID); ok {
			all[e.Field][row] = e.Words
		}
		for r := range p.ix.Refs(e.ID, e.ID) {
			if r.Role == column.InPrev {
				all[e.Field][r.Row] = e.Words
			}
		}
	}
	return all
}

func since(rows column.Bits, ix *column.Index, t time.Time) {
	from := t.UnixMicro()
	for row, at := range ix.Times() {
		if at < from {
			rows.Clear(row)
		}
	}
}

// superseded returns by part the rows that a later record supersedes. It is worked out once for the same parts.
func (v *view) superseded() []column.Bits {
	if known := v.over.Load(); known != nil {
		return *known
	}
	out := make([]column.Bits, len(v.parts))
	for i, part := range v.parts {
		out[i] = part.ix.Superseded()
	}
	for i, part := range v.parts {
		part.ix.Foreign(func(id object.Digest, row int) bool {
			for k := range len(v.parts) - 1 { // it is most likely in the part before
				j := (i + len(v.parts) - 1 - k) % len(v.parts)
				at, ok := v.parts[j].ix.Find(id)
				if ok && column.Supersedes(part.ix.Kind(row), v.parts[j].ix.Kind(at)) {
					out[j].Set(at)
				}
				if ok && v.strays == 0 { // else it may be there twice
					break
				}
			}
			return true
		})
	}
	if !v.indexDamaged() {
		v.over.Store(&out)
	}
	return out
}

func (v *view) collect(p *plan, i int, rows column.Bits, best *top) error {
	part := v.parts[i]
	n := rows.Count()
	if n == 0 {
		return nil
	}
	clock := part.ix.LC // a few clocks are looked up, many are read as a whole
	if n > part.ix.Rows/16 {
		all := part.ix.Clock()
		clock = func(row int) uint64 { return all[row] }
	}
	key := func(int) (column.Key, error) { return column.Key{}, nil }
	if p.sort != nil {
		key = part.keys(p.sort, p.extra[i])
	}
	if part.ix.Damaged() {
		return nil // find sees it and starts again
	}
	for row := range rows.EachDown {
		h := hit{part: i, row: row, lc: clock(row)}
		if v.jumped[i] {
			h.lc = 0
		}
		var err error
		if h.key, err = key(row); err != nil {
			return err
		}
		best.seen++
		if p.Limit > 0 && len(best.hits) == p.Limit && p.behind(&h, &best.hits[0]) {
			continue
		}
		h.id = part.ix.ID(row)
		best.add(h)
	}
	return nil
}

// compare orders hits: by the sort key, values that are missing last in either direction; then newest first.
func (p *plan) compare(a, b *hit) int {
	x, y := &a.key, &b.key
	const missing = 3
	if x.Class != y.Class {
		c := cmp.Compare(x.Class, y.Class)
		if p.descending && x.Class != missing && y.Class != missing {
			return -c
		}
		return c
	}
	c := cmp.Compare(x.Num, y.Num)
	if c == 0 && x.Str != y.Str {
		c = strings.Compare(x.Str, y.Str)
	}
	if c != 0 {
		if p.descending {
			return -c
		}
		return c
	}
	return cmp.Or(cmp.Compare(b.lc, a.lc), b.id.Compare(a.id))
}

// behind reports whether a comes after b whatever its id is, which is not known yet. It decides on nearly every row.
func (p *plan) behind(a, b *hit) bool {
	switch {
	case p.sort == nil || a.key.Class == b.key.Class && a.key.Num == b.key.Num && a.key.Str == b.key.Str:
		return a.lc < b.lc
	case a.key.Class == 0 && b.key.Class == 0:
		return (a.key.Num > b.key.Num) != p.descending
	}
	return p.compare(a, b) > 0
}

// top keeps the first limit hits, all if that is 0, each record once.
type top struct {
	limit   int
	compare func(a, b *hit) int
	hits    []hit // with a limit: a heap whose root is the last of them
	seen    int   // rows, kept or not
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
	// Of a record that is there twice the first in log order counts.
	slices.SortFunc(t.hits, func(a, b hit) int {
		return cmp.Or(t.compare(&a, &b), cmp.Compare(a.part, b.part), cmp.Compare(a.row, b.row))
	})
	return slices.CompactFunc(t.hits, func(a, b hit) bool { return a.id == b.id })
}
