package drift

import (
	"math/bits"
	"slices"
)

// sorter puts keys in order. Each goroutine has its own.
type sorter struct {
	spare  []uint64
	digits [6][1 << sortDigit]uint32
}

const (
	sortDigit = 11 // bits
	sortMask  = 1<<sortDigit - 1
)

// sort puts keys in order. The keys may end up in other memory, which is returned; what was given is then the spare of the next.
//
// Keys are put in order by the 33 bits from the highest in which they differ, which leaves few out of order: those are moved one by one.
// Where that would be many, as of numbers that differ in their last bits alone, all other bits are gone through as well.
func (s *sorter) sort(keys []uint64) []uint64 {
	if len(keys) < 512 {
		slices.Sort(keys)
		return keys
	}
	if cap(s.spare) < len(keys) {
		s.spare = make([]uint64, cap(keys)) // so that either can take the place of the other
	}
	first, differ := keys[0], uint64(0)
	for _, k := range keys {
		differ |= k ^ first
	}
	low := max(bits.Len64(differ)-3*sortDigit, 0)
	keys = s.byDigits(keys, low, 3)
	if low == 0 || nearlySorted(keys) {
		return keys
	}
	return s.byDigits(keys, 0, 6)
}

// byDigits sorts by digits of 11 bits, of which the lowest begins at bit low. Digits that all keys share are passed over.
func (s *sorter) byDigits(keys []uint64, low, digits int) []uint64 {
	counts := s.digits[:digits]
	clear(counts)
	if digits == 3 {
		for _, k := range keys {
			k >>= low
			counts[0][k&sortMask]++
			counts[1][k>>sortDigit&sortMask]++
			counts[2][k>>(2*sortDigit)&sortMask]++
		}
	} else {
		for _, k := range keys {
			for d := range counts {
				counts[d][k>>(sortDigit*d)&sortMask]++
			}
		}
	}
	from, to := keys, s.spare[:len(keys)]
	for d := range counts {
		count, shift := &counts[d], low+sortDigit*d
		if count[from[0]>>shift&sortMask] == uint32(len(keys)) {
			continue
		}
		at := uint32(0)
		for i, c := range count {
			count[i] = at
			at += c
		}
		for _, k := range from {
			digit := k >> shift & sortMask
			to[count[digit]] = k
			count[digit]++
		}
		from, to = to, from
	}
	s.spare = to
	return from
}

// nearlySorted moves keys that are out of order. It gives up, and says false, when more has to be moved than is worth it.
func nearlySorted(keys []uint64) bool {
	left := len(keys)
	for i := 1; i < len(keys); i++ {
		k := keys[i]
		if k >= keys[i-1] {
			continue
		}
		j := i
		for ; j > 0 && keys[j-1] > k; j-- {
			keys[j] = keys[j-1]
		}
		keys[j] = k
		if left -= i - j; left < 0 {
			return false
		}
	}
	return true
}
