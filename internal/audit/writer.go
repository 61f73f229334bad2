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
	// Strict makes Add fail where a prediction cannot be kept. Otherwise it is dropped and counted. It also holds room on the disk back, so
	// that what was taken in can be written on a full one.
	Strict bool

	Queue      int   // most predictions that wait; 16384
	QueueBytes int64 // and their bytes; 64 MiB
	MaxBody    int   // longer bodies are kept by their digest; 256 KiB

	Flush        time.Duration // how soon a row is on the disk; 1 s
	SegmentBytes int64         // a segment is sealed when it is so long; 32 MiB
	SegmentAge   time.Duration // or so old; 1 h

	// Sink gets each row as well, once it is on the disk; nil: nobody does. SinkBytes bounds what waits for it; 16 MiB.
	Sink      Sender
	SinkBytes int64

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
	set(&o.SinkBytes, 16<<20)
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
	sink  *forwarder // nil: there is none
	enc   *encoder
	codec *codec

	// What is being written; it belongs to run.
	taken  []Prediction // from the queue
	next   int          // of these, which is not encoded yet
	coded  uint64       // requests that are encoded
	rows   []byte       // of the next frame
	info   frameInfo
	since  time.Time // when its first row came
	file   *os.File  // nil: no segment is open
	size   int64
	number int64
	begun  time.Time
	told   int64 // dropped requests that a finished segment tells of
	retry  time.Time
	spare  *reserve // nil: not strict
	buffer []byte

	stop, stopped chan struct{}
	once          sync.Once

	mu      sync.Mutex
	writing error // why nothing can be written
	sealing error // or sealed
	sending error // or sent on
	written Written
}

// Written is what became of predictions.
type Written struct {
	Accepted uint64 // requests that were taken in
	Dropped  int64  // requests that were not
	Refused  int64  // places that were refused: see Promise
	Refusing error  // why one would be refused now; only with Strict
	Requests int64  // that are on the disk
	Rows     int64
	Sealed   int64 // segments
	Sent     int64 // rows that the sink took
	Unsent   int64 // rows that it did not get
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
	w.enc = &encoder{service: o.Service, writer: name, in: grid{layout: o.Columns}, redactor: newRedactor(o.Policy, key), releases: make(map[releaseName][]byte), maxBody: o.MaxBody}
	if w.seal, err = newSealer(ctx, &w.opts, name, func(err error) { w.alarm(&w.sealing, err) }); err != nil {
		codec.close()
		return nil, errors.Join(failed(err), claim.Close())
	}
	if o.Strict {
		w.spare = &reserve{dir: o.Dir}
		if err := w.spare.hold(); err != nil {
			w.troubled(err)
		}
	}
	if o.Sink != nil {
		w.sink = newForwarder(ctx, &w.opts, func(err error) { w.alarm(&w.sending, err) })
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

// Promise takes a place for a prediction that is still to come: with AddPromised it is taken in for certain, so that nothing need be answered
// that is not. It fails where Add would with Strict. Each place must be used.
func (w *Writer) Promise() error { return w.queue.promise() }

// AddPromised takes in a prediction that has a place.
func (w *Writer) AddPromised(p Prediction) { w.queue.addPromised(p) }

// Stats tells what became of predictions so far.
func (w *Writer) Stats() Written {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.written
	s.Accepted, s.Dropped = w.queue.numbers()
	if w.opts.Strict {
		s.Refused, s.Refusing = w.queue.refusals()
	}
	s.Sealed = w.seal.sealed.Load()
	s.Trouble = cmp.Or(w.writing, w.sealing, w.sending)
	if w.sink != nil {
		s.Sent, s.Unsent = w.sink.sent.Load(), w.sink.dropped.Load()
	}
	return s
}

// Close writes and seals all that was taken in, and sends on what waits for that. When ctx ends before, or sealing fails, what is on the disk stays in the spool: the next
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
	w.spare.spend()
	if w.sink != nil {
		w.sink.close(ctx)
	}
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
	before := cmp.Or(w.writing, w.sealing, w.sending)
	*what = err
	after := cmp.Or(w.writing, w.sealing, w.sending)
	w.mu.Unlock()
	if w.opts.Alarm != nil && (before == nil) != (after == nil) {
		w.opts.Alarm(after)
	}
}

// gather is how long predictions wait for others: one turn for all is cheaper than one for each.
const gather = 200 * time.Millisecond

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
				timer.Reset(min(gather, w.opts.Flush/4))
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
		return left(w.opts.Flush, w.since, w.opts.Now())
	case w.file != nil:
		return left(w.opts.SegmentAge, w.begun, w.opts.Now())
	}
	return time.Hour
}

// left is what is left of a time that began at since. Where the clock was set back it is over: nothing waits for that.
func left(of time.Duration, since, now time.Time) time.Duration {
	if now.Before(since) {
		return 0
	}
	return max(0, of-now.Sub(since))
}
