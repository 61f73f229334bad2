package series

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// A stream is a list of whole numbers as differences of some order, split into planes: first all lowest bytes, then all
// second ones, and so on. In a plane, bytes of one meaning stand side by side, which is what an entropy coder needs.

const maxOrder = 2

// How a plane is kept.
const (
	planeConst = 0 // one byte, repeated
	planeRaw   = 1
	planeZstd  = 2
)

// coder encodes and decodes blocks. It belongs to one goroutine and keeps its buffers.
type coder struct {
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	plane []byte
	tries [maxOrder + 1][]uint64
	whole []uint64
	other []uint64
}

// stream appends the shortest form of numbers to dst.
func (c *coder) stream(dst []byte, numbers []uint64) []byte {
	best, bestCost := 0, math.Inf(1)
	for order := 0; order <= min(maxOrder, len(numbers)); order++ {
		c.tries[order] = differences(c.tries[order][:0], numbers, order)
		if cost := cost(c.tries[order]); cost < bestCost {
			best, bestCost = order, cost
		}
		if bestCost == 0 {
			break
		}
	}
	rest := c.tries[best]
	width := widthOf(rest)
	dst = append(dst, byte(best), byte(width))
	for _, head := range numbers[:best] {
		dst = binary.AppendUvarint(dst, zigzag(head))
	}
	for p := range width {
		dst = c.putPlane(dst, rest, p)
	}
	return dst
}

// differences appends what is left of numbers when each is predicted from those before it: order 0 predicts nothing,
// order 1 the number before, order 2 that it goes on as it did between the two before. The first ones have no
// prediction and are left out.
func differences(dst, numbers []uint64, order int) []uint64 {
	switch order {
	case 0:
		return append(dst, numbers...)
	case 1:
		for i := 1; i < len(numbers); i++ {
			dst = append(dst, zigzag(numbers[i]-numbers[i-1]))
		}
	default:
		for i := 2; i < len(numbers); i++ {
			dst = append(dst, zigzag(numbers[i]-2*numbers[i-1]+numbers[i-2]))
		}
	}
	return dst
}

// cost guesses the bits that numbers will need, from how often each byte occurs in each plane.
func cost(numbers []uint64) float64 {
	total := 0.0
	for p := range widthOf(numbers) {
		var counts [256]int
		for _, n := range numbers {
			counts[byte(n>>(8*p))]++
		}
		whole := float64(len(numbers))
		for _, k := range counts {
			if k > 0 {
				total += float64(k) * math.Log2(whole/float64(k))
			}
		}
		total += 8
	}
	return total
}

// widthOf is how many bytes the largest of numbers needs.
func widthOf(numbers []uint64) int {
	var all uint64
	for _, n := range numbers {
		all |= n
	}
	return (bits.Len64(all) + 7) / 8
}

func (c *coder) putPlane(dst []byte, numbers []uint64, p int) []byte {
	c.plane = c.plane[:0]
	same := true
	for _, n := range numbers {
		b := byte(n >> (8 * p))
		c.plane = append(c.plane, b)
		same = same && b == c.plane[0]
	}
	if same {
		return append(dst, planeConst, c.plane[0])
	}
	packed := c.enc.EncodeAll(c.plane, nil)
	if len(packed) >= len(c.plane) {
		return append(append(dst, planeRaw), c.plane...)
	}
	dst = binary.AppendUvarint(append(dst, planeZstd), uint64(len(packed)))
	return append(dst, packed...)
}

// unstream reads n numbers into dst and returns what follows them.
func (c *coder) unstream(dst []uint64, in []byte, n int) ([]uint64, []byte, error) {
	if len(in) < 2 || in[0] > maxOrder || int(in[0]) > n || in[1] > 8 {
		return nil, nil, damaged("no such stream")
	}
	dst = slices.Grow(dst[:0], n)[:n]
	clear(dst)
	order, width := int(in[0]), int(in[1])
	in = in[2:]
	for i := range order {
		head, size := binary.Uvarint(in)
		if size <= 0 {
			return nil, nil, damaged("a stream ends too early")
		}
		dst[i], in = unzigzag(head), in[size:]
	}
	rest := dst[order:]
	var err error
	for p := range width {
		if in, err = c.getPlane(rest, in, p); err != nil {
			return nil, nil, err
		}
	}
	for i := range rest {
		at := i + order
		switch order {
		case 1:
			dst[at] = unzigzag(dst[at]) + dst[at-1]
		case 2:
			dst[at] = unzigzag(dst[at]) + 2*dst[at-1] - dst[at-2]
		}
	}
	return dst, in, nil
}

// getPlane puts one plane into numbers.
func (c *coder) getPlane(numbers []uint64, in []byte, p int) ([]byte, error) {
	if len(in) < 2 {
		return nil, damaged("a plane ends too early")
	}
	mode, in := in[0], in[1:]
	plane := in
	switch mode {
	case planeConst:
		for i := range numbers {
			numbers[i] |= uint64(in[0]) << (8 * p)
		}
		return in[1:], nil
	case planeRaw:
		if len(in) < len(numbers) {
			return nil, damaged("a plane ends too early")
		}
		in = in[len(numbers):]
	case planeZstd:
		size, used := binary.Uvarint(in)
		if used <= 0 || size > uint64(len(in)-used) {
			return nil, damaged("a plane ends too early")
		}
		var err error
		if plane, err = c.dec.DecodeAll(in[used:used+int(size)], c.plane[:0]); err != nil {
			return nil, damaged("%w", err)
		}
		if len(plane) != len(numbers) {
			return nil, damaged("a plane has %d bytes instead of %d", len(plane), len(numbers))
		}
		c.plane, in = plane, in[used+int(size):]
	default:
		return nil, damaged("no such plane")
	}
	for i := range numbers {
		numbers[i] |= uint64(plane[i]) << (8 * p)
	}
	return in, nil
}

// zigzag makes small numbers of both signs small.
func zigzag(n uint64) uint64 { return n<<1 ^ uint64(int64(n)>>63) }

func unzigzag(n uint64) uint64 { return n>>1 ^ -(n & 1) }
