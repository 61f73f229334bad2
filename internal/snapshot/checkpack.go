package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// PackCheck says how a pack of a remote is checked.
type PackCheck struct {
	Read RangeReader
	// Sample says of each run of frames, about 4 MiB long, whether it is read; nil reads all of the pack.
	Sample func() bool
	// Report is told of each damage, with the chunks that it hurts; none where all of the pack is hurt.
	Report func(ids []object.Digest, err error)
}

// sampleRun is how many bytes are drawn together: fewer would ask for little by many requests.
const sampleRun = 4 << 20

// Check reads a pack of the remote, whatever of it is cached here, and compares each byte with what the pack's name commits
// to. It returns how many bytes it has read. Damage is reported; an error means that it could not be told.
func (c *Catalog) Check(ctx context.Context, info PackInfo, o PackCheck) (int64, error) {
	b, err := c.o.Index(ctx, info)
	if err != nil {
		return 0, reported(err, o)
	}
	x, err := pack.ParseIndex(b, info.Name, info.Index)
	if err != nil {
		o.Report(nil, err)
		return int64(len(b)), nil
	}
	r, err := c.s.set.NewReader()
	if err != nil {
		return 0, err
	}
	dec, err := pack.NewDecoder()
	if err != nil {
		return 0, err
	}
	k := &packChecker{c: c, o: o, p: &remotePack{info: info, x: x}, open: &opener{r: r}, dec: dec, bases: map[object.Digest][]byte{}}
	read := int64(len(b))
	for _, s := range k.spans() {
		n, err := k.span(ctx, s)
		read += n
		if err = reported(err, o); err != nil {
			return read, err
		}
	}
	return read, nil
}

// reported makes a report of an error that says what the remote has; others stay errors.
func reported(err error, o PackCheck) error {
	switch fault.KindOf(err) {
	case fault.Integrity, fault.NotFound:
		if err != nil {
			o.Report(nil, err)
		}
		return nil
	default:
		return err
	}
}

// packChecker checks one pack.
type packChecker struct {
	c     *Catalog
	o     PackCheck
	p     *remotePack
	open  *opener
	dec   *pack.Decoder
	bases map[object.Digest][]byte // read from the remote
	buf   []byte
	all   *pack.Arrival // nil where only a sample is read
}

// spans says what is read together.
func (k *packChecker) spans() []span {
	if k.o.Sample == nil {
		k.all = pack.NewArrival(k.p.x)
		return []span{allOf(k.p)}
	}
	var out []span
	for from := 0; from < k.p.x.Frames(); {
		to, size := from, int64(0)
		for ; to < k.p.x.Frames() && (to == from || size < sampleRun); to++ {
			size += k.p.x.Frame(to).Size()
		}
		if k.o.Sample() {
			s := span{p: k.p, rows: k.p.frames()}
			for nr := from; nr < to; nr++ {
				s.frames = append(s.frames, nr)
			}
			out = append(out, s)
		}
		from = to
	}
	return out
}

// span reads a run of frames. What is damaged is reported, and the rest checked all the same.
func (k *packChecker) span(ctx context.Context, s span) (read int64, err error) {
	bad := false
	w := &frameStream{s: s, at: s.from(), seen: func(n int) { read += int64(n) }, do: func(nr int, b []byte) error {
		if err := k.frame(ctx, nr, b); err != nil {
			if !isDamage(err) {
				return err
			}
			bad = true
			k.o.Report(k.ids(nr), err)
		}
		return nil
	}}
	from := s.from()
	var out io.Writer = w
	if k.all != nil { // the first bytes count as well
		from = 0
		out = &headCheck{rest: w, want: pack.Head(), bad: func(err error) { k.o.Report(nil, err) }}
	}
	if err = k.o.Read(ctx, k.p.info, from, s.end()-from, out); err != nil {
		return read, err
	}
	if w.next < len(s.frames) {
		return read, fault.New(fault.Integrity, "cut short: %d of %d bytes", w.at-s.from(), s.end()-s.from())
	}
	if k.all != nil && !bad {
		return read, k.all.End()
	}
	return read, nil
}

func isDamage(err error) bool {
	kind := fault.KindOf(err)
	return kind == fault.Integrity || kind == fault.NotFound
}

func (k *packChecker) ids(nr int) []object.Digest {
	var ids []object.Digest
	for _, r := range k.p.frames()[nr] {
		ids = append(ids, k.p.x.Row(int(r)).ID)
	}
	return ids
}

// frame checks the header, the payload and each chunk of a frame.
func (k *packChecker) frame(ctx context.Context, nr int, b []byte) error {
	frame := k.p.x.Frame(nr)
	pieces, err := k.p.x.Pieces(nr, k.p.frames()[nr])
	if err != nil {
		return err
	}
	var payload []byte
	if k.all != nil {
		payload, err = k.all.Frame(b, pieces)
	} else {
		payload, err = frame.Payload(b, pieces)
	}
	if err != nil {
		return err
	}
	raw := payload
	switch frame.Codec {
	case pack.Raw:
	case pack.Delta:
		raw, err = k.delta(ctx, frame, payload)
	default:
		raw, err = k.open.r.Decode(frame, payload, k.buf[:0])
		k.buf = raw
	}
	if err != nil {
		return err
	}
	return pack.CheckChunks(raw, pieces)
}

// maxHeldBases bounds the bases of deltas that are held in memory: 32 MiB of them.
const maxHeldBases = 128

// delta decodes a delta; its base comes from this store or from the remote, which must have it.
func (k *packChecker) delta(ctx context.Context, f pack.Frame, payload []byte) ([]byte, error) {
	if len(payload) < len(object.Digest{}) {
		return nil, fault.New(fault.Integrity, "damaged frame: a delta of %d bytes", len(payload))
	}
	id, rest := object.Digest(payload[:len(object.Digest{})]), payload[len(object.Digest{}):]
	base, ok := k.bases[id]
	if !ok {
		at, ok, err := k.c.where(ctx, id, true)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fault.New(fault.Integrity, "its base %s is not in the remote", id.Short())
		}
		if base, err = k.base(ctx, id, at); err != nil {
			return nil, err
		}
		if len(k.bases) >= maxHeldBases {
			clear(k.bases)
		}
		k.bases[id] = base
	}
	raw, err := k.dec.Delta(k.buf[:0], rest, base, f.Raw)
	k.buf = raw
	return raw, err
}

// base returns the bytes of a chunk.
func (k *packChecker) base(ctx context.Context, id object.Digest, at place) ([]byte, error) {
	if l, ok := k.c.s.set.Find(id, nil); ok && l.Frame.Codec != pack.Delta {
		if b, err := k.open.r.Read(id); err == nil {
			return bytes.Clone(b), nil
		}
	}
	pieces, err := at.x.Pieces(at.nr, at.p.frames()[at.nr])
	if err != nil {
		return nil, err
	}
	var frame bytes.Buffer
	if err := k.o.Read(ctx, at.p.info, at.frame.Offset, at.frame.Size(), &frame); err != nil {
		return nil, err
	}
	payload, err := at.frame.Payload(frame.Bytes(), pieces)
	if err != nil {
		return nil, err
	}
	raw, err := k.open.r.Decode(at.frame, payload, nil)
	if err != nil {
		return nil, err
	}
	row := at.x.Row(at.row)
	if row.At+row.Size > len(raw) {
		return nil, fault.New(fault.Integrity, "damaged frame: it is too short")
	}
	b := raw[row.At : row.At+row.Size]
	if object.Sum(b) != id {
		return nil, fault.New(fault.Integrity, "its base %s is damaged", id.Short())
	}
	return bytes.Clone(b), nil
}

// headCheck compares the first bytes of a pack, and hands on what follows.
type headCheck struct {
	rest *frameStream
	want []byte
	bad  func(error)
	seen int
}

// Write implements io.Writer.
func (h *headCheck) Write(b []byte) (int, error) {
	n := min(len(h.want)-h.seen, len(b))
	if n > 0 && !bytes.Equal(b[:n], h.want[h.seen:h.seen+n]) {
		h.bad(errors.New("damaged pack: wrong first bytes"))
	}
	h.seen += n
	if n == len(b) {
		return n, nil
	}
	m, err := h.rest.Write(b[n:])
	return n + m, err
}
