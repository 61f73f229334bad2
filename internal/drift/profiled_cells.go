package drift

import (
	"math"

	"mlx/internal/dataset"
)

// span is values of both sides that lie between two borders which both have: from low up to high, which does not belong to it.
type span struct {
	low, high float64
	n         [2]int64
	one       bool // they are all low
}

// commonCells are the cells that two lists have in common: cells that overlap are one.
func commonCells(a, b []dataset.ProfileCell, scale [2]float64) []span {
	var all []span
	for len(a) > 0 || len(b) > 0 {
		side, next := 0, a
		if len(a) == 0 || len(b) > 0 && b[0].Low*scale[1] < a[0].Low*scale[0] {
			side, next = 1, b
		}
		c := next[0]
		low, high := c.Low*scale[side], c.High*scale[side]
		if last := len(all) - 1; last >= 0 && (low < all[last].high || low == all[last].low) {
			s := &all[last]
			s.one = s.one && c.One && low == s.low
			s.high = max(s.high, high)
			s.n[side] += c.Count
		} else {
			s := span{low: low, high: high, one: c.One}
			s.n[side] = c.Count
			all = append(all, s)
		}
		if side == 0 {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return all
}

// spanGaps are how far two distribution functions are apart, as far as cells tell.
type spanGaps struct {
	d     float64 // the largest gap at a border
	error float64 // by how much a gap inside a cell can be larger
	area  float64 // between them, as if values lay evenly in a cell
}

func gapsOfSpans(all []span, n [2]int64) spanGaps {
	var g spanGaps
	var area total
	var at [2]int64
	gap, most, before := 0.0, 0.0, math.NaN()
	shareOf := func(side int, k int64) float64 { return float64(k) / float64(n[side]) }
	for i, s := range all {
		if i > 0 {
			area.add(math.Abs(gap) * (s.low - before))
		}
		was := gap
		p, q := shareOf(0, s.n[0]), shareOf(1, s.n[1])
		for side := range at {
			at[side] += s.n[side]
		}
		gap = shareOf(0, at[0]) - shareOf(1, at[1])
		g.d = max(g.d, math.Abs(gap))
		before = s.low
		if !s.one {
			most = max(most, was+p, q-was)
			area.add(ramp(was, gap) * (s.high - s.low))
			before = s.high
		}
	}
	g.error = max(most-g.d, 0)
	g.area = area.value()
	return g
}

// ramp is the mean of the absolute values between two numbers.
func ramp(a, b float64) float64 {
	x, y := math.Abs(a), math.Abs(b)
	if a*b >= 0 {
		return (x + y) / 2
	}
	return (x*x + y*y) / (2 * (x + y))
}

// sortedSpans is one side of cells as if each value were the lower border of its cell. Every edge of a bin is then a border that both
// sides have.
func sortedSpans(all []span, side int) *sorted {
	s := &sorted{axis: axis{axisFloats, 1}, after: []int64{}}
	for _, c := range all {
		if c.n[side] == 0 {
			continue
		}
		s.n += c.n[side]
		s.mem, s.after = append(s.mem, floatKey(c.low)), append(s.after, s.n)
	}
	return s
}

// momentsOfCells are the moments of values that are taken for the lower borders of their cells.
func (s *sorted) momentsOfCells(third bool) moments {
	m := moments{n: s.n, distinct: int64(len(s.mem)), third: math.NaN()}
	power := func(k float64, by float64) float64 {
		var sum total
		before := int64(0)
		for i, key := range s.mem {
			sum.add(math.Pow((s.axis.value(key)-m.mean)/by, k) * float64(s.after[i]-before))
			before = s.after[i]
		}
		return sum.value() / float64(s.n)
	}
	m.mean = power(1, 1)
	m.std = math.Sqrt(power(2, 1))
	if third && m.std > 0 {
		m.third = power(3, m.std)
	}
	return m
}
