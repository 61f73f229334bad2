package drift

import (
	"math/bits"
	"slices"
)

// sorter puts keys in order. Each goroutine has its own.
type sorter struct {
	spare  []uint64
	places [1 << sortDigit]uint32 // of small heaps
}

const (
	sortDigit = 11   // bits by which many keys are dealt out at once: as many places as the caches follow
	smallSort = 4096 // keys that lie in the nearest cache, with the places they go to
	fewKeys   = 24   // are moved one by one
)

// sort puts keys in order. The keys may end up in other memory, which is returned; what was given is then the spare of the next.
//
// Keys are dealt out by the highest bits in which they differ, and each heap is sorted as all were. So every pass but the first goes
// through memory that is near, however the numbers lie: floats of some sizes differ first in their exponents, which makes few heaps.
func (s *sorter) sort(keys []uint64) []uint64 {
	if len(keys) < 512 {
		slices.Sort(keys)
		return keys
	}
	if cap(s.spare) < len(keys) {
		s.spare = make([]uint64, cap(keys)) // so that either can take the place of the other
	}
	to := s.spare[:len(keys)]
	s.heap(keys, to, true)
	s.spare = keys
	return to
}

// heap sorts keys into to, or where they are. Both are overwritten.
func (s *sorter) heap(keys, to []uint64, move bool) {
	if len(keys) <= smallSort {
		s.small(keys, to, move)
		return
	}
	differ := differing(keys)
	shift := max(bits.Len64(differ)-sortDigit, 0)
	var ends [1 << sortDigit]uint32
	for _, k := range keys {
		ends[k>>shift&(1<<sortDigit-1)]++
	}
	at := uint32(0)
	for i, c := range ends {
		ends[i] = at
		at += c
	}
	for _, k := range keys {
		d := k >> shift & (1<<sortDigit - 1)
		to[ends[d]] = k
		ends[d]++
	}
	if shift == 0 {
		if !move {
			copy(keys, to)
		}
		return
	}
	from := uint32(0)
	for _, end := range ends {
		if end > from {
			s.heap(to[from:end], keys[from:end], !move)
		}
		from = end
	}
}

func differing(keys []uint64) uint64 {
	first, differ := keys[0], uint64(0)
	for _, k := range keys {
		differ |= k ^ first
	}
	return differ
}

// small sorts keys as heap does. They are dealt out once, to about as many places as there are keys; what is out of order then is near.
func (s *sorter) small(keys, to []uint64, move bool) {
	differ := uint64(0)
	if len(keys) > fewKeys {
		differ = differing(keys)
	}
	digit := min(bits.Len(uint(len(keys))), sortDigit)
	shift := max(bits.Len64(differ)-digit, 0)
	if differ != 0 {
		mask := uint64(1)<<digit - 1
		ends := s.places[:1<<digit]
		clear(ends)
		for _, k := range keys {
			ends[k>>shift&mask]++
		}
		at := uint32(0)
		for i, c := range ends {
			ends[i] = at
			at += c
		}
		for _, k := range keys {
			d := k >> shift & mask
			to[ends[d]] = k
			ends[d]++
		}
	}
	switch {
	case differ != 0 && !move:
		copy(keys, to)
	case differ == 0 && move:
		copy(to, keys)
	}
	if move {
		keys = to[:len(keys)]
	}
	if (shift > 0 || len(keys) <= fewKeys) && !insert(keys, 8*max(len(keys), fewKeys)) {
		slices.Sort(keys)
	}
}

// insert moves keys that are out of order one by one. It gives up, and says false, when more has to be moved than is worth it.
func insert(keys []uint64, most int) bool {
	for i := 1; i < len(keys); i++ {
		k := keys[i]
		j := i
		for ; j > 0 && keys[j-1] > k; j-- {
			keys[j] = keys[j-1]
		}
		keys[j] = k
		if most -= i - j; most < 0 {
			return false
		}
	}
	return true
}
