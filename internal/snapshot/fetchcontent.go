package snapshot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// content fetches the chunks that are wanted. The bases of deltas come to light on the way: until there are no new ones,
// everything starts again.
func (f *fetcher) content(ctx context.Context) error {
	for {
		whole, rest, deltas, err := f.choose(ctx)
		if err != nil {
			return err
		}
		if len(whole)+len(rest)+len(deltas) == 0 {
			return nil
		}
		f.plan(whole)
		f.plan(rest)
		f.plan(deltas)
		bases := make(chan []object.Digest, len(whole))
		err = side(ctx, f.o.Jobs, whole, func(ctx context.Context, s span) error {
			list, err := f.wholePack(ctx, s)
			bases <- list
			return err
		})
		if err == nil {
			err = f.ranges(ctx, rest)
		}
		if err = errors.Join(err, syncDir(f.s.packs()), f.s.set.Refresh()); err != nil {
			return err
		}
		if err := f.ranges(ctx, deltas); err != nil {
			return err
		}
		if err := f.s.set.Refresh(); err != nil {
			return err
		}
		close(bases)
		for list := range bases {
			for _, d := range list {
				if err := f.wantBase(ctx, d); err != nil {
					return err
				}
			}
		}
	}
}

// choose decides how what has not arrived is fetched: as whole packs, as ranges of frames, and then as ranges of deltas.
func (f *fetcher) choose(ctx context.Context) (whole, rest, deltas []span, err error) {
	type part struct {
		full, delta []int
	}
	parts := map[*remotePack]*part{}
	for p, w := range f.wants {
		if f.isWhole(p, w) {
			whole = append(whole, allOf(p))
			continue
		}
		k := &part{}
		for nr, rows := range p.frames() {
			if !pending(w, rows) {
				continue
			}
			if p.x.Frame(nr).Codec == pack.Delta {
				k.delta = append(k.delta, nr)
			} else {
				k.full = append(k.full, nr)
			}
		}
		parts[p] = k
	}
	more := false
	for p, k := range parts {
		for _, nr := range k.delta {
			id, ok, err := f.o.From.base(ctx, place{p: p, x: p.x, nr: nr, frame: p.x.Frame(nr)})
			if err == nil && !ok {
				err = fault.New(fault.NotFound, "the base of a delta cannot be told")
			}
			if err != nil {
				return nil, nil, nil, inPack(p, err)
			}
			before := f.objects
			if err := f.wantBase(ctx, id); err != nil {
				return nil, nil, nil, err
			}
			more = more || f.objects > before
		}
	}
	if more { // bases are wanted now, too: they are no deltas
		return f.choose(ctx)
	}
	for p, k := range parts {
		rest, deltas = append(rest, spans(p, k.full)...), append(deltas, spans(p, k.delta)...)
	}
	return whole, rest, deltas, nil
}

// pending says whether a chunk of a frame is wanted and has not arrived.
func pending(w *wish, rows []int32) bool {
	for _, r := range rows {
		if w.want.has(int(r)) && !w.got.has(int(r)) {
			return true
		}
	}
	return false
}

// isWhole says whether so much of a pack is wanted, and missing, that it is fetched as it is.
func (f *fetcher) isWhole(p *remotePack, w *wish) bool {
	if f.skip[p.info.Name] || f.s.set.File(p.info.Name) != nil { // condemned or damaged: its chunks must come into another pack
		return false
	}
	var want, wait, all float64
	for nr, rows := range p.frames() {
		frame := p.x.Frame(nr)
		size := float64(frame.Size()) / float64(max(len(rows), 1))
		all += float64(frame.Size())
		for _, r := range rows {
			if f.erased[p.x.Row(int(r)).ID] {
				return false
			}
			if w.want.has(int(r)) {
				want += size
				if !w.got.has(int(r)) {
					wait += size
				}
			}
		}
	}
	return want >= f.o.Whole*all && wait >= f.o.Whole*all/2
}

// allOf is the span of all frames of a pack.
func allOf(p *remotePack) span {
	frames := make([]int, p.x.Frames())
	for i := range frames {
		frames[i] = i
	}
	return span{p: p, frames: frames, rows: p.frames()}
}

// arrived is a frame that was read and checked.
type arrived struct {
	pieces  []pack.Piece
	payload []byte
	raw     []byte
}

// store puts a frame into a pack of the store as it is, without what was erased. A pack that is condemned or
// damaged here must not come again under its name: then its first frame is encoded in another way.
func (f *fetcher) store(k *sink, s span, nr int, a arrived) error {
	codec, payload := s.p.x.Frame(nr).Codec, a.payload
	if slices.ContainsFunc(a.pieces, func(p pack.Piece) bool { return f.erased[p.ID] }) {
		a = f.without(a)
		if len(a.pieces) == 0 {
			return nil
		}
		codec, payload = pack.Raw, a.raw
	}
	if nr == 0 && (f.skip[s.p.info.Name] || f.s.set.File(s.p.info.Name) != nil) {
		if codec != pack.Raw {
			return k.add(pack.Raw, a.pieces, len(a.raw), a.raw)
		}
		enc, err := pack.NewEncoder()
		if err != nil {
			return err
		}
		payload, _ = enc.Compress(nil, a.raw)
		codec = pack.Zstd
	}
	return k.add(codec, a.pieces, len(a.raw), payload)
}

// without returns the chunks of a frame that were not erased.
func (f *fetcher) without(a arrived) arrived {
	var out arrived
	at := 0
	for _, p := range a.pieces {
		if !f.erased[p.ID] {
			out.pieces = append(out.pieces, p)
			out.raw = append(out.raw, a.raw[at:at+p.Len]...)
		}
		at += p.Len
	}
	return out
}

// ranges fetches spans into new packs. What arrived before a failure is kept.
func (f *fetcher) ranges(ctx context.Context, list []span) error {
	jobs := min(f.o.Jobs, len(list))
	sinks := make(chan *sink, jobs)
	for range jobs {
		sinks <- &sink{f: f}
	}
	err := f.eachSpan(ctx, list, func(o *opener, s span, nr int, b []byte) error {
		pieces, payload, raw, err := o.open(s, nr, b)
		if err != nil {
			return err
		}
		k := <-sinks
		defer func() { sinks <- k }()
		if err := f.store(k, s, nr, arrived{pieces, payload, raw}); err != nil {
			return err
		}
		f.arrivedRows(s, nr)
		return nil
	})
	errs := []error{err}
	for range jobs {
		errs = append(errs, (<-sinks).close())
	}
	return errors.Join(errs...)
}

func (f *fetcher) arrivedRows(s span, nr int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.of(s.p)
	for _, r := range s.rows[nr] {
		w.got.set(int(r))
	}
}

// wholePack fetches a pack as it is. It returns the bases of the wanted deltas in it. Of a pack that is cut short the
// frames that arrived are kept.
func (f *fetcher) wholePack(ctx context.Context, s span) ([]object.Digest, error) {
	file, err := os.CreateTemp(f.s.tmp(), f.s.writerName()+"-*"+pack.TempSuffix)
	if err != nil {
		return nil, fmt.Errorf("start a pack: %w", err)
	}
	out := bufio.NewWriterSize(file, 256<<10)
	_, err = out.Write(pack.Head())
	a := pack.NewArrival(s.p.x)
	w := f.wants[s.p]
	var bases []object.Digest
	if err == nil {
		err = f.readSpan(ctx, s, func(nr int, b []byte) error {
			pieces, err := s.p.x.Pieces(nr, s.rows[nr])
			if err == nil {
				_, err = a.Frame(b, pieces)
			}
			if err == nil && s.p.x.Frame(nr).Codec == pack.Delta && w.want.has(int(s.rows[nr][0])) {
				var d object.Digest
				d, err = pack.BaseIn(b)
				bases = append(bases, d)
			}
			if err != nil {
				return err
			}
			_, err = out.Write(b)
			return err
		})
	}
	if err == nil {
		err = inPack(s.p, a.End())
	}
	if err != nil {
		return nil, errors.Join(err, out.Flush(), file.Close(), f.salvage(s, file.Name()))
	}
	if _, err = out.Write(s.p.x.Bytes()); err == nil {
		err = out.Flush()
	}
	if err = errors.Join(err, file.Sync(), file.Chmod(0o444), file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(f.s.packs(), pack.FileName(s.p.info.Name)))
	}
	if err != nil {
		return nil, fmt.Errorf("write a pack: %w", errors.Join(err, removeFile(file.Name())))
	}
	f.packs.Add(1)
	for nr := range s.rows {
		f.arrivedRows(s, nr)
	}
	return bases, nil
}

// salvage keeps the good frames of a pack that did not arrive as it is.
func (f *fetcher) salvage(s span, path string) error {
	r, err := f.s.set.NewReader()
	if err != nil {
		return err
	}
	nr := 0
	_, _, err = pack.Adopt(path, f.s.packs(), pack.AdoptOptions{Decode: func(frame pack.Frame, payload []byte) ([]byte, error) {
		if nr >= len(s.rows) {
			return nil, fault.New(fault.Integrity, "more frames than the index says")
		}
		pieces, err := s.p.x.Pieces(nr, s.rows[nr])
		nr++
		if err != nil {
			return nil, err
		}
		raw, err := r.Decode(frame, payload, nil)
		if err == nil && len(raw) == frame.Raw {
			err = pack.CheckChunks(raw, pieces)
		}
		return raw, err
	}})
	return err
}
