package router

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"mlx/internal/fault"
)

// quiet is how long no request must have come until idle connections are cut at the end.
const quiet = 3 * time.Second

// Inherited are the listeners that a supervisor holds, and hands to each router that it starts: connections that come while none runs wait.
func Inherited(files ...*os.File) ([]net.Listener, error) {
	var list []net.Listener
	for _, f := range files {
		l, err := net.FileListener(f)
		if err != nil {
			return nil, fault.New(fault.Unavailable, "cannot take over the listener %s: %w", f.Name(), err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		list = append(list, l)
		f.Close()
	}
	return list, nil
}

// run serves until ctx ends or somebody asks it to drain.
func (r *router) run(ctx context.Context) error {
	s := r.o.Settings
	server := r.o.listen(&http.Server{Handler: r, IdleTimeout: s.Limits.Idle, ConnState: r.follow, Protocols: new(http.Protocols)})
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(s.TLS != nil)
	server.Protocols.SetUnencryptedHTTP2(s.TLS == nil)
	if s.TLS != nil {
		certificates, err := newCertificates(*s.TLS, r.o.Log.Warn)
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificates.get}
		defer certificates.watch()()
	}
	control, err := r.listenControl()
	if err != nil {
		return err
	}
	defer control.close()
	if s.Metrics != "" {
		metrics, err := r.listenMetrics(s.Metrics)
		if err != nil {
			return err
		}
		defer func() { _ = metrics.Close() }() // nothing is written there
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	if c := r.o.Carrier; c != nil {
		defer r.carryOn(watching)()
	} else if s.Health.Path != "" {
		go r.watch(watching)
	}
	var lost <-chan error
	if r.o.Await > 0 { // whoever started it need not wait
		r.ready()
		if r.await(ctx) {
			lost = r.accept(server)
		}
	} else {
		lost = r.accept(server)
		r.ready()
	}
	select {
	case <-ctx.Done():
	case <-r.drain:
	case err = <-lost:
		err = fault.New(fault.Unavailable, "cannot go on: a listener of the router is lost: %w", err)
	}
	r.end(ctx, server)
	return err
}

func (r *router) ready() {
	if r.o.Ready != nil {
		r.o.Ready()
	}
}

// accept serves each listener. What it returns tells of one that was lost.
func (r *router) accept(server *http.Server) <-chan error {
	lost := make(chan error, len(r.o.Listeners))
	for _, l := range r.o.Listeners {
		go func() {
			var err error
			if server.TLSConfig != nil {
				err = server.ServeTLS(l, "", "")
			} else {
				err = server.Serve(l)
			}
			if !r.draining.Load() {
				lost <- err
			}
		}()
	}
	return lost
}

// follow counts the connections of clients.
func (r *router) follow(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		r.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		r.conns.Add(-1)
	default:
	}
}

// end takes no more connections, and lets those that there are end: each with its next answer, in which the client reads that it is the
// last one. Cutting an idle connection could meet a request that was just sent on it.
func (r *router) end(ctx context.Context, server *http.Server) {
	ctx = context.WithoutCancel(ctx)
	r.draining.Store(true)
	for _, l := range r.o.Listeners {
		_ = l.Close() // the supervisor has it still
	}
	over := time.NewTimer(r.o.Settings.Drain)
	defer over.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	seen, since := int64(-1), r.clock()
	for waiting := true; waiting; {
		select {
		case <-over.C:
			waiting = false
		case <-tick.C:
			if late := r.late.Load(); late != seen || r.all.inside() > 0 {
				seen, since = late, r.clock()
			}
			waiting = r.conns.Load() > 0 && r.clock()-since < int64(quiet) || r.all.inside() > 0
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		r.o.Log.Warn("requests were cut off at the end", "under_way", r.all.inside())
		_ = server.Close()
	}
	r.stop()
	r.copies.rest()
	if r.spans != nil {
		<-r.spans.Done()
	}
	r.mu.Lock()
	if r.lease != nil {
		r.lease.Stop()
	}
	r.mu.Unlock()
	r.stores.Wait()
}

// certificates are read again when their files change.
type certificates struct {
	files TLS
	warn  func(string, ...any)
	mu    sync.RWMutex
	now   *tls.Certificate
	stamp [2]time.Time
}

// lookEvery is how often the files of a certificate are looked at.
const lookEvery = time.Second

func newCertificates(files TLS, warn func(string, ...any)) (*certificates, error) {
	c := &certificates{files: files, warn: warn}
	if err := c.load(); err != nil {
		return nil, fault.New(fault.Usage, "cannot use the certificate of the router: %w", err)
	}
	return c, nil
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.now, nil
}

// load reads both files if one of them is another one.
func (c *certificates) load() error {
	var stamp [2]time.Time
	for i, name := range []string{c.files.Cert, c.files.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		stamp[i] = info.ModTime()
	}
	if stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.stamp = &pair, stamp
	return nil
}

// watch looks at the files until it is stopped. Half of a new pair is no pair: the old one stays until both files fit.
func (c *certificates) watch() (stop func()) {
	tick, end := time.NewTicker(lookEvery), make(chan struct{})
	go func() {
		said := ""
		for {
			select {
			case <-end:
				tick.Stop()
				return
			case <-tick.C:
				err := c.load()
				if err != nil && err.Error() != said {
					said = err.Error()
					c.warn("the certificate stays the old one", "error", err)
				}
			}
		}
	}()
	return func() { close(end) }
}

// errNoLoopback: what counts is nobody else's business.
var errNoLoopback = errors.New("it is no address of this machine alone")

func (r *router) listenMetrics(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		err = errNoLoopback
	}
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", address)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot show metrics at %.100q: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", r.serveMetrics)
	server := r.o.listen(&http.Server{Handler: mux})
	go func() { _ = server.Serve(l) }() // ends with the listener
	return l, nil
}
