package run

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"mlx/internal/fault"
)

// windowSize is how much of a file of metrics is looked at in one go, unless one object is longer.
const windowSize = 256 << 10

// metricsScan goes through a file of metrics, object by object, in a window that moves over it.
type metricsScan struct {
	path       string
	r          io.Reader
	limit      int64 // bytes
	table      *metricsTable
	line       metricsLine
	buf        []byte
	pos        int // in buf, of the next object
	lineNumber int // of pos, from 1
	read       int64
	eof        bool
	bad        error // first value that is no number; the others still count
}

// all reads to the end or to the first text that is no object of numbers. torn says that the file ends inside an object.
func (s *metricsScan) all() (torn bool, err error) {
	for {
		if ok, err := s.space(); err != nil {
			return false, s.explain(err)
		} else if !ok {
			return false, s.bad
		}
		size, err := s.object()
		if err != nil {
			var at syntaxError
			torn = errors.As(err, &at) && at.why == endsEarly
			return torn, s.explain(err)
		}
		if s.line.refused != "" && s.bad == nil {
			s.bad = misread(s.path, s.lineNumber+lines(s.buf[s.pos:s.pos+s.line.refusedAt]), s.line.refused)
		}
		if err := s.table.add(&s.line); err != nil {
			return false, s.explain(err)
		}
		s.step(size)
	}
}

// lines counts the ends of lines in b.
func lines(b []byte) int { return bytes.Count(b, []byte{'\n'}) }

func (s *metricsScan) step(n int) {
	s.lineNumber += lines(s.buf[s.pos : s.pos+n])
	s.pos += n
}

// space skips what stands between objects; false is the end of the file.
func (s *metricsScan) space() (bool, error) {
	for {
		rest := s.buf[s.pos:]
		s.step(len(rest) - len(bytes.TrimLeft(rest, " \t\r\n")))
		if s.pos < len(s.buf) {
			return true, nil
		}
		if s.eof {
			return false, nil
		}
		if err := s.more(); err != nil {
			return false, err
		}
	}
}

// object reads the object at pos into s.line and returns its length.
func (s *metricsScan) object() (int, error) {
	for {
		size, err := s.line.parse(s.buf[s.pos:])
		var at syntaxError
		if !errors.As(err, &at) || at.why != endsEarly || s.eof {
			return size, err
		}
		if len(s.buf)-s.pos > maxMetricsBytes {
			return 0, errLimit("an object of more than " + strconv.Itoa(maxMetricsBytes) + " bytes")
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
}

// more reads on, at least as much as is waiting: an object that needs many reads is then parsed few times.
func (s *metricsScan) more() error {
	waiting := copy(s.buf[:cap(s.buf)], s.buf[s.pos:])
	s.pos = 0
	if room := max(windowSize, 2*waiting); room > cap(s.buf) {
		s.buf = append(make([]byte, 0, room), s.buf[:waiting]...)
	}
	n, err := io.ReadFull(s.r, s.buf[waiting:cap(s.buf)])
	s.buf = s.buf[:waiting+n]
	s.read += int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.eof = true
	case err != nil:
		return err
	}
	if s.read > s.limit {
		return errLimit("the file has more than " + strconv.FormatInt(s.limit, 10) + " bytes")
	}
	return nil
}

// explain words an error: what is wrong with the text names its line.
func (s *metricsScan) explain(err error) error {
	var at syntaxError
	var limit errLimit
	switch {
	case errors.As(err, &at):
		end := s.pos + min(at.offset, len(s.buf)-s.pos)
		return misread(s.path, s.lineNumber+lines(s.buf[s.pos:end]), at.why)
	case errors.As(err, &limit):
		return misread(s.path, s.lineNumber, string(limit))
	}
	return fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
}
