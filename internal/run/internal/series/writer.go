package series

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
)

// ErrFull says that a file cannot take another point or name.
var ErrFull = errors.New("too many points")

// Writer writes a file of series. It keeps at most a fixed number of points in memory.
type Writer struct {
	w      io.Writer
	offset int64
	coder  *coder
	names  []pending
	held   int
	points int64
	out    []byte
}

// pending is a name and its points that are not written yet.
type pending struct {
	column Column
	blocks []span
}

// span is where a block lies.
type span struct {
	offset int64
	size   int
	points int
}

// NewWriter begins a file.
func NewWriter(w io.Writer) (*Writer, error) {
	s := &Writer{w: w, coder: &coder{}}
	return s, s.write([]byte(magic))
}

func (w *Writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.offset += int64(n)
	return err
}

// Name makes room for a name that was not made room for before, and returns its number.
func (w *Writer) Name(name string) (int, error) {
	if len(w.names) == MaxNames || name == "" || len(name) > MaxName {
		return 0, ErrFull
	}
	w.names = append(w.names, pending{column: Column{Name: name}})
	return len(w.names) - 1, nil
}

// Add adds a point to the name of that number. time is in milliseconds since 1970, 0 if it is not known.
func (w *Writer) Add(number int, step, time int64, value float64) error {
	if w.points == MaxPoints {
		return ErrFull
	}
	w.points++
	w.held++
	p := &w.names[number]
	p.column.add(step, time, value)
	if p.column.Len() == blockMax {
		return w.flush(p)
	}
	if w.held < heldMax {
		return nil
	}
	for i := range w.names {
		if p := &w.names[i]; p.column.Len() > 1 || len(p.blocks) > 0 {
			if err := w.flush(p); err != nil {
				return err
			}
			p.column = Column{Name: p.column.Name} // its memory goes to the names that need it
		}
	}
	return nil
}

func (w *Writer) flush(p *pending) error {
	n := p.column.Len()
	if n == 0 {
		return nil
	}
	if err := w.coder.ready(); err != nil {
		return err
	}
	w.out = w.coder.block(w.out[:0], &p.column)
	p.blocks = append(p.blocks, span{w.offset, len(w.out), n})
	p.column.reset()
	w.held -= n
	return w.write(w.out)
}

// Summary is what a file holds.
type Summary struct {
	Names  int
	Points int64
	Bytes  int64
}

// Close writes what is left and the index. A name of a single point is no series and is left out; a file without any is
// to be thrown away.
func (w *Writer) Close() (Summary, error) {
	var sum Summary
	kept := make([]*pending, 0, len(w.names))
	for i := range w.names {
		p := &w.names[i]
		if p.column.Len() < 2 && len(p.blocks) == 0 {
			continue
		}
		if err := w.flush(p); err != nil {
			return sum, err
		}
		kept = append(kept, p)
	}
	slices.SortFunc(kept, func(a, b *pending) int { return strings.Compare(a.column.Name, b.column.Name) })
	index := binary.AppendUvarint(nil, uint64(len(kept)))
	for _, p := range kept {
		index = binary.AppendUvarint(index, uint64(len(p.column.Name)))
		index = append(index, p.column.Name...)
		index = binary.AppendUvarint(index, uint64(len(p.blocks)))
		for _, b := range p.blocks {
			index = binary.AppendUvarint(index, uint64(b.offset))
			index = binary.AppendUvarint(index, uint64(b.size))
			index = binary.AppendUvarint(index, uint64(b.points))
			sum.Points += int64(b.points)
		}
	}
	if err := w.coder.ready(); err != nil {
		return sum, err
	}
	packed := w.coder.enc.EncodeAll(index, nil)
	tail := binary.LittleEndian.AppendUint64(nil, uint64(w.offset))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(packed)))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(index)))
	err := w.write(append(append(packed, tail...), tailMark...))
	sum.Names, sum.Bytes = len(kept), w.offset
	return sum, err
}
