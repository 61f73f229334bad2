package lineage

import (
	"context"
	"iter"
	"slices"
	"strings"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/object"
)

// Naming yields records of some nouns so that every digest is among them which stands in such a body under one of the names,
// and for which known is false: of each digest the earliest record that names it, and any record that the index does not
// hold whole. Oldest first, each once. It reads no other record, so it costs little where many records name few things.
func (l *Ledger) Naming(ctx context.Context, nouns, names []string, known func(object.Digest) bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		v, err := l.settled()
		if err != nil {
			yield(Record{}, err)
			return
		}
		if l.yieldRows(ctx, v, v.naming(nouns, names, known), yield) && v.damage != nil {
			yield(Record{}, v.damage)
		}
	}
}

func (v *view) naming(nouns, names []string, known func(object.Digest) bool) []hit {
	first := map[object.Digest]hit{}
	rows := map[object.Digest]hit{} // by id: a record may be in two places
	last := object.Digest{}
	for i := range last {
		last[i] = 0xff
	}
	for i, p := range v.parts {
		for r := range p.ix.Refs(object.Digest{}, last) {
			name := r.Field[strings.LastIndexByte(r.Field, '.')+1:]
			if r.Role != column.InBody || !slices.Contains(names, name) || !slices.Contains(nouns, nounOf(p.ix.Kind(r.Row))) || known(r.ID) {
				continue
			}
			h := v.hit(i, r.Row)
			if old, ok := first[r.ID]; !ok || earlier(h, old) < 0 {
				first[r.ID] = h
			}
		}
		for _, row := range p.ix.Overflow() {
			if slices.Contains(nouns, nounOf(p.ix.Kind(int(row)))) {
				h := v.hit(i, int(row))
				rows[h.id] = h
			}
		}
	}
	for _, h := range first {
		rows[h.id] = h
	}
	out := make([]hit, 0, len(rows))
	for _, h := range rows {
		out = append(out, h)
	}
	slices.SortFunc(out, earlier)
	return out
}
