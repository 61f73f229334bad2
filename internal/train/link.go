package train

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Link speaks with `mlx agent serve` on a node. Any number of goroutines may call at once; calls do not wait for each
// other. Errors that the node tells of have their kind, and say so.
type Link struct {
	w     *wire
	stop  context.CancelFunc
	ready chan struct{} // closed when mlx has answered

	mu    sync.Mutex
	calls map[uint32]*stream
	count uint32
	name  string // of the node, once it is known
}

// maxBanner is how much the node may print before mlx answers: what the shell's start-up files say.
const maxBanner = 64 << 10

// NewLink begins to speak on a connection. Whether mlx answers there is told by the first call.
func NewLink(rw io.ReadWriteCloser) *Link { return newLink(rw, beatEvery) }

func newLink(rw io.ReadWriteCloser, beat time.Duration) *Link {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Link{w: newWire(rw), stop: cancel, ready: make(chan struct{}), calls: map[uint32]*stream{}, name: "the node"}
	go func() {
		if err := l.greet(); err != nil {
			l.w.fail(err)
			return
		}
		close(l.ready)
		go l.w.watch(ctx, beat)
		l.w.fail(lost(l.w.read(l.arrived)))
	}()
	return l
}

// greet sends the first line, and waits for that of the node.
func (l *Link) greet() error {
	sent := make(chan error, 1)
	go func() { sent <- l.w.magic() }()
	said, err := skipBanner(l.w.r)
	if err != nil {
		return silence(said, err)
	}
	if err := <-sent; err != nil {
		return lost(err)
	}
	return nil
}

// skipBanner reads up to the first line of the protocol, and returns what stood before it.
func skipBanner(r *bufio.Reader) (said []byte, err error) {
	for len(said) < maxBanner {
		line, err := r.ReadSlice('\n')
		if bytes.HasSuffix(line, []byte(linkMagic)) {
			return said, nil
		}
		said = append(said, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return said, err
		}
		if i := bytes.LastIndex(line, []byte("mlx link ")); i >= 0 && err == nil {
			return said, fault.New(fault.Conflict, "the mlx on the node speaks %.40q, this one %q", bytes.TrimSpace(line[i:]), strings.TrimSpace(linkMagic)).
				Hint("mlx version   # use the same mlx on both sides")
		}
	}
	return said, fault.New(fault.Unavailable, "it said too much")
}

// silence says what the node said instead of answering.
func silence(said []byte, err error) error {
	if fault.KindOf(err) == fault.Conflict {
		return err
	}
	if text := strings.TrimSpace(string(said)); text != "" {
		return fault.New(fault.Unavailable, "mlx did not answer on the node, which said %.400q", text)
	}
	return fault.New(fault.Unavailable, "mlx did not answer on the node: the connection ended at once").
		Hint("mlx backend check NAME   # whether it can be reached, and runs mlx")
}

// arrived hands a frame to the call that it belongs to. Of a call that nobody waits for any more it is dropped.
func (l *Link) arrived(f frame) error {
	if f.kind == frameBeat {
		return nil
	}
	l.mu.Lock()
	s := l.calls[f.call]
	l.mu.Unlock()
	if s == nil {
		l.w.free(f.payload)
		return nil
	}
	if f.kind == frameReply {
		l.forget(f.call)
		defer close(s.over)
	}
	return s.take(f)
}

func (l *Link) forget(call uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.calls, call)
}

// call is one operation: up, when not nil, sends data; down, when not nil, is given those that come.
func (l *Link) call(ctx context.Context, q request, up func(io.Writer) error, down func([]byte) error) (reply, error) {
	text, err := json.Marshal(q)
	if err == nil && len(text) > maxMessage {
		err = fault.New(fault.Usage, "a request of %d bytes is too long", len(text))
	}
	if err != nil {
		return reply{}, err
	}
	select { // what stands in the way of the first word is told better by who reads than by who writes
	case <-l.ready:
	case <-l.w.dead:
		return reply{}, l.w.err
	case <-ctx.Done():
		return reply{}, context.Cause(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.count++
	s := newStream(ctx, l.w, l.count)
	l.calls[s.call] = s
	l.mu.Unlock()
	defer l.forget(s.call)
	if err := l.w.send(frameCall, s.call, text); err != nil {
		return reply{}, err
	}
	sent := make(chan error, 1)
	go func() { sent <- s.upload(up) }()
	r, err := l.answer(s, down)
	cancel()
	upErr := <-sent
	if upErr != nil && !errors.Is(upErr, errOver) && !errors.Is(upErr, context.Canceled) {
		return reply{}, upErr // of which the node only tells that the sender broke off
	}
	if err != nil {
		return reply{}, err
	}
	return r, r.err(l.node())
}

// upload sends what a call sends.
func (s *stream) upload(up func(io.Writer) error) error {
	if up == nil {
		return nil
	}
	if err := up(s); err != nil {
		text := strings.ToValidUTF8(err.Error(), "?")
		_ = s.w.send(frameEnd, s.call, []byte(text[:min(len(text), 1000)])) // the first error is the one that matters
		return err
	}
	return s.w.send(frameEnd, s.call, nil)
}

// answer takes the data of a call, up to its reply.
func (l *Link) answer(s *stream, down func([]byte) error) (reply, error) {
	for {
		f, err := s.next()
		if err == nil && f.kind == frameReply {
			var r reply
			if err := json.Unmarshal(f.payload, &r); err != nil {
				return r, fault.New(fault.Integrity, "cannot read the node's answer: %w", err)
			}
			return r, nil
		}
		if err == nil && down != nil && f.kind == frameData {
			err = down(f.payload)
		}
		if err == nil {
			err = s.done(f.payload)
		}
		if err != nil {
			_ = l.w.send(frameStop, s.call, nil) // the first error is the one that matters
			return reply{}, err
		}
	}
}

func (l *Link) node() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.name
}

// Hello asks what the node is.
func (l *Link) Hello(ctx context.Context) (Node, error) {
	r, err := l.call(ctx, request{Op: opHello}, nil, nil)
	if err != nil {
		return Node{}, err
	}
	if r.Node == nil {
		return Node{}, fault.New(fault.Integrity, "the node did not say what it is")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Node.Host != "" {
		l.name = r.Node.Host
	}
	return *r.Node, nil
}

// Have asks which versions the node's store has whole. What it has stays there while the link lasts.
func (l *Link) Have(ctx context.Context, roots []object.Digest) ([]bool, error) {
	r, err := l.call(ctx, request{Op: opHave, Roots: roots}, nil, nil)
	if err == nil && len(r.Have) != len(roots) {
		err = fault.New(fault.Integrity, "asked of %d versions, told of %d", len(roots), len(r.Have))
	}
	return r.Have, err
}

// Tidy has the node remove what nobody needs any more: old folders of jobs, and of its store, where that has more than limit
// bytes, what no job names. 0 is no limit. It returns the bytes of the store.
func (l *Link) Tidy(ctx context.Context, limit int64) (int64, error) {
	r, err := l.call(ctx, request{Op: opTidy, Limit: limit}, nil, nil)
	return r.Bytes, err
}

// Dead says whether the connection has ended: nothing can be asked on it any more.
func (l *Link) Dead() bool {
	select {
	case <-l.w.dead:
		return true
	default:
		return false
	}
}

// Close ends the connection. Jobs on the node go on.
func (l *Link) Close() error {
	l.stop()
	l.w.fail(fault.New(fault.Interrupted, "the connection to the node was closed"))
	return nil
}
