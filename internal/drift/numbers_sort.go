package drift

import "slices"

// sorter puts keys in order. Each goroutine has its own.
type sorter struct {
	spare  []uint64
	digits [6][2048]uint32
}

// sort puts keys in order, by digits of 11 bits, of which those that all keys share are passed over. The keys may end up in other
// memory, which is returned; what was given is then the spare of the next.
func (s *sorter) sort(keys []uint64) []uint64 {
	if len(keys) < 512 {
		slices.Sort(keys)
		return keys
	}
	if cap(s.spare) < len(keys) {
		s.spare = make([]uint64, len(keys))
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
	s.spare = to
	return from
}
