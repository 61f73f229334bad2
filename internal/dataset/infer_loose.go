package dataset

import (
	"bytes"
	"strconv"
)

// looseInt reads what a column fixed to int may also hold: a plus, leading zeros, -0.
func looseInt(v []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// looseFloat reads what a column fixed to float may also hold: leading zeros, and whole numbers that lose digits.
func looseFloat(v []byte) (float64, bool) {
	for _, c := range v {
		if c-'0' > 9 && c != '.' && c != '-' && c != '+' && c|0x20 != 'e' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// looseBool reads what a column fixed to bool may also hold.
func looseBool(v []byte) (int64, bool) {
	switch {
	case string(v) == "1" || bytes.EqualFold(v, []byte("true")):
		return 1, true
	case string(v) == "0" || bytes.EqualFold(v, []byte("false")):
		return 0, true
	}
	return 0, false
}

func parseUint(v []byte) (int64, bool) {
	n, err := strconv.ParseUint(string(v), 10, 64)
	return int64(n), err == nil
}
