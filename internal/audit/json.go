package audit

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// node is a value of a JSON text. It refers to the text, and allocates nothing but the lists of its parts.
type node struct {
	kind byte   // one of { [ " 0 t n
	key  []byte // in an object: the name, with its quotes
	raw  []byte // the text of the value, without white space around it
	kids []node
}

// maxDepth bounds how deeply values may be nested.
const maxDepth = 32

var errNoJSON = errors.New("it is no JSON")

// parse takes a JSON text apart. It is as strict as RFC 8259, so that every raw piece can stand in another JSON text.
func parse(text []byte) (node, error) { return new(parser).parse(text) }

// keptMemory is how many values of a text the memory is kept for. That of a larger one is given back.
const keptMemory = 16 << 10

// parser keeps its memory for the next text. What it returned is valid until then.
type parser struct {
	text  []byte
	at    int
	parts []node // of values that are still open
	arena []node // of those that are complete
}

func (p *parser) parse(text []byte) (node, error) {
	if !utf8.Valid(text) {
		return node{}, errNoJSON
	}
	if cap(p.arena) > keptMemory || cap(p.parts) > keptMemory {
		p.parts, p.arena = nil, nil
	}
	p.text, p.at, p.parts, p.arena = text, 0, p.parts[:0], p.arena[:0]
	n, ok := p.value(0)
	if p.space(); !ok || p.at != len(text) {
		return node{}, errNoJSON
	}
	return n, nil
}

// close takes the parts since from off the open ones.
func (p *parser) close(from int) []node {
	n := len(p.parts) - from
	if cap(p.arena)-len(p.arena) < n {
		p.arena = make([]node, 0, max(64, n, 2*cap(p.arena))) // lists that were made before keep the memory that they have
	}
	at := len(p.arena)
	p.arena = append(p.arena, p.parts[from:]...)
	p.parts = p.parts[:from]
	return p.arena[at : at+n : at+n]
}

func (p *parser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// take consumes c where it stands next.
func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *parser) value(depth int) (n node, ok bool) {
	p.space()
	if p.at == len(p.text) || depth > maxDepth {
		return n, false
	}
	start := p.at
	switch c := p.text[p.at]; c {
	case '{', '[':
		n.kind = c
		p.at++
		n.kids, ok = p.list(c, depth)
	case '"':
		n.kind = c
		ok = p.quoted()
	case 't':
		n.kind, ok = 't', p.word("true")
	case 'f':
		n.kind, ok = 't', p.word("false")
	case 'n':
		n.kind, ok = 'n', p.word("null")
	default:
		n.kind, ok = '0', p.number()
	}
	n.raw = p.text[start:p.at]
	return n, ok
}

func (p *parser) word(w string) bool {
	if !bytes.HasPrefix(p.text[p.at:], []byte(w)) {
		return false
	}
	p.at += len(w)
	return true
}

// list reads what stands between brackets, the closing one included.
func (p *parser) list(open byte, depth int) (kids []node, ok bool) {
	end := open + 2 // in ASCII both brackets close two after they open
	if p.space(); p.take(end) {
		return nil, true
	}
	from := len(p.parts)
	for {
		var key []byte
		if open == '{' {
			p.space()
			start := p.at
			if !p.quoted() {
				return nil, false
			}
			key = p.text[start:p.at]
			if p.space(); !p.take(':') {
				return nil, false
			}
		}
		n, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		n.key = key
		p.parts = append(p.parts, n)
		p.space()
		if p.take(end) {
			return p.close(from), true
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

func (p *parser) quoted() bool {
	if !p.take('"') {
		return false
	}
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			return true
		case c < ' ':
			return false
		case c == '\\' && !p.escape():
			return false
		}
	}
	return false
}

func (p *parser) escape() bool {
	if p.at == len(p.text) {
		return false
	}
	c := p.text[p.at]
	p.at++
	if c != 'u' {
		return bytes.IndexByte([]byte(`"\/bfnrt`), c) >= 0
	}
	for range 4 {
		if p.at == len(p.text) || !isHex(p.text[p.at]) {
			return false
		}
		p.at++
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func (p *parser) number() bool {
	p.take('-')
	if !p.take('0') && !p.digits() {
		return false
	}
	if p.take('.') && !p.digits() {
		return false
	}
	if p.take('e') || p.take('E') {
		if !p.take('+') {
			p.take('-')
		}
		return p.digits()
	}
	return true
}

// digits reads at least one.
func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.text) && '0' <= p.text[p.at] && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

// get is the value of a name in an object: the last one, as most readers do.
func (n *node) get(name string) *node {
	for i := len(n.kids) - 1; i >= 0; i-- {
		if key := n.kids[i].key; len(key) == len(name)+2 && string(key[1:len(key)-1]) == name {
			return &n.kids[i]
		}
	}
	return nil
}

const hexDigits = "0123456789abcdef"

// appendText writes a string of JSON. Bytes that are no UTF-8 become the sign for that.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			if c == '"' || c == '\\' {
				b = append(b, '\\', c)
			} else {
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}
