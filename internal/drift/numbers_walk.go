package drift

import "math"

// gaps are how far two distribution functions are apart.
type gaps struct {
	d    float64 // the largest gap
	area float64 // between them: the first Wasserstein distance
}

// gapsOf walks along two sorted sides of one axis; NaN when either is empty.
//
// At each step the next key of either side, or of both, is passed. The gap that is looked at is the one before the step, and it counts
// only where the key is another than that of the step before: so ties of any number, within a side and across, count once.
func gapsOf(a, b *sorted) gaps {
	if a.n == 0 || b.n == 0 {
		return gaps{math.NaN(), math.NaN()}
	}
	w := walk{n: a.n, m: b.n, axis: a.axis}
	ca, cb := a.cursor(), b.cursor()
	x, y := ca.next(), cb.next()
	w.last = min(x[0], y[0])
	for len(x) > 0 && len(y) > 0 {
		i, j := w.both(x, y)
		if x = x[i:]; len(x) == 0 {
			x = ca.next()
		}
		if y = y[j:]; len(y) == 0 {
			y = cb.next()
		}
	}
	for ; len(x) > 0; x = ca.next() {
		w.one(x, w.m)
	}
	for ; len(y) > 0; y = cb.next() {
		w.one(y, -w.n)
	}
	w.settle()
	cells := float64(a.n) * float64(b.n)
	return gaps{float64(w.worst) / cells, w.area.value() / cells / a.axis.by}
}

// walk is where a walk stands. The gap is i*m - j*n: of the shares passed, times n*m.
type walk struct {
	n, m  int64
	axis  axis
	gap   int64
	worst int64
	last  uint64
	area  total
	part  float64
	steps int
}

// settle adds what was summed since the last time: a compensated sum at each step would cost more than all else.
func (w *walk) settle() {
	w.area.add(w.part)
	w.part, w.steps = 0, 0
}

// both passes keys until one of the sides has no more, and returns how many of each.
func (w *walk) both(x, y []uint64) (i, j int) {
	for i < len(x) && j < len(y) {
		before := i + j
		end := before + momentBlock - w.steps // the same sums wherever the keys are cut
		if w.axis.kind == axisFloats {
			i, j = w.floats(x, y, i, j, end)
		} else {
			i, j = w.ints(x, y, i, j, end)
		}
		if w.steps += i + j - before; w.steps >= momentBlock {
			w.settle()
		}
	}
	return i, j
}

func (w *walk) floats(x, y []uint64, i, j, end int) (int, int) {
	gap, worst, last, part := w.gap, w.worst, w.last, w.part
	before := floatOf(last)
	for i < len(x) && j < len(y) && i+j < end {
		k, l := x[i], y[j]
		key := min(k, l)
		size := max(gap, -gap)
		if key == last {
			size = 0
		}
		worst = max(worst, size)
		v := floatOf(key)
		part += float64(size) * (v - before)
		last, before = key, v
		if k == key {
			i++
			gap += w.m
		}
		if l == key {
			j++
			gap -= w.n
		}
	}
	w.gap, w.worst, w.last, w.part = gap, worst, last, part
	return i, j
}

func (w *walk) ints(x, y []uint64, i, j, end int) (int, int) {
	gap, worst, last, part := w.gap, w.worst, w.last, w.part
	for i < len(x) && j < len(y) && i+j < end {
		k, l := x[i], y[j]
		key := min(k, l)
		size := max(gap, -gap)
		if key == last {
			size = 0
		}
		worst = max(worst, size)
		part += float64(size) * float64(key-last)
		last = key
		if k == key {
			i++
			gap += w.m
		}
		if l == key {
			j++
			gap -= w.n
		}
	}
	w.gap, w.worst, w.last, w.part = gap, worst, last, part
	return i, j
}

// one passes keys of one side when the other has no more.
func (w *walk) one(keys []uint64, step int64) {
	for _, key := range keys {
		if key != w.last {
			size := max(w.gap, -w.gap)
			w.worst = max(w.worst, size)
			w.part += float64(size) * w.axis.gap(w.last, key)
			w.last = key
		}
		w.gap += step
		if w.steps++; w.steps >= momentBlock {
			w.settle()
		}
	}
}
