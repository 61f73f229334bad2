package dataset

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

var errPageShort = errors.New("a page ends before its values do")

// hybridRuns reads numbers of up to 32 bits in Parquet's mixture of runs and packed bits, piece by piece.
type hybridRuns struct {
	b      []byte // what follows the current run
	width  uint
	run    int // how many of value are left
	value  uint32
	packed int // how many packed numbers are left
	bits   []byte
	at     int // the next packed number
}

func newHybridRuns(b []byte, width uint) hybridRuns { return hybridRuns{b: b, width: width} }

// advance begins the next run.
func (h *hybridRuns) advance() error {
	head, n := binary.Uvarint(h.b)
	if n <= 0 {
		return errPageShort
	}
	h.b = h.b[n:]
	if head&1 == 0 {
		size := int(h.width+7) / 8
		if size > len(h.b) {
			return errPageShort
		}
		h.value = 0
		for i := size - 1; i >= 0; i-- {
			h.value = h.value<<8 | uint32(h.b[i])
		}
		h.b = h.b[size:]
		h.run = int(min(head>>1, 1<<31))
		return nil
	}
	groups := head >> 1
	if h.width == 0 {
		h.run, h.value = int(min(groups, 1<<28))*8, 0
		return nil
	}
	if limit := uint64(len(h.b)) / uint64(h.width); groups > limit { // the last group may be cut after the last number
		h.packed = len(h.b) * 8 / int(h.width)
		h.bits, h.b, h.at = h.b, nil, 0
		return nil
	}
	size := int(groups) * int(h.width)
	h.packed, h.bits, h.b, h.at = int(groups)*8, h.b[:size], h.b[size:], 0
	return nil
}

// span makes sure that something is left and returns how much of n lies in the current run.
func (h *hybridRuns) span(n int) (int, error) {
	for h.run == 0 && h.packed == 0 {
		if err := h.advance(); err != nil {
			return 0, err
		}
	}
	if h.run > 0 {
		return min(n, h.run), nil
	}
	return min(n, h.packed), nil
}

// read fills dst.
func (h *hybridRuns) read(dst []uint32) error {
	for len(dst) > 0 {
		n, err := h.span(len(dst))
		if err != nil {
			return err
		}
		if h.run > 0 {
			for i := range dst[:n] {
				dst[i] = h.value
			}
			h.run -= n
		} else {
			h.unpack(dst[:n])
		}
		dst = dst[n:]
	}
	return nil
}

// unpack reads packed numbers of the current run.
func (h *hybridRuns) unpack(dst []uint32) {
	w := int(h.width)
	mask := uint64(1)<<h.width - 1
	bit := h.at * w
	i := 0
	for last := (len(h.bits) - 8) * 8; i < len(dst) && bit <= last; i++ {
		dst[i] = uint32(binary.LittleEndian.Uint64(h.bits[bit>>3:])>>(bit&7)) & uint32(mask)
		bit += w
	}
	for ; i < len(dst); i++ {
		var v uint64
		for k := (bit + w - 1) >> 3; k >= bit>>3; k-- {
			v = v<<8 | uint64(h.bits[k])
		}
		dst[i] = uint32(v >> (bit & 7) & mask)
		bit += w
	}
	h.at += len(dst)
	h.packed -= len(dst)
}

// skip passes over n numbers.
func (h *hybridRuns) skip(n int) error {
	for n > 0 {
		k, err := h.span(n)
		if err != nil {
			return err
		}
		if h.run > 0 {
			h.run -= k
		} else {
			h.at += k
			h.packed -= k
		}
		n -= k
	}
	return nil
}

// missing reads n levels of a column whose values are there at level 1. It marks the rows from first on whose values are missing, and
// returns how many there are.
func (h *hybridRuns) missing(set Bits, first, n int) (int, error) {
	absent := 0
	for n > 0 {
		k, err := h.span(n)
		if err != nil {
			return absent, err
		}
		switch {
		case h.run > 0 && h.value == 0:
			set.fill(first, k)
			absent += k
			h.run -= k
		case h.run > 0 && h.value == 1:
			h.run -= k
		case h.run > 0:
			return absent, errLevel
		default:
			absent += h.missingBits(set, first, k)
		}
		first, n = first+k, n-k
	}
	return absent, nil
}

var errLevel = errors.New("a level is higher than the schema allows")

// missingBits is missing for packed bits of width 1.
func (h *hybridRuns) missingBits(set Bits, first, n int) int {
	absent := 0
	for n > 0 {
		k := min(n, 64-first&63, 64-7)
		var word uint64
		at := h.at >> 3
		if at+8 <= len(h.bits) {
			word = binary.LittleEndian.Uint64(h.bits[at:])
		} else {
			for i := len(h.bits) - 1; i >= at; i-- {
				word = word<<8 | uint64(h.bits[i])
			}
		}
		gone := ^(word >> (h.at & 7)) & (1<<k - 1)
		set[first>>6] |= gone << (first & 63)
		absent += bits.OnesCount64(gone)
		h.at, h.packed, first, n = h.at+k, h.packed-k, first+k, n-k
	}
	return absent
}

// fill puts n rows into the set.
func (b Bits) fill(first, n int) {
	for n > 0 {
		k := min(n, 64-first&63)
		word := ^uint64(0)
		if k < 64 {
			word = 1<<k - 1
		}
		b[first>>6] |= word << (first & 63)
		first, n = first+k, n-k
	}
}

// packedLevels reads levels in the old encoding, which is packed from the highest bit down: into the new one.
func packedLevels(b []byte, width uint, n int) ([]byte, int, error) {
	size := (n*int(width) + 7) / 8
	if size > len(b) {
		return nil, 0, errPageShort
	}
	out := make([]byte, 0, 10+size+8)
	out = binary.AppendUvarint(out, uint64((n+7)/8)<<1|1)
	start := len(out)
	out = append(out, make([]byte, (n+7)/8*int(width))...)
	for i := range n * int(width) {
		value, bit := i/int(width), i%int(width)
		if b[i>>3]>>(7-i&7)&1 == 1 { // the first bit of a number is its highest
			to := value*int(width) + int(width) - 1 - bit
			out[start+to>>3] |= 1 << (to & 7)
		}
	}
	return out, size, nil
}
