package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

const (
	rangeGap   = 128 << 10 // so many bytes are read in vain rather than asked for apart
	rangeLimit = 8 << 20   // bytes that are asked for at once,
	rawLimit   = 32 << 20  // and what they may decode to
)

// span is a run of frames of one pack that are read together.
type span struct {
	p      *remotePack
	frames []int // ascending
	rows   [][]int32
}

func (s span) from() int64 { return s.p.x.Frame(s.frames[0]).Offset }

func (s span) end() int64 {
	f := s.p.x.Frame(s.frames[len(s.frames)-1])
	return f.Offset + f.Size()
}

// spans puts frames of a pack together where little lies between them.
func spans(p *remotePack, frames []int) []span {
	slices.Sort(frames)
	frames = slices.Compact(frames)
	var out []span
	raw := 0
	for i, n := range frames {
		at := p.x.Frame(n)
		raw += at.Raw
		if i > 0 {
			last := &out[len(out)-1]
			if at.Offset-last.end() <= rangeGap && at.Offset+at.Size()-last.from() <= rangeLimit && raw <= rawLimit {
				last.frames = append(last.frames, n)
				continue
			}
		}
		raw = at.Raw
		out = append(out, span{p: p, frames: []int{n}, rows: p.frames()})
	}
	return out
}

// frameStream takes the bytes of a span as they arrive, and hands each wanted frame on when it is whole.
type frameStream struct {
	s    span
	at   int64 // in the pack
	buf  []byte
	next int // frame of s
	do   func(nr int, frame []byte) error
	seen func(n int)
}

// Write implements io.Writer.
func (w *frameStream) Write(b []byte) (int, error) {
	n := len(b)
	if w.at+int64(n) > w.s.end() {
		return 0, fault.New(fault.Integrity, "more bytes than were asked for")
	}
	w.seen(n)
	for len(b) > 0 {
		f := w.s.p.x.Frame(w.s.frames[w.next])
		if skip := min(f.Offset-w.at, int64(len(b))); skip > 0 { // a gap
			b = b[skip:]
			w.at += skip
			continue
		}
		if len(w.buf) == 0 && int64(len(b)) >= f.Size() { // no copy
			if err := w.frame(f, b[:f.Size()]); err != nil {
				return 0, err
			}
			b = b[f.Size():]
			w.at += f.Size()
			continue
		}
		k := min(len(b), int(f.Size())-len(w.buf))
		w.buf = append(w.buf, b[:k]...)
		b = b[k:]
		w.at += int64(k)
		if len(w.buf) == int(f.Size()) {
			err := w.frame(f, w.buf)
			if w.buf = w.buf[:0]; err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (w *frameStream) frame(_ pack.Frame, b []byte) error {
	nr := w.s.frames[w.next]
	w.next++
	return w.do(nr, b)
}

// readSpan reads a span.
func (f *fetcher) readSpan(ctx context.Context, s span, do func(nr int, frame []byte) error) error {
	w := &frameStream{s: s, at: s.from(), do: do, seen: func(n int) {
		f.received.Add(int64(n))
		if f.o.Progress != nil {
			f.o.Progress.Add(int64(n))
		}
	}}
	err := f.o.Read(ctx, s.p.info, s.from(), s.end()-s.from(), w)
	if err == nil && w.next < len(s.frames) {
		err = fault.New(fault.Integrity, "cut short: %d of %d bytes, object %s is not whole", w.at-s.from(), s.end()-s.from(), s.first(w.next).Short())
	}
	return inPack(s.p, err)
}

// first returns the first chunk of frame i of the span, to name it.
func (s span) first(i int) object.Digest {
	if rows := s.rows[s.frames[i]]; len(rows) > 0 {
		return s.p.x.Row(int(rows[0])).ID
	}
	return object.Digest{}
}

// opener decodes and checks frames. It belongs to one goroutine.
type opener struct {
	r   *pack.Reader
	buf []byte
}

// opener returns one that is free.
func (f *fetcher) opener() (*opener, error) {
	if o, ok := f.free.Get().(*opener); ok {
		return o, nil
	}
	r, err := f.s.set.NewReader()
	if err != nil {
		return nil, err
	}
	return &opener{r: r}, nil
}

// open returns the chunks of a frame that arrived, each compared with its digest.
func (o *opener) open(s span, nr int, b []byte) (pieces []pack.Piece, payload, raw []byte, err error) {
	frame := s.p.x.Frame(nr)
	if pieces, err = s.p.x.Pieces(nr, s.rows[nr]); err != nil {
		return nil, nil, nil, err
	}
	if payload, err = frame.Payload(b, pieces); err == nil {
		raw, err = o.r.Decode(frame, payload, o.buf[:0])
		if frame.Codec != pack.Raw && err == nil {
			o.buf = raw
		}
	}
	if err == nil {
		err = pack.CheckChunks(raw, pieces)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("object %s: %w", pieces[0].ID.Short(), err)
	}
	return pieces, payload, raw, nil
}

// get fetches trees and recipes, so that they can be read.
func (f *fetcher) get(ctx context.Context, ids []object.Digest) error {
	todo := map[*remotePack][]int{}
	for _, d := range ids {
		at, ok, err := f.want(ctx, d)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if at.frame.Codec == pack.Delta {
			if err := f.getBase(ctx, at); err != nil {
				return err
			}
		}
		todo[at.p] = append(todo[at.p], at.nr)
	}
	var list []span
	for p, frames := range todo {
		list = append(list, spans(p, frames)...)
	}
	f.plan(list)
	for len(list) > 0 { // so many at once as memory holds
		n, raw := 1, list[0].raw()
		for n < len(list) && raw+list[n].raw() <= rawLimit {
			raw += list[n].raw()
			n++
		}
		if err := f.getSpans(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// raw returns what the frames of a span decode to.
func (s span) raw() (n int) {
	for _, nr := range s.frames {
		n += s.p.x.Frame(nr).Raw
	}
	return n
}

func (f *fetcher) getSpans(ctx context.Context, list []span) error {
	if f.metaSink == nil {
		f.metaSink = &sink{f: f}
	}
	var mu sync.Mutex
	err := f.eachSpan(ctx, list, func(o *opener, s span, nr int, b []byte) error {
		pieces, payload, raw, err := o.open(s, nr, b)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		f.keepMeta(s, nr, pieces, raw)
		return f.store(f.metaSink, s, nr, arrived{pieces, payload, raw})
	})
	if err == nil && f.metaSize > metaLimit {
		err = f.flushMetas()
	}
	return err
}

// getBase fetches the base of a delta at once.
func (f *fetcher) getBase(ctx context.Context, at place) error {
	id, ok, err := f.o.From.base(ctx, at)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "the base of object %s cannot be told", at.x.Row(at.row).ID.Short())
	}
	if err != nil {
		return err
	}
	if err := f.wantBase(ctx, id); err != nil {
		return err
	}
	if err := f.get(ctx, []object.Digest{id}); err != nil {
		return err
	}
	return f.flushMetas()
}

// keepMeta remembers the chunks of a frame that arrived.
func (f *fetcher) keepMeta(s span, nr int, pieces []pack.Piece, raw []byte) {
	w := f.of(s.p)
	raw = bytes.Clone(raw)
	for _, r := range s.rows[nr] {
		w.got.set(int(r))
	}
	for _, p := range pieces {
		f.metas[p.ID] = raw[:p.Len:p.Len]
		raw = raw[p.Len:]
		f.metaSize += p.Len
	}
}

// flushMetas puts what is in memory into the store.
func (f *fetcher) flushMetas() error {
	err := f.metaSink.close()
	clear(f.metas)
	f.metaSize = 0
	return errors.Join(err, f.s.set.Refresh())
}

// endMetas puts trees and recipes into the store, unless whole packs have brought them all again.
func (f *fetcher) endMetas(whole bool) error {
	if !whole || f.metaSink == nil || f.metaSink.out == nil {
		return f.metaSink.close()
	}
	if err := f.s.set.Refresh(); err != nil {
		return err
	}
	for d := range f.metas {
		if !f.s.set.Usable(d, f.skip) {
			return f.metaSink.close()
		}
	}
	return f.metaSink.abort()
}

// eachSpan reads spans side by side, each frame given to do.
func (f *fetcher) eachSpan(ctx context.Context, list []span, do func(o *opener, s span, nr int, b []byte) error) error {
	return side(ctx, f.o.Jobs, list, func(ctx context.Context, s span) error {
		o, err := f.opener()
		if err != nil {
			return err
		}
		defer f.free.Put(o)
		return f.readSpan(ctx, s, func(nr int, b []byte) error { return do(o, s, nr, b) })
	})
}

// plan counts what is going to be received.
func (f *fetcher) plan(list []span) {
	for _, s := range list {
		f.planned += s.end() - s.from()
	}
	if f.o.Progress != nil {
		f.o.Progress.SetTotal(f.planned)
	}
}
