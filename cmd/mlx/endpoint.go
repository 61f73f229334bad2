package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog" //nolint:depguard // http.Server logs with nothing else: it is told to keep silent
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/tracking"
)

// Limits of what somebody who speaks HTTP may take. A body may take as long as it needs while bytes come: models are large.
const (
	endpointHeaderTime = 10 * time.Second
	endpointStillTime  = time.Minute      // without a byte in the middle of a request
	endpointIdleTime   = 10 * time.Minute // between two requests; clients keep connections between the steps of a training
	endpointMaxHeader  = 64 << 10
	endpointDrain      = 2 * time.Second // for requests under way when the command has ended
)

// trackingDir is where the endpoints of a repository keep what is not in the ledger yet.
func trackingDir(r *repo.Repo) string { return filepath.Join(r.Home, "tracking") }

// endpoint is what clients of MLflow speak to while this process runs. What stands behind it is made when the first of them calls.
type endpoint struct {
	url    string
	token  string
	http   *http.Server
	served sync.WaitGroup
	broken chan error // it serves no longer, and nobody asked for that

	calls  atomic.Int64
	server func() (*tracking.Server, error)
	made   atomic.Pointer[tracking.Server]
}

// endpointOptions say where an endpoint listens and for whom.
type endpointOptions struct {
	address string
	token   string
	tls     *tls.Config
	hosts   []string // names that requests may be for, beside those of the loopback

	runner run.Runner
	base   func() (run.Body, error)      // what runs that begin here have in common
	joined func() object.Digest          // the run that clients are part of; nil: none
	tell   func(format string, a ...any) // of what a client cannot be told
}

// openEndpoint listens. It answers from then on, and costs nothing until somebody asks.
func (a *app) openEndpoint(o endpointOptions) (*endpoint, error) {
	l, err := net.Listen("tcp", o.address)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot listen on %s: %w", o.address, err)
	}
	e := &endpoint{url: "http://" + l.Addr().String(), token: o.token, broken: make(chan error, 1)}
	if o.tls != nil {
		e.url = "https://" + l.Addr().String()
		l = tls.NewListener(l, o.tls)
	}
	e.server = sync.OnceValues(func() (*tracking.Server, error) { return a.trackingServer(e, o) })
	e.http = &http.Server{
		Handler: e, ReadHeaderTimeout: endpointHeaderTime, IdleTimeout: endpointIdleTime, MaxHeaderBytes: endpointMaxHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), // of clients that went away or spoke no HTTP
	}
	e.served.Go(func() {
		if err := e.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			e.broken <- err
		}
	})
	return e, nil
}

// trackingServer makes what answers.
func (a *app) trackingServer(e *endpoint, o endpointOptions) (*tracking.Server, error) {
	base, err := o.base()
	if err != nil {
		return nil, err
	}
	t, err := a.trackingOptions(o.runner)
	if err != nil {
		return nil, err
	}
	k := &asked{app: a}
	t.Base, t.Token, t.Hosts, t.Joined, t.Allow, t.Fetch = base, o.token, o.hosts, o.joined, k.allow, k.fetch
	t.Trouble = func(err error) { o.tell("%v", err) }
	s := tracking.New(t)
	e.made.Store(s)
	return s, nil
}

// trackingOptions are what every endpoint of this repository has in common.
func (a *app) trackingOptions(runner run.Runner) (tracking.Options, error) {
	r, err := a.repo()
	if err != nil {
		return tracking.Options{}, err
	}
	models, err := a.registry() // which other processes change at the same time
	return tracking.Options{
		Runner: runner, History: a.history(runner.Ledger), Registry: models, Ledger: runner.Ledger, Store: runner.Store, Now: a.now, Dir: trackingDir(r),
		Peer: func(client, server string) tracking.Peer { p, _ := run.PeerOf(client, server); return tracking.Peer(p) },
	}, err
}

// cleanTracking removes what endpoints left behind that were killed. It costs nothing where no client ever called.
func (a *app) cleanTracking(ctx context.Context) error {
	r, err := a.repo()
	if err != nil {
		return nil //nolint:nilerr // a store may be collected from outside a repository
	}
	if _, err := os.Stat(trackingDir(r)); err != nil {
		return nil //nolint:nilerr // nothing is there
	}
	runner, err := a.runner()
	if err != nil {
		return err
	}
	o, err := a.trackingOptions(runner)
	if err != nil {
		return err
	}
	o.Trouble = func(err error) { a.streams.Note("%v", err) }
	s := tracking.New(o)
	return errors.Join(s.Clean(ctx), s.Close(ctx))
}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/health" {
		e.calls.Add(1)
	}
	s, err := e.server()
	if err != nil {
		http.Error(w, `{"error_code":"INTERNAL_ERROR","message":"the repository cannot be opened"}`, http.StatusInternalServerError)
		return
	}
	r.Body = &patient{ReadCloser: r.Body, on: http.NewResponseController(w)}
	s.ServeHTTP(w, r)
}

// drain takes no more requests, and waits for those under way.
func (e *endpoint) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endpointDrain)
	defer cancel()
	err := e.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = e.http.Close() // who still sends has outlived the command
	}
	e.served.Wait()
	return err
}

// close also records what is not recorded yet. state is what became of the command that the clients were part of; empty: they go on.
func (e *endpoint) close(ctx context.Context, state run.State) error {
	err := e.drain(ctx)
	if s := e.made.Load(); s != nil {
		err = errors.Join(err, s.CloseAs(ctx, state))
	}
	return err
}

// patient is a body that may take as long as bytes come.
type patient struct {
	io.ReadCloser
	on *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.on.SetReadDeadline(time.Now().Add(endpointStillTime))
	n, err := p.ReadCloser.Read(b)
	if err != nil {
		_ = p.on.SetReadDeadline(time.Time{}) // the answer may take longer
	}
	return n, err
}

// newToken is a secret for one endpoint.
func newToken() string { return strings.ToLower(rand.Text()) }
