package lineage

import (
	"context"
	"iter"
	"slices"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/object"
)

// Mentioning yields the records of some kinds whose body names one of the digests, newest first, each once. It asks the
// index once, however many digests there are.
func (l *Ledger) Mentioning(ctx context.Context, digests []object.Digest, kinds ...string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var rows []hit
		v, err := l.look(ctx, func(v *view) {
			rows = nil
			for i, p := range v.parts {
				for _, d := range digests {
					for r := range p.ix.Refs(d, d) {
						if r.Role == column.InBody && slices.Contains(kinds, p.ix.Kind(r.Row)) {
							rows = append(rows, v.hit(i, r.Row))
							p.ix.Locate(r.Row)
						}
					}
				}
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
