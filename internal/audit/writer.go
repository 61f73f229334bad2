package audit

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Options say how the predictions of a service are kept. What is zero has a default.
type Options struct {
	Service string
	Dir     string // spool of the service; many writers may use it
	Policy  Policy
	Columns []string // names of features that come as a list without names
	// Strict makes Add fail where a prediction cannot be kept. Otherwise it is dropped and counted.
	Strict bool

	Queue      int   // most predictions that wait; 16384
	QueueBytes int64 // and their bytes; 64 MiB
	MaxBody    int   // longer bodies are kept by their digest; 256 KiB

	Flush        time.Duration // how soon a row is on the disk; 1 s
	SegmentBytes int64         // a segment is sealed when it is so long; 32 MiB
	SegmentAge   time.Duration // or so old; 1 h

	Now func() time.Time
	// Keep makes the file a version in the store, under its name. release is called when the version is recorded.
	Keep   func(ctx context.Context, path string) (root object.Digest, release func() error, err error)
	Ledger *lineage.Ledger
	// Alarm is told when predictions cannot be written or sealed any more, and nil when they can again. May be nil.
	Alarm func(error)
}

func (o *Options) fill() error {
	set := func(v *int64, usual int64) {
		if *v <= 0 {
			*v = usual
		}
	}
	queue, body := int64(o.Queue), int64(o.MaxBody)
	set(&queue, 16384)
	set(&body, 256<<10)
	set(&o.QueueBytes, 64<<20)
	set((*int64)(&o.Flush), int64(time.Second))
	set(&o.SegmentBytes, 32<<20)
	set((*int64)(&o.SegmentAge), int64(time.Hour))
	o.Queue, o.MaxBody = int(queue), int(body)
	if o.Policy.Features == "" {
		o.Policy.Features = Masked
	}
	if o.Service == "" || o.Dir == "" || o.Now == nil || o.Keep == nil || o.Ledger == nil {
		return fault.New(fault.Internal, "cannot keep predictions: not all is said")
	}
	return o.Policy.Check()
}

// Writer keeps the predictions of a service. It is safe for many goroutines.
type Writer struct {
	opts  Options
	name  string
	claim *os.File
	queue *queue
	seal  *sealer
	enc   *encoder
	codec *codec

	// What is being written; it belongs to run.
	taken  []Prediction // from the queue
	next   int          // of these, which is not encoded yet
	weight int64
	coded  uint64 // requests that are encoded
	rows   []byte // of the next frame
	info   frameInfo
	since  time.Time // when its first row came
	file   *os.File  // nil: no segment is open
	size   int64
	number int64
	begun  time.Time
	told   int64 // dropped requests that a finished segment tells of
	retry  time.Time
	buffer []byte

	stop, stopped chan struct{}
	once          sync.Once

	mu      sync.Mutex
	writing error // why nothing can be written
	sealing error // or sealed
	written Written
}

// Written is what became of predictions.
type Written struct {
	Accepted uint64 // requests that were taken in
	Dropped  int64  // requests that were not
	Requests int64  // that are on the disk
	Rows     int64
	Sealed   int64 // segments
	Trouble  error // why nothing can be written or sealed at present
}

// Open begins to keep predictions. It also takes care of what dead writers left in the spool.
func Open(ctx context.Context, o Options) (*Writer, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	failed := func(err error) error {
		return fault.New(fault.KindOf(err), "cannot keep predictions in %s: %w", o.Dir, err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, failed(err)
	}
	key, err := spoolKey(o.Dir)
	if err != nil {
		return nil, failed(err)
	}
	codec, err := newCodec()
	if err != nil {
		return nil, failed(err)
	}
	name, claim, err := newWriterName(o.Dir)
	if err != nil {
		codec.close()
		return nil, failed(err)
	}
	w := &Writer{opts: o, name: name, claim: claim, codec: codec, queue: newQueue(o.Queue, o.QueueBytes), number: 0,
		stop: make(chan struct{}), stopped: make(chan struct{})}
	w.enc = &encoder{service: o.Service, writer: name, layout: o.Columns, redactor: newRedactor(o.Policy, key), releases: make(map[string][]byte), maxBody: o.MaxBody}
	if w.seal, err = newSealer(ctx, &w.opts, name, func(err error) { w.alarm(&w.sealing, err) }); err != nil {
		codec.close()
		return nil, errors.Join(failed(err), claim.Close())
	}
	go w.run()
	return w, nil
}

// Add takes a prediction in. It never waits. It fails only with Strict, where there is no room, the disk is full or the log is closed.
func (w *Writer) Add(p Prediction) error {
	if err := w.queue.add(p); err != nil && w.opts.Strict {
		return err
	}
	return nil
}

// Stats tells what became of predictions so far.
func (w *Writer) Stats() Written {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.written
	s.Accepted, s.Dropped = w.queue.numbers()
	s.Sealed = w.seal.sealed.Load()
	s.Trouble = cmp.Or(w.writing, w.sealing)
	return s
}

// Close writes and seals all that was taken in. When ctx ends before, or sealing fails, what is on the disk stays in the spool: the next
// writer seals it.
func (w *Writer) Close(ctx context.Context) error {
	w.queue.close()
	w.once.Do(func() { close(w.stop) })
	select {
	case <-w.stopped:
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "cannot write all predictions: %w", ctx.Err())
	}
	sealed := w.seal.close(ctx)
	path := filepath.Join(w.opts.Dir, w.name+writerEnd)
	w.claim.Close() // who comes next may look after what is left
	s := w.Stats()
	switch {
	case sealed != nil:
		return sealed
	case uint64(s.Requests) < s.Accepted:
		return fault.New(fault.Unavailable, "cannot write the last %d predictions: %w", s.Accepted-uint64(s.Requests), s.Trouble)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // another one has found that nothing is left
		return err
	}
	return nil
}

// alarm notes in one of writing and sealing why it cannot be done, or that it can again.
func (w *Writer) alarm(what *error, err error) {
	w.mu.Lock()
	before := cmp.Or(w.writing, w.sealing)
	*what = err
	after := cmp.Or(w.writing, w.sealing)
	w.mu.Unlock()
	if w.opts.Alarm != nil && (before == nil) != (after == nil) {
		w.opts.Alarm(after)
	}
}

// gather is how long predictions wait for others: one turn for all is cheaper than one for each.
const gather = 50 * time.Millisecond

// again is after how long what has failed is tried again.
const again = time.Second

func (w *Writer) run() {
	defer close(w.stopped)
	defer w.codec.close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(w.wait())
		last := false
		select {
		case <-w.queue.wake:
			if !w.queue.crowded() && w.retry.IsZero() {
				timer.Reset(gather)
				select {
				case <-timer.C:
				case <-w.queue.wake:
				case <-w.stop:
				}
			}
		case <-timer.C:
		case <-w.stop:
			last = true
		}
		if w.turn(last); last {
			return
		}
	}
}

// wait is how long nothing has to be done if nothing comes.
func (w *Writer) wait() time.Duration {
	switch {
	case !w.retry.IsZero():
		return again
	case w.info.rows > 0:
		return max(0, w.opts.Flush-w.opts.Now().Sub(w.since))
	case w.file != nil:
		return max(0, w.opts.SegmentAge-w.opts.Now().Sub(w.begun))
	}
	return time.Hour
}

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
	due := w.info.rows > 0 && (last || now.Sub(w.since) >= w.opts.Flush)
	if due && !w.flush() {
		return
	}
	if last && w.file == nil && dropped > w.told && w.begin() != nil {
		return
	}
	if w.file != nil && (last || w.size >= w.opts.SegmentBytes || now.Sub(w.begun) >= w.opts.SegmentAge) {
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
			w.queue.done(w.taken, w.weight)
			w.taken, w.next, w.weight = w.queue.take(), 0, 0
			for i := range w.taken {
				w.weight += w.taken[i].weight()
			}
		}
		if len(w.taken) == 0 {
			return true
		}
		for w.next < len(w.taken) {
			w.one(&w.taken[w.next])
			w.next++
			if (w.info.rows >= frameRows || len(w.rows) >= frameBreak) && !w.flush() {
				return false
			}
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

// flush writes a frame, and returns when it is on the disk.
func (w *Writer) flush() bool {
	err := w.put()
	if err != nil {
		w.retry = w.opts.Now()
		err = fault.New(fault.KindOf(err), "cannot write predictions to %s: %w", w.opts.Dir, err).Hint("free some space there")
		if w.opts.Strict {
			w.queue.refuse(err)
		}
		w.alarm(&w.writing, err)
		return false
	}
	if !w.retry.IsZero() {
		w.retry = time.Time{}
		w.queue.refuse(nil)
		w.alarm(&w.writing, nil)
	}
	return true
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
	w.buffer = w.codec.frame(w.buffer[:0], w.rows, &w.info)
	if err := w.append(w.buffer); err != nil {
		return err
	}
	w.mu.Lock()
	w.written.Rows += int64(w.info.rows)
	w.written.Requests += int64(w.info.requests)
	w.mu.Unlock()
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
