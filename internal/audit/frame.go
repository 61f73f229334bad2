package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Of a segment: an empty frame of zstd, so that every tool knows what it is; a skippable frame with the header; then for each frame of rows
// a skippable one that says how long it is and what is in it; at the end a skippable one with the index. A file that is still written has
// no index.
const (
	emptyFrame = "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"

	magicHeader = 0x184D2A58
	magicFrame  = 0x184D2A59
	magicIndex  = 0x184D2A5A

	skipBytes  = 8  // of a skippable frame: magic, size
	frameBytes = 40 // of what stands before a frame of rows

	maxHeader = 64 << 10
	maxRaw    = 16 << 20 // of the rows of a frame
)

// frameInfo is what stands before a frame of rows.
type frameInfo struct {
	offset   int64  // of the frame itself in its file
	size     uint32 // compressed
	raw      uint32
	rows     uint32
	requests uint32
	first    uint64 // number of its first request; they follow each other
	from, to int64  // earliest and latest time, microseconds since 1970
}

func (f *frameInfo) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, f.size)
	b = binary.LittleEndian.AppendUint32(b, f.raw)
	b = binary.LittleEndian.AppendUint32(b, f.rows)
	b = binary.LittleEndian.AppendUint32(b, f.requests)
	b = binary.LittleEndian.AppendUint64(b, f.first)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.from))
	return binary.LittleEndian.AppendUint64(b, uint64(f.to))
}

func readFrameInfo(b []byte) frameInfo {
	return frameInfo{
		size: binary.LittleEndian.Uint32(b), raw: binary.LittleEndian.Uint32(b[4:]), rows: binary.LittleEndian.Uint32(b[8:]),
		requests: binary.LittleEndian.Uint32(b[12:]), first: binary.LittleEndian.Uint64(b[16:]),
		from: int64(binary.LittleEndian.Uint64(b[24:])), to: int64(binary.LittleEndian.Uint64(b[32:])),
	}
}

// sound says whether a frame can be as it is said to be, in a file of so many bytes.
func (f *frameInfo) sound(file int64) bool {
	return f.raw > 0 && f.raw <= maxRaw && f.rows > 0 && f.rows <= f.raw && f.requests > 0 && f.requests <= f.rows && f.first > 0 &&
		f.first+uint64(f.requests) > f.first && f.offset >= 0 && int64(f.size) <= file-f.offset && f.from <= f.to
}

func skippable(b []byte, magic uint32, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

var errDamaged = errors.New("it is damaged")

// skipHeader reads the head of a skippable frame, io.EOF at the end of the file, and io.ErrUnexpectedEOF where the file is cut off in it.
func skipHeader(r io.ReaderAt, at, end int64) (magic, size uint32, err error) {
	var b [skipBytes]byte
	switch {
	case at == end:
		return 0, 0, io.EOF
	case end-at < skipBytes:
		return 0, 0, io.ErrUnexpectedEOF
	}
	if err := readFull(r, b[:], at); err != nil {
		return 0, 0, err
	}
	magic, size = binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])
	if int64(size) > end-at-skipBytes {
		return magic, size, io.ErrUnexpectedEOF
	}
	return magic, size, nil
}

func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// codec compresses and decompresses frames. It belongs to one goroutine.
type codec struct {
	enc *zstd.Encoder // nil until something is compressed
	dec *zstd.Decoder
	in  []byte
	out []byte
}

func newCodec() (*codec, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderMaxWindow(maxRaw))
	if err != nil {
		return nil, err
	}
	return &codec{dec: dec}, nil
}

func (c *codec) encoder() (*zstd.Encoder, error) {
	if c.enc == nil {
		var err error
		if c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true),
			zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true)); err != nil {
			return nil, err
		}
	}
	return c.enc, nil
}

func (c *codec) close() {
	if c.enc != nil {
		_ = c.enc.Close() // of what writes to no stream it has nothing to say
	}
	c.dec.Close()
}

// frame appends rows as a frame and what stands before it. It fills in the sizes.
func (c *codec) frame(b, rows []byte, f *frameInfo) ([]byte, error) {
	enc, err := c.encoder()
	if err != nil {
		return b, err
	}
	start := len(b)
	b = skippable(b, magicFrame, make([]byte, frameBytes))
	from := len(b)
	b = enc.EncodeAll(rows, b)
	f.size, f.raw = uint32(len(b)-from), uint32(len(rows))
	f.append(b[start+skipBytes : start+skipBytes : from])
	return b, nil
}

// rows reads a frame. What it returns is valid until the next call.
func (c *codec) rows(r io.ReaderAt, f frameInfo) ([]byte, error) {
	if cap(c.in) < int(f.size) {
		c.in = make([]byte, f.size)
	}
	c.in = c.in[:f.size]
	if err := readFull(r, c.in, f.offset); err != nil {
		return nil, err
	}
	if cap(c.out) < int(f.raw) {
		c.out = make([]byte, 0, f.raw)
	}
	out, err := c.dec.DecodeAll(c.in, c.out[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	c.out = out
	if len(out) != int(f.raw) || out[len(out)-1] != '\n' {
		return nil, errDamaged
	}
	return out, nil
}
