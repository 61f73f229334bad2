package tracking

import (
	"cmp"
	"slices"
)

// hit is a run that is asked for, and what it is sorted by.
type hit struct {
	*row
	at   int // among those that are asked for, in the usual order
	one  sortKey
	more []sortKey // of the second ordering and those after it
}

func (h *hit) key(i int) *sortKey {
	if i == 0 {
		return &h.one
	}
	return &h.more[i-1]
}

// fewWanted is up to how many hits are kept in order while they come. More of them are sorted at the end.
const fewWanted = 128

// first gathers the first hits in an order.
type first struct {
	want  int
	order []ordering
	hits  []hit // in order where few are wanted
}

func (f *first) compare(a, b *hit) int {
	for i := range f.order {
		if d := f.order[i].compare(a.key(i), b.key(i)); d != 0 {
			return d
		}
	}
	return cmp.Compare(a.at, b.at)
}

func (f *first) add(h hit) {
	if f.want > fewWanted {
		f.hits = append(f.hits, h)
		return
	}
	if len(f.hits) == f.want {
		if f.compare(&h, &f.hits[f.want-1]) > 0 {
			return
		}
		f.hits = f.hits[:f.want-1]
	}
	i, _ := slices.BinarySearchFunc(f.hits, &h, func(a hit, b *hit) int { return f.compare(&a, b) })
	f.hits = slices.Insert(f.hits, i, h)
}

func (f *first) rows() []*row {
	if f.want > fewWanted {
		slices.SortFunc(f.hits, func(a, b hit) int { return f.compare(&a, &b) })
	}
	out := make([]*row, min(f.want, len(f.hits)))
	for i := range out {
		out[i] = f.hits[i].row
	}
	return out
}
