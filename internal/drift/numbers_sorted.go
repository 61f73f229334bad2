package drift

import (
	"math"
	"slices"
	"sort"
)

// sorted are the keys of one side of a column in ascending order: in memory, or in the file of a store.
type sorted struct {
	axis  axis
	n     int64
	mem   []uint64
	after []int64 // of a profile: each of mem stands there many times; how many ranks there are up to and with it
	store *store  // nil: in memory
	from  int64   // where they begin in its file
	err   error   // of reading; what was read then is of no use

	window reader[uint64]
	at     int64 // of window.words, valid while held > 0
	held   int
}

const sortedWindow = 1 << 12

// key is that of rank r, from 0.
func (s *sorted) key(r int64) uint64 {
	if s.after != nil {
		at, _ := slices.BinarySearch(s.after, r+1)
		return s.mem[at]
	}
	if s.store == nil {
		return s.mem[r]
	}
	if r < s.at || r >= s.at+int64(s.held) {
		s.look(r, sortedWindow/64)
	}
	if s.err != nil {
		return 0
	}
	return s.window.words[r-s.at]
}

// look reads keys from rank r on.
func (s *sorted) look(r int64, n int) {
	n = int(min(int64(n), s.n-r))
	words, err := s.window.block(s.store, block{s.from + 8*r, n})
	if err != nil {
		s.err, s.held = err, 0
		return
	}
	s.window.words, s.at, s.held = words[:cap(words)], r, n
}

// blocks visits all keys in order.
func (s *sorted) blocks(visit func(keys []uint64)) {
	c := s.cursor()
	for keys := c.next(); len(keys) > 0; keys = c.next() {
		visit(keys)
	}
}

// value is the number of rank r.
func (s *sorted) value(r int64) float64 { return s.axis.value(s.key(r)) }

// below is how many values are smaller than v.
func (s *sorted) below(v float64) int64 {
	return int64(sort.Search(int(s.n), func(r int) bool { return s.value(int64(r)) >= v }))
}

// upTo is how many values are not larger than v.
func (s *sorted) upTo(v float64) int64 {
	return int64(sort.Search(int(s.n), func(r int) bool { return s.value(int64(r)) > v }))
}

// quantile is the linear quantile of the values of ranks [from, to), as numpy's.
func (s *sorted) quantile(q float64, from, to int64) float64 {
	at := q * float64(to-from-1)
	low := math.Floor(at)
	x := s.value(from + int64(low))
	if at == low {
		return x
	}
	y := s.value(from + int64(low) + 1)
	return lerp(x, y, at-low)
}

// lerp is as numpy has it: exact at both ends, and never outside of them.
func lerp(x, y, t float64) float64 {
	d := y - x
	if math.IsInf(d, 0) {
		return x*(1-t) + y*t
	}
	if t >= 0.5 {
		return y - d*(1-t)
	}
	return x + d*t
}

// cursor goes through the keys in order.
type cursor struct {
	s      *sorted
	at     int64
	reader reader[uint64]
}

func (s *sorted) cursor() *cursor { return &cursor{s: s} }

// next returns the next keys, valid until the call after; none at the end.
func (c *cursor) next() []uint64 {
	if c.at >= c.s.n || c.s.err != nil {
		return nil
	}
	if c.s.store == nil {
		keys := c.s.mem[c.at:]
		c.at = c.s.n
		return keys
	}
	n := int(min(spillBlock, c.s.n-c.at))
	words, err := c.reader.block(c.s.store, block{c.s.from + 8*c.at, n})
	if err != nil {
		c.s.err = err
		return nil
	}
	c.at += int64(n)
	return words
}

// moments are the first moments of values; NaN without values.
type moments struct {
	n         int64
	mean, std float64 // std divides by n
	third     float64 // mean of the third powers of what is standardised; NaN unless asked for
	distinct  int64
}

// moments of all values.
func (s *sorted) moments(third bool) moments {
	m := moments{n: s.n, mean: math.NaN(), std: math.NaN(), third: math.NaN()}
	if s.n == 0 {
		return m
	}
	if s.after != nil {
		return s.momentsOfCells(third)
	}
	var buf [momentBlock]float64
	var sum total
	last := ^s.key(0)
	s.blocks(func(keys []uint64) {
		for _, k := range keys {
			if k != last {
				m.distinct++
			}
			last = k
		}
		for len(keys) > 0 {
			n := min(len(keys), momentBlock)
			sum.add(sumOf(s.axis.values(buf[:], keys[:n])))
			keys = keys[n:]
		}
	})
	n := float64(s.n)
	m.mean = sum.value() / n
	var squares total
	s.each(buf[:], func(values []float64) { squares.add(squaresOf(values, m.mean)) })
	m.std = math.Sqrt(squares.value() / n)
	if third && m.std > 0 {
		var cubes total
		s.each(buf[:], func(values []float64) {
			t := 0.0
			for _, v := range values {
				d := (v - m.mean) / m.std
				t += d * d * d
			}
			cubes.add(t)
		})
		m.third = cubes.value() / n
	}
	return m
}

// each visits the values, some at a time.
func (s *sorted) each(buf []float64, visit func(values []float64)) {
	s.blocks(func(keys []uint64) {
		for len(keys) > 0 {
			n := min(len(keys), len(buf))
			visit(s.axis.values(buf, keys[:n]))
			keys = keys[n:]
		}
	})
}

// momentBlock is how many values are added up before the sum is compensated: as many as numpy takes.
const momentBlock = 128

func sumOf(values []float64) float64 {
	var a, b, c, d float64
	for ; len(values) >= 4; values = values[4:] {
		a += values[0]
		b += values[1]
		c += values[2]
		d += values[3]
	}
	for _, v := range values {
		a += v
	}
	return a + b + (c + d)
}

func squaresOf(values []float64, mean float64) float64 {
	var a, b float64
	for ; len(values) >= 2; values = values[2:] {
		x, y := values[0]-mean, values[1]-mean
		a += x * x
		b += y * y
	}
	for _, v := range values {
		a += (v - mean) * (v - mean)
	}
	return a + b
}

// total adds numbers with Neumaier's compensation.
type total struct{ sum, lost float64 }

func (t *total) add(v float64) {
	s := t.sum + v
	if math.Abs(t.sum) >= math.Abs(v) {
		t.lost += (t.sum - s) + v
	} else {
		t.lost += (v - s) + t.sum
	}
	t.sum = s
}

func (t *total) value() float64 {
	if math.IsInf(t.sum, 0) {
		return t.sum
	}
	return t.sum + t.lost
}
