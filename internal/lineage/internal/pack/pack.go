// Package pack hides the immutable file that sealed records live in: zstd frames of JSON lines, which `zstdcat` reads, and
// behind them a skippable frame that lists frames and record ids.
//
//	file      = *frame index
//	index     = magic 0x184D2A50 u32, size u32, body
//	body      = "mlxpack1", records u32, frames u32, nonce, *(stored u32, raw u32, records u32), *id, crc32c u32, size u32, "mlxpack1"
//
// Numbers are little-endian. crc32c covers the body up to itself; the second size equals the first. Ids stand in log order. The
// nonce is 16 random bytes: since a pack is named by its digest, no name is ever used twice, and whoever removes a pack that was
// replaced can never remove another.
package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/lineage/internal/line"
	"mlx/internal/object"
)

// Limits of a pack. A writer starts another one before it would break them; a reader refuses more.
const (
	FrameRaw   = 64 << 10                // a frame is closed when it holds this much: a query reads one for each row it shows
	MaxFrame   = 256<<10 + line.MaxBytes // a reader takes frames of up to 256 KiB and one record
	MaxRecords = 1 << 16
	MaxRaw     = 256 << 20

	magic      = "mlxpack1"
	skippable  = 0x184D2A50
	headLen    = len(magic) + 4 + 4 + len(Nonce{})
	frameLen   = 12
	trailerLen = 4 + 4 + len(magic)
	maxIndex   = headLen + trailerLen + MaxRecords*(frameLen+len(object.Digest{}))
)

// Nonce makes a pack unlike every other, also of the same records.
type Nonce [16]byte

// Frame is a zstd frame: whole records, each ended by a newline.
type Frame struct {
	Offset  int64
	Stored  int
	Raw     int
	First   int // number of its first record in the pack
	Records int
}

// Encoder compresses packs one after the other; it is costly to make and not safe for several goroutines.
type Encoder struct{ z *zstd.Encoder }

// NewEncoder makes an Encoder.
func NewEncoder() (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(512<<10), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	return &Encoder{z}, err
}

// Builder collects records for one pack.
type Builder struct {
	enc    *Encoder
	nonce  Nonce
	out    []byte
	raw    []byte // of the frame being filled
	rows   int    // in it
	total  int    // raw bytes of closed frames
	frames []Frame
	ids    []object.Digest
}

// Builder starts a pack.
func (e *Encoder) Builder(nonce Nonce) *Builder { return &Builder{enc: e, nonce: nonce} }

// Len is the number of records so far.
func (b *Builder) Len() int { return len(b.ids) }

// Raw is the number of bytes of the records so far, with their newlines.
func (b *Builder) Raw() int64 { return int64(b.total + len(b.raw)) }

// Full reports whether another record might not fit.
func (b *Builder) Full() bool {
	return len(b.ids) == MaxRecords || b.total+len(b.raw)+line.MaxBytes+1 > MaxRaw
}

// Add adds the record rec, whose id is id, and returns where it stands: frame and offset in it.
func (b *Builder) Add(id object.Digest, rec []byte) (frame, offset int) {
	frame, offset = len(b.frames), len(b.raw)
	b.raw = append(append(b.raw, rec...), '\n')
	b.ids = append(b.ids, id)
	b.rows++
	if len(b.raw) >= FrameRaw {
		b.flush()
	}
	return frame, offset
}

func (b *Builder) flush() {
	if b.rows == 0 {
		return
	}
	at := len(b.out)
	b.out = b.enc.z.EncodeAll(b.raw, b.out)
	b.frames = append(b.frames, Frame{Offset: int64(at), Stored: len(b.out) - at, Raw: len(b.raw), First: len(b.ids) - b.rows, Records: b.rows})
	b.total += len(b.raw)
	b.raw, b.rows = b.raw[:0], 0
}

// Finish returns the bytes of the pack and its frames.
func (b *Builder) Finish() ([]byte, []Frame) {
	b.flush()
	return appendIndex(b.out, b.nonce, b.frames, b.ids), b.frames
}

func appendIndex(out []byte, nonce Nonce, frames []Frame, ids []object.Digest) []byte {
	le := binary.LittleEndian
	size := headLen + frameLen*len(frames) + len(object.Digest{})*len(ids) + trailerLen
	out = le.AppendUint32(out, skippable)
	out = le.AppendUint32(out, uint32(size))
	start := len(out)
	out = append(out, magic...)
	out = le.AppendUint32(out, uint32(len(ids)))
	out = le.AppendUint32(out, uint32(len(frames)))
	out = append(out, nonce[:]...)
	for _, f := range frames {
		out = le.AppendUint32(out, uint32(f.Stored))
		out = le.AppendUint32(out, uint32(f.Raw))
		out = le.AppendUint32(out, uint32(f.Records))
	}
	for i := range ids {
		out = append(out, ids[i][:]...)
	}
	out = le.AppendUint32(out, checksum(out[start:]))
	out = le.AppendUint32(out, uint32(size))
	return append(out, magic...)
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// parseIndex reads the body of an index frame; framesEnd is where that frame begins in the file.
func parseIndex(body []byte, framesEnd int64) ([]Frame, []object.Digest, error) {
	le := binary.LittleEndian
	sum := len(body) - trailerLen
	switch {
	case sum < headLen || string(body[:len(magic)]) != magic || string(body[len(body)-len(magic):]) != magic:
		return nil, nil, fmt.Errorf("index is not that of a pack")
	case checksum(body[:sum]) != le.Uint32(body[sum:]):
		return nil, nil, fmt.Errorf("checksum of the index does not match")
	case le.Uint32(body[sum+4:]) != uint32(len(body)):
		return nil, nil, fmt.Errorf("index states two sizes")
	}
	n, m := uint64(le.Uint32(body[8:])), uint64(le.Uint32(body[12:]))
	rest := body[headLen:sum]
	if n > MaxRecords || m > n || m*frameLen+n*uint64(len(object.Digest{})) != uint64(len(rest)) {
		return nil, nil, fmt.Errorf("index states %d records in %d frames, which does not fit its size", n, m)
	}
	frames, err := parseFrames(rest[:m*frameLen], int(n), framesEnd)
	if err != nil {
		return nil, nil, err
	}
	rest = rest[m*frameLen:]
	ids := make([]object.Digest, n)
	for i := range ids {
		copy(ids[i][:], rest[i*len(ids[i]):])
	}
	return frames, ids, nil
}

func parseFrames(b []byte, records int, end int64) ([]Frame, error) {
	le := binary.LittleEndian
	frames := make([]Frame, len(b)/frameLen)
	var at int64
	first, raw := 0, 0
	for i := range frames {
		row := b[i*frameLen:]
		f := Frame{Offset: at, Stored: int(le.Uint32(row)), Raw: int(le.Uint32(row[4:])), First: first, Records: int(le.Uint32(row[8:]))}
		if f.Stored == 0 || f.Stored > MaxFrame+FrameRaw || f.Records == 0 || f.Raw > MaxFrame || f.Raw < f.Records || f.Records > records-first {
			return nil, fmt.Errorf("index states an impossible frame %d: %d bytes, %d raw, %d records", i, f.Stored, f.Raw, f.Records)
		}
		at, first, raw = at+int64(f.Stored), first+f.Records, raw+f.Raw
		frames[i] = f
	}
	if at != end || first != records || raw > MaxRaw {
		return nil, fmt.Errorf("index states frames of %d bytes with %d records, there are %d and %d", at, first, end, records)
	}
	return frames, nil
}
