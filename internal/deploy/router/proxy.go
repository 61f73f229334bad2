package router

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router/internal/answer"
)

// errNoServer: an arm has none that could be asked.
var errNoServer = errors.New("no server of the release accepts a connection")

// holdReply bounds an answer that is read whole before its first byte goes back, so that a server which dies meanwhile costs nobody an answer.
const holdReply = 64 << 10

func newTransport(l Limits, h2c bool) *http.Transport {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: l.Dial}).DialContext,
		MaxIdleConnsPerHost: l.Arm,
		IdleConnTimeout:     l.ServerIdle,
		DisableCompression:  true, // what the client did not ask for it does not get
	}
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(!h2c)
	t.Protocols.SetUnencryptedHTTP2(h2c)
	return t
}

func (r *router) transport(s *serving) *http.Transport {
	if s.H2C {
		return r.h2c
	}
	return r.plain
}

func (r *router) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:    r.rewrite,
		Transport:  roundTripper{},
		BufferPool: &buffers{},
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			if cause := context.Cause(req.Context()); cause != nil && !errors.Is(err, errTime) {
				err = cause // a broken connection is what a request sees whose time is over
			}
			x := exchangeOf(req.Context())
			if x.body.broken.Load() && statusOf(err) == http.StatusBadGateway {
				err = notWhole()
			}
			x.fail(w, err)
		},
		ErrorLog: r.o.listen(&http.Server{}).ErrorLog,
	}
}

// buffers are used again.
type buffers struct{ pool sync.Pool }

const copyBuffer = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, copyBuffer)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// roundTripper asks the servers of the arm of a request, and those of stable if that fails.
type roundTripper struct{}

func (roundTripper) RoundTrip(out *http.Request) (*http.Response, error) {
	x := exchangeOf(out.Context())
	if x.mirror {
		x.copied = out.Header.Clone()
	}
	x.sent = x.r.o.Now()
	resp, err := x.ask(x.arm, out)
	if err == nil {
		return x.take(x.arm, resp), nil
	}
	if x.arm.Role != deploy.Candidate || x.body.broken.Load() || !broken(out.Context(), err) {
		return nil, err
	}
	x.r.broke(x.t)
	s := x.arm.pool.serving.Load()
	// Who refused a connection has seen nothing of the request.
	if x.t.stable == nil || !x.body.again() || !s.Idempotent && !nothingSent(err) {
		return nil, err
	}
	x.retried = true
	x.t.stable.pool.claimed.Add(1)
	now := x.r.o.Now()
	x.broke, x.sent = now.Sub(x.sent), now
	if resp, err = x.ask(x.t.stable, out); err != nil {
		return nil, err
	}
	return x.take(x.t.stable, resp), nil
}

// broken: the server is the reason, and not the time or the client.
func broken(ctx context.Context, err error) bool {
	var long *http.MaxBytesError
	return ctx.Err() == nil && !errors.As(err, &long)
}

// nothingSent: there was no connection.
func nothingSent(err error) bool {
	var op *net.OpError
	return errors.Is(err, errNoServer) || errors.As(err, &op) && op.Op == "dial"
}

// ask tries servers of one arm until one takes the request.
func (x *exchange) ask(a *arm, out *http.Request) (*http.Response, error) {
	s := a.pool.serving.Load()
	var buffer [4]*server
	tried := buffer[:0]
	last := errNoServer
	for again := true; again; {
		b := a.pool.pick(s.list, tried, x.r.o.Settings.Balance, x.r.clock())
		if b == nil {
			return nil, last
		}
		tried = append(tried, b)
		resp, err := x.once(a, s, b, out)
		if err == nil {
			return resp, nil
		}
		last = err
		switch {
		case out.Context().Err() != nil:
			return nil, err
		case nothingSent(err):
			b.refuse(x.r.clock())
			again = x.body.again()
		default: // another server of stable can be asked once
			again = a.Role == deploy.Stable && s.Idempotent && x.body.whole && len(tried) == 1
		}
	}
	return nil, last
}

// once asks one server.
func (x *exchange) once(a *arm, s *serving, b *server, out *http.Request) (*http.Response, error) {
	attempt := *out
	target := *out.URL
	target.Host = b.address
	attempt.URL = &target
	if x.tries++; x.tries > 1 { // a transport that failed may still read what it was given
		attempt.Header = out.Header.Clone()
	}
	if out.Body != nil {
		attempt.Body = x.body.reader()
		if x.body.whole {
			attempt.GetBody = func() (io.ReadCloser, error) { return x.body.reader(), nil }
		}
	}
	replayable(attempt.Header, s.Idempotent)
	b.inFlight.Add(1)
	resp, err := x.r.transport(s).RoundTrip(&attempt)
	if err == nil && x.mayRetry(a, s) && x.body.whole && resp.ContentLength > 0 && resp.ContentLength <= holdReply && out.Method != http.MethodHead {
		held := bytes.NewBuffer(make([]byte, 0, resp.ContentLength+bytes.MinRead))
		_, err = held.ReadFrom(resp.Body) // to the end, where the trailers are
		resp.Body.Close()
		resp.Body = io.NopCloser(held)
	}
	if err != nil {
		b.inFlight.Add(-1)
		return nil, err
	}
	x.server = b
	return resp, nil
}

// replayable lets the transport ask once more by itself when an idle connection turns out to be closed: a server that hangs up between
// two requests has not failed. Without a value the header is not sent.
func replayable(h http.Header, idempotent bool) {
	const name = "Idempotency-Key"
	switch sent, ok := h[name]; {
	case idempotent && !ok:
		h[name] = []string{}
	case !idempotent && ok && len(sent) == 0:
		delete(h, name)
	}
}

// take notes whose answer it is, and follows it to its end.
func (x *exchange) take(a *arm, resp *http.Response) *http.Response {
	x.by, x.status = a, resp.StatusCode
	resp.Header.Del(idHeader)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.upgraded = true
		x.timer.Stop()
		x.done = x.r.o.Now()
		return resp
	}
	x.reply.begin(x, resp)
	if x.reply.stream {
		x.timer.Stop()
	}
	resp.Body = &x.reply
	return resp
}

// reply is the body of an answer on its way to the client. It keeps what goes by, up to a limit, unless it is a stream.
type reply struct {
	io.ReadCloser
	x            *exchange
	kind, coding string
	stage        string // that has answered, of a server that has some
	stream       bool
	held         bool // buffer has all of it
	complete     bool // the end was seen
	err          error
	buffer       []byte
	length       int64
	keep         bool
}

func (p *reply) begin(x *exchange, resp *http.Response) {
	p.ReadCloser, p.x = resp.Body, x
	p.kind, p.coding = resp.Header.Get("Content-Type"), resp.Header.Get("Content-Encoding")
	p.stage = resp.Header.Get(stageHeader)
	p.stream = answer.Streams(p.kind)
	limit := int64(x.r.o.Settings.Limits.Answer)
	p.keep = !p.stream && resp.ContentLength <= limit
	if p.keep && resp.ContentLength > 0 {
		p.buffer = make([]byte, 0, resp.ContentLength)
	}
}

func (p *reply) Read(to []byte) (int, error) {
	p.x.gives.Store(false)
	n, err := p.ReadCloser.Read(to)
	p.x.gives.Store(true)
	p.length += int64(n)
	if x := p.x; p.stream && x.req.ProtoMajor == 1 { // HTTP/2 would end a stream that is only quiet
		_ = http.NewResponseController(x.w).SetWriteDeadline(x.r.o.Now().Add(x.r.o.Settings.Limits.Time)) // for what comes next
	}
	if p.keep {
		if p.length > int64(p.x.r.o.Settings.Limits.Answer) {
			p.keep, p.buffer = false, nil
		} else {
			p.buffer = append(p.buffer, to[:n]...)
		}
	}
	switch {
	case err == io.EOF:
		p.complete, p.held = true, p.keep
		p.x.done = p.x.r.o.Now()
	case err != nil:
		p.err = err
		p.x.done = p.x.r.o.Now()
	}
	return n, err
}
