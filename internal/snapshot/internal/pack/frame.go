// Package pack keeps chunks in pack files: frames of chunks, raw, compressed or as a delta, then an index.
//
// It hides the bytes of a pack (docs/format/store.md). A pack is immutable and named by the SHA-256 of its index, which
// commits to every byte before it: to a raw frame through the digests of its chunks, to the payload of another frame
// through its own. Everything that a file states is checked against the file's size before anything is allocated.
package pack

import (
	"bytes"
	"crypto/sha256"

	"mlx/internal/fault"
	"mlx/internal/object"
)

const (
	magic       = "mlx pack 1\n\x00\x00\x00\x00\x00" // 16 bytes
	endMagic    = "mlx pack index 1"                 // 16 bytes
	frameHead   = 12
	frameRow    = 56
	chunkRow    = 44
	trailerSize = 32
	maxChunks   = 1<<16 - 1
)

// Frame is a run of chunks that are decoded together.
type Frame struct {
	Codec  Codec
	Offset int64 // of the header, in the pack
	Raw    int   // bytes when decoded
	Stored int   // bytes of payload
	Chunks int
	Sum    [32]byte // of the payload; zero for a raw frame, whose chunks say it
}

// headSize returns the size of the header in front of the payload.
func (f Frame) headSize() int {
	if f.Chunks > 1 {
		return frameHead + 4*f.Chunks
	}
	return frameHead
}

// size returns the bytes that the frame takes in the pack.
func (f Frame) size() int64 { return int64(f.headSize()) + int64(f.Stored) }

// appendHead appends the header: codec, 0, chunks (16 bits), raw and stored bytes (32 bits each), and the length of each
// chunk (32 bits) where there are several.
func (f Frame) appendHead(dst []byte, lens []int) []byte {
	dst = append(dst, byte(f.Codec), 0)
	dst = le.AppendUint16(dst, uint16(f.Chunks))
	dst = le.AppendUint32(dst, uint32(f.Raw))
	dst = le.AppendUint32(dst, uint32(f.Stored))
	if f.Chunks > 1 {
		for _, n := range lens {
			dst = le.AppendUint32(dst, uint32(n))
		}
	}
	return dst
}

// parseHead reads a header and the lengths of its chunks from b, of which room bytes may be the frame.
func parseHead(b []byte, room int64) (f Frame, lens []int, err error) {
	bad := func(why string) (Frame, []int, error) {
		return Frame{}, nil, fault.New(fault.Integrity, "damaged frame: %s", why)
	}
	if len(b) < frameHead {
		return bad("header cut short")
	}
	f = Frame{Codec: Codec(b[0]), Chunks: int(le.Uint16(b[2:])), Raw: int(le.Uint32(b[4:])), Stored: int(le.Uint32(b[8:]))}
	switch {
	case f.Codec < Raw || f.Codec > Delta || b[1] != 0:
		return bad("unknown codec")
	case f.Chunks == 0 || f.Codec == Delta && f.Chunks != 1:
		return bad("wrong number of chunks")
	case f.Raw > Limit || f.Raw == 0:
		return bad("wrong size")
	case f.Codec == Raw && f.Stored != f.Raw || f.size() > room || int64(len(b)) < int64(f.headSize()):
		return bad("payload longer than the file")
	}
	if f.Chunks == 1 {
		return f, []int{f.Raw}, nil
	}
	sum := 0
	lens = make([]int, f.Chunks)
	for i := range lens {
		lens[i] = int(le.Uint32(b[frameHead+4*i:]))
		if lens[i] == 0 || lens[i] > Limit {
			return bad("wrong length of a chunk")
		}
		sum += lens[i]
	}
	if sum != f.Raw {
		return bad("chunks do not fill the frame")
	}
	return f, lens, nil
}

// entry is a row of the index: where a chunk lies.
type entry struct {
	id    object.Digest
	frame uint32
	at    uint32 // in the decoded frame
	size  uint32
}

// appendIndex appends the frame rows, the chunk rows (which must be sorted) and the trailer.
func appendIndex(dst []byte, end int64, frames []Frame, entries []entry) []byte {
	for _, f := range frames {
		dst = le.AppendUint64(dst, uint64(f.Offset))
		dst = le.AppendUint32(dst, uint32(f.Raw))
		dst = le.AppendUint32(dst, uint32(f.Stored))
		dst = append(dst, byte(f.Codec), 0)
		dst = le.AppendUint16(dst, uint16(f.Chunks))
		dst = append(dst, 0, 0, 0, 0)
		dst = append(dst, f.Sum[:]...)
	}
	for _, e := range entries {
		dst = append(dst, e.id[:]...)
		dst = le.AppendUint32(dst, e.frame)
		dst = le.AppendUint32(dst, e.at)
		dst = le.AppendUint32(dst, e.size)
	}
	dst = le.AppendUint64(dst, uint64(end))
	dst = le.AppendUint32(dst, uint32(len(frames)))
	dst = le.AppendUint32(dst, uint32(len(entries)))
	return append(dst, endMagic...)
}

// index is the parsed index of a pack; it lies over the file's bytes.
type index struct {
	name    object.Digest
	end     int64 // of the frames
	frames  []byte
	entries []byte
}

// indexSpan returns where the index of a pack of size bytes starts, given its last bytes.
func indexSpan(trailer []byte, size int64) (int64, error) {
	if len(trailer) != trailerSize || !bytes.Equal(trailer[16:], []byte(endMagic)) {
		return 0, fault.New(fault.Integrity, "damaged pack: it has no index at its end")
	}
	end := int64(le.Uint64(trailer))
	rows := int64(le.Uint32(trailer[8:]))*frameRow + int64(le.Uint32(trailer[12:]))*chunkRow
	if end < int64(len(magic)) || end > size || end+rows+trailerSize != size {
		return 0, fault.New(fault.Integrity, "damaged pack: its index does not fit the file")
	}
	return end, nil
}

// parseIndex checks every row of an index, so that later look-ups need not.
func parseIndex(b []byte, start int64) (*index, error) {
	t := b[len(b)-trailerSize:]
	nf, nc := int(le.Uint32(t[8:])), int(le.Uint32(t[12:]))
	x := &index{name: sha256.Sum256(b), end: start, frames: b[:nf*frameRow], entries: b[nf*frameRow : nf*frameRow+nc*chunkRow]}
	bad := func(why string) (*index, error) {
		return nil, fault.New(fault.Integrity, "damaged pack index: %s", why)
	}
	at, chunks := int64(len(magic)), 0
	for i := range nf {
		f := x.frame(i)
		if f.Offset != at || f.Codec < Raw || f.Codec > Delta || f.Raw == 0 || f.Raw > Limit || f.Chunks == 0 {
			return bad("a frame row is wrong")
		}
		at += f.size()
		chunks += f.Chunks
	}
	if at != start || chunks != nc {
		return bad("the frames do not fill the file")
	}
	for i := range nc {
		e := x.entry(i)
		if i > 0 && bytes.Compare(x.id(i-1), x.id(i)) > 0 {
			return bad("chunks are out of order")
		}
		if int(e.frame) >= nf || e.size == 0 || int64(e.at)+int64(e.size) > int64(x.frame(int(e.frame)).Raw) {
			return bad("a chunk row is wrong")
		}
	}
	return x, nil
}

func (x *index) len() int        { return len(x.entries) / chunkRow }
func (x *index) id(i int) []byte { return x.entries[i*chunkRow : i*chunkRow+digestSize] }

func (x *index) frame(i int) Frame {
	b := x.frames[i*frameRow : (i+1)*frameRow]
	f := Frame{Offset: int64(le.Uint64(b)), Raw: int(le.Uint32(b[8:])), Stored: int(le.Uint32(b[12:])), Codec: Codec(b[16]), Chunks: int(le.Uint16(b[18:]))}
	copy(f.Sum[:], b[24:])
	return f
}

func (x *index) entry(i int) entry {
	b := x.entries[i*chunkRow : (i+1)*chunkRow]
	return entry{id: object.Digest(b[:digestSize]), frame: le.Uint32(b[32:]), at: le.Uint32(b[36:]), size: le.Uint32(b[40:])}
}

// find returns the row of a chunk. Digests are evenly spread, so the first guess is close.
func (x *index) find(d object.Digest) (entry, bool) {
	lo, hi := 0, x.len()
	if hi > 64 {
		guess := int(uint64(hi) * uint64(be32(d[:])) >> 32)
		for step := 16; ; step *= 4 { // widen around the guess until it brackets d
			lo, hi = max(0, guess-step), min(x.len(), guess+step)
			if (lo == 0 || bytes.Compare(x.id(lo), d[:]) <= 0) && (hi == x.len() || bytes.Compare(x.id(hi-1), d[:]) >= 0) {
				break
			}
		}
	}
	for lo < hi {
		m := int(uint(lo+hi) / 2)
		switch c := bytes.Compare(x.id(m), d[:]); {
		case c == 0:
			return x.entry(m), true
		case c < 0:
			lo = m + 1
		default:
			hi = m
		}
	}
	return entry{}, false
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
