package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// sketchText is a text of a batch and how often it stands there.
type sketchText struct {
	raw   []byte
	hash  uint64
	count int64
}

// texts counts the texts of a column. What it returns is valid as long as the batch, and until the next call.
func (s *sketchScratch) texts(c *Column, rows int) []sketchText {
	size := 1 << bits.Len(uint(2*rows+2))
	if cap(s.table) < size {
		s.table = make([]uint32, size)
	}
	s.table = s.table[:size]
	clear(s.table)
	s.found = s.found[:0]
	if c.Codes == nil || c.Texts.Len() > 4*rows {
		for i := range rows {
			if !c.Missing.Has(i) {
				s.countText(c.Bytes(i), 1)
			}
		}
		return s.found
	}
	s.codes = slices.Grow(s.codes[:0], c.Texts.Len())[:c.Texts.Len()]
	clear(s.codes)
	for i, code := range c.Codes[:rows] {
		if !c.Missing.Has(i) {
			s.codes[code]++
		}
	}
	for code, n := range s.codes {
		if n > 0 {
			s.countText(c.Texts.At(code), n)
		}
	}
	return s.found
}

func (s *sketchScratch) countText(raw []byte, n int64) {
	hash := sketchHashBytes(raw)
	mask := uint64(len(s.table) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		i := s.table[at]
		if i == 0 {
			s.found = append(s.found, sketchText{raw, hash, n})
			s.table[at] = uint32(len(s.found))
			return
		}
		if t := &s.found[i-1]; t.hash == hash && string(t.raw) == string(raw) {
			t.count += n
			return
		}
	}
}

const (
	sketchLongest = 256 // bytes of a text that is kept whole
	sketchShorter = 64  // of a longer one this much of its beginning
)

// sketchWhole says whether a text is kept as it is.
func sketchWhole(t Type, raw []byte) bool {
	return t != Bytes && len(raw) <= sketchLongest && utf8.Valid(raw)
}

// sketchTextKey is what is kept of a text: itself; of one that is long, or no UTF-8, the beginning, the length and a digest; of bytes
// the hexadecimal digits. Different texts have different keys.
func sketchTextKey(t Type, raw []byte) string {
	if t == Bytes {
		if len(raw) <= sketchShorter {
			return hex.EncodeToString(raw)
		}
		return hex.EncodeToString(raw[:sketchShorter/2]) + sketchDigest(raw)
	}
	if sketchWhole(t, raw) {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw[:min(len(raw), sketchShorter)]), "\ufffd") + sketchDigest(raw)
}

func sketchDigest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("… (%d bytes, sha256 %x)", len(raw), sum[:8])
}

// sketchSome keeps a few of the different values of a column, those with the smallest hashes: a sample in which each value is as
// likely, and that no cut of the table changes.
type sketchSome struct {
	items []sketchHashed // by hash
}

type sketchHashed struct {
	hash uint64
	key  string
}

const sketchKept = 64

// takes says whether a value with this hash may be among them.
func (s *sketchSome) takes(hash uint64) bool {
	return len(s.items) < sketchKept || hash < s.items[sketchKept-1].hash
}

func (s *sketchSome) add(hash uint64, key string) {
	if !s.takes(hash) {
		return
	}
	i, found := slices.BinarySearchFunc(s.items, hash, func(a sketchHashed, h uint64) int { return cmp.Compare(a.hash, h) })
	if found {
		return
	}
	s.items = slices.Insert(s.items, i, sketchHashed{hash, strings.Clone(key)})
	s.items = s.items[:min(len(s.items), sketchKept)]
}
