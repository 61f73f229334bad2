package dataset

import (
	"bytes"
	"errors"
	"io"

	"mlx/internal/fault"
)

// dialect is how a text file is written.
type dialect struct {
	sep   byte
	eol   byte // '\n', or '\r' where no line feed is
	quote bool // fields may stand in double quotes; not in JSON lines
}

// textChunk is some whole records of a text file.
type textChunk struct {
	buf    []byte
	line   int64 // number of the first line, from 1
	quotes bool  // there is a double quote somewhere
}

// textSplitter cuts a stream into chunks at the ends of records. It looks at quotes and line ends only, which is cheap; the rest is for
// the workers.
type textSplitter struct {
	in    *textStream
	d     dialect
	size  int
	skip  int // bytes at the start that are no records
	line  int64
	carry []byte
	ended bool
	array bool // JSON: records stand in an array, with commas between them
	depth jsonDepth
	gaps  []textGap
	take  func(size int) []byte // an empty buffer, to be given back by whoever is done with the chunk
}

// textGap is a part of a buffer outside of quotes.
type textGap struct{ at, end int }

func newTextSplitter(in *textStream, d dialect, size int) *textSplitter {
	return &textSplitter{in: in, d: d, size: size, line: 1, take: func(n int) []byte { return make([]byte, 0, n) }}
}

// next returns the next chunk, or io.EOF.
func (s *textSplitter) next() (textChunk, error) {
	for s.skip > 0 {
		head := s.take(min(s.skip, s.size))
		head, err := s.fill(head, min(s.skip, s.size))
		if err != nil {
			return textChunk{}, s.in.fault(err)
		}
		if len(head) == 0 {
			return textChunk{}, io.EOF
		}
		s.line += int64(bytes.Count(head, []byte{s.d.eol}))
		s.skip -= len(head)
	}
	return s.chunk()
}

func (s *textSplitter) chunk() (textChunk, error) {
	buf := append(s.take(s.size), s.carry...)
	s.carry = s.carry[:0]
	want := s.size
	for {
		var err error
		if buf, err = s.fill(buf, want); err != nil {
			return textChunk{}, s.in.fault(err)
		}
		if len(buf) == 0 {
			return textChunk{}, io.EOF
		}
		if s.array {
			cut, err := s.depth.cut(buf, s.ended)
			if err != nil || cut > 0 {
				return s.element(buf, cut, err)
			}
		}
		quotes := s.d.quote && bytes.IndexByte(buf, '"') >= 0
		cut, open := s.cut(buf, quotes)
		if s.ended && open >= 0 {
			return textChunk{}, s.unclosed(buf, open)
		}
		if s.ended {
			cut = len(buf)
		}
		if cut > 0 {
			s.carry = append(s.carry, buf[cut:]...)
			c := textChunk{buf: buf[:cut], line: s.line, quotes: quotes}
			s.line += int64(bytes.Count(c.buf, []byte{s.d.eol}))
			return c, nil
		}
		if len(buf) >= textRecordMost {
			return textChunk{}, s.endless(buf, open)
		}
		want = min(2*len(buf), textRecordMost)
	}
}

// fill reads until buf is want long or the stream ends.
func (s *textSplitter) fill(buf []byte, want int) ([]byte, error) {
	if cap(buf) < want {
		buf = append(make([]byte, 0, want), buf...)
	}
	for !s.ended && len(buf) < want {
		n, err := s.in.Read(buf[len(buf):want])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			s.ended = true
		} else if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// cut returns where the last whole record ends, and where a quote stands that is still open, or -1.
func (s *textSplitter) cut(buf []byte, quotes bool) (cut, open int) {
	if !quotes {
		return bytes.LastIndexByte(buf, s.d.eol) + 1, -1
	}
	s.gaps = s.gaps[:0]
	start, from := 0, 0 // of the gap, and where to look for the next quote
	for {
		i := bytes.IndexByte(buf[from:], '"')
		if i < 0 {
			s.gaps = append(s.gaps, textGap{start, len(buf)})
			return s.lastEnd(buf), -1
		}
		i += from
		if i > 0 && buf[i-1] != s.d.sep && buf[i-1] != s.d.eol {
			from = i + 1 // in the middle of a field it is a character like others
			continue
		}
		s.gaps = append(s.gaps, textGap{start, i})
		end := closingQuote(buf, i)
		if end < 0 {
			return s.lastEnd(buf), i
		}
		start, from = end+1, end+1
	}
}

// closingQuote finds the quote that closes the one at, or -1. A doubled quote closes nothing.
func closingQuote(buf []byte, at int) int {
	for at++; ; at += 2 {
		i := bytes.IndexByte(buf[at:], '"')
		if i < 0 {
			return -1
		}
		at += i
		if at+1 == len(buf) || buf[at+1] != '"' {
			return at
		}
	}
}

func (s *textSplitter) lastEnd(buf []byte) int {
	for i := len(s.gaps) - 1; i >= 0; i-- {
		g := s.gaps[i]
		if at := bytes.LastIndexByte(buf[g.at:g.end], s.d.eol); at >= 0 {
			return g.at + at + 1
		}
	}
	return 0
}

func (s *textSplitter) unclosed(buf []byte, open int) error {
	line := s.line + int64(bytes.Count(buf[:open], []byte{s.d.eol}))
	name := s.in.plain.name
	return fault.New(fault.Usage, "cannot read %s: line %d opens a quote that nothing closes", name, line).
		In(fault.Position{File: name, Line: int(line)})
}

func (s *textSplitter) endless(buf []byte, open int) error {
	name := s.in.plain.name
	if open >= 0 {
		line := s.line + int64(bytes.Count(buf[:open], []byte{s.d.eol}))
		return fault.New(fault.Usage, "cannot read %s: line %d opens a quote that nothing closes within %d MiB", name, line, textRecordMost>>20).
			In(fault.Position{File: name, Line: int(line)})
	}
	return fault.New(fault.Usage, "cannot read %s: line %d is longer than %d MiB", name, s.line, textRecordMost>>20).
		In(fault.Position{File: name, Line: int(s.line)})
}
