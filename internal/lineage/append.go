package lineage

import (
	"context"
	"errors"
	"io"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

const (
	sealRecords  = 1024     // a segment that holds as many is sealed
	sealBytes    = 4 << 20  // or as many bytes
	maxGroup     = 32 << 20 // bytes of one AppendAll
	maxMoves     = 100      // how often sealers may take a segment from under one append
	manySegments = 64       // as many segments are sealed together: short processes leave one record in each
)

// AppendAll adds records as a group: one write, one fdatasync. When it returns without error all of them survive a crash;
// otherwise some may be there, as records that nobody was told about.
func (l *Ledger) AppendAll(ctx context.Context, drafts ...Draft) ([]Record, error) {
	if err := l.writable("append to the ledger"); err != nil {
		return nil, err
	}
	headers := make([]line.Header, len(drafts))
	for i := range drafts {
		var err error
		if headers[i], err = l.header(&drafts[i]); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil || len(drafts) == 0 {
		return nil, err
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.tick(); err != nil {
		return nil, err
	}
	recs := make([]Record, len(headers))
	var framed []byte
	for i, h := range headers {
		l.clock++
		h.LC = l.clock
		raw, err := l.lines.Format(h)
		if err != nil {
			return nil, fault.New(fault.Usage, "cannot append a record of kind %.80q: %w", h.Kind, err)
		}
		recs[i] = record(object.Sum(raw), raw, h)
		framed = segment.Frame(framed, raw)
		if len(framed) > maxGroup {
			return nil, fault.New(fault.Usage, "cannot append %d records at once: more than %d bytes", len(recs), maxGroup)
		}
	}
	if err := l.put(framed, len(recs)); err != nil {
		return nil, because(err, "cannot append to the ledger")
	}
	l.sealSoon()
	return recs, nil
}

func (l *Ledger) header(d *Draft) (line.Header, error) {
	if !line.ValidKind(d.Kind) {
		return line.Header{}, fault.New(fault.Internal, "cannot append a record: kind %.80q is not of the form noun.verb/v1", d.Kind)
	}
	body, err := object.Encode(d.Body)
	if err != nil {
		return line.Header{}, because(err, "cannot append a record of kind %s", d.Kind)
	}
	h := line.Header{Kind: d.Kind, At: l.opts.Now().UnixMicro(), By: l.opts.By, Prev: d.Prev, Op: d.Op, Crit: d.Crit, Body: body}
	for _, in := range d.In {
		h.In = append(h.In, line.Input{Role: in.Role, ID: in.ID})
	}
	_, err = io.ReadFull(l.opts.Rand, h.Nonce[:])
	return h, err
}

// tick makes the clock at least as late as everything that was in the ledger when this process began to write.
func (l *Ledger) tick() error {
	if l.clock > 0 {
		return nil
	}
	v, err := l.view()
	if err != nil {
		return err
	}
	l.clock = v.clock
	return nil
}

// put writes framed lines to a segment of this process until they are where no sealer can have missed them.
func (l *Ledger) put(framed []byte, records int) error {
	for range maxMoves {
		if l.seg == nil {
			if err := l.newSegment(); err != nil {
				return err
			}
		}
		err := l.seg.Append(framed, records)
		if err == nil {
			l.again = false
			return nil
		}
		l.again = errors.Is(err, segment.ErrMoved)
		err = errors.Join(err, l.seg.Close())
		l.seg = nil // whatever went wrong, nothing is ever written behind it
		if !l.again {
			return err
		}
	}
	return fault.New(fault.Unavailable, "sealers took %d segments in a row", maxMoves)
}

func (l *Ledger) newSegment() error {
	if err := l.makeFolders(); err != nil {
		return err
	}
	owner := segment.Owner{Now: l.opts.Now(), Host: l.opts.Host, PID: l.opts.PID, Rand: l.opts.Rand, Again: l.again}
	w, err := segment.Create(l.path(segFolder), owner)
	l.seg = w
	return err
}

// sealSoon starts sealing in the background when the segment is large, or once in a process when there are many.
func (l *Ledger) sealSoon() {
	full := l.seg.Records >= sealRecords || l.seg.Bytes >= sealBytes
	if !full && l.seg.Records > 1 {
		return // others were counted when this process wrote its first record
	}
	if !full {
		if names, err := segment.Names(l.path(segFolder)); err != nil || len(names) < manySegments {
			return
		}
	}
	if !l.sealing.CompareAndSwap(false, true) {
		return
	}
	own := ""
	if full {
		own = segment.Base(l.seg.Name())
		if err := l.seg.Close(); err != nil {
			own = "" // it stays where it is, for others to seal
		}
		l.seg = nil
	}
	l.working.Go(func() {
		defer l.sealing.Store(false)
		// An append never fails because of this: what could not be sealed now is sealed by someone later.
		_ = l.sealIdle(context.Background(), own)
	})
}
