// Package meter hides how a pod counts what its model server answers: a router with one arm stands before the server, and tells on a port of
// its own what it has counted. The pod is not cut off while it ends: requests are taken until those who send them have heard of it, and the
// server is told to end when the last one is answered.
package meter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog" //nolint:depguard // the router reports to no other kind of logger
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
)

// Settings are what whoever made the pod says of what it serves.
type Settings struct {
	Service string `json:"service"`
	Release string `json:"release"` // key of the release that the pod serves
	// Ready are the paths at which the server says that it can work: the first one that answers 200 tells. Empty: a connection does.
	Ready []string `json:"ready,omitempty"`
	// Linger is how long requests are taken after the pod was told to end: who sends them hears of it later. 0: 5 s. Below zero: not at all.
	Linger time.Duration   `json:"linger,omitempty"`
	Server router.Servers  `json:"server"` // what is known of the server; its address is not said here
	Router router.Settings `json:"router"`
}

const (
	usualLinger = 5 * time.Second
	maxSettings = 4 << 20
)

// ReadSettings reads them as JSON.
func ReadSettings(text []byte) (Settings, error) {
	var s Settings
	if len(text) > maxSettings {
		return s, fault.New(fault.Usage, "cannot read the settings of the meter: they are longer than 4 MiB")
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fault.New(fault.Usage, "cannot read the settings of the meter: %w", err)
	}
	switch {
	case s.Service == "" || s.Release == "":
		return s, fault.New(fault.Usage, "cannot read the settings of the meter: they name no service and release")
	case len(s.Server.Addresses) > 0:
		return s, fault.New(fault.Usage, "cannot read the settings of the meter: the server has the address that --target says")
	}
	for _, p := range s.Ready {
		if p == "" || p[0] != '/' {
			return s, fault.New(fault.Usage, "cannot read the settings of the meter: %.100q is no path", p)
		}
	}
	if s.Linger == 0 {
		s.Linger = usualLinger
	}
	s.Linger = max(s.Linger, 0)
	return s, nil
}

// Options are what a meter is started with.
type Options struct {
	Settings Settings
	Target   int          // port at which the server answers
	Host     string       // of it; empty: 127.0.0.1
	Traffic  net.Listener // of requests; closed at the end
	Stats    net.Listener // of questions to the meter itself; closed at the end
	State    string       // folder of its own. What was counted there before is counted on
	Now      func() time.Time
	Log      *slog.Logger // what a person should see; nil: nobody
}

type meter struct {
	o       Options
	client  *router.Client
	probe   *http.Client
	routed  atomic.Bool   // the router knows the server
	ending  chan struct{} // the pod was told to end
	drained chan struct{} // and the last request is answered
	waiting atomic.Int64  // who waits for that

	breaks    *breaks
	listening atomic.Int64 // who waits for another break
}

// Run counts until ctx ends, and then until the requests under way are answered.
func Run(ctx context.Context, o Options) error {
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		return fault.New(fault.Unavailable, "cannot make the folder of the meter: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &meter{o: o, client: router.NewClient(o.State), ending: make(chan struct{}), drained: make(chan struct{}), probe: newProbe(), breaks: newBreaks()}
	stats := m.newServer()
	lost := make(chan error, 1)
	go func() { lost <- stats.Serve(o.Stats) }()

	routing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	routed, up := make(chan error, 1), make(chan struct{})
	go func() {
		// Whoever comes before the server is known waits for it: a meter that was started again has the routing of the one before.
		routed <- router.Run(routing, router.Options{
			Service: o.Settings.Service, Listeners: []net.Listener{o.Traffic}, State: o.State, Settings: o.Settings.Router, Now: o.Now, Log: o.Log,
			Sink: m.breaks.hear, Ready: func() { close(up) }, Await: usualLinger,
		})
	}()
	err := m.serve(ctx, up, routed, lost)
	close(m.ending)
	if err == nil {
		m.linger(routed)
	}
	stop()
	if routedErr, open := <-routed; open {
		err = errors.Join(err, routedErr)
	}
	close(m.drained)
	over, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = stats.Shutdown(over) // who still asks is not waited for
	return err
}

// serve tells the router of its one arm, and waits until ctx ends or something is lost.
func (m *meter) serve(ctx context.Context, up <-chan struct{}, routed chan error, lost <-chan error) error {
	select {
	case <-up:
		if err := m.route(ctx); err != nil {
			return err
		}
	case <-ctx.Done():
		return nil
	case err := <-routed:
		close(routed)
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-routed:
		close(routed)
		return err
	case err := <-lost:
		return fault.New(fault.Unavailable, "cannot go on: the port of the meter is lost: %w", err)
	}
}

// linger takes requests for some time.
func (m *meter) linger(routed chan error) {
	over := time.NewTimer(m.o.Settings.Linger)
	defer over.Stop()
	select {
	case <-over.C:
	case err := <-routed:
		routed <- err // Run reads it
	}
}

// route gives all requests to the server.
func (m *meter) route(ctx context.Context) error {
	s := m.o.Settings
	server := s.Server
	server.Addresses = []string{m.target()}
	if err := m.client.Serve(ctx, s.Release, server); err != nil {
		return err
	}
	actual, err := m.client.Actual(ctx)
	if err != nil {
		return err
	}
	if len(actual.Arms) != 1 || actual.Arms[0].Key != s.Release {
		arm := deploy.Arm{Role: deploy.Stable, Release: deploy.Release{Key: s.Release}, Share: deploy.All, Replicas: 1}
		err := m.client.Apply(ctx, deploy.Desired{Service: s.Service, Generation: actual.Generation + 1, Arms: []deploy.Arm{arm}})
		if err != nil {
			return err
		}
	}
	m.routed.Store(true)
	return nil
}

func (m *meter) target() string {
	return net.JoinHostPort(cmp.Or(m.o.Host, "127.0.0.1"), strconv.Itoa(m.o.Target))
}
