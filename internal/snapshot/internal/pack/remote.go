package pack

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"io"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Index says what a pack holds, whose bytes may lie elsewhere. Safe for many goroutines.
type Index struct{ x *index }

// Row is where a chunk lies.
type Row struct {
	ID    object.Digest
	Frame int
	At    int // in the decoded frame
	Size  int
}

// ParseIndex checks the index of the pack of that name, which starts at start: b is all that follows.
func ParseIndex(b []byte, name object.Digest, start int64) (*Index, error) {
	if len(b) < trailerSize {
		return nil, fault.New(fault.Integrity, "damaged pack index: %d bytes", len(b))
	}
	at, err := indexSpan(b[len(b)-trailerSize:], start+int64(len(b)))
	if err == nil && at != start {
		err = fault.New(fault.Integrity, "damaged pack index: it starts at %d, not %d", at, start)
	}
	if err == nil && object.Digest(sha256.Sum256(b)) != name {
		err = fault.New(fault.Integrity, "damaged pack index: it is not that of pack %s", name.Short())
	}
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(b, start)
	if err != nil {
		return nil, err
	}
	return &Index{x}, nil
}

// Index returns the index of a pack that is here.
func (p *File) Index() *Index { return &Index{p.x} }

// Reader returns a reader of the whole pack; the pack may be gone from its folder meanwhile.
func (p *File) Reader() *io.SectionReader { return io.NewSectionReader(p.f, 0, p.size) }

// Name returns the name of the pack.
func (x *Index) Name() object.Digest { return x.x.name }

// Start returns where the index starts in the pack.
func (x *Index) Start() int64 { return x.x.end }

// Bytes returns the index as it stands in the pack.
func (x *Index) Bytes() []byte { return x.x.all }

// Len returns the number of chunks.
func (x *Index) Len() int { return x.x.len() }

// Frames returns the number of frames.
func (x *Index) Frames() int { return len(x.x.offsets) }

// Frame returns frame i.
func (x *Index) Frame(i int) Frame { return x.x.frame(i) }

// Row returns row i, in the order of digests.
func (x *Index) Row(i int) Row {
	e := x.x.entry(i)
	return Row{ID: e.id, Frame: int(e.frame), At: int(e.at), Size: int(e.size)}
}

// Find returns the number of a chunk's row.
func (x *Index) Find(d object.Digest) (int, bool) { return x.x.search(d) }

// ByFrame returns the numbers of the rows of each frame, in the order of their place in it. A row lies where the index
// says; that rows fill their frame is for Pieces to check.
func (x *Index) ByFrame() [][]int32 {
	n := x.Len()
	count := make([]int32, x.Frames()+1)
	for i := range n {
		count[x.x.entry(i).frame+1]++
	}
	for i := range x.Frames() {
		count[i+1] += count[i]
	}
	rows, at := make([]int32, n), slices.Clone(count)
	for i := range n {
		f := x.x.entry(i).frame
		rows[at[f]] = int32(i) //nolint:gosec // a pack has less than 2^31 rows: their words would not fit a file
		at[f]++
	}
	out := make([][]int32, x.Frames())
	for i := range out {
		out[i] = rows[count[i]:count[i+1]:count[i+1]]
		slices.SortFunc(out[i], func(a, b int32) int { return cmp.Compare(x.x.entry(int(a)).at, x.x.entry(int(b)).at) })
	}
	return out
}

// Pieces returns the chunks of frame i, given its rows, which must fill it.
func (x *Index) Pieces(i int, rows []int32) ([]Piece, error) {
	f := x.x.frame(i)
	out, at := make([]Piece, len(rows)), uint32(0)
	for k, r := range rows {
		e := x.x.entry(int(r))
		if e.at != at || int(e.frame) != i {
			at = 0
			break
		}
		out[k] = Piece{ID: e.id, Len: int(e.size)}
		at += e.size
	}
	if int(at) != f.Raw || len(rows) != f.Chunks {
		return nil, fault.New(fault.Integrity, "damaged pack index: the chunks do not fill frame %d", i)
	}
	return out, nil
}

// Size returns the bytes that the frame takes in a pack, with its header.
func (f Frame) Size() int64 { return f.size() }

// Payload returns the payload of a frame, given the bytes of all of it; its header must be the one of these chunks.
func (f Frame) Payload(b []byte, pieces []Piece) ([]byte, error) {
	lens := make([]int, len(pieces))
	for i := range pieces {
		lens[i] = pieces[i].Len
	}
	head := f.appendHead(make([]byte, 0, f.headSize()), lens)
	if int64(len(b)) != f.size() || !bytes.HasPrefix(b, head) {
		return nil, fault.New(fault.Integrity, "damaged frame: its header is not what the index says")
	}
	return b[len(head):], nil
}

// BaseSpan returns where, behind the start of a delta frame, the digest of its base ends.
const BaseSpan = frameRow + digestSize

// BaseIn returns the base of a delta, given the start of its frame.
func BaseIn(b []byte) (object.Digest, error) {
	if len(b) < BaseSpan {
		return object.Digest{}, fault.New(fault.Integrity, "damaged frame: a delta of %d bytes", len(b))
	}
	return object.Digest(b[frameRow:BaseSpan]), nil
}

// Whole returns the bytes of frame i of a pack that is here, whose header must be that of these chunks, and the payload
// among them. buf is used where it is large enough.
func (p *File) Whole(i int, pieces []Piece, buf []byte) (frame, payload []byte, err error) {
	f := p.x.frame(i)
	if cap(buf) < int(f.size()) {
		buf = make([]byte, max(int(f.size()), Limit))
	}
	buf = buf[:f.size()]
	if _, err := p.f.ReadAt(buf, f.Offset); err != nil {
		return buf, nil, fault.New(fault.Integrity, "cannot read %s at %d: %w", p.path, f.Offset, err)
	}
	payload, err = f.Payload(buf, pieces)
	return buf, payload, err
}

// Head returns the bytes that every pack begins with.
func Head() []byte { return []byte(magic) }

// Arrival compares the bytes of a pack that arrives, frame by frame, with its index: the headers, the chunks of raw
// frames, and the other payloads through their common digest.
type Arrival struct {
	x    *Index
	sum  *sumOf
	seen int
}

// NewArrival awaits the frames of the pack with that index.
func NewArrival(x *Index) *Arrival { return &Arrival{x: x, sum: newSumOf()} }

// Frame takes the next frame, and the chunks in it.
func (a *Arrival) Frame(b []byte, pieces []Piece) (payload []byte, err error) {
	f := a.x.Frame(a.seen)
	a.seen++
	if payload, err = f.Payload(b, pieces); err != nil {
		return nil, err
	}
	if f.Codec != Raw {
		a.sum.Write(payload)
		return payload, nil
	}
	return payload, CheckChunks(payload, pieces)
}

// End says whether all of the pack was as its index says.
func (a *Arrival) End() error {
	if a.seen != a.x.Frames() || a.sum.digest() != a.x.x.payloads {
		return fault.New(fault.Integrity, "damaged pack: its payloads are not what the index says")
	}
	return nil
}

// BaseOfFrame returns the base of a delta frame of this pack.
func (p *File) BaseOfFrame(f Frame) (object.Digest, error) { return Loc{File: p, Frame: f}.Base() }

// Loc returns where the chunk of a row lies.
func (p *File) Loc(row int) (Loc, object.Digest) {
	e := p.x.entry(row)
	return Loc{File: p, Frame: p.x.frame(int(e.frame)), at: int(e.at), Size: int(e.size), Row: row}, e.id
}
