package dataset

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// texts appends n values that stand in Texts.
func (v *parquetValues) texts(t *Texts, n int) error {
	add := func(b []byte) error { return addText(t, b) }
	switch {
	case v.conv.typ == Decimal && (v.conv.physical == parquetInt32 || v.conv.physical == parquetInt64):
		var one [1]int64
		var text []byte
		for range n {
			if err := v.numbers(one[:]); err != nil {
				return err
			}
			text = appendDecimal(text[:0], one[0], v.conv.scale)
			if err := add(text); err != nil {
				return err
			}
		}
		return nil
	case v.conv.typ == Decimal:
		var text []byte
		return v.each(n, func(b []byte) error {
			if len(b) > maxParquetDigits {
				return fmt.Errorf("a decimal of %d bytes is longer than its type", len(b))
			}
			text = appendWide(text[:0], b, v.conv.scale)
			return add(text)
		})
	case v.conv.bytes == bytesUUID:
		return v.each(n, func(b []byte) error {
			var text [36]byte
			hex.Encode(text[:8], b[:4])
			hex.Encode(text[9:13], b[4:6])
			hex.Encode(text[14:18], b[6:8])
			hex.Encode(text[19:23], b[8:10])
			hex.Encode(text[24:], b[10:])
			text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
			return add(text[:])
		})
	}
	return v.each(n, add)
}

// maxBatchText bounds the strings of one batch. Batches become shorter long before that.
const maxBatchText = 1 << 30

func addText(t *Texts, b []byte) error {
	if len(t.Bytes)+len(b) > maxBatchText {
		return fmt.Errorf("the strings of some rows have more than %d bytes", maxBatchText)
	}
	t.Append(b)
	return nil
}

// appendWide writes a whole number of any length, highest byte first, with a point before the last digits.
func appendWide(dst, b []byte, scale int) []byte {
	if v, ok := narrow(b); ok {
		return appendDecimal(dst, v, scale)
	}
	n := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
		n.Neg(n)
	}
	digits := n.Append(nil, 10)
	if scale == 0 {
		return append(dst, digits...)
	}
	for len(digits) <= scale {
		digits = slices.Insert(digits, 0, '0')
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	return append(append(dst, '.'), digits[len(digits)-scale:]...)
}

// narrow reads a whole number, highest byte first, if it fits 64 bits.
func narrow(b []byte) (int64, bool) {
	var sign byte
	if len(b) > 0 && b[0]&0x80 != 0 {
		sign = 0xff
	}
	for len(b) > 8 && b[0] == sign && b[1]&0x80 == sign&0x80 {
		b = b[1:]
	}
	if len(b) > 8 {
		return 0, false
	}
	v := int64(int8(sign))
	for _, c := range b {
		v = v<<8 | int64(c)
	}
	return v, true
}

// number is the whole number that bytes stand for.
func (c *parquetConv) number(b []byte) (int64, error) {
	if c.bytes == bytesInt96 {
		nanos, day := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint32(b[8:]))
		const epoch, dayNanos = 2440588, 86400 * 1e9
		v, ok := timesInt64(day-epoch, dayNanos)
		if !ok || nanos > 0 && v > math.MaxInt64-nanos || nanos < 0 && v < math.MinInt64-nanos {
			return 0, errTimeRange
		}
		return v + nanos, nil
	}
	v, ok := narrow(b)
	if !ok {
		return 0, fmt.Errorf("a value does not fit %s", c.from)
	}
	return v, nil
}

var errTimeRange = errors.New("a time lies outside the years 1678 to 2262")

// timesInt64 multiplies and says whether the product fits.
func timesInt64(a, b int64) (int64, bool) {
	p := a * b
	return p, a == 0 || p/a == b && (a != -1 || b != math.MinInt64)
}

// finish makes of whole numbers as they are stored those of the column.
func (c *parquetConv) finish(v []int64) error {
	switch {
	case c.mask != 0:
		for i := range v {
			v[i] &= c.mask
		}
	case c.times > 1:
		limit := math.MaxInt64 / c.times
		for i, x := range v {
			if x > limit || x < -limit {
				return errTimeRange
			}
			v[i] = x * c.times
		}
	}
	return nil
}

// half is a float of 16 bits.
func half(b uint16) float64 {
	sign, exp, frac := uint64(b>>15), int(b>>10&31), uint64(b&1023)
	switch {
	case exp == 31 && frac == 0:
		return math.Inf(1 - 2*int(sign))
	case exp == 31:
		return math.NaN()
	}
	v := math.Ldexp(float64(frac), -24)
	if exp > 0 {
		v = math.Ldexp(float64(frac|1024), exp-25)
	}
	if sign != 0 {
		v = -v
	}
	return v
}
