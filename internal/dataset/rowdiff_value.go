package dataset

import (
	"bytes"
	"math"
	"strconv"
)

// rowTag keeps values of different sorts apart whose words are the same.
type rowTag uint8

const (
	rowTagInt   rowTag = iota // an int64, or a day
	rowTagLarge               // a uint64 above the largest int64, or nanoseconds within a day
	rowTagFloat               // bits of a float that is no such number
	rowTagText                // text
	rowTags
)

const rowDayLength = 86_400 * int64(1e9)

// rowNaNBits are those of the one NaN.
const rowNaNBits = 0x7FF8000000000001

// rowMissing says whether a value is missing.
func rowMissing(c *Column, i int) bool { return c.Type == Null || c.Missing.Has(i) }

// canonical is a value that is not missing in a form that is the same for the same value of whatever type its column has. Text is
// appended to dst and, unless it is empty, is the value; else the word is.
func (r *rowColumn) canonical(dst []byte, c *Column, i int) (rowTag, uint64, []byte) {
	switch c.Type {
	case Bool, Int, Date:
		return rowTagInt, uint64(c.Ints[i]), dst
	case Uint:
		return rowWhole(uint64(c.Ints[i])), uint64(c.Ints[i]), dst
	case Float:
		tag, word := rowFloat(c.Floats[i])
		return tag, word, dst
	case Time, Clock:
		if v := c.Ints[i]; r.kind == rowDay && v%rowDayLength == 0 {
			return rowTagInt, uint64(v / rowDayLength), dst
		}
		return rowTagLarge, uint64(c.Ints[i]), dst
	case Decimal:
		return r.decimal(dst, c, i)
	default:
		return rowTagText, 0, append(dst, c.Bytes(i)...)
	}
}

func rowWhole(v uint64) rowTag {
	if v > math.MaxInt64 {
		return rowTagLarge
	}
	return rowTagInt
}

// rowFloat takes a float that is a whole number for that number.
func rowFloat(v float64) (rowTag, uint64) {
	switch {
	case v != v:
		return rowTagFloat, rowNaNBits
	case v != math.Trunc(v) || v < -1<<63 || v >= 1<<64:
		return rowTagFloat, math.Float64bits(v)
	case v >= 1<<63:
		return rowTagLarge, uint64(v)
	}
	return rowTagInt, uint64(int64(v))
}

// decimal takes a decimal that is a whole number for that number; any other for its shortest digits or, beside floats, for the
// nearest float.
func (r *rowColumn) decimal(dst []byte, c *Column, i int) (rowTag, uint64, []byte) {
	start := len(dst)
	dst = c.AppendText(dst, i)
	digits := dst[start:]
	if bytes.IndexByte(digits, '.') >= 0 {
		digits = bytes.TrimSuffix(bytes.TrimRight(digits, "0"), []byte("."))
	}
	if v, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
		return rowTagInt, uint64(v), dst[:start]
	}
	if v, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
		return rowTagLarge, v, dst[:start]
	}
	if r.float {
		v, err := strconv.ParseFloat(string(digits), 64)
		if err == nil || math.IsInf(v, 0) {
			tag, word := rowFloat(v)
			return tag, word, dst[:start]
		}
	}
	return rowTagText, 0, dst[:start+len(digits)]
}

// rowScratch holds canonical texts while they are compared.
type rowScratch struct{ a, b []byte }

// same says whether two values are equal: missing equals missing, NaN equals NaN, -0 equals 0.
func (r *rowColumn) same(s *rowScratch, a *Column, i int, b *Column, j int) bool {
	if x, y := rowMissing(a, i), rowMissing(b, j); x || y {
		return x == y
	}
	switch r.mode {
	case rowAsInts:
		return a.Ints[i] == b.Ints[j]
	case rowAsFloats:
		x, y := a.Floats[i], b.Floats[j]
		return x == y || x != x && y != y
	case rowAsTexts:
		return bytes.Equal(a.Bytes(i), b.Bytes(j))
	default:
		return r.sameValue(s, a, i, b, j)
	}
}

func (r *rowColumn) sameValue(s *rowScratch, a *Column, i int, b *Column, j int) bool {
	tagA, wordA, textA := r.canonical(s.a[:0], a, i)
	tagB, wordB, textB := r.canonical(s.b[:0], b, j)
	s.a, s.b = textA, textB
	return tagA == tagB && wordA == wordB && bytes.Equal(textA, textB)
}

// distance is how far two numbers are apart; no number when one is none.
func (r *rowColumn) distance(a *Column, i int, b *Column, j int) (float64, bool) {
	if r.kind != rowNumber || rowMissing(a, i) || rowMissing(b, j) {
		return 0, false
	}
	d := math.Abs(b.Number(j) - a.Number(i))
	if a.Type == Int && b.Type == Int { // beyond 2^53 floats would round it away
		low, high := min(a.Ints[i], b.Ints[j]), max(a.Ints[i], b.Ints[j])
		d = float64(uint64(high) - uint64(low))
	}
	return d, !math.IsNaN(d) && !math.IsInf(d, 0)
}

// near says whether floats are as near to each other as a limit allows.
func (r *rowColumn) near(limit RowLimit, a *Column, i int, b *Column, j int) bool {
	if !r.float {
		return false
	}
	d, ok := r.distance(a, i, b, j)
	return ok && d <= max(limit.Absolute, limit.Share*math.Abs(a.Number(i)))
}
