package lineage

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/column"
	"mlx/internal/object"
)

// Get returns the record called id.
func (l *Ledger) Get(ctx context.Context, id object.Digest) (Record, error) {
	for range 3 { // its pack may be replaced between finding and reading it
		var h hit
		var ok bool
		v, err := l.look(ctx, func(v *view) { h, ok = v.lookup(id) })
		if err != nil {
			return Record{}, err
		}
		if !ok {
			return Record{}, cmp.Or(v.damage, l.absent(ctx, v, id))
		}
		f := &fetcher{view: v}
		lines, err := f.lines(ctx, []hit{h})
		f.close()
		if err != nil {
			return Record{}, err
		}
		if lines[0] != nil {
			return l.check(id, lines[0])
		}
		ctx = unsteady(ctx)
	}
	return Record{}, fault.New(fault.Unavailable, "cannot read record %s: the ledger changes too fast", id.Short())
}

// look calls find with a view until nothing that find has looked at was damaged, and returns that view.
func (l *Ledger) look(ctx context.Context, find func(v *view)) (*view, error) {
	for range 3 {
		v, err := l.viewFor(ctx)
		if err != nil {
			return nil, err
		}
		if find(v); !v.indexDamaged() {
			return v, nil
		}
	}
	return nil, fault.New(fault.Integrity, "cannot read the ledger: its index is damaged each time it is read").Hint("mlx verify --ledger")
}

// settled returns a view whose ids and references have proved undamaged.
func (l *Ledger) settled() (*view, error) {
	return l.look(context.Background(), func(v *view) {
		for _, p := range v.parts {
			p.ix.Touch()
		}
	})
}

// lookup finds a record that can be read: not one that was redacted.
func (v *view) lookup(id object.Digest) (hit, bool) {
	for i, p := range v.parts {
		if row, ok := p.ix.Find(id); ok && !p.ix.IsGone(row) {
			return v.hit(i, row), true
		}
	}
	return hit{}, false
}

func (v *view) hit(part, row int) hit {
	ix := v.parts[part].ix
	h := hit{part: part, row: row, lc: ix.LC(row), id: ix.ID(row)}
	if v.jumped[part] {
		h.lc = 0
	}
	return h
}

// earlier orders hits oldest first.
func earlier(a, b hit) int { return cmp.Or(cmp.Compare(a.lc, b.lc), a.id.Compare(b.id)) }

// mention is a record that names a digest.
type mention struct {
	hit
	id    object.Digest // the digest named
	role  column.Role
	field string
}

// mentions returns by whom and where the digests from lo to hi are named, oldest first.
func (v *view) mentions(lo, hi object.Digest) []mention {
	var out []mention
	for i, p := range v.parts {
		for r := range p.ix.Refs(lo, hi) {
			out = append(out, mention{v.hit(i, r.Row), r.ID, r.Role, r.Field})
		}
	}
	slices.SortStableFunc(out, func(a, b mention) int { return earlier(a.hit, b.hit) })
	return out
}

// Find returns the digests that begin with prefix, in order, each once: ids of records, and digests that records name.
func (l *Ledger) Find(ctx context.Context, prefix object.Prefix) ([]Match, error) {
	var out []Match
	var rows []hit
	v, err := l.look(ctx, func(v *view) { out, rows = v.matches(prefix.Range()) })
	if err != nil {
		return nil, err
	}
	at := 0
	done := l.yieldRows(ctx, v, rows, func(r Record, e error) bool {
		if err = e; e == nil {
			out[at].Record, out[at].Noun = r, r.Noun()
			at++
		}
		return e == nil
	})
	if !done {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Match) int { return a.ID.Compare(b.ID) })
	if len(out) == 0 {
		err = v.damage // what was looked for may be in what could not be read
	}
	return out, err
}

// matches returns the digests from lo to hi, and for each the record that explains it best.
func (v *view) matches(lo, hi object.Digest) ([]Match, []hit) {
	var out []Match
	var rows []hit
	known := map[object.Digest]int{}
	for i, p := range v.parts {
		for row := range p.ix.Within(lo, hi) {
			h := v.hit(i, row)
			if _, dup := known[h.id]; !dup && !p.ix.IsGone(row) {
				known[h.id] = len(out)
				out, rows = append(out, Match{ID: h.id, Role: "id"}), append(rows, h)
			}
		}
	}
	best := map[object.Digest]column.Role{}
	for _, m := range v.mentions(lo, hi) {
		at, seen := known[m.id]
		if role, named := best[m.id]; seen && (!named || m.role >= role) {
			continue
		}
		if !seen {
			at = len(out)
			known[m.id] = at
			out, rows = append(out, Match{}), append(rows, hit{})
		}
		best[m.id] = m.role
		out[at], rows[at] = Match{ID: m.id, Role: roleName(m.role), Field: m.field}, m.hit
	}
	return out, rows
}

func roleName(r column.Role) string {
	switch r {
	case column.InInput:
		return "in"
	case column.InPrev:
		return "prev"
	case column.InBody:
	}
	return "body"
}

// Referring yields the records that name id in Prev, In or a digest of their body, newest first.
func (l *Ledger) Referring(ctx context.Context, id object.Digest) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var rows []hit
		v, err := l.look(ctx, func(v *view) {
			rows = nil
			for _, m := range v.mentions(id, id) {
				rows = append(rows, m.hit)
			}
		})
		if err != nil {
			yield(Record{}, err)
			return
		}
		slices.SortStableFunc(rows, func(a, b hit) int { return -earlier(a, b) })
		rows = slices.CompactFunc(rows, func(a, b hit) bool { return a.id == b.id })
		if l.yieldRows(ctx, v, rows, yield) && v.damage != nil {
			yield(Record{}, v.damage)
		}
	}
}

// Ancestors yields what the record called id follows or was made from, each once, nearest first: the records in its Prev
// and its In and, for an input that is no record, the earliest record that names it in its body but not as its own input.
func (l *Ledger) Ancestors(ctx context.Context, id object.Digest) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		v, err := l.settled()
		if err != nil {
			yield(Record{}, err)
			return
		}
		start, ok := v.lookup(id)
		if !ok {
			yield(Record{}, cmp.Or(v.damage, l.absent(ctx, v, id)))
			return
		}
		seen := map[object.Digest]bool{id: true}
		for level := []hit{start}; len(level) > 0; {
			var next []hit
			more := l.yieldRows(ctx, v, level, func(r Record, err error) bool {
				if err != nil || r.ID != id && !yield(r, nil) {
					if err != nil {
						yield(Record{}, err)
					}
					return false
				}
				next = append(next, v.parents(r, seen)...)
				return true
			})
			if !more {
				return
			}
			level = next
		}
	}
}

// parents returns what r follows or was made from and has not been seen yet.
func (v *view) parents(r Record, seen map[object.Digest]bool) []hit {
	var out []hit
	add := func(h hit) {
		if !seen[h.id] {
			seen[h.id] = true
			out = append(out, h)
		}
	}
	for _, p := range r.Prev {
		if h, ok := v.lookup(p); ok {
			add(h)
		}
	}
	for _, in := range r.In {
		if h, ok := v.lookup(in.ID); ok {
			add(h)
		} else if h, ok := v.maker(in.ID); ok {
			add(h)
		}
	}
	return out
}

// maker returns the earliest record that has the digest in its body and not among its inputs.
func (v *view) maker(id object.Digest) (hit, bool) {
	all := v.mentions(id, id)
	used := map[object.Digest]bool{}
	for _, m := range all {
		if m.role == column.InInput {
			used[m.hit.id] = true
		}
	}
	for _, m := range all {
		if m.role == column.InBody && !used[m.hit.id] {
			return m.hit, true
		}
	}
	return hit{}, false
}
