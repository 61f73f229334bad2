package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/lineage/internal/line"
	"mlx/internal/object"
)

// Reader reads one pack. It is safe for several goroutines.
type Reader struct {
	src    io.ReaderAt
	close  func() error
	Size   int64
	Frames []Frame
	IDs    []object.Digest // in log order, as the index states them
}

// Open opens the pack at path and reads its index.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r, err := NewReader(f, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.close = f.Close
	return r, nil
}

// NewReader reads the pack of the given size in src.
func NewReader(src io.ReaderAt, size int64) (*Reader, error) {
	le := binary.LittleEndian
	var tail [8 + trailerLen]byte
	if size < int64(8+headLen+trailerLen) {
		return nil, fmt.Errorf("%d bytes are too few for a pack", size)
	}
	if err := readFull(src, tail[:trailerLen], size-int64(trailerLen)); err != nil {
		return nil, err
	}
	length := int64(le.Uint32(tail[4:]))
	if string(tail[8:trailerLen]) != magic || length > min(size-8, int64(maxIndex)) {
		return nil, fmt.Errorf("no index at the end of the pack")
	}
	framesEnd := size - 8 - length
	body := make([]byte, 8+length)
	if err := readFull(src, body, framesEnd); err != nil {
		return nil, err
	}
	if le.Uint32(body) != skippable || le.Uint32(body[4:]) != uint32(length) {
		return nil, fmt.Errorf("index is no skippable frame of its size")
	}
	frames, ids, err := parseIndex(body[8:], framesEnd)
	if err != nil {
		return nil, err
	}
	return &Reader{src: src, close: func() error { return nil }, Size: size, Frames: frames, IDs: ids}, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.close() }

func readFull(src io.ReaderAt, b []byte, off int64) error {
	n, err := src.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Decoder decompresses frames in bounded memory. It is not safe for several goroutines.
type Decoder struct {
	z      *zstd.Decoder
	stored []byte
}

// NewDecoder makes a Decoder. With records it leaves out the checksums of frames: whoever takes records out of them checks
// the digest of each anyway.
func NewDecoder(records bool) (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true), zstd.IgnoreChecksum(records))
	return &Decoder{z: z}, err
}

// Decode returns the records of frame i of r, each ended by a newline, in dst if that is large enough.
func (d *Decoder) Decode(dst []byte, r *Reader, i int) ([]byte, error) {
	if i < 0 || i >= len(r.Frames) {
		return nil, fmt.Errorf("no frame %d", i)
	}
	return d.DecodeFrame(dst, r.src, r.Frames[i])
}

// DecodeFrame returns the records of the frame f of the pack in src.
func (d *Decoder) DecodeFrame(dst []byte, src io.ReaderAt, f Frame) ([]byte, error) {
	stored, err := d.read(src, f)
	if err != nil {
		return nil, err
	}
	return d.decode(dst, stored, f)
}

// DecodeStart returns at least the first n bytes of the frame f of the pack in src: blocks behind them are not decompressed, and
// the frame's own checksum is not checked. It is for records whose digest is checked anyway.
func (d *Decoder) DecodeStart(dst []byte, src io.ReaderAt, f Frame, n int) ([]byte, error) {
	stored, err := d.read(src, f)
	if err != nil {
		return nil, err
	}
	if err := fits(stored, f); err != nil {
		return nil, err
	}
	if err := d.z.Reset(bytes.NewReader(stored)); err != nil {
		return nil, fmt.Errorf("bad frame: %w", err)
	}
	if cap(dst) < f.Raw {
		dst = make([]byte, 0, max(f.Raw, FrameRaw+FrameRaw/16))
	}
	dst = dst[:min(n, f.Raw)]
	if _, err := io.ReadFull(d.z, dst); err != nil {
		return nil, fmt.Errorf("bad frame: %w", err)
	}
	return dst, nil
}

func (d *Decoder) read(src io.ReaderAt, f Frame) ([]byte, error) {
	if f.Raw > MaxFrame || f.Raw == 0 || f.Stored > MaxFrame+FrameRaw {
		return nil, fmt.Errorf("impossible frame of %d bytes, %d raw", f.Stored, f.Raw)
	}
	if cap(d.stored) < f.Stored {
		d.stored = make([]byte, max(f.Stored, FrameRaw/4))
	}
	stored := d.stored[:f.Stored]
	return stored, readFull(src, stored, f.Offset)
}

// fits checks that a frame says what the index says before anything is allocated for it.
func fits(stored []byte, f Frame) error {
	var head zstd.Header
	if err := head.Decode(stored); err != nil {
		return fmt.Errorf("bad frame: %w", err)
	}
	if head.Skippable || !head.HasFCS || head.FrameContentSize != uint64(f.Raw) {
		return fmt.Errorf("frame does not state the size %d that the index gives it", f.Raw)
	}
	return nil
}

func (d *Decoder) decode(dst, stored []byte, f Frame) ([]byte, error) {
	if err := fits(stored, f); err != nil {
		return nil, err
	}
	if cap(dst) < f.Raw {
		dst = make([]byte, 0, max(f.Raw, FrameRaw+FrameRaw/16))
	}
	out, err := d.z.DecodeAll(stored, dst[:0:f.Raw])
	if err != nil {
		return nil, fmt.Errorf("bad frame: %w", err)
	}
	if len(out) != f.Raw || out[len(out)-1] != '\n' {
		return nil, fmt.Errorf("frame holds %d bytes, not %d that end a line", len(out), f.Raw)
	}
	return out, nil
}

// Lines calls yield for each record of a decoded frame with its offset in it, and checks that there are as many as f states.
func Lines(raw []byte, f Frame, yield func(row, offset int, rec []byte) error) error {
	n := 0
	for at := 0; at < len(raw); n++ {
		end := bytes.IndexByte(raw[at:], '\n')
		if end < 0 || end > line.MaxBytes {
			return fmt.Errorf("record %d of the frame is longer than %d bytes", n, line.MaxBytes)
		}
		if n == f.Records {
			return fmt.Errorf("frame holds more than the %d records stated", f.Records)
		}
		if err := yield(f.First+n, at, raw[at:at+end]); err != nil {
			return err
		}
		at += end + 1
	}
	if n != f.Records {
		return fmt.Errorf("frame holds %d records, not %d", n, f.Records)
	}
	return nil
}

// Close frees the decoder.
func (d *Decoder) Close() { d.z.Close() }
