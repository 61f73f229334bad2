// Package pack keeps chunks in pack files: frames of chunks, raw, compressed or as a delta, then an index.
//
// It hides the bytes of a pack (docs/format/store.md). A pack is immutable and named by the SHA-256 of its index, which
// commits to every byte before it: to a raw frame through the digests of its chunks, to the payloads of the others
// through one digest over them all. Everything that a file states is checked against the file's size before anything is
// allocated.
package pack

import (
	"bytes"
	"crypto/sha256"

	"mlx/internal/fault"
	"mlx/internal/object"
)

const (
	magic       = "mlx pack 1\n\x01\x00\x00\x00\x00" // 16 bytes; the 12th is the digest algorithm, SHA-256
	endMagic    = "mlx pack index 1"                 // 16 bytes
	frameRow    = 8
	lenSize     = 3
	chunkRow    = 40
	trailerSize = 64
	maxChunks   = 1 << 16
	maxFrames   = 1 << 28
	maxStored   = 1<<19 - 1
)

// Frame is a run of chunks that are decoded together.
type Frame struct {
	Codec  Codec
	Offset int64 // of the header, in the pack
	Raw    int   // bytes when decoded
	Stored int   // bytes of payload
	Chunks int
}

// headSize returns the size of the header in front of the payload.
func (f Frame) headSize() int {
	if f.Chunks > 1 {
		return frameRow + lenSize*f.Chunks
	}
	return frameRow
}

// size returns the bytes that the frame takes in the pack.
func (f Frame) size() int64 { return int64(f.headSize()) + int64(f.Stored) }

// word packs a frame into 64 bits, from the lowest: codec (2), raw bytes less one (18), stored bytes (19), chunks less
// one (16), zero (9). It is the frame's header, and its row in the index.
func (f Frame) word() uint64 {
	return uint64(f.Codec) | uint64(f.Raw-1)<<2 | uint64(f.Stored)<<20 | uint64(f.Chunks-1)<<39
}

// frameOf unpacks and checks a frame.
func frameOf(w uint64) (Frame, bool) {
	f := Frame{Codec: Codec(w & 3), Raw: int(w>>2&(1<<18-1)) + 1, Stored: int(w >> 20 & maxStored), Chunks: int(w>>39&0xffff) + 1}
	ok := w>>55 == 0 && f.Codec != 0 && f.Chunks <= f.Raw && (f.Codec != Raw || f.Stored == f.Raw) && (f.Codec != Delta || f.Chunks == 1 && f.Stored > digestSize)
	return f, ok
}

// appendHead appends the header: the frame's word, then the length less one of each chunk (24 bits) where there are
// several.
func (f Frame) appendHead(dst []byte, lens []int) []byte {
	dst = le.AppendUint64(dst, f.word())
	if f.Chunks > 1 {
		for _, n := range lens {
			n--
			dst = append(dst, byte(n), byte(n>>8), byte(n>>16))
		}
	}
	return dst
}

// parseHead reads a header and the lengths of its chunks from b, of which room bytes may be the frame.
func parseHead(b []byte, room int64) (f Frame, lens []int, err error) {
	bad := func(why string) (Frame, []int, error) {
		return Frame{}, nil, fault.New(fault.Integrity, "damaged frame: %s", why)
	}
	if len(b) < frameRow {
		return bad("header cut short")
	}
	f, ok := frameOf(le.Uint64(b))
	if !ok {
		return bad("its header makes no sense")
	}
	if f.size() > room || len(b) < f.headSize() {
		return bad("longer than the file")
	}
	if f.Chunks == 1 {
		return f, []int{f.Raw}, nil
	}
	sum := 0
	lens = make([]int, f.Chunks)
	for i := range lens {
		n := b[frameRow+lenSize*i:]
		lens[i] = (int(n[0]) | int(n[1])<<8 | int(n[2])<<16) + 1
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

// word packs the place of a chunk into 64 bits, from the lowest: length less one (18), offset in the decoded frame (18),
// number of the frame (28).
func (e entry) word() uint64 { return uint64(e.size-1) | uint64(e.at)<<18 | uint64(e.frame)<<36 }

// appendIndex appends a word a frame, digest and word a chunk (which must be sorted), and the trailer: digest of the
// payloads that are not raw, where the frames end, how many frames and chunks there are, the closing magic.
func appendIndex(dst []byte, end int64, frames []Frame, entries []entry, payloads [32]byte) []byte {
	for _, f := range frames {
		dst = le.AppendUint64(dst, f.word())
	}
	for _, e := range entries {
		dst = append(dst, e.id[:]...)
		dst = le.AppendUint64(dst, e.word())
	}
	dst = append(dst, payloads[:]...)
	dst = le.AppendUint64(dst, uint64(end))
	dst = le.AppendUint32(dst, uint32(len(frames)))
	dst = le.AppendUint32(dst, uint32(len(entries)))
	return append(dst, endMagic...)
}

// index is the parsed index of a pack; it lies over the file's bytes.
type index struct {
	name     object.Digest
	end      int64 // of the frames
	payloads [32]byte
	frames   []byte
	entries  []byte
	offsets  []int64 // of each frame
	all      []byte
}

// indexSpan returns where the index of a pack of size bytes starts, given its last bytes.
func indexSpan(trailer []byte, size int64) (int64, error) {
	if len(trailer) != trailerSize || !bytes.Equal(trailer[48:], []byte(endMagic)) {
		return 0, fault.New(fault.Integrity, "damaged pack: it has no index at its end")
	}
	end := int64(le.Uint64(trailer[32:]))
	rows := int64(le.Uint32(trailer[40:]))*frameRow + int64(le.Uint32(trailer[44:]))*chunkRow
	if end < int64(len(magic)) || end > size || end+rows+trailerSize != size {
		return 0, fault.New(fault.Integrity, "damaged pack: its index does not fit the file")
	}
	return end, nil
}

// parseIndex checks every row of an index, so that later look-ups need not.
func parseIndex(b []byte, start int64) (*index, error) {
	t := b[len(b)-trailerSize:]
	nf, nc := int(le.Uint32(t[40:])), int(le.Uint32(t[44:]))
	x := &index{name: sha256.Sum256(b), all: b, end: start, payloads: [32]byte(t[:32]), frames: b[:nf*frameRow], entries: b[nf*frameRow : nf*frameRow+nc*chunkRow]}
	bad := func(why string) (*index, error) {
		return nil, fault.New(fault.Integrity, "damaged pack index: %s", why)
	}
	at, chunks := int64(len(magic)), 0
	x.offsets = make([]int64, nf)
	for i := range nf {
		f, ok := frameOf(le.Uint64(x.frames[i*frameRow:]))
		if !ok {
			return bad("a frame row is wrong")
		}
		x.offsets[i] = at
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
		if int(e.frame) >= nf || int(e.at)+int(e.size) > x.frame(int(e.frame)).Raw {
			return bad("a chunk row is wrong")
		}
	}
	return x, nil
}

func (x *index) len() int        { return len(x.entries) / chunkRow }
func (x *index) id(i int) []byte { return x.entries[i*chunkRow : i*chunkRow+digestSize] }

func (x *index) frame(i int) Frame {
	f, _ := frameOf(le.Uint64(x.frames[i*frameRow:])) // checked by parseIndex
	f.Offset = x.offsets[i]
	return f
}

func (x *index) entry(i int) entry {
	b := x.entries[i*chunkRow : (i+1)*chunkRow]
	w := le.Uint64(b[digestSize:])
	return entry{id: object.Digest(b[:digestSize]), frame: uint32(w >> 36), at: uint32(w >> 18 & (1<<18 - 1)), size: uint32(w&(1<<18-1)) + 1}
}

// find returns the row of a chunk.
func (x *index) find(d object.Digest) (entry, bool) {
	i, ok := x.search(d)
	if !ok {
		return entry{}, false
	}
	return x.entry(i), true
}

// search returns the number of a chunk's row. Digests are evenly spread, so the first guess is close.
func (x *index) search(d object.Digest) (int, bool) {
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
			return m, true
		case c < 0:
			lo = m + 1
		default:
			hi = m
		}
	}
	return 0, false
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
