package pack

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/chunk"
)

// Codec says how the payload of a frame encodes its chunks.
type Codec uint8

// The codecs of version 1.
const (
	Raw   Codec = 1 // the chunks, one after the other
	Zstd  Codec = 2 // one zstd frame of them
	Delta Codec = 3 // digest of the base chunk, then one zstd frame of one chunk with the base as raw dictionary, id 0
)

func (c Codec) String() string {
	switch c {
	case Raw:
		return "raw"
	case Zstd:
		return "zstd"
	case Delta:
		return "delta"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

const (
	// Limit is the largest number of raw bytes in a frame.
	Limit = chunk.Max
	// dictionary windows reach over a whole base and a whole chunk.
	deltaWindow = 2 * chunk.Max
	digestSize  = 32
)

// Encoder compresses frames. It belongs to one goroutine.
type Encoder struct {
	plain, delta *zstd.Encoder
	probe        []byte
}

// NewEncoder returns an encoder at zstd's fastest level.
func NewEncoder() (*Encoder, error) {
	plain, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(Limit),
		zstd.WithAllLitEntropyCompression(true)) // digits hardly repeat, and yet shrink by half
	if err != nil {
		return nil, fmt.Errorf("start the compressor: %w", err)
	}
	return &Encoder{plain: plain}, nil
}

// Compress appends the zstd frame of raw to dst, or returns false where it saves less than 3 %.
func (e *Encoder) Compress(dst, raw []byte) ([]byte, bool) {
	out := e.plain.EncodeAll(raw, dst)
	return out, len(out)-len(dst) < len(raw)-len(raw)/32
}

// Delta appends base and the zstd frame of raw against it to dst. ok is false where that takes more than limit bytes.
func (e *Encoder) Delta(dst []byte, base object.Digest, baseRaw, raw []byte, limit int) (out []byte, ok bool, err error) {
	if e.delta == nil {
		e.delta, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithWindowSize(deltaWindow))
		if err != nil {
			return nil, false, fmt.Errorf("start the delta compressor: %w", err)
		}
	}
	if err := e.delta.ResetWithOptions(nil, zstd.WithEncoderDictRaw(0, baseRaw)); err != nil {
		return nil, false, fmt.Errorf("set the base of a delta: %w", err)
	}
	out = append(dst, base[:]...)
	out = e.delta.EncodeAll(raw, out)
	return out, len(out)-len(dst) <= limit, nil
}

// Compressible guesses from samples whether zstd would shrink raw: by the entropy of its bytes, then, for a chunk that
// is long enough to repeat itself, by compressing 4 KiB of it.
func (e *Encoder) Compressible(raw []byte) bool {
	if entropy(raw) < 7.4 {
		return true
	}
	if len(raw) < 4*probeSize {
		return false
	}
	at := len(raw)/2 - probeSize/2
	out, ok := e.Compress(e.probe[:0], raw[at:at+probeSize])
	e.probe = out
	return ok
}

const probeSize = 4 << 10

// entropy returns the order-0 entropy, in bits a byte, of at most 1 KiB sampled evenly from b. Random bytes give about
// 7.8 on such a sample.
func entropy(b []byte) float64 {
	const pieces, size = 4, 256
	var count [256]uint16
	n := 0
	if len(b) <= pieces*size {
		for _, v := range b {
			count[v]++
		}
		n = len(b)
	} else {
		step := (len(b) - size) / (pieces - 1)
		for i := range pieces {
			for _, v := range b[i*step : i*step+size] {
				count[v]++
			}
		}
		n = pieces * size
	}
	if n < 512 { // too short to tell
		return 0
	}
	table, sum := entropyTable(), 0.0
	for _, c := range count {
		sum += table[c]
	}
	return math.Log2(float64(n)) - sum/float64(n)
}

// entropyTable holds n log2 n for the counts that a sample can have.
var entropyTable = sync.OnceValue(func() *[1025]float64 {
	var t [1025]float64
	for n := 1; n < len(t); n++ {
		t[n] = float64(n) * math.Log2(float64(n))
	}
	return &t
})

// Decoder decodes frames. It belongs to one goroutine.
type Decoder struct{ plain, delta *zstd.Decoder }

// NewDecoder returns a decoder that never allocates more than a frame may hold.
func NewDecoder() (*Decoder, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(Limit), zstd.WithDecoderMaxWindow(Limit))
	if err != nil {
		return nil, fmt.Errorf("start the decompressor: %w", err)
	}
	return &Decoder{plain: d}, nil
}

// Zstd decodes payload, which must hold exactly size bytes, into dst.
func (d *Decoder) Zstd(dst, payload []byte, size int) ([]byte, error) {
	return exact(d.plain, dst, payload, size)
}

// Delta decodes the payload of a delta frame, behind the base's digest, given the base's bytes.
func (d *Decoder) Delta(dst, payload, base []byte, size int) ([]byte, error) {
	if d.delta == nil {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(deltaWindow),
			zstd.WithDecoderMaxWindow(deltaWindow))
		if err != nil {
			return nil, fmt.Errorf("start the delta decompressor: %w", err)
		}
		d.delta = dec
	}
	if err := d.delta.ResetWithOptions(nil, zstd.WithDecoderDictRaw(0, base)); err != nil {
		return nil, fmt.Errorf("set the base of a delta: %w", err)
	}
	return exact(d.delta, dst, payload, size)
}

// exact refuses a payload whose own statement of its size is not size, before it is decoded.
func exact(d *zstd.Decoder, dst, payload []byte, size int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(payload); err != nil {
		return nil, fault.New(fault.Integrity, "damaged frame: %w", err)
	}
	if h.HasFCS && h.FrameContentSize != uint64(size) {
		return nil, fault.New(fault.Integrity, "damaged frame: it states %d bytes, the pack says %d", h.FrameContentSize, size)
	}
	out, err := d.DecodeAll(payload, dst)
	if err != nil {
		return nil, fault.New(fault.Integrity, "damaged frame: %w", err)
	}
	if len(out)-len(dst) != size {
		return nil, fault.New(fault.Integrity, "damaged frame: %d bytes, the pack says %d", len(out)-len(dst), size)
	}
	return out, nil
}

// baseOf returns the digest of the base chunk of a delta payload, and the zstd frame behind it.
func baseOf(payload []byte) (object.Digest, []byte, error) {
	if len(payload) < digestSize {
		return object.Digest{}, nil, fault.New(fault.Integrity, "damaged frame: a delta of %d bytes", len(payload))
	}
	return object.Digest(payload[:digestSize]), payload[digestSize:], nil
}

var le = binary.LittleEndian
