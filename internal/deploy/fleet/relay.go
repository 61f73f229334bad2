package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
)

// question is what a relay is asked.
type question struct {
	ID      uint64          `json:"id"`
	Desired *deploy.Desired `json:"desired,omitempty"` // apply it; without: how is it
	What    string          `json:"what,omitempty"`    // or something else, of which Of says more
	Of      json.RawMessage `json:"of,omitempty"`
}

// answer is what it says.
type answer struct {
	ID     uint64          `json:"id"`
	Actual *deploy.Actual  `json:"actual,omitempty"`
	What   string          `json:"what,omitempty"` // as in the question that it answers
	Of     json.RawMessage `json:"of,omitempty"`
	Trouble
}

// Trouble is an error on its way.
type Trouble struct {
	Error string   `json:"error,omitempty"`
	Kind  string   `json:"error_kind,omitempty"` // stale, gone, refused, or that of a fault
	Hints []string `json:"hints,omitempty"`
}

const (
	kindStale   = "stale"
	kindGone    = "gone"
	kindRefused = "refused"
)

func troubleOf(err error) Trouble {
	if err == nil {
		return Trouble{}
	}
	t := Trouble{Error: err.Error(), Kind: fault.KindOf(err).String(), Hints: fault.Hints(err)}
	switch {
	case errors.Is(err, deploy.ErrStale):
		t.Kind = kindStale
	case errors.Is(err, local.ErrNotRunning):
		t.Kind = kindGone
	case errors.Is(err, ErrDenied):
		t.Kind = kindRefused
	}
	return t
}

// ErrGone says that the service does not run on a host.
var ErrGone error = fault.New(fault.Unavailable, "mlx service run does not run there")

// ErrDenied says that the user of a host has not allowed what the service runs there.
var ErrDenied error = fault.New(fault.Denied, "what it runs is not allowed there")

func (t Trouble) err() error {
	switch t.Kind {
	case "":
		return nil
	case kindStale:
		return deploy.ErrStale
	case kindGone:
		return ErrGone
	case kindRefused:
		return ErrDenied
	}
	kind := fault.Unavailable
	for k := fault.Internal; k <= fault.Interrupted; k++ {
		if k.String() == t.Kind {
			kind = k
		}
	}
	e := fault.New(kind, "%s", t.Error)
	e.Hints = t.Hints
	return e
}

// Answerer is a target that can be asked more than what every target is asked.
type Answerer interface {
	Answer(ctx context.Context, what string, of json.RawMessage) (any, error)
}

// answered is what a target says to a question.
func answered(ctx context.Context, target deploy.Driver, service string, q question) answer {
	a := answer{ID: q.ID, What: q.What}
	more, knows := target.(Answerer)
	switch {
	case q.What != "" && !knows:
		a.Trouble = troubleOf(fault.New(fault.Unavailable, "it cannot be asked for %s", q.What))
	case q.What != "":
		said, err := more.Answer(ctx, q.What, q.Of)
		if err == nil {
			a.Of, err = json.Marshal(said)
		}
		a.Trouble = troubleOf(err)
	case q.Desired != nil:
		a.Trouble = troubleOf(target.Apply(ctx, *q.Desired))
	default:
		seen, err := target.Observe(ctx, service)
		a.Actual, a.Trouble = &seen, troubleOf(err)
	}
	return a
}

// Serve relays what is asked on in to a target, until in ends. Several questions may be under way at a time.
func Serve(ctx context.Context, in io.Reader, out io.Writer, service string, target deploy.Driver) error {
	if _, err := io.WriteString(out, Greeting+"\n"); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var answering sync.WaitGroup
	defer answering.Wait()
	defer stop()
	r, mu := bufio.NewReader(in), &sync.Mutex{}
	places := make(chan struct{}, maxUnderWay)
	for {
		var q question
		if err := readFrame(r, &q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fault.New(fault.Usage, "cannot read what is asked: %w", err)
		}
		places <- struct{}{}
		answering.Go(func() {
			defer func() { <-places }()
			_ = writeFrame(out, mu, answered(ctx, target, service, q)) // who asked is gone otherwise, and in ends
		})
	}
}

// maxUnderWay bounds how much is done at a time for one who asks.
const maxUnderWay = 16

// Remote is a target at the other end of a connection to a relay. It connects when it is first asked, and again when the connection was lost.
type Remote struct {
	// Dial connects to a relay.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)

	mu   sync.Mutex
	conn *conn
}

var _ deploy.Driver = (*Remote)(nil)

// Apply asks the target for a state.
func (m *Remote) Apply(ctx context.Context, d deploy.Desired) error {
	a, err := m.ask(ctx, question{Desired: &d})
	if err != nil {
		return err
	}
	return a.err()
}

// Observe asks the target how it is.
func (m *Remote) Observe(ctx context.Context, _ string) (deploy.Actual, error) {
	a, err := m.ask(ctx, question{})
	switch {
	case err != nil:
		return deploy.Actual{}, err
	case a.Actual == nil && a.Kind == "":
		return deploy.Actual{}, fault.New(fault.Integrity, "the relay there answers without saying how it is")
	case a.Kind != "":
		return deploy.Actual{}, a.err()
	}
	return *a.Actual, nil
}

// Ask asks for something else that an Answerer knows; its answer is put in said.
func (m *Remote) Ask(ctx context.Context, what string, of, said any) error {
	text, err := json.Marshal(of)
	if err != nil {
		return err
	}
	a, err := m.ask(ctx, question{What: what, Of: text})
	if err != nil {
		return err
	}
	if err := a.err(); err != nil {
		return err
	}
	if a.What != what {
		return fault.New(fault.Unavailable, "mlx there is older than mlx here, and cannot be asked for %s", what)
	}
	return json.Unmarshal(a.Of, said)
}

// Close ends the connection.
func (m *Remote) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return nil
	}
	c := m.conn
	m.conn = nil
	return c.end(errors.New("it was closed"))
}

// ask asks once, and once more where a connection that was open has ended meanwhile: both questions may be asked twice.
func (m *Remote) ask(ctx context.Context, q question) (answer, error) {
	c, fresh, err := m.connection(ctx)
	if err != nil {
		return answer{}, err
	}
	a, err := c.ask(ctx, q)
	if err == nil || fresh || ctx.Err() != nil {
		return a, err
	}
	if c, _, err = m.connection(ctx); err != nil {
		return a, err
	}
	return c.ask(ctx, q)
}

// connection is the one that is open, or a new one.
func (m *Remote) connection(ctx context.Context) (c *conn, fresh bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil && m.conn.open() {
		return m.conn, false, nil
	}
	pipe, err := m.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	c = &conn{pipe: pipe, waiting: map[uint64]chan answer{}, over: make(chan struct{}), ready: make(chan struct{})}
	go c.read()
	select {
	case <-c.ready:
	case <-c.over:
		return nil, false, c.why()
	case <-ctx.Done():
		return nil, false, errors.Join(ctx.Err(), c.end(ctx.Err()))
	}
	m.conn = c
	return c, true, nil
}

// conn is a connection to a relay.
type conn struct {
	pipe  io.ReadWriteCloser
	write sync.Mutex
	ready chan struct{}
	over  chan struct{}

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan answer
	ended   error
}

func (c *conn) open() bool {
	select {
	case <-c.over:
		return false
	default:
		return true
	}
}

func (c *conn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// end closes the connection, for the first reason that is given.
func (c *conn) end(why error) error {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return nil
	}
	c.ended = why
	close(c.over)
	c.mu.Unlock()
	return c.pipe.Close()
}

func (c *conn) read() {
	r := bufio.NewReader(c.pipe)
	err := greeted(r)
	if err == nil {
		close(c.ready)
	}
	for err == nil {
		var a answer
		if err = readFrame(r, &a); err != nil {
			break
		}
		c.mu.Lock()
		if waits := c.waiting[a.ID]; waits != nil {
			delete(c.waiting, a.ID)
			waits <- a
		}
		c.mu.Unlock()
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the relay there has ended")
	}
	if fault.KindOf(err) == fault.Internal {
		err = fault.New(fault.Unavailable, "%w", err)
	}
	_ = c.end(err) // what is lost is said by err
}

func (c *conn) ask(ctx context.Context, q question) (answer, error) {
	got := make(chan answer, 1)
	c.mu.Lock()
	c.last++
	q.ID = c.last
	c.waiting[q.ID] = got
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, q.ID)
		c.mu.Unlock()
	}()
	// A relay that reads nothing any more has filled the pipe: it answers nobody else either.
	unread := context.AfterFunc(ctx, func() { _ = c.end(fault.New(fault.Unavailable, "it takes no question any more: %w", ctx.Err())) })
	err := writeFrame(c.pipe, &c.write, q)
	if unread(); err != nil {
		_ = c.end(fault.New(fault.Unavailable, "%w", err))
		return answer{}, c.why()
	}
	select {
	case a := <-got:
		return a, nil
	case <-c.over:
		return answer{}, c.why()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("it does not answer: %w", ctx.Err())
	}
}
