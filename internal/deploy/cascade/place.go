package cascade

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What there is to say of a place in a text of JSON that has no value.
var (
	errNoPlace = errors.New("there is no such value")
	errNoJSON  = errors.New("it is no JSON")
)

// place finds the value that a JSON pointer names: it is text[from:to]. A name that an object has twice means the last one, as it does to those
// who read the whole. What is not on the way to the value is passed over and not checked, so that a long text costs little more than to read it.
func place(text []byte, pointer string) (from, to int, err error) {
	s := scanner{text: text}
	s.blank()
	if pointer != "" {
		for token := range strings.SplitSeq(pointer[1:], "/") {
			if err := s.enter(unescape(token)); err != nil {
				return 0, 0, err
			}
		}
	}
	from = s.at
	if err := s.skip(); err != nil {
		return 0, 0, err
	}
	return from, s.at, nil
}

// unescape reads a token of a JSON pointer.
func unescape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// escape writes one.
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// scanner stands at a sign of a text of JSON.
type scanner struct {
	text []byte
	at   int
}

// blank goes on to the next sign that is no blank, and tells it; 0: there is none.
func (s *scanner) blank() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// enter goes from the beginning of an object or list to that of the value of a name or number in it.
func (s *scanner) enter(token string) error {
	c := s.blank()
	if c != '{' && c != '[' {
		return errNoPlace
	}
	end := c + 2 // of both in ASCII
	s.at++
	found := -1
	if s.blank() == end {
		return errNoPlace
	}
	for n := 0; ; n++ {
		name := strconv.Itoa(n)
		if c == '{' {
			var err error
			if name, err = s.name(); err != nil {
				return err
			}
		}
		s.blank()
		if name == token {
			found = s.at
			if c == '[' { // no later one has this number
				break
			}
		}
		if err := s.skip(); err != nil {
			return err
		}
		next := s.blank()
		s.at++
		if next == end {
			break
		}
		if next != ',' {
			return errNoJSON
		}
	}
	if found < 0 {
		return errNoPlace
	}
	s.at = found
	return nil
}

// name reads the name of a member, and the colon behind it.
func (s *scanner) name() (string, error) {
	if s.blank() != '"' {
		return "", errNoJSON
	}
	from := s.at
	if err := s.word(); err != nil {
		return "", err
	}
	name, err := textOf(s.text[from:s.at])
	if err != nil || s.blank() != ':' {
		return "", errNoJSON
	}
	s.at++
	return name, nil
}

// textOf is the text that a string of JSON stands for.
func textOf(quoted []byte) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), nil
	}
	var text string
	err := json.Unmarshal(quoted, &text)
	return text, err
}

// word passes over a string.
func (s *scanner) word() error {
	for at := s.at + 1; ; {
		n := bytes.IndexByte(s.text[at:], '"')
		if n < 0 {
			return errNoJSON
		}
		end := at + n
		escapes := 0
		for i := end - 1; i > s.at && s.text[i] == '\\'; i-- {
			escapes++
		}
		at = end + 1
		if escapes%2 == 0 {
			s.at = at
			return nil
		}
	}
}

// skip passes over a value.
func (s *scanner) skip() error {
	depth := 0
	for {
		switch c := s.blank(); c {
		case 0:
			return errNoJSON
		case '"':
			if err := s.word(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			s.at++
			continue
		case '}', ']':
			if depth == 0 {
				return errNoJSON
			}
			depth--
			s.at++
		case ',', ':':
			if depth == 0 {
				return errNoJSON
			}
			s.at++
			continue
		default:
			from := s.at
			for s.at < len(s.text) && !bytes.ContainsRune([]byte(" \t\r\n,:{}[]\""), rune(s.text[s.at])) {
				s.at++
			}
			if s.at == from {
				return errNoJSON
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// valueAt is the value at a place, as encoding/json reads it.
func valueAt(text []byte, pointer string) (any, error) {
	from, to, err := place(text, pointer)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(text[from:to], &v); err != nil {
		return nil, errNoJSON
	}
	return v, nil
}
