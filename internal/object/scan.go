package object

import (
	"bytes"
	"unicode/utf8"

	"mlx/internal/fault"
)

// scanner walks JSON text once, strictly: what encoding/json forgives (invalid UTF-8, lone surrogates, duplicate keys,
// any depth) is an error here.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) fail(what string) error {
	return fault.New(fault.Integrity, "no valid JSON: %s at byte %d", what, s.i)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// value passes over one value; depth counts the containers around it.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth + 1)
	case c == '[':
		return s.array(depth + 1)
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := s.number()
		return err
	default:
		_, err := s.word()
		return err
	}
}

func (s *scanner) open(depth int) error {
	if depth > MaxDepth {
		return s.fail("nested deeper than 32")
	}
	s.i++
	return nil
}

func (s *scanner) object(depth int) error {
	if err := s.open(depth); err != nil {
		return err
	}
	var keys keySet
	for first := true; ; first = false {
		c := s.peek()
		if c == '}' && first {
			s.i++
			return nil
		}
		key, err := s.key(c)
		if err != nil {
			return err
		}
		if !keys.add(key) {
			return s.fail("duplicate key")
		}
		if err := s.value(depth); err != nil {
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

func (s *scanner) array(depth int) error {
	if err := s.open(depth); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
}

// key reads a member's name and the colon. c is the byte that peek found.
func (s *scanner) key(c byte) (text, error) {
	if c != '"' {
		return text{}, s.fail("a key is missing")
	}
	key, err := s.str()
	if err != nil {
		return text{}, err
	}
	if s.peek() != ':' {
		return text{}, s.fail("a colon is missing")
	}
	s.i++
	return key, nil
}

// next passes a comma, or the end of the container.
func (s *scanner) next(end byte) (done bool, err error) {
	switch s.peek() {
	case ',':
		s.i++
		return false, nil
	case end:
		s.i++
		return true, nil
	}
	return false, s.fail("a comma or the end is missing")
}

// text is the inside of a string as it stands, and whether it holds escapes.
type text struct {
	raw     []byte
	escaped bool
}

func (s *scanner) str() (text, error) {
	s.i++
	start, high, escaped := s.i, false, false
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			raw := s.b[start:s.i]
			if high && !utf8.Valid(raw) {
				return text{}, s.fail("invalid UTF-8")
			}
			s.i++
			return text{raw, escaped}, nil
		case c == '\\':
			escaped = true
			if !s.escape() {
				return text{}, s.fail("invalid escape")
			}
		case c < ' ':
			return text{}, s.fail("control character in a string")
		default:
			high = high || c >= utf8.RuneSelf
			s.i++
		}
	}
	return text{}, s.fail("string has no end")
}

// escape passes one escape sequence; a surrogate must come as a pair.
func (s *scanner) escape() bool {
	r, n, ok := unescape(s.b[s.i:])
	s.i += n
	return ok && r >= 0
}

// unescape reads the escape sequence at the start of b: its rune and its length.
func unescape(b []byte) (r rune, n int, ok bool) {
	if len(b) < 2 {
		return 0, len(b), false
	}
	if at := bytes.IndexByte([]byte(`"\/bfnrt`), b[1]); at >= 0 {
		return rune("\"\\/\b\f\n\r\t"[at]), 2, true
	}
	hi, ok := hex4(b)
	switch {
	case !ok || hi >= 0xdc00 && hi < 0xe000:
		return 0, 2, false
	case hi < 0xd800 || hi >= 0xe000:
		return hi, 6, true
	}
	lo, ok := hex4(b[6:])
	if !ok || lo < 0xdc00 || lo >= 0xe000 {
		return 0, 6, false
	}
	return (hi-0xd800)<<10 + (lo - 0xdc00) + 0x10000, 12, true
}

// hex4 reads \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func (s *scanner) number() ([]byte, error) {
	start := s.i
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return nil, s.fail("invalid number")
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return nil, s.fail("invalid number")
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return nil, s.fail("invalid number")
		}
	}
	return s.b[start:s.i], nil
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *scanner) word() (string, error) {
	for _, w := range [...]string{"true", "false", "null"} {
		if rest := s.b[s.i:]; len(rest) >= len(w) && string(rest[:len(w)]) == w {
			s.i += len(w)
			return w, nil
		}
	}
	if s.i >= len(s.b) {
		return "", s.fail("it ends too early")
	}
	return "", s.fail("unexpected character")
}
