// Package line hides the bytes of a record: one line of canonical JSON whose SHA-256 is the record's id.
// It writes such lines, and reads them strictly without ever encoding them again.
package line

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	obj "mlx/internal/object"
)

// Limits of a record.
const (
	MaxBytes = 1 << 20
	MaxPrev  = 8
	Version  = 1
	MaxLC    = 1<<53 - 1
	maxKind  = 128
	stampLen = len("2006-01-02T15:04:05.000000Z")
	nonceLen = 16
)

// Input is an element of `in`.
type Input struct {
	Role string
	ID   obj.Digest
}

// Header is everything in a record. Slices made by Parse share memory with the line.
type Header struct {
	Kind  string
	Nonce [nonceLen]byte
	LC    uint64
	At    int64 // microseconds since 1970
	By    string
	Prev  []obj.Digest
	In    []Input
	Op    string
	Crit  bool
	Body  []byte // canonical JSON of an object
	// BodyAt is where Body begins in the line; set by Parse only.
	BodyAt int
}

// Format writes the line of h, without a newline, and checks it as a reader would.
func (p *Parser) Format(h Header) ([]byte, error) {
	b := make([]byte, 0, len(h.Body)+512)
	b = append(b, `{"at":"`...)
	b = time.UnixMicro(h.At).UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, `","body":`...)
	b = append(b, h.Body...)
	b = append(b, `,"by":`...)
	var err error
	if b, err = text(b, h.By); err != nil {
		return nil, err
	}
	if h.Crit {
		b = append(b, `,"crit":true`...)
	}
	for i, in := range h.In {
		b = append(b, opening(i, `,"in":[`)...)
		b = append(b, `{"id":"`...)
		b = append(digest(b, in.ID), `","role":`...)
		if b, err = text(b, in.Role); err != nil {
			return nil, err
		}
		b = append(b, '}')
	}
	b = append(b, closing(len(h.In))...)
	b = append(b, `,"kind":"`...)
	b = append(b, h.Kind...)
	b = append(b, `","lc":`...)
	b = strconv.AppendUint(b, h.LC, 10)
	b = append(b, `,"nonce":"`...)
	b = hex.AppendEncode(b, h.Nonce[:])
	b = append(b, '"')
	if h.Op != "" {
		b = append(b, `,"op":`...)
		if b, err = text(b, h.Op); err != nil {
			return nil, err
		}
	}
	for i, d := range h.Prev {
		b = append(b, opening(i, `,"prev":[`)...)
		b = append(digest(append(b, '"'), d), '"')
	}
	b = append(b, closing(len(h.Prev))...)
	b = append(b, `,"v":1}`...)
	_, err = p.Parse(b)
	return b, err
}

func opening(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func closing(n int) string {
	if n == 0 {
		return ""
	}
	return "]"
}

func digest(b []byte, d obj.Digest) []byte {
	return hex.AppendEncode(append(b, "sha256:"...), d[:])
}

func text(b []byte, s string) ([]byte, error) {
	enc, err := obj.Encode(s)
	if err != nil {
		return nil, err
	}
	return append(b, enc...), nil
}

// Parser reads lines; it keeps buffers from one line to the next.
type Parser struct {
	s    Scanner
	kind string // the last line's: most neighbours are equal
	by   string
}

// Parse reads a line strictly. It accepts any order of keys and ignores keys of later versions.
func (p *Parser) Parse(b []byte) (Header, error) { return p.parse(b, nil) }

// ParseWith reads a line and gives its body to walk, which must consume exactly that value of the Scanner.
func (p *Parser) ParseWith(b []byte, walk func(*Scanner)) (Header, error) { return p.parse(b, walk) }

func (p *Parser) parse(b []byte, walk func(*Scanner)) (Header, error) {
	var h Header
	if len(b) > MaxBytes {
		return h, fmt.Errorf("record of %d bytes: at most %d are allowed", len(b), MaxBytes)
	}
	if !utf8.Valid(b) {
		return h, fmt.Errorf("record is not valid UTF-8")
	}
	s := &p.s
	s.Reset(b)
	if s.Peek() != '{' {
		s.fail("record is no object")
	}
	var f fields
	s.Begin()
	for key, ok := s.Key(); ok; key, ok = s.Key() {
		p.field(&h, &f, string(key), walk)
	}
	s.End()
	if err := s.Err(); err != nil {
		return h, fmt.Errorf("bad record at byte %d: %w", s.Offset(), err)
	}
	return h, f.complete(&h)
}

// fields remembers which of the required ones were there.
type fields struct{ at, body, by, kind, lc, nonce, v bool }

func (f *fields) complete(h *Header) error {
	switch {
	case !f.v:
		return fmt.Errorf("bad record: v missing")
	case !f.at || !f.body || !f.by || !f.kind || !f.lc || !f.nonce:
		return fmt.Errorf("bad record: one of at, body, by, kind, lc, nonce missing")
	case !ValidKind(h.Kind):
		return fmt.Errorf("bad record: kind %.80q is not of the form noun.verb/v1", h.Kind)
	}
	return nil
}

func (p *Parser) field(h *Header, f *fields, key string, walk func(*Scanner)) {
	s := &p.s
	switch key {
	case "at":
		var ok bool
		h.At, ok = parseStamp(s.String())
		f.at = must(s, ok, "at is no time like 2006-01-02T15:04:05.000000Z")
	case "body":
		f.body = must(s, s.Peek() == '{', "body is no object")
		start := s.Offset()
		if walk != nil && s.err == nil {
			walk(s)
		} else {
			s.Skip()
		}
		h.Body, h.BodyAt = s.b[start:s.i], start
	case "by":
		p.by = reuse(p.by, s.String())
		h.By, f.by = p.by, true
	case "crit":
		c := s.Literal()
		h.Crit = must(s, c != 'n', "crit is not true or false") && c == 't'
	case "in":
		h.In = inputs(s)
	case "kind":
		p.kind = reuse(p.kind, s.String())
		h.Kind, f.kind = p.kind, true
	case "lc":
		n, err := strconv.ParseUint(string(s.Number()), 10, 64)
		h.LC, f.lc = n, must(s, err == nil && n <= MaxLC, "lc is no count")
	case "nonce":
		f.nonce = must(s, unhex(h.Nonce[:], s.String()), "nonce is not 32 hex digits")
	case "op":
		h.Op = string(s.String())
	case "prev":
		h.Prev = previous(s)
	case "v":
		f.v = must(s, string(s.Number()) == "1", "a version that this mlx does not know")
	default:
		s.Skip()
	}
}

func must(s *Scanner, ok bool, what string) bool {
	if !ok {
		s.fail(what)
	}
	return ok
}

func reuse(last string, b []byte) string {
	if last == string(b) {
		return last
	}
	return string(b)
}

func previous(s *Scanner) []obj.Digest {
	if s.Peek() != '[' {
		s.fail("prev is no list")
	}
	var out []obj.Digest
	for s.Begin(); s.More(); {
		d, ok := Digest(s.String())
		if !must(s, ok, "prev holds something else than a digest") || !must(s, len(out) < MaxPrev, "prev holds more than 8") {
			return nil
		}
		out = append(out, d)
	}
	return out
}

func inputs(s *Scanner) []Input {
	if s.Peek() != '[' {
		s.fail("in is no list")
	}
	var out []Input
	for s.Begin(); s.More(); {
		if !must(s, s.Peek() == '{', "in holds something else than an object") {
			return nil
		}
		var in Input
		var ok bool
		s.Begin()
		for key, more := s.Key(); more; key, more = s.Key() {
			switch string(key) {
			case "id":
				in.ID, ok = Digest(s.String())
			case "role":
				in.Role = string(s.String())
			default:
				s.Skip()
			}
		}
		if !must(s, ok, "in holds something without a digest") {
			return nil
		}
		out = append(out, in)
	}
	return out
}

// Digest reads "sha256:" and 64 lower-case hex digits.
func Digest(b []byte) (d obj.Digest, ok bool) {
	const scheme = "sha256:"
	if len(b) != len(scheme)+2*len(d) || string(b[:len(scheme)]) != scheme {
		return d, false
	}
	if !unhex(d[:], b[len(scheme):]) {
		return obj.Digest{}, false
	}
	return d, true
}

// unhex decodes lower-case hex digits that fill out exactly.
func unhex(out, b []byte) bool {
	if len(b) != 2*len(out) {
		return false
	}
	var bad byte
	for i := range out {
		hi, lo := nibble(b[2*i]), nibble(b[2*i+1])
		bad |= hi | lo
		out[i] = hi<<4 | lo&15
	}
	return bad <= 15
}

// nibble returns the value of a lower-case hex digit, more than 15 for anything else.
func nibble(c byte) byte {
	digit, letter := c-'0', c-'a'
	switch {
	case digit < 10:
		return digit
	case letter < 6:
		return letter + 10
	}
	return 0x80
}

// ValidKind reports whether kind is noun.verb/vN in lower case.
func ValidKind(kind string) bool {
	name, version, ok := strings.Cut(kind, "/v")
	n, err := strconv.ParseUint(version, 10, 16)
	if !ok || err != nil || n == 0 || version[0] == '0' || len(kind) > maxKind || !strings.Contains(name, ".") {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || part[0] < 'a' || part[0] > 'z' {
			return false
		}
		for i := range len(part) {
			if c := part[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
				return false
			}
		}
	}
	return true
}

// parseStamp reads the one form that `at` has and returns microseconds since 1970.
func parseStamp(b []byte) (int64, bool) {
	if len(b) != stampLen || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' || b[26] != 'Z' {
		return 0, false
	}
	var n [7]int
	for i, span := range [7][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}, {20, 26}} {
		for _, c := range b[span[0]:span[1]] {
			if c < '0' || c > '9' {
				return 0, false
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	if n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return 0, false
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
	return t.UnixMicro(), t.Day() == n[2] && int(t.Month()) == n[1] && n[1] > 0
}
