package dataset

import (
	"bytes"
	"errors"

	"mlx/internal/fault"
)

// jsonDepth follows the text of a JSON array, behind its opening bracket, to find where its elements end.
type jsonDepth struct {
	at      int // bytes of the buffer that were looked at
	last    int // end of the last whole element, with its comma
	depth   int
	inside  bool // of a string
	escaped bool // by a backslash
	closed  bool // the array is
}

var (
	errArrayOpen  = errors.New("the array is not closed")
	errArrayAfter = errors.New("something follows the array")
	errArrayDepth = errors.New("a bracket closes what was not opened")
)

// cut looks at what is new in buf and returns the end of the whole elements, 0 if there is none yet.
func (j *jsonDepth) cut(buf []byte, ended bool) (int, error) {
	for ; j.at < len(buf); j.at++ {
		c := buf[j.at]
		switch {
		case j.closed:
			if skipBlank(buf, j.at) == j.at {
				return 0, errArrayAfter
			}
		case j.inside:
			j.inside = c != '"' || j.escaped
			j.escaped = c == '\\' && !j.escaped
		case c == '"':
			j.inside = true
		case c == '{' || c == '[':
			j.depth++
		case c == ',' && j.depth == 0:
			j.last = j.at + 1
		case c == ']' && j.depth == 0:
			j.closed, j.last = true, j.at
			buf[j.at] = ' '
		case c == '}' || c == ']':
			if j.depth--; j.depth < 0 {
				return 0, errArrayDepth
			}
		}
	}
	if ended && !j.closed {
		return 0, errArrayOpen
	}
	if ended || j.closed {
		return len(buf), nil
	}
	return j.last, nil
}

// element is the chunk of the whole elements at the start of buf.
func (s *textSplitter) element(buf []byte, cut int, err error) (textChunk, error) {
	if err != nil {
		line := s.line + int64(bytes.Count(buf[:s.depth.at], []byte{s.d.eol}))
		name := s.in.plain.name
		return textChunk{}, fault.New(fault.Usage, "cannot read %s: line %d: %w", name, line, err).In(fault.Position{File: name, Line: int(line)})
	}
	s.carry = append(s.carry, buf[cut:]...)
	s.depth.at, s.depth.last = s.depth.at-cut, 0
	c := textChunk{buf: buf[:cut], line: s.line}
	s.line += int64(bytes.Count(c.buf, []byte{s.d.eol}))
	return c, nil
}
