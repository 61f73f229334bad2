package gate

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"

	"mlx/internal/dataset"
)

// rowKey is a value that rows are told apart by, such as an id: its text when that has at most 15 bytes, else a digest of it. Equal values
// have equal keys whatever the types of their columns.
type rowKey [2]uint64

// maxKeyText is the longest text that a key holds itself.
const maxKeyText = 15

func keyOf(text []byte) rowKey {
	var b [16]byte
	if len(text) <= maxKeyText {
		copy(b[:], text)
		b[maxKeyText] = byte(len(text))
	} else {
		sum := sha256.Sum256(text)
		copy(b[:], sum[:maxKeyText])
		b[maxKeyText] = 0xff
	}
	return rowKey{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// text is the value, when the key holds it.
func (k rowKey) text() (string, bool) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], k[0])
	binary.LittleEndian.PutUint64(b[8:], k[1])
	n := b[maxKeyText]
	if n > maxKeyText {
		return "", false
	}
	return string(b[:n]), true
}

// rowKeys are the keys of a column. A row without one cannot be told apart from others.
func (p *predictionsPart) rowKeys(c *dataset.Column, rows int) []rowKey {
	keys := make([]rowKey, rows)
	var text []byte
	for i := range keys {
		switch {
		case c.Missing.Has(i):
			p.spoil(i, c.Name, "the value is missing")
		case c.InTexts():
			keys[i] = keyOf(c.Bytes(i))
		default:
			text = c.AppendText(text[:0], i)
			keys[i] = keyOf(text)
		}
	}
	return keys
}

// keyIndex numbers keys in the order in which they are added.
type keyIndex struct {
	seed  maphash.Seed
	keys  []rowKey
	slots []int32 // number of a key plus one; 0 is free. Its length is a power of two
}

func newKeyIndex(expected int) *keyIndex {
	size := 64
	for size < 2*expected {
		size *= 2
	}
	return &keyIndex{seed: maphash.MakeSeed(), slots: make([]int32, size), keys: make([]rowKey, 0, expected)}
}

// find returns the slot of a key, or the free one where it belongs.
func (x *keyIndex) find(k rowKey) int {
	mask := len(x.slots) - 1
	at := int(maphash.Comparable(x.seed, k)) & mask
	for x.slots[at] != 0 && x.keys[x.slots[at]-1] != k {
		at = (at + 1) & mask
	}
	return at
}

// add returns the number of a key, and whether it is new.
func (x *keyIndex) add(k rowKey) (number int32, fresh bool) {
	at := x.find(k)
	if x.slots[at] != 0 {
		return x.slots[at] - 1, false
	}
	x.keys = append(x.keys, k)
	x.slots[at] = int32(len(x.keys))
	if 2*len(x.keys) > len(x.slots) {
		x.grow()
	}
	return int32(len(x.keys) - 1), true
}

func (x *keyIndex) grow() {
	x.slots = make([]int32, 2*len(x.slots))
	for i, k := range x.keys {
		x.slots[x.find(k)] = int32(i + 1)
	}
}

// number returns the number of a key.
func (x *keyIndex) number(k rowKey) (int32, bool) {
	at := x.find(k)
	return x.slots[at] - 1, x.slots[at] != 0
}
