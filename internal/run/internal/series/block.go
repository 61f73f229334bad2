package series

import (
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
)

// ready makes the compressor. It waits until it is needed, because most runs write no series.
func (c *coder) ready() (err error) {
	if c.enc != nil {
		return nil
	}
	c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(blockMax),
		zstd.WithAllLitEntropyCompression(true)) // planes hardly repeat, and yet shrink
	if err != nil {
		return fmt.Errorf("start the compressor: %w", err)
	}
	return nil
}

// newDecoder returns a decompressor that never allocates more than a plane may hold.
func newDecoder() (*zstd.Decoder, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(blockMax), zstd.WithDecoderMaxWindow(blockMax))
	if err != nil {
		return nil, fmt.Errorf("start the decompressor: %w", err)
	}
	return dec, nil
}

// block appends the points of col, at most blockMax, to dst.
func (c *coder) block(dst []byte, col *Column) []byte {
	kind, scale := c.values(col.Values)
	values := c.whole
	dst = append(dst, byte(kind), byte(scale))
	for _, numbers := range [][]int64{col.Steps, col.Times} {
		c.other = c.other[:0]
		for _, n := range numbers {
			c.other = append(c.other, uint64(n))
		}
		dst = c.stream(dst, c.other)
	}
	return c.stream(dst, values)
}

// values puts the form of values that needs least into c.whole.
func (c *coder) values(values []float64) (kind, scale int) {
	kind = asFloat32
	c.whole = c.whole[:0]
	for _, v := range values {
		f := float32(v)
		if float64(f) != v && !math.IsNaN(v) {
			kind = asFloat64
			break
		}
		c.whole = append(c.whole, uint64(float32bits(f)))
	}
	if kind == asFloat64 {
		c.whole = c.whole[:0]
		for _, v := range values {
			c.whole = append(c.whole, float64bits(v))
		}
	}
	scale, ok := scaleOf(values)
	if !ok {
		return kind, 0
	}
	c.other = c.other[:0]
	for _, v := range values {
		k, ok := decimal(v, scale)
		if !ok {
			return kind, 0
		}
		c.other = append(c.other, uint64(k))
	}
	if c.cheapest(c.other) < c.cheapest(c.whole) {
		c.whole, c.other = c.other, c.whole
		return asDecimal, scale
	}
	return kind, 0
}

func (c *coder) cheapest(numbers []uint64) float64 {
	best := math.Inf(1)
	for order := range min(maxOrder, len(numbers)) + 1 {
		c.tries[order] = differences(c.tries[order][:0], numbers, order)
		best = min(best, cost(c.tries[order]))
	}
	return best
}

// Of all the bit patterns of NaN one is kept: which one a program wrote has no meaning.
func float32bits(f float32) uint32 {
	if f != f {
		return 0x7fc00000
	}
	return math.Float32bits(f)
}

func float64bits(f float64) uint64 {
	if math.IsNaN(f) {
		return 0x7ff8000000000000
	}
	return math.Float64bits(f)
}

// scaleOf returns how many decimals the values have.
func scaleOf(values []float64) (scale int, ok bool) {
	for _, v := range values {
		for {
			if _, ok := decimal(v, scale); ok {
				break
			}
			if scale == maxScale {
				return 0, false
			}
			scale++
		}
	}
	return scale, true
}

// decimal returns the whole number that gives exactly v when it is divided by the power of ten.
func decimal(v float64, scale int) (int64, bool) {
	k := math.Round(v * powerOfTen(scale))
	if !(math.Abs(k) < 1<<50) {
		return 0, false
	}
	back := k / powerOfTen(scale)
	return int64(k), back == v && math.Signbit(k) == math.Signbit(v) && (k != 0 || !math.Signbit(v))
}

func powerOfTen(scale int) float64 {
	return [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}[scale]
}

// unblock appends the n points of a block to col.
func (c *coder) unblock(col *Column, in []byte, n int) error {
	if len(in) < 2 || in[0] > asDecimal || in[1] > maxScale || in[0] != asDecimal && in[1] != 0 {
		return damaged("no such block")
	}
	kind, scale := in[0], powerOfTen(int(in[1]))
	in = in[2:]
	var err error
	for _, to := range []*[]int64{&col.Steps, &col.Times} {
		if c.whole, in, err = c.unstream(c.whole, in, n); err != nil {
			return err
		}
		for _, u := range c.whole {
			if k := int64(u); k < -MaxWhole || k > MaxWhole {
				return damaged("a step or time out of range")
			}
			*to = append(*to, int64(u))
		}
	}
	if c.whole, in, err = c.unstream(c.whole, in, n); err != nil {
		return err
	}
	if len(in) > 0 {
		return damaged("%d bytes after a block", len(in))
	}
	for _, u := range c.whole {
		switch kind {
		case asFloat32:
			if u > math.MaxUint32 {
				return damaged("a value out of range")
			}
			col.Values = append(col.Values, float64(math.Float32frombits(uint32(u))))
		case asFloat64:
			col.Values = append(col.Values, math.Float64frombits(u))
		default:
			col.Values = append(col.Values, float64(int64(u))/scale)
		}
	}
	return nil
}
