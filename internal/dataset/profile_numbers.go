package dataset

import "math"

// profileNumbers is what is kept of the values of a column that lie on a line. While they are few every one of them is counted, after
// that cells of them.
type profileNumbers struct {
	field Field

	count     int64 // of values that are neither missing nor NaN nor infinite
	zeros     int64
	negatives int64
	low, high uint64 // keys of the smallest and the largest; valid if count > 0
	sum       sketchSum
	squares   sketchSum
	cells     sketchCells // of single values unless reduced
	stretches profileStretches[uint64]

	reduced  bool // there are too many values to count each; what follows is of use only then
	distinct sketchDistinct
	profileOrder[uint64]
}

// profileLimits are the bounds of what is kept.
type profileLimits struct {
	cells int // cells of numbers, and different numbers that are all counted
	texts int // different texts that are all counted
}

// profileFloats says whether the keys of a column are those of floats.
func profileFloats(f Field) bool { return f.Type == Float || f.Type == Decimal && f.Wide }

// gather takes the values of a batch. NaN and infinities are counted into c.
func (s *sketchScratch) gather(col *Column, rows int, c *profileColumn) []uint64 {
	keys := s.room(rows)[:0]
	for i := range rows {
		if col.Missing.Has(i) {
			continue
		}
		switch {
		case col.Type == Float:
			keys = profileFloat(keys, col.Floats[i], c)
		case col.Type == Uint:
			keys = append(keys, uint64(col.Ints[i]))
		case col.InTexts():
			keys = profileFloat(keys, col.Number(i), c)
		default:
			keys = append(keys, sketchIntKey(col.Ints[i]))
		}
	}
	return keys
}

func profileFloat(keys []uint64, v float64, c *profileColumn) []uint64 {
	switch {
	case v-v == 0:
		return append(keys, sketchFloatKey(v))
	case v != v:
		c.nan++
	case v > 0:
		c.plusInf++
	default:
		c.minusInf++
	}
	return keys
}

// profileNumbersOf is made of the values of one batch, in the order of the rows, but for the cells. The runs are those of the scratch.
func profileNumbersOf(f Field, keys []uint64, s *sketchScratch) (*profileNumbers, sketchRuns) {
	n := &profileNumbers{field: f}
	if len(keys) == 0 {
		return n, sketchRuns{}
	}
	n.count, n.some, n.rising, n.first, n.last = int64(len(keys)), true, true, keys[0], keys[len(keys)-1]
	for i := 1; i < len(keys) && n.rising; i++ {
		n.rising = keys[i] > keys[i-1]
	}
	r := s.runs(keys)
	n.low, n.high = r.keys[0], r.keys[len(r.keys)-1]
	n.addUp(r)
	n.repeated = int64(len(r.keys)) < n.count
	n.top = sketchTopOf(r)
	return n, r
}

// addUp sums runs.
func (n *profileNumbers) addUp(r sketchRuns) {
	zero := uint64(sketchSign)
	switch {
	case n.field.Type == Uint:
		zero = 0
		sketchMoments(r, sketchSplitUint, &n.sum, &n.squares)
	case profileFloats(n.field):
		sketchMoments(r, sketchSplitFloat, &n.sum, &n.squares)
	default:
		sketchMoments(r, sketchSplitInt, &n.sum, &n.squares)
	}
	for i, key := range r.keys {
		if key > zero {
			break
		}
		if key == zero {
			n.zeros += r.counts[i]
		} else {
			n.negatives += r.counts[i]
		}
	}
}

// reduce turns from values that are all counted to what is known of too many of them.
func (n *profileNumbers) reduce() {
	if n.reduced {
		return
	}
	n.reduced = true
	n.repeated = int64(len(n.cells.cells)) < n.count
	n.cells.hashInto(&n.distinct)
	n.some = n.count > 0
	n.top = sketchTop[uint64]{items: n.items()}
	n.top.shrink()
}

// forget drops what is of use only where values are not all counted.
func (n *profileNumbers) forget() {
	n.distinct, n.top, n.repeated = sketchDistinct{}, sketchTop[uint64]{}, false
}

// items are the counted values.
func (n *profileNumbers) items() []sketchItem[uint64] {
	all := make([]sketchItem[uint64], 0, len(n.cells.cells))
	for _, c := range n.cells.cells {
		all = append(all, sketchItem[uint64]{c.key, c.n})
	}
	return all
}

// add adds values, but for their cells and what depends on their order.
func (n *profileNumbers) add(o *profileNumbers) {
	if o.count == 0 {
		return
	}
	if n.count == 0 {
		n.low, n.high = o.low, o.high
	}
	n.low, n.high = min(n.low, o.low), max(n.high, o.high)
	n.count += o.count
	n.zeros += o.zeros
	n.negatives += o.negatives
	n.sum.merge(&o.sum)
	n.squares.merge(&o.squares)
	n.distinct.merge(o.distinct)
}

// merge adds the values of another profile.
func (n *profileNumbers) merge(o *profileNumbers, room *sketchRoom) {
	if n.reduced || o.reduced {
		n.reduce()
		o.reduce()
	}
	n.profileOrder.follow(&o.profileOrder)
	n.stretches.join(o.stretches.kept)
	n.add(o)
	n.cells.merge(&o.cells, room)
	if n.cells.over() {
		n.reduce()
		n.cells.collapse()
	}
}

// unique says whether no value stands there twice, and whether that is certain.
func (n *profileNumbers) unique() (unique, certain bool) {
	switch {
	case n.count == 0:
		return false, true
	case !n.reduced:
		return int64(len(n.cells.cells)) == n.count, true
	case n.repeated:
		return false, true
	case n.rising:
		return true, true
	}
	return profileAsMany(n.distinct.count(), n.count), false
}

// profileAsMany says whether an estimate of different values can be all of n.
func profileAsMany(distinct, n int64) bool {
	return math.Abs(float64(distinct)-float64(n)) <= 4*DistinctError*float64(n)
}
