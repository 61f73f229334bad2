package dataset

import (
	"bytes"
	"math"
	"strconv"
)

// parseBool reads true and false; other words for them are numbers or text.
func parseBool(v []byte) (int64, bool) {
	switch string(v) {
	case "true", "True", "TRUE":
		return 1, true
	case "false", "False", "FALSE":
		return 0, true
	}
	return 0, false
}

// parseInt reads a whole number that is written the one way in which it would be written back: no plus, no leading zero, no -0.
func parseInt(v []byte) (int64, bool) {
	digits := v
	if len(v) > 0 && v[0] == '-' {
		digits = v[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(v) > 1 {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	if len(digits) < len(v) {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

// isInteger says whether a word is a whole number of any size, written as parseInt wants it.
func isInteger(v []byte) bool {
	digits := bytes.TrimPrefix(v, []byte("-"))
	if len(digits) == 0 || digits[0] == '0' && len(v) > 1 {
		return false
	}
	for _, c := range digits {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// floatWord reads the words for what is no number, with their signs.
func floatWord(v []byte) (float64, bool) {
	sign, word := 1.0, v
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		if v[0] == '-' {
			sign = -1
		}
		word = v[1:]
	}
	switch string(word) {
	case "NaN", "nan", "NAN":
		return math.NaN(), true
	case "inf", "Inf", "INF", "infinity", "Infinity", "INFINITY":
		return math.Inf(int(sign)), true
	}
	return 0, false
}

// parseFloat reads a number that a float64 keeps: digits with a point or an exponent, or a whole number that is written back the
// same. What has needless leading zeros is a code, not a number; what is too large is none either.
func parseFloat(v []byte) (float64, bool) {
	f, whole, ok := decimalFloat(v)
	if !ok {
		return floatWord(v)
	}
	if whole && math.Abs(f) >= 1<<53 && !sameInteger(v, f) {
		return 0, false
	}
	return f, true
}

// sameInteger says whether a large whole number survives as a float64: exactly, or as the shortest digits that read back.
func sameInteger(v []byte, f float64) bool {
	var buf [400]byte
	if bytes.Equal(strconv.AppendFloat(buf[:0], f, 'f', -1, 64), v) {
		return true
	}
	return bytes.Equal(strconv.AppendFloat(buf[:0], f, 'f', 0, 64), v)
}
