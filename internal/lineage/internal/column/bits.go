package column

import "math/bits"

// Bits is a set of rows.
type Bits []uint64

// NewBits returns an empty set for n rows.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// AllBits returns the set of the first n rows.
func AllBits(n int) Bits {
	b := NewBits(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

// Set adds a row.
func (b Bits) Set(row int) { b[row/64] |= 1 << (row % 64) }

// Clear removes a row.
func (b Bits) Clear(row int) { b[row/64] &^= 1 << (row % 64) }

// And keeps what is also in o.
func (b Bits) And(o Bits) {
	for i := range b {
		b[i] &= o[i]
	}
}

// Or adds what is in o.
func (b Bits) Or(o Bits) {
	for i := range b {
		b[i] |= o[i]
	}
}

// AndNot removes what is in o.
func (b Bits) AndNot(o Bits) {
	for i := range b {
		b[i] &^= o[i]
	}
}

// Count is the number of rows.
func (b Bits) Count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Each yields the rows in ascending order.
func (b Bits) Each(yield func(row int) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(i*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// EachDown yields the rows in descending order.
func (b Bits) EachDown(yield func(row int) bool) {
	for i := len(b) - 1; i >= 0; i-- {
		for w := b[i]; w != 0; {
			top := 63 - bits.LeadingZeros64(w)
			if !yield(i*64 + top) {
				return
			}
			w &^= 1 << top
		}
	}
}
