// Package chunk cuts bytes into content-defined chunks: equal content is cut equally wherever it stands in a file.
//
// It hides the chunker, whose id stands in every recipe. Version 1 is a gear hash over a window of 64 bytes: at each
// byte h = h<<1 + table[byte], and a chunk ends after a byte where h < threshold, at the earliest after Min and at the
// latest after Max bytes. Source: Xia et al., "Ddelta" (2014) for the gear hash; the table and the threshold are ours.
package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Bounds of version 1, in bytes. Frozen: they decide which bytes are shared.
const (
	ID  = 1
	Min = 16 << 10
	Max = 256 << 10

	window = 64
	// A cut comes with probability 1/49152 a byte, so that a chunk has 16 + 48 = 64 KiB on average.
	threshold = ^uint64(0) / (48 << 10)
)

// Table returns the frozen gear table: entry i is the first 8 bytes, big-endian, of SHA-256("mlx gear 1 " + byte i).
var Table = sync.OnceValue(func() *[256]uint64 {
	var t [256]uint64
	for i := range t {
		d := sha256.Sum256(append([]byte("mlx gear 1 "), byte(i)))
		t[i] = binary.BigEndian.Uint64(d[:])
	}
	return &t
})

// Cutter finds the cuts of one stream that arrives in pieces.
type Cutter struct{ table *[256]uint64 }

// NewCutter returns a cutter.
func NewCutter() *Cutter { return &Cutter{table: Table()} }

// Cut appends to ends the end of each chunk in b, whose first byte starts a chunk. known is how many bytes of b were
// there at the last call and gave no cut. At the end of the stream (last) the remainder is a chunk too; before it, what
// follows the last end must be given again, in front of more bytes.
func (c *Cutter) Cut(b []byte, known int, last bool, ends []int) []int {
	start := 0
	for {
		limit := min(len(b), start+Max)
		end := c.next(b, max(start+Min-1, known), limit)
		if end < 0 && (limit == start+Max || last && start < limit) {
			end = limit
		}
		if end < 0 || end == start {
			return ends
		}
		ends = append(ends, end)
		start = end
	}
}

// next returns the first position in (from, to] after which the window's hash is below the threshold, or -1.
// The hash depends on the last 64 bytes alone, so the bytes up to the minimum need not be looked at.
func (c *Cutter) next(b []byte, from, to int) int {
	if from >= to {
		return -1
	}
	t, h := c.table, uint64(0)
	for _, v := range b[from-window+1 : from] {
		h = h<<1 + t[v]
	}
	i := from
	for ; i+8 <= to; i += 8 { // one test for eight bytes: cuts are rare, branches are not free
		s := b[i : i+8 : i+8]
		h0 := h<<1 + t[s[0]]
		h1 := h0<<1 + t[s[1]]
		h2 := h1<<1 + t[s[2]]
		h3 := h2<<1 + t[s[3]]
		h4 := h3<<1 + t[s[4]]
		h5 := h4<<1 + t[s[5]]
		h6 := h5<<1 + t[s[6]]
		h7 := h6<<1 + t[s[7]]
		if h0 < threshold || h1 < threshold || h2 < threshold || h3 < threshold ||
			h4 < threshold || h5 < threshold || h6 < threshold || h7 < threshold {
			break
		}
		h = h7
	}
	for ; i < to; i++ {
		if h = h<<1 + t[b[i]]; h < threshold {
			return i + 1
		}
	}
	return -1
}
