package train

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/fault"
)

const (
	beatEvery = 10 * time.Second
	beatsLost = 6 // so many beats without a byte: the other side is gone
)

// wire carries frames over a connection. Many goroutines may send; one reads.
type wire struct {
	rw   io.ReadWriteCloser
	r    *bufio.Reader
	pool sync.Pool // of *[]byte of maxData

	out sync.Mutex // one frame at a time
	w   *bufio.Writer

	heard atomic.Int64 // how often something was read
	once  sync.Once
	dead  chan struct{}
	err   error // why it is dead; set before dead is closed
}

func newWire(rw io.ReadWriteCloser) *wire {
	w := &wire{rw: rw, w: bufio.NewWriterSize(rw, 32<<10), dead: make(chan struct{})}
	w.pool.New = func() any { b := make([]byte, maxData); return &b }
	w.r = bufio.NewReaderSize(listening{w}, 64<<10)
	return w
}

// listening notes each sign of life.
type listening struct{ w *wire }

// Read implements io.Reader.
func (l listening) Read(p []byte) (int, error) {
	n, err := l.w.rw.Read(p)
	l.w.heard.Add(1)
	return n, err
}

// fail ends the connection, for the first reason that is given.
func (w *wire) fail(err error) {
	w.once.Do(func() {
		w.err = err
		close(w.dead)
		_ = w.rw.Close() // the reason is known already
	})
}

// send writes one frame.
func (w *wire) send(kind frameKind, call uint32, payload []byte) error {
	w.out.Lock()
	defer w.out.Unlock()
	return w.write(kind, call, payload)
}

// beat sends a sign of life, unless a frame is on its way: that is one.
func (w *wire) beat() {
	if w.out.TryLock() {
		defer w.out.Unlock()
		_ = w.write(frameBeat, 0, nil) // an error has ended the wire
	}
}

func (w *wire) write(kind frameKind, call uint32, payload []byte) error {
	select {
	case <-w.dead:
		return w.err
	default:
	}
	head := appendFrameHead(make([]byte, 0, frameHead), kind, call, len(payload))
	_, _ = w.w.Write(head)    // an error stays in the writer
	_, _ = w.w.Write(payload) // the same
	if err := w.w.Flush(); err != nil {
		err = lost(err)
		w.fail(err)
		return err
	}
	return nil
}

// magic sends the first line. Frames follow it: none is sent before the other side has said its own.
func (w *wire) magic() error {
	w.out.Lock()
	defer w.out.Unlock()
	_, _ = w.w.WriteString(linkMagic) // an error stays in the writer
	return w.w.Flush()
}

// read reads frames until handle refuses one or the connection ends.
func (w *wire) read(handle func(frame) error) error {
	for {
		f, err := readFrame(w.r, w.buffer)
		if err == nil {
			err = handle(f)
		}
		if err != nil {
			return err
		}
	}
}

func (w *wire) buffer(n int) []byte {
	if n > maxData {
		return make([]byte, n)
	}
	return *w.pool.Get().(*[]byte)
}

// free takes a payload back.
func (w *wire) free(b []byte) {
	if cap(b) == maxData {
		b = b[:maxData]
		w.pool.Put(&b)
	}
}

// watch sends signs of life, and ends the connection when the other side gives none.
func (w *wire) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last, silent := w.heard.Load(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dead:
			return
		case <-tick.C:
		}
		now := w.heard.Load()
		if silent++; now != last {
			last, silent = now, 0
		}
		if silent >= beatsLost {
			w.fail(fault.New(fault.Unavailable, "the connection to the node is dead: nothing was heard for %v", time.Duration(silent)*every).
				Hint("repeat the command   # nothing on the node has stopped"))
			return
		}
		go w.beat() // a write may take long where the other side does not read
	}
}

// lost says that the connection broke.
func lost(err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return fault.New(fault.Unavailable, "the connection to the node ended").Hint("repeat the command   # nothing on the node has stopped")
	}
	return fault.New(fault.Unavailable, "the connection to the node broke: %w", err).Hint("repeat the command   # nothing on the node has stopped")
}

// stream is the data of one call, in both directions.
type stream struct {
	w      *wire
	call   uint32
	ctx    context.Context //nolint:containedctx // io.Reader and io.Writer have no other way to be stopped
	in     chan frame      // has room for all that the other side may send
	credit chan struct{}   // one for each data frame that may be sent
	over   chan struct{}   // closed when the other side has ended the call
	rest   []byte          // of the frame that is being read
	frame  []byte
	used   uint32
	end    error // what follows the last data
}

func newStream(ctx context.Context, w *wire, call uint32) *stream {
	s := &stream{w: w, call: call, ctx: ctx, in: make(chan frame, dataWindow+2), credit: make(chan struct{}, dataWindow), over: make(chan struct{})}
	for range dataWindow {
		s.credit <- struct{}{}
	}
	return s
}

// take gives the stream a frame that arrived.
func (s *stream) take(f frame) error {
	if f.kind == frameAck {
		if len(f.payload) != 4 {
			return fault.New(fault.Integrity, "an acknowledgement of %d bytes", len(f.payload))
		}
		n := binary.LittleEndian.Uint32(f.payload)
		s.w.free(f.payload)
		for range min(n, dataWindow+1) {
			select {
			case s.credit <- struct{}{}:
			default:
				return fault.New(fault.Integrity, "more data were acknowledged than sent")
			}
		}
		return nil
	}
	select {
	case s.in <- f:
		return nil
	default:
		return fault.New(fault.Integrity, "more data were sent than acknowledged")
	}
}

// Write sends data. It waits while the other side has no room.
func (s *stream) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		select {
		case <-s.credit:
		case <-s.over:
			return n, errOver
		case <-s.ctx.Done():
			return n, context.Cause(s.ctx)
		case <-s.w.dead:
			return n, s.w.err
		}
		k := min(len(p), maxData)
		if err := s.w.send(frameData, s.call, p[:k]); err != nil {
			return n, err
		}
		p = p[k:]
		n += k
	}
	return n, nil
}

// errOver ends a writer whose call was answered already.
var errOver = errors.New("the call has ended")

// next returns the next frame. Its payload is valid until done is called.
func (s *stream) next() (frame, error) {
	select {
	case f := <-s.in:
		return f, nil
	default:
	}
	select {
	case f := <-s.in:
		return f, nil
	case <-s.ctx.Done():
		return frame{}, context.Cause(s.ctx)
	case <-s.w.dead:
		return frame{}, s.w.err
	}
}

// done gives a data frame back, and lets the other side send more.
func (s *stream) done(b []byte) error {
	s.w.free(b)
	if s.used++; s.used < dataWindow/2 {
		return nil
	}
	n := binary.LittleEndian.AppendUint32(nil, s.used)
	s.used = 0
	return s.w.send(frameAck, s.call, n)
}

// Read reads the data that the other side sends, to their end.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.frame != nil {
			b := s.frame
			if s.frame = nil; s.done(b) != nil {
				return 0, s.w.err
			}
		}
		if s.end != nil {
			return 0, s.end
		}
		f, err := s.next()
		switch {
		case err != nil:
			return 0, err
		case f.kind == frameData:
			s.rest, s.frame = f.payload, f.payload
		case len(f.payload) > 0:
			s.end = fault.New(fault.Unavailable, "the sender broke off: %.200s", f.payload)
		default:
			s.end = io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
