package dataset

import "encoding/binary"

const (
	dictSample = 128  // values that decide whether a block is worth a dictionary
	dictMost   = 1024 // entries, above which a block has none
)

// textDict codes the texts of a block when few of them differ: whoever judges them judges each once. Whether a block has a dictionary
// depends on its content alone.
type textDict struct {
	slots []uint32 // 1 + code, by hash; a power of two long
}

// fill codes the words of a column. It says false, and leaves the column in disorder, when too many differ.
func (d *textDict) fill(c *textColumn, r *textRules, words []word, buf []byte) bool {
	if d.slots == nil {
		d.slots = make([]uint32, 4*dictMost)
	}
	clear(d.slots)
	if cap(c.codes) < len(words) {
		c.codes = make([]uint32, len(words))
	}
	c.codes = c.codes[:len(words)]
	for i, w := range words {
		v := buf[w.at:w.end]
		if w.kind == wordMissing || w.kind == wordRaw && r.missing(v) {
			c.lacks(i)
			v = nil
		}
		code, ok := d.code(&c.texts, v)
		if !ok || i == dictSample && c.texts.Len() > dictSample/2 {
			return false
		}
		c.codes[i] = code
	}
	if len(words) <= dictSample && c.texts.Len() > len(words)/2 {
		return false
	}
	c.Codes, c.Texts = c.codes, &c.texts
	return true
}

// code finds or adds a text.
func (d *textDict) code(texts *Texts, v []byte) (uint32, bool) {
	mask := uint32(len(d.slots) - 1)
	for at := dictHash(v) & mask; ; at = (at + 1) & mask {
		known := d.slots[at]
		if known == 0 {
			if texts.Len() == dictMost {
				return 0, false
			}
			texts.Append(v)
			d.slots[at] = uint32(texts.Len())
			return d.slots[at] - 1, true
		}
		if string(texts.At(int(known-1))) == string(v) {
			return known - 1, true
		}
	}
}

// dictHash mixes eight bytes at a time.
func dictHash(v []byte) uint32 {
	const mul = 0x9e3779b97f4a7c15
	h := uint64(len(v)) * mul
	for ; len(v) >= 8; v = v[8:] {
		h = (h ^ binary.LittleEndian.Uint64(v)) * mul
		h ^= h >> 29
	}
	if len(v) >= 4 { // the two halves overlap
		h ^= uint64(binary.LittleEndian.Uint32(v))<<32 | uint64(binary.LittleEndian.Uint32(v[len(v)-4:]))
	} else if len(v) > 0 {
		h ^= uint64(v[0])<<16 | uint64(v[len(v)>>1])<<8 | uint64(v[len(v)-1])
	}
	h *= mul
	return uint32((h ^ h>>29) >> 16)
}
