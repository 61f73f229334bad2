package dataset

import (
	"encoding/binary"
	"errors"
)

var errDelta = errors.New("its numbers are no valid deltas")

// deltaRuns reads numbers that are written as differences in packed blocks, piece by piece.
type deltaRuns struct {
	b     []byte
	block int // numbers in a block
	mini  int // numbers in a part of a block
	left  int // numbers that are left in all
	first bool
	value int64

	least  int64
	widths []byte // of the parts that follow in the block
	width  uint
	part   int // numbers that are left in the part
	at     int // the next number in the part
	bits   []byte
}

// newDeltaRuns reads the head of a sequence.
func newDeltaRuns(b []byte) (deltaRuns, error) {
	d := deltaRuns{b: b, first: true}
	var head [3]uint64
	for i := range head {
		v, n := binary.Uvarint(d.b)
		if n <= 0 || v > 1<<31 {
			return d, errDelta
		}
		head[i], d.b = v, d.b[n:]
	}
	value, n := binary.Varint(d.b)
	if n <= 0 || head[0] == 0 || head[0]%128 != 0 || head[1] == 0 || head[0]%head[1] != 0 || head[0]/head[1]%32 != 0 || head[1] > 1<<16 {
		return d, errDelta
	}
	d.b, d.value = d.b[n:], value
	d.block, d.mini, d.left = int(head[0]), int(head[0]/head[1]), int(head[2])
	return d, nil
}

// advance begins the next part, and the next block when its parts are used up.
func (d *deltaRuns) advance() error {
	if len(d.widths) == 0 {
		least, n := binary.Varint(d.b)
		parts := d.block / d.mini
		if n <= 0 || len(d.b)-n < parts {
			return errPageShort
		}
		d.least, d.widths, d.b = least, d.b[n:n+parts], d.b[n+parts:]
	}
	d.width, d.widths = uint(d.widths[0]), d.widths[1:]
	if d.width > 64 {
		return errDelta
	}
	size := d.mini * int(d.width) / 8
	if size > len(d.b) { // the last part may be cut after the last number
		need := (min(d.mini, d.left)*int(d.width) + 7) / 8
		if need > len(d.b) {
			return errPageShort
		}
		size = len(d.b)
	}
	d.bits, d.b = d.b[:size], d.b[size:]
	d.part, d.at = d.mini, 0
	return nil
}

// read fills dst.
func (d *deltaRuns) read(dst []int64) error {
	if len(dst) > d.left {
		return errPageShort
	}
	if len(dst) > 0 && d.first {
		dst[0], dst = d.value, dst[1:]
		d.first = false
		d.left--
	}
	for len(dst) > 0 {
		if d.part == 0 {
			if err := d.advance(); err != nil {
				return err
			}
		}
		n := min(len(dst), d.part)
		for i := range dst[:n] {
			d.value += d.least + d.packed(d.at+i)
			dst[i] = d.value
		}
		d.at, d.part, d.left = d.at+n, d.part-n, d.left-n
		dst = dst[n:]
	}
	return nil
}

// packed is number i of the current part.
func (d *deltaRuns) packed(i int) int64 {
	if d.width == 0 {
		return 0
	}
	bit := i * int(d.width)
	at, shift := bit>>3, uint(bit&7)
	if at+9 <= len(d.bits) {
		low := binary.LittleEndian.Uint64(d.bits[at:])
		v := low>>shift | uint64(d.bits[at+8])<<(64-shift)
		return int64(v & (^uint64(0) >> (64 - d.width)))
	}
	var hi, lo uint64
	for k := min(at+8, len(d.bits)-1); k >= at; k-- {
		hi, lo = hi<<8|lo>>56, lo<<8|uint64(d.bits[k])
	}
	if shift > 0 {
		lo = lo>>shift | hi<<(64-shift)
	}
	return int64(lo & (^uint64(0) >> (64 - d.width)))
}

// rest passes over all that is left and returns what follows it. Of the last block only the parts that hold a number are written.
func (d deltaRuns) rest() ([]byte, error) {
	if d.first && d.left > 0 {
		d.left--
	}
	for d.left > 0 {
		if err := d.advance(); err != nil {
			return nil, err
		}
		d.left -= min(d.mini, d.left)
	}
	return d.b, nil
}
