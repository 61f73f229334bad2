package lineage

import (
	"context"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/where"
)

// Repeated returns the strings at a path that several of the records of a kind have which q selects, and the same value at
// another path with it, in order. There may be a few too many among them. It reads the index alone, and is made for many records.
func (l *Ledger) Repeated(ctx context.Context, q Query, kind, group, value string) ([]string, error) {
	p, err := compile(q)
	if err != nil {
		return nil, err
	}
	var paths [2]where.Path
	for i, text := range []string{group, value} {
		if paths[i], err = where.ParsePath(text); err != nil {
			return nil, err
		}
	}
	var found []string
	var failed error
	v, err := l.look(ctx, func(v *view) { found, failed = v.repeated(ctx, p, kind, paths) })
	switch {
	case err != nil:
		return nil, err
	case failed != nil:
		return nil, failed
	}
	return found, v.damage
}

func (v *view) repeated(ctx context.Context, p *plan, kind string, paths [2]where.Path) ([]string, error) {
	seed := maphash.MakeSeed()
	sums := map[string]*[]uint64{} // of the values, by group
	p.extra = make([]column.Extra, len(v.parts))
	for i, part := range v.parts {
		rows, err := v.rowsOf(ctx, p, i)
		if err != nil {
			return nil, err
		}
		group, value := part.keys(paths[0], p.extra[i]), part.keys(paths[1], p.extra[i])
		var last string
		var all *[]uint64 // of the group last: neighbours are mostly of the same one
		for row := range rows.Each {
			if part.ix.Kind(row) != kind {
				continue
			}
			g, err := group(row)
			if err != nil {
				return nil, err
			}
			k, err := value(row)
			if err != nil {
				return nil, err
			}
			if all == nil || g.Str != last {
				last = g.Str
				if all = sums[last]; all == nil {
					all = new([]uint64)
					sums[strings.Clone(last)] = all // the index may be closed
				}
			}
			*all = append(*all, sumOf(seed, k))
		}
	}
	maps.DeleteFunc(sums, func(_ string, all *[]uint64) bool {
		slices.Sort(*all)
		return len(slices.Compact(slices.Clone(*all))) == len(*all)
	})
	return slices.Sorted(maps.Keys(sums)), nil
}

// sumOf is a number for a value: equal ones have the same.
func sumOf(seed maphash.Seed, k column.Key) uint64 {
	if k.Class == 1 {
		return maphash.String(seed, k.Str)
	}
	return math.Float64bits(k.Num)
}
