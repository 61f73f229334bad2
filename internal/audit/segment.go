package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"mlx/internal/object"
)

// segment is an opened file of the log: finished, or still written by somebody.
type segment struct {
	r      io.ReaderAt
	size   int64
	header header
	frames []frameInfo
	index  *index // nil: it is not finished
	torn   bool   // an unfinished one ends in half a frame
}

// openSegment reads all of a segment but its rows.
func openSegment(r io.ReaderAt, size int64) (*segment, error) {
	s := &segment{r: r, size: size}
	start := make([]byte, len(emptyFrame))
	if err := readFull(r, start, 0); err != nil {
		return nil, err
	}
	if string(start) != emptyFrame {
		return nil, errDamaged
	}
	at := int64(len(emptyFrame))
	magic, n, err := skipHeader(r, at, size)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if magic != magicHeader || n > maxHeader {
		return nil, errDamaged
	}
	text := make([]byte, n)
	if err := readFull(r, text, at+skipBytes); err != nil {
		return nil, err
	}
	if err := object.Decode(text, &s.header); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !s.header.sound() {
		return nil, errDamaged
	}
	if s.index, err = readIndex(r, size); err == nil {
		s.frames = s.index.frames
		return s, nil
	}
	s.index = nil
	return s, s.walk(at + skipBytes + int64(n))
}

// walk finds the frames of a file without an index. It stops at what is no whole frame.
func (s *segment) walk(at int64) error {
	for {
		magic, n, err := skipHeader(s.r, at, s.size)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && (magic != magicFrame || n != frameBytes) {
			s.torn = true
			return nil
		}
		if err != nil {
			return err
		}
		var b [frameBytes]byte
		if err := readFull(s.r, b[:], at+skipBytes); err != nil {
			return err
		}
		f := readFrameInfo(b[:])
		f.offset = at + skipBytes + frameBytes
		if !f.sound(s.size) {
			s.torn = true
			return nil
		}
		s.frames = append(s.frames, f)
		at = f.offset + int64(f.size)
	}
}

// within says whether a frame may hold rows of a time. A zero time is no limit.
func (f *frameInfo) within(w Window) bool {
	return (w.From.IsZero() || f.to >= w.From.UnixMicro()) && (w.To.IsZero() || f.from < w.To.UnixMicro())
}

// Window is a time: from From up to, without, To. A zero one is no limit.
type Window struct{ From, To time.Time }

func (w Window) holds(at time.Time) bool {
	return (w.From.IsZero() || !at.Before(w.From)) && (w.To.IsZero() || at.Before(w.To))
}

// overlaps says whether a segment may hold rows of a window.
func (c *SegmentCounts) overlaps(w Window) bool {
	return c.Rows > 0 && (w.From.IsZero() || !c.To.Before(w.From)) && (w.To.IsZero() || c.From.Before(w.To))
}

// packer makes a finished segment of the frames of an unfinished one. Frames with few rows are put together.
type packer struct {
	codec  *codec
	out    io.Writer
	at     int64
	index  index
	rows   []byte // of a frame that is being put together
	frame  frameInfo
	keys   [][2]uint64
	buffer []byte
	failed error
}

const (
	smallRows = 256 // a frame with fewer rows
	smallRaw  = 256 << 10
)

// finish writes a segment with its index. previous is that of the same writer before it. lost and dropped are known from elsewhere.
func (s *segment) finish(out io.Writer, c *codec, end ending) (SegmentCounts, error) {
	text, err := object.Encode(s.header)
	if err != nil {
		return SegmentCounts{}, err
	}
	p := &packer{codec: c, out: out, index: index{ending: end}}
	p.index.Releases = make(map[string]int64)
	p.write(skippable([]byte(emptyFrame), magicHeader, text))
	for _, f := range s.frames {
		rows, err := c.rows(s.r, f)
		if errors.Is(err, errDamaged) {
			p.index.Lost += int64(f.requests)
			continue
		}
		if err != nil {
			return SegmentCounts{}, err
		}
		p.add(rows, f)
	}
	p.flush()
	tail, err := p.index.append(nil)
	if err != nil {
		return SegmentCounts{}, err
	}
	p.write(tail)
	counts := p.index.SegmentCounts
	counts.Bytes = p.at
	return counts, p.failed
}

func (p *packer) write(b []byte) {
	if p.failed == nil {
		_, p.failed = p.out.Write(b)
		p.at += int64(len(b))
	}
}

// add takes the rows of a frame.
func (p *packer) add(rows []byte, f frameInfo) {
	follows := p.frame.first+uint64(p.frame.requests) == f.first
	if len(p.rows) > 0 && (!follows || p.frame.rows >= smallRows || len(p.rows) >= smallRaw || len(p.rows)+len(rows) > maxRaw) {
		p.flush()
	}
	if len(p.rows) == 0 {
		p.frame = frameInfo{first: f.first, from: f.from, to: f.to}
	}
	p.rows = append(p.rows, rows...)
	p.frame.rows += f.rows
	p.frame.requests += f.requests
	p.frame.from, p.frame.to = min(p.frame.from, f.from), max(p.frame.to, f.to)
	before := uint64(0)
	for line := range bytes.Lines(rows) {
		h, ok := headOf(line)
		if !ok {
			continue // nothing that a writer wrote; it is kept as it is
		}
		p.index.Releases[h.Release]++
		if h.Seq != before {
			p.keys = append(p.keys, bloomKey(h.Request))
			before = h.Seq
		}
	}
}

// flush writes the frame that is being put together.
func (p *packer) flush() {
	if len(p.rows) == 0 {
		return
	}
	f := p.frame
	b, err := p.codec.frame(p.buffer[:0], p.rows, &f)
	if err != nil {
		p.failed = cmp.Or(p.failed, err)
		return
	}
	p.buffer = b
	f.offset = p.at + skipBytes + frameBytes
	p.write(b)
	bloom := make([]byte, bloomBytes(int(f.requests)))
	for _, key := range p.keys {
		bloomSet(bloom, key)
	}
	p.index.frames, p.index.blooms = append(p.index.frames, f), append(p.index.blooms, bloom)
	c := &p.index.SegmentCounts
	c.Rows, c.Requests = c.Rows+int64(f.rows), c.Requests+int64(f.requests)
	from, to := time.UnixMicro(f.from).UTC(), time.UnixMicro(f.to).UTC()
	if c.First == 0 || from.Before(c.From) {
		c.From = from
	}
	if c.First == 0 || to.After(c.To) {
		c.To = to
	}
	if c.First == 0 {
		c.First = f.first
	}
	c.Last = f.first + uint64(f.requests) - 1
	p.rows, p.keys = p.rows[:0], p.keys[:0]
}
