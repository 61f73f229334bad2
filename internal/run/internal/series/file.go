package series

import (
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"mlx/internal/fault"
)

// File is a file of series that is being read. It belongs to one goroutine.
type File struct {
	r       io.ReaderAt
	coder   *coder
	entries []entry // by name
	buffer  []byte
}

type entry struct {
	name   string
	points int
	blocks []span
}

// Open reads the index of a file of size bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	if size < int64(len(magic)+tailSize) {
		return nil, damaged("%d bytes are too few", size)
	}
	head := make([]byte, len(magic)+tailSize)
	if err := readAt(r, head[:len(magic)], 0); err != nil {
		return nil, err
	}
	if err := readAt(r, head[len(magic):], size-int64(tailSize)); err != nil {
		return nil, err
	}
	tail := head[len(magic):]
	if string(head[:len(magic)]) != magic || string(tail[16:]) != tailMark {
		return nil, damaged("it is no file of series, or one of a later version")
	}
	at, packed, raw := binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint32(tail[8:]), binary.LittleEndian.Uint32(tail[12:])
	if raw > indexMax || packed > indexMax || at < uint64(len(magic)) || at > uint64(size) || at+uint64(packed) != uint64(size)-uint64(tailSize) {
		return nil, damaged("its index is not where it should be")
	}
	text := make([]byte, packed)
	if err := readAt(r, text, int64(at)); err != nil {
		return nil, err
	}
	index, err := unpackIndex(text, int(raw))
	if err != nil {
		return nil, err
	}
	dec, err := newDecoder()
	if err != nil {
		return nil, err
	}
	f := &File{r: r, coder: &coder{dec: dec}}
	return f, f.parse(index, int64(at))
}

func unpackIndex(packed []byte, size int) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(indexMax))
	if err != nil {
		return nil, damaged("%w", err)
	}
	defer dec.Close()
	index, err := dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, damaged("%w", err)
	}
	if len(index) != size {
		return nil, damaged("its index has %d bytes instead of %d", len(index), size)
	}
	return index, nil
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	if n, err := r.ReadAt(b, at); n < len(b) {
		return fault.New(fault.KindOf(err), "cannot read the series: %w", err)
	}
	return nil
}

// cursor reads an index.
type cursor struct {
	rest []byte
	bad  bool
}

// number reads a number up to most. After the first that is not one, all are 0.
func (c *cursor) number(most uint64) uint64 {
	n, size := binary.Uvarint(c.rest)
	if c.bad || size <= 0 || n > most {
		c.bad = true
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

func (c *cursor) text(size int) string {
	if c.bad || size > len(c.rest) {
		c.bad = true
		return ""
	}
	s := string(c.rest[:size])
	c.rest = c.rest[size:]
	return s
}

func (f *File) parse(index []byte, end int64) error {
	in := cursor{rest: index}
	total, room := 0, end-int64(len(magic))
	for range in.number(MaxNames) {
		e := entry{name: in.text(int(in.number(MaxName)))}
		for range in.number(uint64(len(in.rest))) { // a block takes three bytes or more
			b := span{int64(in.number(uint64(end))), int(in.number(blockSize)), int(in.number(blockMax))}
			e.points += b.points
			room -= int64(b.size) // no two blocks share bytes: so the size of the file bounds how many there are
			if in.bad || b.points == 0 || b.size < blockMin || b.offset < int64(len(magic)) || b.offset+int64(b.size) > end || room < 0 ||
				total+e.points > MaxPoints {
				return damaged("its index names what is not there")
			}
			e.blocks = append(e.blocks, b)
		}
		total += e.points
		sorted := len(f.entries) == 0 || f.entries[len(f.entries)-1].name < e.name
		if in.bad || e.name == "" || len(e.blocks) == 0 || !sorted {
			return damaged("its index cannot be read")
		}
		f.entries = append(f.entries, e)
	}
	if in.bad || len(in.rest) > 0 {
		return damaged("its index cannot be read")
	}
	return nil
}

// Names lists the names in the order of their bytes.
func (f *File) Names() []string {
	names := make([]string, len(f.entries))
	for i, e := range f.entries {
		names[i] = e.name
	}
	return names
}

func (f *File) find(name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(f.entries, name, func(e entry, n string) int { return strings.Compare(e.name, n) })
	if !ok {
		return entry{}, false
	}
	return f.entries[i], true
}

// Len is how many points a name has; 0 if it has no series.
func (f *File) Len(name string) int {
	e, _ := f.find(name)
	return e.points
}

// Column reads the points of a name.
func (f *File) Column(name string) (Column, error) {
	e, ok := f.find(name)
	if !ok {
		return Column{}, fault.New(fault.NotFound, "there is no series %q", name)
	}
	col := Column{Name: name}
	for _, b := range e.blocks {
		f.buffer = slices.Grow(f.buffer[:0], b.size)[:b.size]
		if err := readAt(f.r, f.buffer, b.offset); err != nil {
			return Column{}, err
		}
		if err := f.coder.unblock(&col, f.buffer, b.points); err != nil {
			return Column{}, err
		}
	}
	return col, nil
}
