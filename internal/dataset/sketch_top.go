package dataset

import (
	"cmp"
	"slices"
)

// sketchTop keeps the values that stand most often in a column, those of Misra and Gries (1982) as Agarwal et al. (2012) merge
// them: with k counters every count is at most n/(k+1) too small, and by how much at most is counted while values are dropped.
type sketchTop[K cmp.Ordered] struct {
	items []sketchItem[K] // by key
	short int64           // how much a count may be too small
}

type sketchItem[K cmp.Ordered] struct {
	key   K
	count int64
}

// sketchByKey orders items.
func sketchByKey[K cmp.Ordered](a, b sketchItem[K]) int { return cmp.Compare(a.key, b.key) }

// sketchCounters is how many counters a column has.
const sketchCounters = 1000

// shrink drops values until the counters suffice. The order of the values does not matter to it.
func (t *sketchTop[K]) shrink() {
	if len(t.items) <= sketchCounters {
		return
	}
	counts := make([]int64, 0, 2*sketchCounters)
	for _, it := range t.items {
		if it.count > 1 {
			counts = append(counts, it.count)
		}
	}
	least := sketchLeast(counts)
	t.short += least
	kept := make([]sketchItem[K], 0, min(len(counts), sketchCounters))
	for _, it := range t.items {
		if it.count > least {
			kept = append(kept, sketchItem[K]{it.key, it.count - least})
		}
	}
	t.items = kept
}

// sketchLeast is the largest count of those values that find no counter. It is given the counts above 1, and reorders them.
func sketchLeast(counts []int64) int64 {
	if len(counts) <= sketchCounters {
		return 1
	}
	slices.Sort(counts)
	return counts[len(counts)-sketchCounters-1]
}

func (t *sketchTop[K]) merge(o sketchTop[K]) {
	t.short += o.short
	merged := make([]sketchItem[K], 0, len(t.items)+len(o.items))
	a, b := t.items, o.items
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].key < b[0].key:
			merged, a = append(merged, a[0]), a[1:]
		case len(a) == 0 || b[0].key < a[0].key:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, sketchItem[K]{a[0].key, a[0].count + b[0].count})
			a, b = a[1:], b[1:]
		}
	}
	t.items = merged
	t.shrink()
}

// first returns the n values with the largest counts, of equal counts the smaller value first.
func (t *sketchTop[K]) first(n int) []sketchItem[K] {
	all := slices.Clone(t.items)
	slices.SortFunc(all, func(a, b sketchItem[K]) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.key, b.key)) })
	return all[:min(n, len(all))]
}

// sketchTopOf takes the values of runs.
func sketchTopOf(r sketchRuns) sketchTop[uint64] {
	var t sketchTop[uint64]
	if len(r.keys) > sketchCounters {
		often := 0
		for _, c := range r.counts {
			if c > 1 {
				often++
			}
		}
		if often == 0 { // the common case of a measured column: nothing would be left
			t.short = 1
			return t
		}
	}
	t.items = r.items()
	t.shrink()
	return t
}
