package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/pack"
)

// heldPack is a pack that arrived and has no name yet.
type heldPack struct {
	path   string
	x      *pack.Index
	rows   [][]int32
	deltas int
	file   *pack.File
	change map[int]deltaFate // of frames that do not stay as they are
}

// deltaFate is what becomes of a delta.
type deltaFate int

const (
	deltaInFull deltaFate = iota + 1 // its base is here as a delta itself, or goes
	deltaLost                        // its base did not arrive
)

// settle checks the deltas of the packs that were held back, now that their bases are here, and names the packs. After a
// failure it saves what it can and keeps quiet about the rest.
func (t *taker) settle(ctx context.Context, all bool) error {
	if len(t.held) == 0 {
		return nil
	}
	err := t.s.set.Refresh()
	for _, k := range t.held {
		if err == nil {
			k.file, err = pack.OpenFile(k.path, k.x.Name())
		}
	}
	if err == nil {
		err = t.settleOpen(ctx)
	}
	for _, k := range t.held { // those that have no name by now
		if k.file != nil {
			err = errors.Join(err, k.file.Close(), removeFile(k.path))
		}
	}
	if !all {
		return nil
	}
	return err
}

func (t *taker) settleOpen(ctx context.Context) error {
	dec, err := pack.NewDecoder()
	if err != nil {
		return err
	}
	var bad error
	fit := make([]bool, len(t.held))
	for i, k := range t.held {
		err := t.judge(ctx, k, dec)
		if fit[i] = err == nil; !fit[i] && bad == nil {
			bad = fmt.Errorf("pack %s: %w", k.x.Name().Short(), err)
		}
	}
	pool, err := newPool(t.s, t.skip, 1)
	if err != nil {
		return err
	}
	for i, k := range t.held {
		if !fit[i] {
			continue
		}
		if len(k.change) > 0 || t.mustChange(k) {
			if err = t.rewrite(k, pool.workers[0], dec); err != nil {
				break
			}
			continue
		}
		err = k.file.Close()
		k.file = nil
		if err = errors.Join(err, t.name(k)); err != nil {
			break
		}
	}
	_, cerr := pool.close()
	return errors.Join(bad, err, cerr)
}

// judge checks each delta of a pack against its base.
func (t *taker) judge(ctx context.Context, k *heldPack, dec *pack.Decoder) error {
	k.change = map[int]deltaFate{}
	for nr := range k.x.Frames() {
		if k.x.Frame(nr).Codec != pack.Delta {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		_, full, err := t.delta(k, nr, dec)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			k.change[nr] = deltaLost
		case err != nil:
			return err
		case !full:
			k.change[nr] = deltaInFull
		}
	}
	return nil
}

// delta decodes a delta and compares it with its digest. full says that its base lies in full in a pack that stays.
func (t *taker) delta(k *heldPack, nr int, dec *pack.Decoder) (raw []byte, full bool, err error) {
	pieces, err := k.x.Pieces(nr, k.rows[nr])
	if err != nil {
		return nil, false, err
	}
	var payload []byte
	if t.buf, payload, err = k.file.Whole(nr, pieces, t.buf); err != nil {
		return nil, false, err
	}
	id, err := pack.BaseIn(t.buf)
	if err != nil {
		return nil, false, err
	}
	base, full, err := t.base(id)
	if err != nil {
		return nil, false, err
	}
	t.raw, err = dec.Delta(t.raw[:0], payload[len(id):], base, k.x.Frame(nr).Raw)
	if err == nil {
		err = pack.CheckChunks(t.raw, pieces)
	}
	return t.raw, full && !t.erased[id], err
}

// base returns the bytes of the base of a delta, from the packs that were held back or from the store.
func (t *taker) base(d object.Digest) (b []byte, full bool, err error) {
	for _, k := range t.held {
		row, ok := k.x.Find(d)
		if !ok || k.file == nil || k.x.Frame(k.x.Row(row).Frame).Codec == pack.Delta {
			continue
		}
		l, _ := k.file.Loc(row)
		b, err := t.rd.ReadLoc(d, l)
		return b, true, err
	}
	if l, ok := t.s.set.Find(d, t.skip); ok {
		full = l.Frame.Codec != pack.Delta
	}
	b, err = t.rd.Read(d)
	return b, full, err
}

// rewrite copies what is good of a pack into new ones, deltas in full where they must be.
func (t *taker) rewrite(k *heldPack, w *worker, dec *pack.Decoder) error {
	for nr := range k.x.Frames() {
		if k.change[nr] == deltaLost {
			continue
		}
		if err := t.rewriteFrame(k, nr, w, dec); err != nil {
			return fmt.Errorf("pack %s: %w", k.x.Name().Short(), err)
		}
	}
	return nil
}

func (t *taker) rewriteFrame(k *heldPack, nr int, w *worker, dec *pack.Decoder) error {
	f := k.x.Frame(nr)
	pieces, err := k.x.Pieces(nr, k.rows[nr])
	if err != nil {
		return err
	}
	renamed := nr == 0 && t.skip[k.x.Name()] // the same frames would get the same name
	if !renamed && k.change[nr] == 0 && !t.anyErased(pieces) {
		var payload []byte
		if t.buf, payload, err = k.file.Whole(nr, pieces, t.buf); err != nil {
			return err
		}
		return w.frame(f.Codec, pieces, f.Raw, payload)
	}
	if f.Codec == pack.Delta {
		raw, _, err := t.delta(k, nr, dec)
		if err != nil || t.erased[pieces[0].ID] {
			return err
		}
		return w.frame(pack.Raw, pieces, len(raw), raw)
	}
	for _, r := range k.rows[nr] {
		l, id := k.file.Loc(int(r))
		raw, err := t.rd.ReadLoc(id, l)
		switch {
		case err != nil:
			return err
		case t.erased[id]:
			continue
		case renamed:
			err = anew(w, pack.Piece{ID: id, Len: len(raw)}, f.Codec, raw)
		default:
			err = w.put(id, raw, object.Digest{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// anew stores a chunk in another form than it had.
func anew(w *worker, p pack.Piece, was pack.Codec, raw []byte) error {
	if was != pack.Raw {
		return w.frame(pack.Raw, []pack.Piece{p}, p.Len, bytes.Clone(raw))
	}
	out, _ := w.enc.Compress(nil, raw)
	return w.frame(pack.Zstd, []pack.Piece{p}, p.Len, out)
}

func (t *taker) anyErased(pieces []pack.Piece) bool {
	for _, p := range pieces {
		if t.erased[p.ID] {
			return true
		}
	}
	return false
}

// salvage keeps the good frames of a pack that did not arrive whole.
func (t *taker) salvage(k *heldPack) error {
	nr := 0
	o := pack.AdoptOptions{Decode: func(f pack.Frame, payload []byte) ([]byte, error) {
		if nr >= len(k.rows) {
			return nil, badBundle("more frames than the index says")
		}
		pieces, err := k.x.Pieces(nr, k.rows[nr])
		nr++
		if err != nil {
			return nil, err
		}
		raw, err := t.rd.Decode(f, payload, nil)
		if err == nil && len(raw) == f.Raw {
			err = pack.CheckChunks(raw, pieces)
		}
		return raw, err
	}}
	if len(t.erased) > 0 {
		o.Refuse = func(d object.Digest) bool { return t.erased[d] }
	}
	_, _, err := pack.Adopt(k.path, t.s.packs(), o)
	return err
}
