package dataset

import (
	"math"
	"strconv"
	"time"
)

// Number returns the value in row i as a number: of a date days, of a time seconds since 1970. A value that is missing, or that is
// no number, is NaN.
func (c *Column) Number(i int) float64 {
	if c.Missing.Has(i) {
		return math.NaN()
	}
	switch c.Type {
	case Float:
		return c.Floats[i]
	case Bool, Int, Date:
		return float64(c.Ints[i])
	case Uint:
		return float64(uint64(c.Ints[i]))
	case Time, Clock:
		return float64(c.Ints[i]) / 1e9
	case Decimal:
		if !c.Wide {
			return float64(c.Ints[i]) / math.Pow10(c.Scale)
		}
		v, err := strconv.ParseFloat(string(c.Bytes(i)), 64)
		if err == nil {
			return v
		}
	case Null, Text, Bytes, Nested:
	}
	return math.NaN()
}

// AppendText writes the value in row i as text, the same for the same value from whatever file: dates and times as in RFC 3339, a
// naive time without a zone, floats in the shortest form that reads back. A missing value is written as nothing.
func (c *Column) AppendText(dst []byte, i int) []byte {
	if c.Missing.Has(i) {
		return dst
	}
	switch c.Type {
	case Null:
		return dst
	case Bool:
		return strconv.AppendBool(dst, c.Ints[i] != 0)
	case Int:
		return strconv.AppendInt(dst, c.Ints[i], 10)
	case Uint:
		return strconv.AppendUint(dst, uint64(c.Ints[i]), 10)
	case Float:
		return appendFloat(dst, c.Floats[i])
	case Decimal:
		if !c.Wide {
			return appendDecimal(dst, c.Ints[i], c.Scale)
		}
	case Date:
		return time.Unix(c.Ints[i]*86400, 0).UTC().AppendFormat(dst, time.DateOnly)
	case Time:
		at := time.Unix(0, c.Ints[i]).UTC()
		if c.Naive {
			return at.AppendFormat(dst, "2006-01-02T15:04:05.999999999")
		}
		return at.AppendFormat(dst, time.RFC3339Nano)
	case Clock:
		return time.Unix(0, c.Ints[i]).UTC().AppendFormat(dst, "15:04:05.999999999")
	case Text, Bytes, Nested:
	}
	return append(dst, c.Bytes(i)...)
}

func appendFloat(dst []byte, v float64) []byte {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

func appendDecimal(dst []byte, v int64, scale int) []byte {
	digits := uint64(v)
	if v < 0 {
		dst, digits = append(dst, '-'), -digits
	}
	if scale <= 0 {
		return strconv.AppendUint(dst, digits, 10)
	}
	var buf [20]byte
	text := strconv.AppendUint(buf[:0], digits, 10)
	whole := max(len(text)-scale, 0)
	if whole == 0 {
		dst = append(dst, '0')
	}
	dst = append(append(dst, text[:whole]...), '.')
	for range scale - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text[whole:]...)
}
