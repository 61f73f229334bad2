package dataset

import (
	"math/bits"
	"slices"
)

// sketchCell is values of a column that lie together: of one value all of it, or of several all that lie in a dyadic interval of keys.
type sketchCell struct {
	key uint64 // of several values: the beginning of the interval, with the bit set that is half its width
	n   int64  // how many; below zero: of several values, or of one that is not known any more
}

// sketchCellAt is n values in the interval of 2^level keys that holds a key; level is 1 to 64.
func sketchCellAt(key uint64, level int, n int64) sketchCell {
	return sketchCell{key>>level<<level | 1<<(level-1), -n}
}

func (c sketchCell) single() bool { return c.n > 0 }

func (c sketchCell) count() int64 {
	if c.n < 0 {
		return -c.n
	}
	return c.n
}

// level is the logarithm of the number of keys of the interval.
func (c sketchCell) level() int {
	if c.n > 0 {
		return 0
	}
	return bits.TrailingZeros64(c.key) + 1
}

func (c sketchCell) start() uint64 {
	if c.n > 0 {
		return c.key
	}
	return c.key & (c.key - 1)
}

// end is the last key of the interval.
func (c sketchCell) end() uint64 {
	if c.n > 0 {
		return c.key
	}
	return c.key | (c.key - 1)
}

// sketchPut adds a cell behind others. Cells that lie in one interval of 2^shift keys become one.
func sketchPut(cells []sketchCell, c sketchCell, shift int) []sketchCell {
	if len(cells) > 0 {
		last := &cells[len(cells)-1]
		switch from := last.start(); {
		case c.start() > max(last.end(), from|(1<<shift-1)):
		case last.n > 0 && c.n > 0 && last.key == c.key:
			last.n += c.n
			return cells
		default:
			*last = sketchCellAt(from, max(last.level(), c.level(), shift), last.count()+c.count())
			return cells
		}
	}
	if c.n < 0 && c.level() < shift {
		c = sketchCellAt(c.key, shift, -c.n)
	}
	return append(cells, c)
}

// sketchJoin appends the cells of two lists: where their intervals differ the wider one is kept.
func sketchJoin(dst, a, b []sketchCell, shift int) []sketchCell {
	for len(a) > 0 && len(b) > 0 {
		x, y := a[0].start(), b[0].start()
		if x < y || x == y && a[0].level() >= b[0].level() {
			dst, a = sketchPut(dst, a[0], shift), a[1:]
		} else {
			dst, b = sketchPut(dst, b[0], shift), b[1:]
		}
	}
	for _, c := range a {
		dst = sketchPut(dst, c, shift)
	}
	for _, c := range b {
		dst = sketchPut(dst, c, shift)
	}
	return dst
}

// sketchCoarser is the same list in intervals of at least 2^shift keys. It uses the memory of the list.
func sketchCoarser(cells []sketchCell, shift int) []sketchCell {
	kept := cells[:0]
	for _, c := range cells {
		kept = sketchPut(kept, c, shift)
	}
	return kept
}

// sketchShift is the smallest shift, from least on, at which cells are at most most.
func sketchShift(cells []sketchCell, least, most int) int {
	var differ [65]int
	for i := 1; i < len(cells); i++ {
		differ[bits.Len64(cells[i].start()^cells[i-1].start())]++
	}
	n := min(len(cells), 1)
	shift := 64
	for ; shift > least && n+differ[shift] <= most; shift-- {
		n += differ[shift]
	}
	return shift
}

// sketchCells counts the values of a column in cells: intervals of 2^shift keys, with the smallest shift at which at most so many are
// not empty as there may be. More values can only fill more cells, so that the shift, and with it every cell and count, is the same
// however the values were cut into parts and in whichever order the parts came. That is the uniform collapse of the UDDSketch
// (Epicoco et al. 2020), for numbers of any sign: keys of floats are logarithmic within powers of two.
type sketchCells struct {
	most   int // cells
	shift  int
	coarse int          // 0, or the shift of coarse cells within which cells were joined: some are then wider than 2^shift
	cells  []sketchCell // in order
	fresh  []sketchCell // what came since, in order: joining every batch with all cells would take too long
}

// sketchCoarse is how many coarse cells a column has at most: verdicts rest on them.
const sketchCoarse = 8192

// sketchRoom is memory that lists of cells are joined in.
type sketchRoom struct{ spare []sketchCell }

// get is memory for n cells, with little to spare: there may be many columns.
func (r *sketchRoom) get(n int) []sketchCell {
	if cap(r.spare) < n {
		r.spare = make([]sketchCell, 0, n+n/8)
	}
	return r.spare[:0]
}

// join replaces a by the list of both.
func (r *sketchRoom) join(a, b []sketchCell, shift int) []sketchCell {
	joined := sketchJoin(r.get(len(a)+len(b)), a, b, shift)
	r.spare = a
	return joined
}

// joinEven is join of cells that are all of one value or of 2^shift keys.
func (r *sketchRoom) joinEven(a, b []sketchCell, shift int) []sketchCell {
	joined := r.get(len(a) + len(b))
	r.spare = a
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0].key>>shift, b[0].key>>shift; {
		case x < y:
			joined, a = append(joined, a[0]), a[1:]
		case y < x:
			joined, b = append(joined, b[0]), b[1:]
		default:
			joined = append(joined, a[0])
			joined[len(joined)-1].even(b[0], shift)
			a, b = a[1:], b[1:]
		}
	}
	return append(append(joined, a...), b...)
}

// even adds the values of a cell in the same interval of 2^shift keys.
func (c *sketchCell) even(o sketchCell, shift int) {
	if c.n > 0 && o.n > 0 && c.key == o.key {
		c.n += o.n
		return
	}
	*c = sketchCellAt(c.key, shift, c.count()+o.count())
}

// add counts the values of a list with a shift that is no larger, which it uses up. No cell has been thinned.
func (s *sketchCells) add(list []sketchCell, shift int, few, room *sketchRoom) {
	if shift < s.shift {
		list = sketchCoarser(list, s.shift)
	}
	if rest := s.known(list); len(rest) > 0 {
		s.fresh = few.joinEven(s.fresh, rest, s.shift)
	}
	if len(s.fresh) >= max(s.most/16, 2048) {
		s.settle(room)
	}
}

// known counts values of cells that there are: nearly all, once many rows were read. It returns those of others.
func (s *sketchCells) known(list []sketchCell) []sketchCell {
	rest, at, shift := list[:0], 0, s.shift
	for _, c := range list {
		at = s.reach(at, c.key>>shift)
		if at < len(s.cells) && s.cells[at].key>>shift == c.key>>shift {
			s.cells[at].even(c, shift)
		} else {
			rest = append(rest, c)
		}
	}
	return rest
}

// reach is the first cell from at on that is not before a place. It is most likely near.
func (s *sketchCells) reach(at int, place uint64) int {
	near := min(at+8, len(s.cells))
	for ; at < near; at++ {
		if s.cells[at].key>>s.shift >= place {
			return at
		}
	}
	step := 8
	for at+step < len(s.cells) && s.cells[at+step].key>>s.shift < place {
		at += step
		step *= 2
	}
	for high := min(at+step, len(s.cells)); at < high; {
		middle := (at + high) / 2
		if s.cells[middle].key>>s.shift < place {
			at = middle + 1
		} else {
			high = middle
		}
	}
	return at
}

// settle makes s.cells whole.
func (s *sketchCells) settle(room *sketchRoom) {
	if len(s.fresh) > 0 {
		s.cells = room.joinEven(s.cells, s.fresh, s.shift)
		s.fresh = nil
	}
}

// over says whether there are more cells than there may be, once settled.
func (s *sketchCells) over() bool { return len(s.cells) > s.most }

// collapse widens cells until they are few enough.
func (s *sketchCells) collapse() {
	if s.over() {
		s.shift = sketchShift(s.cells, s.shift, s.most)
		s.cells = sketchCoarser(s.cells, s.shift)
	}
}

// merge adds the cells of another; both are settled.
func (s *sketchCells) merge(o *sketchCells, room *sketchRoom) {
	s.shift, s.coarse, s.most = max(s.shift, o.shift), max(s.coarse, o.coarse), min(s.most, o.most)
	s.cells = room.join(s.cells, o.cells, s.shift)
	if s.coarse > 0 {
		s.coarse = s.coarseShift()
	}
}

// coarseShift is the shift of coarse cells. Cells never reach across one.
func (s *sketchCells) coarseShift() int {
	return sketchShift(s.cells, max(s.shift, s.coarse), sketchCoarse)
}

// coarser are the coarse cells. They are the same for the same values however those were cut, also when cells were thinned.
func (s *sketchCells) coarser() []sketchCell {
	return sketchCoarser(slices.Clone(s.cells), s.coarseShift())
}

// thin joins cells within coarse ones while they hold at most light values together. Cells with more stay what they are.
func (s *sketchCells) thin(light int64) {
	s.coarse = s.coarseShift()
	if s.coarse == 0 {
		return
	}
	kept := make([]sketchCell, 0, len(s.cells)/4)
	for from := 0; from < len(s.cells); {
		to, last := from+1, s.cells[from].start()|(1<<s.coarse-1)
		for to < len(s.cells) && s.cells[to].start() <= last {
			to++
		}
		kept = sketchThin(kept, s.cells[from:to], s.coarse, light)
		from = to
	}
	s.cells = slices.Clip(kept)
}

// sketchThin appends cells that lie in one interval of 2^level keys.
func sketchThin(kept, cells []sketchCell, level int, light int64) []sketchCell {
	if len(cells) == 0 {
		return kept
	}
	total := int64(0)
	for _, c := range cells {
		total += c.count()
	}
	switch {
	case total <= light:
		return append(kept, sketchCellAt(cells[0].key, level, total))
	case len(cells) == 1:
		return append(kept, cells[0])
	}
	middle := cells[0].start()>>level<<level | 1<<(level-1)
	at, _ := slices.BinarySearchFunc(cells, middle, func(c sketchCell, m uint64) int {
		if c.start() < m {
			return -1
		}
		return 1
	})
	return sketchThin(sketchThin(kept, cells[:at], level-1, light), cells[at:], level-1, light)
}
