package dataset

import (
	"encoding/binary"
	"math/bits"
)

const (
	eachByte = 0x0101010101010101
	eachLow  = 0x7f7f7f7f7f7f7f7f
)

// plain finds the fields of a chunk without quotes, of more than one column: eight bytes at a time it looks for separators and line ends.
func (g *csvGrid) plain(buf []byte, d dialect) *csvFlaw {
	seps, eols := eachByte*uint64(d.sep), eachByte*uint64(d.eol)
	ends := append(g.ends, ^uint32(0))
	mark := 0 // where the row begins in ends
	at := 0
	for ; at+8 <= len(buf); at += 8 {
		v := binary.LittleEndian.Uint64(buf[at:])
		s, e := v^seps, v^eols
		// The top bit of each byte that is zero, exactly.
		hits := (((s & eachLow) + eachLow) | s) & (((e & eachLow) + eachLow) | e)
		for hits = ^(hits | eachLow); hits != 0; hits &= hits - 1 {
			i := at + bits.TrailingZeros64(hits)>>3
			ends = append(ends, uint32(i))
			if buf[i] == d.sep {
				continue
			}
			var flaw *csvFlaw
			if ends, flaw = g.rowEnd(buf, ends, mark); flaw != nil {
				return flaw
			}
			mark = len(ends)
			ends = append(ends, uint32(i))
		}
	}
	for ; at <= len(buf); at++ {
		if at < len(buf) && buf[at] != d.sep && buf[at] != d.eol {
			continue
		}
		if at == len(buf) && len(ends) == mark+1 && int(ends[mark]+1) == at {
			break // a line end was the last byte
		}
		ends = append(ends, uint32(at))
		if at < len(buf) && buf[at] == d.sep {
			continue
		}
		var flaw *csvFlaw
		if ends, flaw = g.rowEnd(buf, ends, mark); flaw != nil {
			return flaw
		}
		mark = len(ends)
		ends = append(ends, uint32(at))
	}
	g.ends = ends[:mark]
	return nil
}

// rowEnd checks the row that begins at mark in ends. A blank line is none.
func (g *csvGrid) rowEnd(buf []byte, ends []uint32, mark int) ([]uint32, *csvFlaw) {
	fields := len(ends) - mark - 1
	if fields == g.columns {
		return ends, nil
	}
	start, end := int(ends[mark]+1), int(ends[len(ends)-1])
	if fields == 1 && (end == start || end == start+1 && buf[start] == '\r') {
		return ends[:mark], nil
	}
	return ends, &csvFlaw{at: start, fields: fields}
}
