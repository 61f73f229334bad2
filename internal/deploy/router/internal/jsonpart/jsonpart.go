// Package jsonpart hides how parts of a JSON document are found without decoding the rest. It takes what encoding/json takes, and the
// NaN, Infinity and -Infinity that Python writes as numbers.
package jsonpart

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects lie in each other.
const maxDepth = 512

// Kind is what a value is.
type Kind byte

// The kinds.
const (
	None Kind = iota // no value
	Object
	Array
	String
	Number
	Bool
	Null
)

// Document returns the one value that text holds, without the space around it. Every value that the other functions return for it is
// whole.
func Document(text []byte) (value []byte, ok bool) {
	start := space(text, 0)
	end := skip(text, start, 0)
	if end < 0 || space(text, end) != len(text) {
		return nil, false
	}
	return text[start:end], true
}

// KindOf says what a value is by its first byte.
func KindOf(value []byte) Kind {
	if len(value) == 0 {
		return None
	}
	switch c := value[0]; {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-' || c >= '0' && c <= '9' || c == 'N' || c == 'I':
		return Number
	}
	return None
}

// Float reads a number.
func Float(value []byte) (float64, bool) {
	switch string(value) {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	if KindOf(value) != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(value), 64) // out of range: ±Inf, which is what other readers make of it
	return f, err == nil || math.IsInf(f, 0)
}

// Text reads a string.
func Text(value []byte) (string, bool) {
	if KindOf(value) != String || len(value) < 2 {
		return "", false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	var s string
	return s, json.Unmarshal(value, &s) == nil
}

// Members goes through an object in its order. Of a value of another kind there are none.
func Members(value []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if KindOf(value) != Object {
			return
		}
		for i := space(value, 1); i < len(value) && value[i] == '"'; {
			end := skip(value, i, 0)
			if end < 0 {
				return
			}
			name, _ := Text(value[i:end])
			if i = space(value, end); i >= len(value) || value[i] != ':' {
				return
			}
			i = space(value, i+1)
			if end = skip(value, i, 0); end < 0 || !yield(name, value[i:end]) {
				return
			}
			i = next(value, end)
		}
	}
}

// Elements goes through an array. Of a value of another kind there are none.
func Elements(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if KindOf(value) != Array {
			return
		}
		for i := space(value, 1); i < len(value) && value[i] != ']'; {
			end := skip(value, i, 0)
			if end < 0 || !yield(value[i:end]) {
				return
			}
			i = next(value, end)
		}
	}
}

// Member is what an object holds under a name, nil if nothing; of several the last one, as other readers take it.
func Member(value []byte, name string) []byte {
	var found []byte
	for n, v := range Members(value) {
		if n == name {
			found = v
		}
	}
	return found
}

// Pointer names a place in a document: RFC 6901. The zero value is the whole document.
type Pointer []string

// ParsePointer reads "/user/0/id".
func ParsePointer(text string) (Pointer, bool) {
	if text == "" {
		return nil, true
	}
	if text[0] != '/' || strings.Count(text, "/") > maxDepth {
		return nil, false
	}
	parts := strings.Split(text[1:], "/")
	for i, p := range parts {
		for k := 0; k < len(p); k++ {
			if p[k] == '~' && (k+1 == len(p) || p[k+1] != '0' && p[k+1] != '1') {
				return nil, false
			}
		}
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts, true
}

// Find is the value at a place, nil if there is none.
func (p Pointer) Find(value []byte) []byte {
	for _, step := range p {
		switch KindOf(value) {
		case Object:
			value = Member(value, step)
		case Array:
			value = element(value, step)
		default:
			return nil
		}
	}
	return value
}

func element(value []byte, step string) []byte {
	at, err := strconv.Atoi(step)
	if err != nil || at < 0 || step != strconv.Itoa(at) {
		return nil
	}
	for v := range Elements(value) {
		if at == 0 {
			return v
		}
		at--
	}
	return nil
}

// next is where the value after the one that ends at i starts, or the end of the list.
func next(b []byte, i int) int {
	if i = space(b, i); i < len(b) && b[i] == ',' {
		return space(b, i+1)
	}
	return len(b)
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}
