package audit

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/fault"
)

// Sender brings rows to somewhere else as well: a topic of a broker.
type Sender interface {
	// Send returns when each row was taken, or could not be; then it returns those that were not, and why.
	Send(ctx context.Context, rows [][]byte) (unsent [][]byte, err error)
}

// forwarder sends rows once they are on the disk. What could not be sent is tried again, so that a row may come twice; what finds its room full is
// dropped and counted: the log has it all the same.
type forwarder struct {
	to    Sender
	most  int64 // bytes that may wait
	alarm func(error)

	mu      sync.Mutex
	waiting [][]byte // rows of a frame each
	bytes   int64
	closing bool

	sent    atomic.Int64
	dropped atomic.Int64
	wake    chan struct{}
	stopped chan struct{}
	ctx     context.Context //nolint:containedctx // of the goroutine: who closes may end it
	cancel  context.CancelFunc
}

func newForwarder(ctx context.Context, o *Options, alarm func(error)) *forwarder {
	f := &forwarder{to: o.Sink, most: o.SinkBytes, alarm: alarm, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go f.run()
	return f
}

// add takes the rows of a frame. It never waits.
func (f *forwarder) add(rows []byte, n int64) {
	f.mu.Lock()
	fits := f.bytes+int64(len(rows)) <= f.most
	if fits {
		f.waiting = append(f.waiting, bytes.Clone(rows))
		f.bytes += int64(len(rows))
	}
	f.mu.Unlock()
	if !fits {
		f.dropped.Add(n)
		return
	}
	f.nudge()
}

func (f *forwarder) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *forwarder) next() (rows []byte, closing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) > 0 {
		rows = f.waiting[0]
	}
	return rows, f.closing
}

func (f *forwarder) done(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting[0] = nil
	f.waiting = f.waiting[1:]
	f.bytes -= int64(size)
}

func (f *forwarder) run() {
	defer close(f.stopped)
	for {
		frame, closing := f.next()
		switch {
		case frame != nil:
			f.send(frame)
			f.done(len(frame))
		case closing:
			return
		default:
			<-f.wake
		}
	}
}

// The pauses between two tries, the first and the longest.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 15 * time.Second
)

// send tries until all rows of a frame are taken, or nobody wants to wait any longer.
func (f *forwarder) send(frame []byte) {
	var rows [][]byte
	for line := range bytes.Lines(frame) {
		rows = append(rows, line[:len(line)-1])
	}
	troubled := false
	for pause := firstPause; len(rows) > 0; pause = min(2*pause, mostPause) {
		unsent, err := f.to.Send(f.ctx, rows)
		f.sent.Add(int64(len(rows) - len(unsent)))
		rows = unsent
		if len(rows) == 0 {
			break
		}
		if f.ctx.Err() != nil {
			f.dropped.Add(int64(len(rows)))
			return
		}
		if !troubled {
			troubled = true
			f.alarm(fault.New(fault.KindOf(err), "cannot send predictions on: %w", err))
		}
		select {
		case <-time.After(pause):
		case <-f.ctx.Done():
		}
	}
	if troubled {
		f.alarm(nil)
	}
}

// close sends what waits, until ctx ends. It returns how many rows were not sent in all.
func (f *forwarder) close(ctx context.Context) int64 {
	f.mu.Lock()
	f.closing = true
	f.mu.Unlock()
	f.nudge()
	select {
	case <-f.stopped:
	case <-ctx.Done():
		f.cancel()
		<-f.stopped
	}
	f.cancel()
	return f.dropped.Load()
}
