package run

import (
	"encoding/json"
	"math"
	"strconv"
)

// Number is a metric. In JSON views it is null when it is not finite; in records NaN and the infinities are words.
type Number float64

// MarshalJSON writes the number, or null when it is NaN or infinite.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Finite() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what MarshalJSON wrote; null is NaN.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Finite reports whether the number is neither NaN nor infinite.
func (n Number) Finite() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// stored returns the form that a record keeps: a record's encoding has no NaN, infinity or negative zero.
func (n Number) stored() any {
	switch f := float64(n); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return 0.0
	default:
		return f
	}
}

// numberOf reads a stored number.
func numberOf(v any) (Number, bool) {
	switch v := v.(type) {
	case float64:
		return Number(v), true
	case string:
		return numberWord(v)
	}
	return 0, false
}

// numberWord reads the words that programs write for numbers that JSON cannot hold.
func numberWord(s string) (Number, bool) {
	switch s {
	case "NaN", "nan", "Infinity", "-Infinity", "+Infinity", "inf", "-inf", "+inf", "Inf", "-Inf", "+Inf":
		f, err := strconv.ParseFloat(s, 64)
		return Number(f), err == nil
	}
	return 0, false
}
