package line

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 32

// Scanner walks one JSON value strictly: valid UTF-8 (checked by the caller, once for the whole line), no duplicate key,
// bounded depth, nothing trailing. It allocates only for strings with escapes and for objects with unsorted keys.
// After an error every method returns zero values; look at Err at the end.
type Scanner struct {
	b     []byte
	i     int
	depth int
	err   error
	keys  [][]byte // keys seen so far in the objects that are open
	objs  [MaxDepth + 1]object
}

type object struct {
	base  int  // index in keys where this object's begin
	array bool // an array: no keys
	some  bool // an element has been read
	seen  map[string]struct{}
}

// Reset makes s walk b.
func (s *Scanner) Reset(b []byte) {
	s.b, s.i, s.depth, s.err, s.keys = b, 0, 0, nil, s.keys[:0]
}

// Err returns the first thing that was wrong.
func (s *Scanner) Err() error { return s.err }

// Offset is where the next token begins or, after a value, where that ended.
func (s *Scanner) Offset() int { return s.i }

func (s *Scanner) fail(what string) {
	if s.err == nil {
		s.err = errors.New(what)
		s.i = len(s.b)
	}
}

// Peek returns the first byte of the next token, 0 at the end.
func (s *Scanner) Peek() byte {
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			s.fail("control character between tokens")
			return 0
		}
		s.i++
	}
	return 0
}

// End checks that nothing follows the value.
func (s *Scanner) End() {
	if s.Peek() != 0 || s.i < len(s.b) {
		s.fail("something follows the value")
	}
}

// Begin enters the object or array that comes next; Key or More must then be called until they return false.
func (s *Scanner) Begin() {
	c := s.Peek()
	if c != '{' && c != '[' {
		s.fail("value missing")
		return
	}
	if s.depth == MaxDepth {
		s.fail("nested too deep")
		return
	}
	s.i++
	s.depth++
	s.objs[s.depth] = object{base: len(s.keys), array: c == '['}
}

// More reports whether another element of the array follows, and steps to it; at the end it leaves the array.
func (s *Scanner) More() bool {
	if s.err != nil || s.depth == 0 {
		return false
	}
	o := &s.objs[s.depth]
	end := byte('}')
	if o.array {
		end = ']'
	}
	switch c := s.Peek(); {
	case c == end:
		s.i++
		s.depth--
		s.keys = s.keys[:o.base]
		return false
	case !o.some:
		o.some = true
	case c == ',':
		s.i++
		if s.Peek() == end {
			s.fail("value missing after a comma")
			return false
		}
	default:
		s.fail("comma or end expected")
		return false
	}
	return s.err == nil
}

// Key is More for objects: it also reads the key and its colon.
func (s *Scanner) Key() ([]byte, bool) {
	if !s.More() {
		return nil, false
	}
	key := s.String()
	if s.Peek() != ':' {
		s.fail("colon expected")
		return nil, false
	}
	s.i++
	o := &s.objs[s.depth]
	if o.seen == nil && (len(s.keys) == o.base || bytes.Compare(s.keys[len(s.keys)-1], key) < 0) {
		s.keys = append(s.keys, key) // ascending, as canonical JSON has them: no duplicate so far
		return key, true
	}
	if o.seen == nil {
		o.seen = make(map[string]struct{}, len(s.keys)-o.base)
		for _, k := range s.keys[o.base:] {
			o.seen[string(k)] = struct{}{}
		}
	}
	if _, dup := o.seen[string(key)]; dup {
		s.fail("duplicate key")
		return nil, false
	}
	o.seen[string(key)] = struct{}{}
	return key, true
}

// KeyIs steps to the next key if that is the one in quoted, which is a whole key with quotes and colon: the usual case in records
// that are alike, and much cheaper than Key. It is for keys in ascending order only.
func (s *Scanner) KeyIs(quoted []byte) bool {
	o := &s.objs[s.depth]
	i := s.i
	if o.some {
		if i >= len(s.b) || s.b[i] != ',' {
			return false
		}
		i++
	}
	if o.seen != nil || !bytes.HasPrefix(s.b[i:], quoted) {
		return false
	}
	key := quoted[1 : len(quoted)-2]
	if n := len(s.keys); n > o.base && bytes.Compare(s.keys[n-1], key) >= 0 {
		return false
	}
	s.i, o.some = i+len(quoted), true
	s.keys = append(s.keys, key)
	return true
}

// String reads a string. The result may share memory with the input.
func (s *Scanner) String() []byte {
	if s.Peek() != '"' {
		s.fail("string expected")
		return nil
	}
	b := s.b[s.i+1:]
	for j := plain(b); j < len(b); j++ {
		switch c := b[j]; {
		case c == '"':
			s.i += j + 2
			return b[:j:j]
		case c == '\\':
			return s.escaped(b, j)
		case c < ' ':
			s.fail("control character in a string")
			return nil
		}
	}
	s.fail("string without end")
	return nil
}

// plain returns how many bytes b begins with, in groups of eight, that are no quote, backslash or control character.
func plain(b []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	j := 0
	for ; j+8 <= len(b); j += 8 {
		w := binary.LittleEndian.Uint64(b[j:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// A byte below n makes the subtraction borrow into its top bit; bytes above 0x7f are masked out.
		if ((quote-ones)&^quote|(slash-ones)&^slash|(w-ones*' ')&^w)&high != 0 {
			break
		}
	}
	return j
}

// escaped reads the string in b whose first escape is at j.
func (s *Scanner) escaped(b []byte, j int) []byte {
	out := append(make([]byte, 0, j+64), b[:j]...)
	for j < len(b) {
		c := b[j]
		switch {
		case c == '"':
			s.i += j + 2
			return out
		case c < ' ':
			s.fail("control character in a string")
			return nil
		case c != '\\':
			out = append(out, c)
			j++
			continue
		}
		n := 0
		if out, n = unescape(out, b[j:]); n == 0 {
			s.fail("bad escape in a string")
			return nil
		}
		j += n
	}
	s.fail("string without end")
	return nil
}

// unescape decodes the escape that b begins with; it returns how long that was, 0 if it is none.
func unescape(out, b []byte) ([]byte, int) {
	if len(b) < 2 {
		return out, 0
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if k := bytes.IndexByte([]byte(from), b[1]); k >= 0 {
		return append(out, to[k]), 2
	}
	r, ok := hex4(b)
	if !ok {
		return out, 0
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(out, r), 6
	}
	low, ok := hex4(b[6:])
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return utf8.AppendRune(out, pair), 12
	}
	return out, 0
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// Number reads a number and returns its text.
func (s *Scanner) Number() []byte {
	s.Peek()
	b := s.b[s.i:]
	j := 0
	if j < len(b) && b[j] == '-' {
		j++
	}
	first := j
	j = digits(b, j)
	if j == first || b[first] == '0' && j > first+1 {
		s.fail("bad value")
		return nil
	}
	if j < len(b) && b[j] == '.' {
		k := digits(b, j+1)
		if k == j+1 {
			s.fail("bad number")
			return nil
		}
		j = k
	}
	if j < len(b) && b[j]|0x20 == 'e' {
		k := j + 1
		if k < len(b) && (b[k] == '+' || b[k] == '-') {
			k++
		}
		if j = digits(b, k); j == k {
			s.fail("bad number")
			return nil
		}
	}
	s.i += j
	return b[:j]
}

func digits(b []byte, j int) int {
	for j < len(b) && b[j]-'0' < 10 {
		j++
	}
	return j
}

// Literal reads true, false or null and returns its first letter.
func (s *Scanner) Literal() byte {
	c := s.Peek()
	for _, word := range [...]string{"true", "false", "null"} {
		if c == word[0] && len(s.b)-s.i >= len(word) && string(s.b[s.i:s.i+len(word)]) == word {
			s.i += len(word)
			return c
		}
	}
	s.fail("bad value")
	return 0
}

// Skip reads any value and forgets it, with every check.
func (s *Scanner) Skip() {
	for start := s.depth; s.err == nil; {
		switch s.Peek() {
		case '{', '[':
			s.Begin()
		case '"':
			s.String()
		case 't', 'f', 'n':
			s.Literal()
		default:
			s.Number()
		}
		if s.climb(start) {
			return
		}
	}
}

// climb steps to the next value inside what Skip opened, and reports whether all of that is closed.
func (s *Scanner) climb(start int) bool {
	for s.depth > start && s.err == nil {
		more := false
		if s.objs[s.depth].array {
			more = s.More()
		} else {
			_, more = s.Key()
		}
		if more {
			return false
		}
	}
	return true
}
