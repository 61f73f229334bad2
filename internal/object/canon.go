package object

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"mlx/internal/fault"
)

// maxSafe is the greatest integer that every reader of JSON keeps exactly.
const maxSafe = 1<<53 - 1

// appendCanonical appends the canonical form of the JSON text raw, which stands at the given depth.
func appendCanonical(dst, raw []byte, depth int) ([]byte, error) {
	s := scanner{b: raw}
	dst, err := s.canonical(dst, depth)
	if err != nil {
		return nil, err
	}
	if s.space(); s.i < len(raw) {
		return nil, s.fail("something stands behind the value")
	}
	return dst, nil
}

func (s *scanner) canonical(dst []byte, depth int) ([]byte, error) {
	switch c := s.peek(); {
	case c == '{':
		return s.canonicalObject(dst, depth+1)
	case c == '[':
		return s.canonicalArray(dst, depth+1)
	case c == '"':
		t, err := s.str()
		if err != nil {
			return nil, err
		}
		return appendString(dst, t.plain())
	case c == '-' || c >= '0' && c <= '9':
		token, err := s.number()
		if err != nil {
			return nil, err
		}
		return appendToken(dst, string(token))
	default:
		w, err := s.word()
		return append(dst, w...), err
	}
}

// member is an object's entry: its key, and where its text "key":value stands in a buffer.
type member struct {
	key        string
	start, end int
}

func (s *scanner) canonicalObject(dst []byte, depth int) ([]byte, error) {
	if err := s.open(depth); err != nil {
		return nil, err
	}
	var members []member
	var err error
	start := len(dst)
	for done := s.peek() == '}'; !done; {
		var key text
		if key, err = s.key(s.peek()); err != nil {
			return nil, err
		}
		m := member{key: key.plain(), start: len(dst)}
		if dst, err = appendString(dst, m.key); err != nil {
			return nil, err
		}
		if dst, err = s.canonical(append(dst, ':'), depth); err != nil {
			return nil, err
		}
		m.end = len(dst)
		members = append(members, m)
		if done, err = s.next('}'); err != nil {
			return nil, err
		}
	}
	if members == nil {
		s.i++
	}
	return arrange(dst, start, members)
}

func (s *scanner) canonicalArray(dst []byte, depth int) ([]byte, error) {
	if err := s.open(depth); err != nil {
		return nil, err
	}
	if s.peek() == ']' {
		s.i++
		return append(dst, "[]"...), nil
	}
	dst = append(dst, '[')
	for {
		var err error
		if dst, err = s.canonical(dst, depth); err != nil {
			return nil, err
		}
		done, err := s.next(']')
		if err != nil {
			return nil, err
		}
		if done {
			return append(dst, ']'), nil
		}
		dst = append(dst, ',')
	}
}

// arrange replaces the members' texts, which stand one behind the other from start to the end of dst, by the object
// that holds them in order.
func arrange(dst []byte, start int, members []member) ([]byte, error) {
	slices.SortFunc(members, func(a, b member) int { return compareUTF16(a.key, b.key) })
	body := slices.Clone(dst[start:])
	dst = append(dst[:start], '{')
	for i, m := range members {
		if i > 0 {
			if m.key == members[i-1].key {
				return nil, fault.New(fault.Usage, "cannot encode: duplicate key %q", m.key)
			}
			dst = append(dst, ',')
		}
		dst = append(dst, body[m.start-start:m.end-start]...)
	}
	return append(dst, '}'), nil
}

// compareUTF16 orders keys by their UTF-16 code units (RFC 8785, 3.2.3). That is the order of bytes, but for characters
// beyond U+FFFF, which sort before U+E000 to U+FFFF.
func compareUTF16(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	if astral, high := a[i] >= 0xf0, b[i] >= 0xf0; astral != high && (a[i] >= 0xee && b[i] >= 0xee) {
		return int(b[i]) - int(a[i])
	}
	return int(a[i]) - int(b[i])
}

// appendString appends s between quotes, escaping only what must be.
func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fault.New(fault.Usage, "cannot encode %.80q: no valid UTF-8", s)
	}
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if at := bytes.IndexByte([]byte("\"\\\b\f\n\r\t"), c); at >= 0 {
			dst = append(dst, '\\', `"\bfnrt`[at])
			continue
		}
		dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
	}
	return append(append(dst, s[from:]...), '"'), nil
}

// appendToken appends a number given as JSON text. Text that a double cannot hold is refused: an integer that would
// change is a lie, whatever the RFC allows.
func appendToken(dst []byte, token string) ([]byte, error) {
	f, err := strconv.ParseFloat(token, 64)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot encode the number %.40s: %w", token, err)
	}
	start := len(dst)
	if dst, err = appendFloat(dst, f); err != nil {
		return nil, err
	}
	if math.Abs(f) > maxSafe && !bytes.ContainsAny([]byte(token), ".eE") && string(dst[start:]) != token {
		return nil, fault.New(fault.Usage, "cannot encode the integer %.40s: beyond 2^53-1 it must be a string", token)
	}
	return dst, nil
}

// appendFloat appends f as ECMAScript writes it (RFC 8785, 3.2.2.3).
func appendFloat(dst []byte, f float64) ([]byte, error) {
	switch a := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, fault.New(fault.Usage, "cannot encode the number %v: it must be a string", f)
	case a == 0 && math.Signbit(f):
		return nil, fault.New(fault.Usage, "cannot encode the number -0: it must be a string")
	case a == 0 || a >= 1e-6 && a < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64), nil
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') { // Go writes e-07, ECMAScript e-7
		dst = append(dst[:n-2], dst[n-1])
	}
	return dst, nil
}
