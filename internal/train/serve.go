package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/snapshot"
)

// ServeOptions say what a node offers on a link.
type ServeOptions struct {
	Root    string // absolute; everything that is named lies below it. It is made when it is not there
	Store   *snapshot.Store
	Now     func() time.Time
	Version string // of mlx
	Host    string
	Program string // absolute path of mlx

	// Records calls each with the text of every record in the ledger of a job, given the folder of the job.
	Records func(ctx context.Context, dir string, each func(record []byte)) error
}

// maxCalls is how many calls of a link are in progress at once.
const maxCalls = 64

// Serve answers the calls of a link until the connection ends.
func Serve(ctx context.Context, rw io.ReadWriteCloser, o ServeOptions) error {
	return serve(ctx, rw, o, beatEvery)
}

func serve(ctx context.Context, rw io.ReadWriteCloser, o ServeOptions, beat time.Duration) error {
	if err := os.MkdirAll(o.Root, 0o700); err != nil {
		return fmt.Errorf("make the folder of the node: %w", err)
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return fmt.Errorf("open the folder of the node: %w", err)
	}
	defer func() { _ = root.Close() }() // it was only looked through
	ctx, cancel := context.WithCancel(ctx)
	v := &server{o: o, root: root, w: newWire(rw), ctx: ctx, calls: map[uint32]*serverCall{}}
	go v.run(beat)
	select {
	case <-v.w.dead:
	case <-ctx.Done():
		v.w.fail(context.Cause(ctx))
	}
	cancel()
	v.group.Wait()
	err = v.release()
	if errors.Is(v.w.err, io.EOF) {
		return err
	}
	return errors.Join(v.w.err, err)
}

// server is one Serve.
type server struct {
	o    ServeOptions
	root *os.Root
	w    *wire
	ctx  context.Context //nolint:containedctx // of the link: calls are made from frames that arrive

	mu       sync.Mutex
	group    sync.WaitGroup
	calls    map[uint32]*serverCall
	releases []func() error // of versions that the other side was told of
}

// serverCall is a call in progress.
type serverCall struct {
	*stream
	stop context.CancelFunc
}

// run reads frames until the connection ends.
func (v *server) run(beat time.Duration) {
	err := v.w.magic()
	if err == nil {
		line := make([]byte, len(linkMagic))
		if _, err = io.ReadFull(v.w.r, line); err == nil && string(line) != linkMagic {
			err = fault.New(fault.Conflict, "who called speaks %.40q, not %q", line, linkMagic)
		}
	}
	if err == nil {
		go v.w.watch(v.ctx, beat)
		err = v.w.read(v.arrived)
	}
	v.w.fail(err)
}

// arrived does what a frame says. It never waits.
func (v *server) arrived(f frame) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.calls[f.call]
	switch f.kind {
	case frameBeat:
		return nil
	case frameReply:
		return fault.New(fault.Integrity, "a reply from who should ask")
	case frameCall:
		return v.begin(f)
	case frameStop:
		if c != nil {
			c.stop()
		}
		return nil
	case frameData, frameEnd, frameAck:
	}
	if c == nil {
		v.w.free(f.payload)
		return nil
	}
	return c.take(f)
}

// begin starts the call of a frame.
func (v *server) begin(f frame) error {
	if v.calls[f.call] != nil {
		return fault.New(fault.Integrity, "two calls with one number")
	}
	if v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	ctx, stop := context.WithCancel(v.ctx)
	c := &serverCall{stream: newStream(ctx, v.w, f.call), stop: stop}
	full := len(v.calls) >= maxCalls
	v.calls[f.call] = c
	v.group.Go(func() {
		defer stop()
		var r reply
		var err error
		if full {
			err = fault.New(fault.Unavailable, "more than %d calls at once", maxCalls)
		} else {
			r, err = v.answer(ctx, c, f.payload)
		}
		if err != nil {
			r = failure(err)
		}
		v.mu.Lock()
		delete(v.calls, f.call)
		v.mu.Unlock()
		_ = v.w.send(frameReply, f.call, r.encode()) // an error has ended the wire
	})
	return nil
}

// answer executes one request.
func (v *server) answer(ctx context.Context, c *serverCall, text []byte) (reply, error) {
	q, err := parseRequest(text)
	if err != nil {
		return reply{}, err
	}
	switch q.Op {
	case opHello:
		n := v.node(ctx)
		return reply{Node: &n}, nil
	case opHave:
		return v.have(ctx, q)
	case opHolds:
		return reply{}, v.holds(c)
	case opPutBundle:
		return reply{}, v.putBundle(ctx, c)
	case opGetBundle:
		return reply{}, v.getBundle(ctx, c, q)
	case opWrite:
		return reply{}, v.write(c, q)
	case opRead:
		return reply{}, v.read(c, q)
	case opList:
		return reply{}, v.list(c, q)
	case opRemove:
		return reply{}, v.remove(q)
	case opExec:
		return v.exec(ctx, c, q)
	case opTidy:
		n, err := v.tidy(ctx, q.Limit)
		return reply{Bytes: n}, err
	case opFollow:
		return reply{}, v.follow(ctx, c, q)
	}
	return reply{}, fault.New(fault.Usage, "mlx %s here does not know the operation %.40q", v.o.Version, q.Op).
		Hint("mlx version   # use the same mlx on both sides")
}

func (v *server) keep(release func() error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.releases = append(v.releases, release)
}

// release lets go of the versions that were told of or brought.
func (v *server) release() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for _, r := range v.releases {
		errs = append(errs, r())
	}
	v.releases = nil
	return errors.Join(errs...)
}
