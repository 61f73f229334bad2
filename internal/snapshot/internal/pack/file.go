package pack

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"mlx/internal/fault"
	"mlx/internal/object"
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
	b, unmap, err := mapFile(p.f, start, int(p.size-start))
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

// CheckFrames reads every frame and compares each byte with what the index commits to. decode turns a frame into its
// chunks (a delta needs a base that may lie elsewhere). Each damage goes to report with the chunks that it hurts.
func (p *File) CheckFrames(decode func(Frame, []byte) ([]byte, error), report func(ids []object.Digest, err error), sum2 func(a, b []byte) (x, y [32]byte)) {
	byFrame := p.byFrame()
	var head, payload []byte
	var first [16]byte
	if _, err := p.f.ReadAt(first[:], 0); err != nil || string(first[:]) != magic {
		report(nil, fault.New(fault.Integrity, "damaged pack: wrong first bytes"))
	}
	for i, rows := range byFrame {
		f := p.x.frame(i)
		ids := make([]object.Digest, len(rows))
		lens := make([]int, len(rows))
		for j, e := range rows {
			ids[j], lens[j] = e.id, int(e.size)
		}
		head = f.appendHead(head[:0], lens)
		var err error
		if payload, err = p.whole(f, head, payload); err == nil && f.Codec != Raw && sha256.Sum256(payload[len(head):]) != f.Sum {
			err = fault.New(fault.Integrity, "damaged frame: its bytes are not what the index says")
		}
		var raw []byte
		if err == nil {
			raw, err = decode(f, payload[len(head):])
		}
		if err != nil {
			report(ids, err)
			continue
		}
		if bad := checkChunks(raw, rows, sum2); len(bad) > 0 {
			report(bad, fault.New(fault.Integrity, "damaged chunk: its bytes do not have its digest"))
		}
	}
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

// checkChunks returns the chunks of a decoded frame that do not have their digests, two at a time.
func checkChunks(raw []byte, rows []entry, sum2 func(a, b []byte) (x, y [32]byte)) (bad []object.Digest) {
	cut := func(e entry) []byte { return raw[e.at : e.at+e.size] }
	for i := 0; i < len(rows); i += 2 {
		j := min(i+1, len(rows)-1)
		x, y := [32]byte{}, [32]byte{}
		if i == j {
			x = sha256.Sum256(cut(rows[i]))
			y = x
		} else {
			x, y = sum2(cut(rows[i]), cut(rows[j]))
		}
		if x != rows[i].id {
			bad = append(bad, rows[i].id)
		}
		if i != j && y != rows[j].id {
			bad = append(bad, rows[j].id)
		}
	}
	return bad
}
