package remote

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

const (
	rollEntries = 64        // so many entries after a roll make a new one
	rollBytes   = 256 << 10 // or so many bytes of them
	maxRaces    = 200       // how often a push may lose against others
)

// begin makes the first entry of a remote that is empty.
func (r *Remote) begin(ctx context.Context) error {
	if r.o.ID == "" {
		return fault.New(fault.NotFound, "remote %s is empty", r.o.Name)
	}
	if err := r.makeRing(ctx); err != nil {
		return err
	}
	var id [16]byte
	if _, err := io.ReadFull(r.o.Rand, id[:]); err != nil {
		return fault.New(fault.Internal, "cannot name the remote: %w", err)
	}
	e := &Entry{Do: DoBegin, Begin: &Begin{Remote: hex.EncodeToString(id[:]), Ledger: r.o.ID}, Root: lineage.NewTree().Root()}
	if _, err := r.append(ctx, e, nil); err != nil {
		return err
	}
	return r.follow(ctx) // of two who begin, one does
}

// append makes e the next entry of the log; ids are those of the records that it brings, in their order. false: somebody
// else was faster, and nothing has happened. When it returns true the entry is there for good.
func (r *Remote) append(ctx context.Context, e *Entry, ids []object.Digest) (bool, error) {
	m := r.known.clone()
	e.V, e.Seq, e.Prev, e.By = 1, r.next(), m.state.Head, r.o.By
	e.At = r.o.Now().UTC().Format(timeForm)
	if e.Do != DoBegin {
		e.From = m.state.Size
		e.N = m.grow(ids)
		e.Root = m.merkle().Root()
	}
	if err := r.mayRoll(ctx, e, m); err != nil {
		return false, err
	}
	if err := r.sign(e); err != nil {
		return false, err
	}
	raw, err := e.encode()
	if err != nil {
		return false, err
	}
	if _, err = parseEntry(raw); err == nil { // what others would refuse must not become part of the log
		err = m.state.apply(e, object.Sum(raw))
	}
	if err != nil {
		return false, fault.New(fault.Internal, "cannot extend the log: %w", err)
	}
	m.tail, m.seen = append(m.tail, raw), seen{}
	if r.o.RecordsOnly { // there the hint travels with the entry
		r.writeTail(ctx, m)
	}
	done, err := r.create(ctx, logKey(e.Seq), raw)
	if err != nil || !done {
		return false, err
	}
	r.known = m
	if !r.o.RecordsOnly {
		r.writeTail(ctx, m)
	}
	return true, r.keep()
}

// mayRoll writes a roll before the entry that commits to it, once the tail is long.
func (r *Remote) mayRoll(ctx context.Context, e *Entry, m *memory) error {
	size := 0
	for _, t := range m.tail {
		size += len(t)
	}
	if len(m.tail) < r.rollEvery && size < rollBytes {
		return nil
	}
	b, err := m.state.roll()
	if err != nil {
		return err
	}
	if err := r.write(ctx, rollKey(m.state.Seq), b); err != nil {
		return err
	}
	e.Roll = object.Sum(b)
	m.tail, m.roll = nil, m.state.Seq
	return nil
}

// writeTail writes the hint. Who reads it believes nothing but what the chain proves, so a failure costs others some
// requests and no more.
func (r *Remote) writeTail(ctx context.Context, m *memory) {
	if err := r.write(ctx, tailKey, append(bytes.Join(m.tail, []byte("\n")), '\n')); err != nil {
		r.o.Note("cannot write the hint %s of remote %s: %v", tailKey, r.o.Name, err)
	}
}
