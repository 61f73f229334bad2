package dataset

import (
	"cmp"
	"slices"
)

// profileOrder is what of a column depends on the order of its rows. The rest of a profile is the same however the table was cut.
type profileOrder[K cmp.Ordered] struct {
	some        bool // there are values
	top         sketchTop[K]
	repeated    bool // some value stands there twice, as far as was seen
	rising      bool // of numbers: each value was larger than the one before it
	first, last K    // of numbers
}

// follow adds what comes after. Neither changes what the other holds.
func (r *profileOrder[K]) follow(o *profileOrder[K]) {
	if !o.some {
		return
	}
	if !r.some {
		*r = *o
		return
	}
	r.rising = r.rising && o.rising && r.last < o.first
	r.last = o.last
	r.repeated = r.repeated || o.repeated
	r.top.merge(o.top)
}

// profileStretches gathers what depends on the order of the rows: batches become stretches, and stretches the whole, always in the
// order of the rows. A stretch is never cut between two shards, so the stretches of all shards make the whole of one pass.
type profileStretches[K cmp.Ordered] struct {
	open  profileOrder[K] // the stretch that is read
	whole profileOrder[K] // of those before it
	kept  []profileStretch[K]
}

// profileStretch is a stretch that a shard keeps until the others are there.
type profileStretch[K cmp.Ordered] struct {
	at int // its number in the table
	profileOrder[K]
}

// end closes the stretch that is read, of that number.
func (s *profileStretches[K]) end(at int, keep bool) {
	if !s.open.some {
		return
	}
	s.whole.follow(&s.open)
	if keep {
		s.kept = append(s.kept, profileStretch[K]{at, s.open})
	}
	s.open = profileOrder[K]{}
}

// finish returns what all stretches make.
func (s *profileStretches[K]) finish() profileOrder[K] {
	whole := s.whole
	s.whole = profileOrder[K]{}
	return whole
}

// join adds the stretches of another shard.
func (s *profileStretches[K]) join(o []profileStretch[K]) {
	s.kept = append(s.kept, o...)
	slices.SortStableFunc(s.kept, func(a, b profileStretch[K]) int { return cmp.Compare(a.at, b.at) })
}

// joined is what the stretches that were kept make.
func (s *profileStretches[K]) joined() profileOrder[K] {
	var whole profileOrder[K]
	for i := range s.kept {
		whole.follow(&s.kept[i].profileOrder)
	}
	return whole
}

// profileNumbering numbers the stretches of a table. The first ones are of a single unit, later ones of 1/256 of the units before them:
// there are never many of them, and none is a large part of the table, however many units there are, which nobody knows beforehand.
type profileNumbering struct{ number, first, end int }

const profileStretchPart = 256

// of returns the number of the stretch of a unit.
func (n *profileNumbering) of(unit int) int {
	if unit < n.first {
		*n = profileNumbering{}
	}
	if n.end == 0 {
		n.end = 1
	}
	for unit >= n.end {
		n.number++
		n.first = n.end
		n.end += max(n.first/profileStretchPart, 1)
	}
	return n.number
}
