package audit

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

const (
	frameRows  = 1000    // a frame with so many rows is written
	frameBreak = 1 << 20 // or so many bytes of them
)

// turn encodes all that waits, and writes what is due.
func (w *Writer) turn(last bool) {
	if !w.retry.IsZero() && !w.flush() {
		return
	}
	if !w.encode() {
		return
	}
	accepted, dropped := w.queue.numbers()
	_ = taken{accepted, dropped}.write(w.claim) // for who finds what a killed writer left; it will do without
	now := w.opts.Now()
	due := w.info.rows > 0 && (last || left(w.opts.Flush, w.since, now) == 0)
	if due && !w.flush() {
		return
	}
	if last && w.file == nil && dropped > w.told && w.begin() != nil {
		return
	}
	if w.file != nil && (last || w.size >= w.opts.SegmentBytes || left(w.opts.SegmentAge, w.begun, w.opts.Now()) == 0) {
		if w.info.rows > 0 && !w.flush() {
			return
		}
		w.end(dropped)
	}
}

// encode makes rows of all that waits. It returns false where they cannot be written: the rest waits then.
func (w *Writer) encode() bool {
	for {
		if w.next == len(w.taken) {
			w.queue.recycle(w.taken)
			w.taken, w.next = w.queue.take(), 0
		}
		if len(w.taken) == 0 {
			return true
		}
		size, from := int64(0), w.next
		for w.next < len(w.taken) && w.info.rows < frameRows && len(w.rows) < frameBreak {
			p := &w.taken[w.next]
			size += p.weight()
			w.one(p)
			*p = Prediction{} // lets go of the bodies
			w.next++
		}
		w.queue.release(w.next-from, size)
		if (w.info.rows >= frameRows || len(w.rows) >= frameBreak) && !w.flush() {
			return false
		}
	}
}

func (w *Writer) one(p *Prediction) {
	w.coded++
	if w.info.rows == 0 {
		w.since = w.opts.Now()
		w.info = frameInfo{first: w.coded}
	}
	at := p.At.UnixMicro()
	if w.info.requests == 0 {
		w.info.from, w.info.to = at, at
	}
	w.info.from, w.info.to = min(w.info.from, at), max(w.info.to, at)
	var n int
	w.rows, n = w.enc.rows(w.rows, w.coded, p)
	w.info.rows += uint32(n)
	w.info.requests++
}

// flush writes a frame, and returns when it is on the disk. What a strict log has taken in has been answered: on a full disk it takes the
// room that is held back, and takes nothing more in until there is such room again.
func (w *Writer) flush() bool {
	err := w.put()
	written := err == nil
	if written {
		err = w.spare.hold()
	} else if w.spare.spend() {
		written = w.put() == nil
	}
	if err != nil {
		w.troubled(err)
		return written
	}
	if !w.retry.IsZero() {
		w.retry = time.Time{}
		w.queue.refuse(nil)
		w.alarm(&w.writing, nil)
	}
	return true
}

// troubled notes that nothing can be written, or no more than what was taken in.
func (w *Writer) troubled(err error) {
	w.retry = w.opts.Now()
	err = fault.New(fault.KindOf(err), "cannot write predictions to %s: %w", w.opts.Dir, err).Hint("free some space there")
	if w.opts.Strict {
		w.queue.refuse(err)
	}
	w.alarm(&w.writing, err)
}

func (w *Writer) put() error {
	if w.info.rows == 0 {
		return nil
	}
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	var err error
	if w.buffer, err = w.codec.frame(w.buffer[:0], w.rows, &w.info); err != nil {
		return err
	}
	if err := w.append(w.buffer); err != nil {
		return err
	}
	w.mu.Lock()
	w.written.Rows += int64(w.info.rows)
	w.written.Requests += int64(w.info.requests)
	w.mu.Unlock()
	if w.sink != nil {
		w.sink.add(w.rows, int64(w.info.rows))
	}
	w.info = frameInfo{}
	if w.rows = w.rows[:0]; cap(w.rows) > 4*frameBreak {
		w.rows = nil
	}
	return nil
}

// append adds bytes to the segment, all of them or none.
func (w *Writer) append(b []byte) error {
	_, err := w.file.WriteAt(b, w.size)
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(err, w.file.Truncate(w.size))
	}
	w.size += int64(len(b))
	return nil
}

// begin opens the next segment.
func (w *Writer) begin() error {
	h := header{Format: formatName, Service: w.opts.Service, Writer: w.name, Number: w.number + 1, Policy: w.opts.Policy.Digest(),
		Taken: w.coded - uint64(w.info.requests), Dropped: w.told}
	text, err := object.Encode(h)
	if err != nil {
		return err
	}
	path := filepath.Join(w.opts.Dir, segmentName(w.name, h.Number, openEnd))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w.file, w.size = f, 0
	if err = w.append(skippable([]byte(emptyFrame), magicHeader, text)); err == nil {
		err = syncFolder(w.opts.Dir)
	}
	if err != nil {
		w.file = nil
		f.Close()
		return errors.Join(err, os.Remove(path))
	}
	w.number, w.begun = h.Number, w.opts.Now()
	return nil
}

// end hands the segment to who seals it.
func (w *Writer) end(dropped int64) {
	w.file.Close() // all of it is synced
	w.file = nil
	w.seal.add(w.number, dropped-w.told)
	w.told = dropped
}
