package dataset

import (
	"math"
	"slices"
)

// sketchRuns are the values of a column with how often each stands there: keys in ascending order, none twice. The key of a value
// keeps the order of the values (see sketchFloatKey and sketchIntKey).
type sketchRuns struct {
	keys   []uint64
	counts []int64
}

const sketchSign = 1 << 63

// sketchIntKey maps integers to keys that compare as they do.
func sketchIntKey(v int64) uint64 { return uint64(v) ^ sketchSign }

func sketchIntOf(key uint64) int64 { return int64(key ^ sketchSign) }

// sketchFloatKey maps numbers that are not NaN to keys that compare as they do. Minus zero is zero.
func sketchFloatKey(v float64) uint64 {
	b := math.Float64bits(v + 0)
	if b&sketchSign != 0 {
		return ^b
	}
	return b | sketchSign
}

func sketchFloatOf(key uint64) float64 {
	if key&sketchSign != 0 {
		return math.Float64frombits(key ^ sketchSign)
	}
	return math.Float64frombits(^key)
}

// sketchScratch is memory that one goroutine uses again for each batch.
type sketchScratch struct {
	keys, spare []uint64
	dense       []uint32
	counted     sketchRuns
	digits      [6][2048]uint32
	table       []uint32
	found       []sketchText
	codes       []int64
	cells       []sketchCell
	few, joins  sketchRoom
}

func (s *sketchScratch) room(n int) []uint64 {
	if cap(s.keys) < n {
		s.keys, s.spare = make([]uint64, n), make([]uint64, n)
	}
	return s.keys[:n]
}

// sketchDense is the widest range of keys that is counted in an array instead of sorted.
const sketchDense = 1 << 16

// runs counts the keys, which it may reorder. They must be those of room. What it returns is valid until the next call, and is to be
// kept by clone.
func (s *sketchScratch) runs(keys []uint64) sketchRuns {
	if len(keys) == 0 {
		return sketchRuns{}
	}
	low, high := keys[0], keys[0]
	for _, k := range keys {
		low, high = min(low, k), max(high, k)
	}
	if cap(s.counted.keys) < len(keys) {
		s.counted = sketchRuns{make([]uint64, len(keys)), make([]int64, len(keys))}
	}
	if width := high - low; width < sketchDense && width < uint64(4*len(keys)) {
		return s.countDense(keys, low, int(width)+1)
	}
	return sketchRuns{s.counted.keys[:0], s.counted.counts[:0]}.count(s.sort(keys))
}

func (s *sketchScratch) countDense(keys []uint64, low uint64, width int) sketchRuns {
	if s.dense == nil {
		s.dense = make([]uint32, sketchDense)
	}
	dense := s.dense[:width]
	clear(dense)
	for _, k := range keys {
		dense[k-low]++
	}
	r := sketchRuns{s.counted.keys[:0], s.counted.counts[:0]}
	for i, c := range dense {
		if c > 0 {
			r.keys, r.counts = append(r.keys, low+uint64(i)), append(r.counts, int64(c))
		}
	}
	return r
}

// count appends keys that are in order, and lie above those that are there.
func (r sketchRuns) count(sorted []uint64) sketchRuns {
	for i := 0; i < len(sorted); {
		key, j := sorted[i], i+1
		for j < len(sorted) && sorted[j] == key {
			j++
		}
		r.keys, r.counts = append(r.keys, key), append(r.counts, int64(j-i))
		i = j
	}
	return r
}

// sort puts keys in order: by digits of 11 bits, of which those that all keys share are passed over. It returns the memory in
// which they then stand, which is that of the scratch.
func (s *sketchScratch) sort(keys []uint64) []uint64 {
	if len(keys) < 1024 {
		slices.Sort(keys)
		return keys
	}
	clear(s.digits[:])
	for _, k := range keys {
		s.digits[0][k&2047]++
		s.digits[1][k>>11&2047]++
		s.digits[2][k>>22&2047]++
		s.digits[3][k>>33&2047]++
		s.digits[4][k>>44&2047]++
		s.digits[5][k>>55]++
	}
	from, to := keys, s.spare[:len(keys)]
	for d := range s.digits {
		count, shift := &s.digits[d], 11*d
		if count[from[0]>>shift&2047] == uint32(len(keys)) {
			continue
		}
		at := uint32(0)
		for i, c := range count {
			count[i] = at
			at += c
		}
		for _, k := range from {
			digit := k >> shift & 2047
			to[count[digit]] = k
			count[digit]++
		}
		from, to = to, from
	}
	return from
}

// items are the keys with their counts.
func (r sketchRuns) items() []sketchItem[uint64] {
	all := make([]sketchItem[uint64], len(r.keys))
	for i, key := range r.keys {
		all[i] = sketchItem[uint64]{key, r.counts[i]}
	}
	return all
}
