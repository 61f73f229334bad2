package bucket

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	connectTime = 10 * time.Second
	headerTime  = 60 * time.Second
	silence     = 60 * time.Second // without a byte in either direction, a connection is dead
	idleTime    = 45 * time.Second // shorter than silence: the pool lets go first
	idleConns   = 64
)

// wire is how requests reach a server: its time-outs, and what the replies tell of the server's clock.
type wire struct {
	now func() time.Time // may be nil

	mu   sync.Mutex
	skew time.Duration // of the server's clock against ours
	seen bool
}

// tune sets the time-outs of a transport. It keeps proxies and certificates as they are.
func tune(t *http.Transport) {
	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newAlive(c), nil
	}
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = connectTime, headerTime
	t.IdleConnTimeout, t.MaxIdleConns, t.MaxIdleConnsPerHost = idleTime, idleConns, idleConns
	t.WriteBufferSize, t.ReadBufferSize = 256<<10, 256<<10
	t.DisableCompression = true
}

// transport returns a new transport for the clouds whose libraries do not bring their own.
func (w *wire) transport() *http.Transport {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	tune(t)
	return t
}

// saw notes the Date of a reply.
func (w *wire) saw(resp *http.Response, err error) (*http.Response, error) {
	if err != nil || w.now == nil {
		return resp, err
	}
	if date, bad := http.ParseTime(resp.Header.Get("Date")); bad == nil {
		w.mu.Lock()
		w.skew, w.seen = date.Sub(w.now()), true
		w.mu.Unlock()
	}
	return resp, nil
}

func (w *wire) clock() (skew time.Duration, seen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skew, w.seen
}

// watch is a round tripper whose replies wire sees.
type watch struct {
	wire *wire
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w watch) RoundTrip(r *http.Request) (*http.Response, error) {
	return w.wire.saw(w.next.RoundTrip(r))
}

// alive is a connection that breaks when nothing moves for too long while someone waits.
type alive struct {
	net.Conn
	mu      sync.Mutex
	waiting int
	timer   *time.Timer
	dead    bool
}

func newAlive(c net.Conn) *alive {
	a := &alive{Conn: c}
	a.timer = time.AfterFunc(silence, a.kill)
	a.timer.Stop()
	return a
}

func (a *alive) kill() {
	a.mu.Lock()
	a.dead = true
	a.mu.Unlock()
	_ = a.Conn.Close() // what was being read fails, and that is the point
}

// moved begins the time anew. delta is +1 where a wait begins, and -1 where it ends.
func (a *alive) moved(delta int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting += delta
	if a.waiting > 0 {
		a.timer.Reset(silence)
	} else {
		a.timer.Stop()
	}
}

func (a *alive) result(n int, err error) (int, error) {
	a.moved(-1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && a.dead {
		return n, silent{}
	}
	return n, err
}

// Read implements net.Conn.
func (a *alive) Read(p []byte) (int, error) {
	a.moved(1)
	return a.result(a.Conn.Read(p))
}

// Write implements net.Conn.
func (a *alive) Write(p []byte) (int, error) {
	a.moved(1)
	return a.result(a.Conn.Write(p))
}

// silent is the error of a connection that nothing came through. It is a net.Error that is a time-out.
type silent struct{}

func (silent) Error() string   { return "nothing came for a minute" }
func (silent) Timeout() bool   { return true }
func (silent) Temporary() bool { return true }
