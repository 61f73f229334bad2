package pack

import (
	"fmt"
	"io"
	"os"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// File is one pack, opened for reading. Safe for many goroutines.
type File struct {
	name  object.Digest
	path  string
	f     *os.File
	x     *index
	unmap func()
	size  int64
}

// OpenFile opens a pack and checks its index against its name.
func OpenFile(path string, name object.Digest) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p := &File{name: name, path: path, f: f}
	if err := p.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func (p *File) load() error {
	st, err := p.f.Stat()
	if err != nil {
		return err
	}
	p.size = st.Size()
	if p.size < int64(len(magic))+trailerSize {
		return fault.New(fault.Integrity, "damaged pack: %d bytes", p.size)
	}
	var trailer [trailerSize]byte
	if _, err := p.f.ReadAt(trailer[:], p.size-trailerSize); err != nil {
		return err
	}
	start, err := indexSpan(trailer[:], p.size)
	if err != nil {
		return err
	}
	b, unmap, err := p.indexBytes(start)
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	x, err := parseIndex(b, start)
	if err == nil && x.name != p.name {
		err = fault.New(fault.Integrity, "damaged pack: its index is %s", x.name.Short())
	}
	if err != nil {
		unmap()
		return err
	}
	p.x, p.unmap = x, unmap
	return nil
}

// mapFrom is the size from which an index is mapped. Smaller ones are read: there may be more packs than a process may
// have maps.
const mapFrom = 256 << 10

// indexBytes returns the bytes of the index, mapped or read.
func (p *File) indexBytes(start int64) ([]byte, func(), error) {
	n := int(p.size - start)
	if n >= mapFrom {
		if b, unmap, err := disk.Map(p.f, start, n); err == nil {
			return b, unmap, nil
		}
	}
	b := make([]byte, n)
	if _, err := p.f.ReadAt(b, start); err != nil {
		return nil, nil, err
	}
	return b, func() {}, nil
}

// Close releases the pack.
func (p *File) Close() error {
	p.unmap()
	return p.f.Close()
}

// Name returns the digest that names the pack.
func (p *File) Name() object.Digest { return p.name }

// Path returns where the pack lies.
func (p *File) Path() string { return p.path }

// Size returns the bytes of the file.
func (p *File) Size() int64 { return p.size }

// Len returns the number of chunks.
func (p *File) Len() int { return p.x.len() }

// Has says whether the pack holds a chunk.
func (p *File) Has(d object.Digest) bool {
	_, ok := p.x.find(d)
	return ok
}

// Chunks calls yield with every chunk, in the order of digests: its frame's number, its size and the frame's codec.
func (p *File) Chunks(yield func(d object.Digest, frame, size int, codec Codec) bool) {
	for i := range p.x.len() {
		e := p.x.entry(i)
		if !yield(e.id, int(e.frame), int(e.size), p.x.frame(int(e.frame)).Codec) {
			return
		}
	}
}

// payload reads the payload of a frame into buf.
func (p *File) payload(f Frame, buf []byte) ([]byte, error) {
	if cap(buf) < f.Stored {
		buf = make([]byte, f.Stored)
	}
	buf = buf[:f.Stored]
	if _, err := p.f.ReadAt(buf, f.Offset+int64(f.headSize())); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fault.New(fault.Integrity, "cannot read %s at %d: %w", p.path, f.Offset, err)
	}
	return buf, nil
}

// whole reads a frame with its header, which must be as the index says.
func (p *File) whole(f Frame, head, buf []byte) ([]byte, error) {
	if n := int(f.size()); cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:f.size()]
	if _, err := p.f.ReadAt(buf, f.Offset); err != nil {
		return buf, fault.New(fault.Integrity, "cannot read at %d: %w", f.Offset, err)
	}
	if string(buf[:len(head)]) != string(head) {
		return buf, fault.New(fault.Integrity, "damaged frame: its header is not what the index says")
	}
	return buf, nil
}

// byFrame returns the rows of each frame in the order of their place in it.
func (p *File) byFrame() [][]entry {
	out := make([][]entry, len(p.x.frames)/frameRow)
	for i := range p.x.len() {
		e := p.x.entry(i)
		out[e.frame] = append(out[e.frame], e)
	}
	for _, rows := range out {
		sortByPlace(rows)
	}
	return out
}

// StoredShare returns how many stored bytes a chunk of size bytes accounts for in its frame: at least one, so that no
// live chunk weighs nothing.
func (p *File) StoredShare(frame, size int) int64 {
	f := p.x.frame(frame)
	return (f.size()*int64(size) + int64(f.Raw) - 1) / int64(f.Raw)
}

// Overhead returns the bytes of the pack that belong to no frame.
func (p *File) Overhead() int64 { return int64(len(magic)) + p.size - p.x.end }

// ChunksInPlace calls yield with every chunk, in the order of its place in the pack.
func (p *File) ChunksInPlace(yield func(d object.Digest, l Loc) bool) {
	for i, rows := range p.byFrame() {
		f := p.x.frame(i)
		for _, e := range rows {
			if !yield(e.id, Loc{File: p, Frame: f, at: int(e.at), Size: int(e.size)}) {
				return
			}
		}
	}
}
