package column

import (
	"bytes"
	"hash/maphash"
)

// dict numbers distinct strings in the order in which they first come.
type dict struct {
	seed  maphash.Seed
	bytes []byte
	ends  []uint32 // where each string ends
	slots []slot
}

type slot struct{ hash, code uint32 } // code+1; 0 is free

func (d *dict) text(code uint32) []byte {
	start := uint32(0)
	if code > 0 {
		start = d.ends[code-1]
	}
	return d.bytes[start:d.ends[code]]
}

func (d *dict) code(s []byte) uint32 {
	if len(d.ends)*2 >= len(d.slots) {
		d.grow()
	}
	h := uint32(maphash.Bytes(d.seed, s))
	for i := h; ; i++ {
		at := &d.slots[i&uint32(len(d.slots)-1)]
		if at.code == 0 {
			d.bytes = append(d.bytes, s...)
			d.ends = append(d.ends, uint32(len(d.bytes)))
			*at = slot{h, uint32(len(d.ends))}
			return at.code - 1
		}
		if at.hash == h && bytes.Equal(d.text(at.code-1), s) {
			return at.code - 1
		}
	}
}

func (d *dict) grow() {
	old := d.slots
	d.slots = make([]slot, max(64, 2*len(old)))
	for _, s := range old {
		if s.code == 0 {
			continue
		}
		i := s.hash
		for d.slots[i&uint32(len(d.slots)-1)].code != 0 {
			i++
		}
		d.slots[i&uint32(len(d.slots)-1)] = s
	}
}
