package dataset

import (
	"math/bits"
	"slices"
)

// sketchLevels is a summary of many values from which ranks can be told: level h holds keys that stand for 2^h values each. It is
// the sketch of Manku, Rajagopalan and Lindsay (1998): a full level is put in order and every second key goes up. How far a rank can
// be off at most is counted while that is done, so that the bound is that of this very table; it is about
// (log2(n/size)+1)/(2 size) of the rows, and commonly a tenth of that, as what is kept of two is the lower and the upper in turn.
//
// The same rows in the same batches give the same keys. Other cuts give others within the bound.
type sketchLevels struct {
	size   int // keys of a level, at most
	levels [][]uint64
	turns  []int64 // how often each level was halved
	slack  int64   // ranks by which an answer can be off
}

// sketchBlock is what is left of the values of a batch.
type sketchBlock struct {
	level int
	keys  []uint64 // stand for 2^level values each
	rest  []uint64 // stand for themselves
	slack int64
}

// sketchSample thins runs to at most size keys.
func sketchSample(r sketchRuns, size int) sketchBlock {
	n := r.total()
	b := sketchBlock{}
	for n>>b.level > int64(size) {
		b.level++
	}
	weight := int64(1) << b.level
	b.keys = make([]uint64, 0, n>>b.level)
	if b.level > 0 {
		b.slack = weight / 2
	}
	whole := n &^ (weight - 1)
	next, at := weight/2, int64(0) // the middle of each group stands for it
	for i, key := range r.keys {
		at += r.counts[i]
		for next < at && next < whole {
			b.keys = append(b.keys, key)
			next += weight
		}
		for rest := min(at-whole, r.counts[i]); rest > 0; rest-- {
			b.rest = append(b.rest, key)
		}
	}
	return b
}

// take adds what is left of a batch.
func (l *sketchLevels) take(b sketchBlock) {
	l.slack += b.slack
	l.own(0, b.rest)
	l.own(b.level, b.keys)
	l.settle()
}

// put adds keys that are in order to a level.
func (l *sketchLevels) put(level int, keys []uint64) {
	l.reach(level)
	l.levels[level] = sketchMergeKeys(l.levels[level], keys)
}

// own is put of keys that nobody else has.
func (l *sketchLevels) own(level int, keys []uint64) {
	l.reach(level)
	if len(l.levels[level]) == 0 && len(keys) > 0 {
		l.levels[level] = keys
		return
	}
	l.levels[level] = sketchMergeKeys(l.levels[level], keys)
}

func (l *sketchLevels) reach(level int) {
	for len(l.levels) <= level {
		l.levels, l.turns = append(l.levels, nil), append(l.turns, 0)
	}
}

// settle halves levels until none is too full.
func (l *sketchLevels) settle() {
	for h := 0; h < len(l.levels); h++ {
		if len(l.levels[h]) <= l.size {
			continue
		}
		full := l.levels[h]
		even := len(full) &^ 1
		up := make([]uint64, 0, even/2)
		odd := sketchTurn(h, l.turns[h])
		l.turns[h]++
		for i := odd; i < even; i += 2 {
			up = append(up, full[i])
		}
		l.levels[h] = slices.Clone(full[even:])
		l.slack += int64(1) << h
		l.own(h+1, up)
	}
}

// sketchTurn says whether the lower or the upper of two keys is kept: by a fixed coin for every two halvings, then the other.
func sketchTurn(level int, turn int64) int {
	coin := sketchHash(uint64(level)<<48^uint64(turn>>1)) & 1
	return int(coin ^ uint64(turn&1))
}

func (l *sketchLevels) merge(o *sketchLevels) {
	l.size = min(l.size, o.size)
	l.slack += o.slack
	for h, keys := range o.levels {
		l.put(h, keys)
		l.turns[h] += o.turns[h]
	}
	l.settle()
}

// runs are all keys with the values that they stand for.
func (l *sketchLevels) runs() sketchRuns {
	var all sketchRuns
	for h, keys := range l.levels {
		r := sketchRuns{}.count(keys)
		for i := range r.counts {
			r.counts[i] <<= h
		}
		all = all.merge(r)
	}
	return all
}

// putCounted adds values of which each may stand there very often, without any loss.
func (l *sketchLevels) putCounted(r sketchRuns) {
	var levels [64][]uint64
	for i, key := range r.keys {
		for c := uint64(r.counts[i]); c > 0; c &= c - 1 {
			h := bits.TrailingZeros64(c)
			levels[h] = append(levels[h], key)
		}
	}
	for h, keys := range levels {
		if len(keys) > 0 {
			l.put(h, keys)
		}
	}
	l.settle()
}

func sketchMergeKeys(a, b []uint64) []uint64 {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return slices.Clone(b)
	}
	m := make([]uint64, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			m, a = append(m, a[0]), a[1:]
		} else {
			m, b = append(m, b[0]), b[1:]
		}
	}
	return append(append(m, a...), b...)
}
