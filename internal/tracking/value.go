package tracking

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// whole is an int64 of a request: a number, or the same as text.
type whole int64

// UnmarshalJSON reads 12, 12.0 and "12".
func (n *whole) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = whole(i)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return mistyped(b)
	}
	*n = whole(f)
	return nil
}

// real is a double of a request: a number, or text where JSON has no number for it.
type real float64

// UnmarshalJSON reads 0.5, "0.5", "NaN", "Infinity" and "-Infinity".
func (n *real) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.ContainsAny(s, "xX_") {
		return mistyped(b)
	}
	*n = real(f)
	return nil
}

// many is a list of texts of a request; a query with one of them has it without a list.
type many []string

// UnmarshalJSON reads ["a", "b"] and "a".
func (m *many) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*m = many{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(m))
}

func mistyped(b []byte) error { return &mistypedError{string(b)} }

// mistypedError is a value of a kind that is not wanted at its place.
type mistypedError struct{ value string }

func (e *mistypedError) Error() string { return "cannot read " + clip(e.value) }

// clip shortens what a client sent for a message.
func clip(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// kindName is the name of the type of a JSON value in Python, which messages mention.
func kindName(b string) string {
	switch {
	case b == "" || b == "null":
		return "NoneType"
	case b[0] == '"':
		return "str"
	case b[0] == '{':
		return "dict"
	case b[0] == '[':
		return "list"
	case b == "true" || b == "false":
		return "bool"
	case strings.ContainsAny(b, ".eE"):
		return "float"
	}
	return "int"
}

// maxMS is the last millisecond that has a year of four digits.
const maxMS = 253402300799999

// fromMS makes a time of milliseconds since 1970. false: no time that a record can hold.
func fromMS(ms int64) (time.Time, bool) {
	return time.UnixMilli(ms).UTC(), ms >= 0 && ms <= maxMS
}

// quoted writes a text as messages have it.
func quoted(s string) string {
	text, err := json.Marshal(clip(s))
	if err != nil { // a string always has a form
		return `""`
	}
	return string(text)
}
