//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog" //nolint:depguard // the router wants one
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mlx/bench/internal/child"
	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// route is the router as a process, on the listener that it inherits.
func route(args []string) {
	listeners, err := router.Inherited(os.NewFile(3, "listener"))
	var settings router.Settings
	if err == nil {
		err = json.Unmarshal([]byte(args[1]), &settings)
	}
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer end()
	if err == nil {
		err = router.Run(ctx, router.Options{Service: "bench", Listeners: listeners, State: args[0], Settings: settings, Now: time.Now,
			Log: slog.New(slog.DiscardHandler), Ready: func() { fmt.Println("ready") }})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// terminate ends it as a supervisor does.
func terminate(p *child.Process) error {
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.Wait()
}

// host is what a supervisor holds: a listener, a stable and another model, and a router.
type host struct {
	address  string
	file     *os.File
	state    string
	settings string
	client   *router.Client
	one, two *child.Process
	router   *child.Process
}

func (b *bench) host(think, thinkOfTwo, settings string) (*host, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // file goes on
	h := &host{address: l.Addr().String(), settings: settings}
	if h.file, err = l.(*net.TCPListener).File(); err != nil {
		return nil, err
	}
	if h.state, err = os.MkdirTemp(b.dir, "state-"); err != nil {
		return nil, err
	}
	h.client = router.NewClient(h.state)
	if h.one, err = child.Start(nil, "child-model", think); err != nil {
		return nil, err
	}
	if h.two, err = child.Start(nil, "child-model", thinkOfTwo); err != nil {
		return nil, err
	}
	if h.router, err = h.start(); err != nil {
		return nil, err
	}
	for key, m := range map[string]*child.Process{"one": h.one, "two": h.two} {
		if err := h.client.Serve(context.Background(), key, router.Servers{Addresses: []string{m.Line}, Idempotent: true}); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *host) start() (*child.Process, error) {
	return child.Start([]*os.File{h.file}, "child-router", h.state, h.settings)
}

func (h *host) close() {
	for _, p := range []*child.Process{h.router, h.one, h.two} {
		if p != nil {
			p.Kill()
		}
	}
	h.file.Close()
}

func (h *host) url() string { return "http://" + h.address + "/v2/models/m/infer" }

// split gives the candidate a share.
func (h *host) split(generation uint64, share deploy.Share, lease time.Duration) error {
	return h.client.Apply(context.Background(), deploy.Desired{Service: "bench", Generation: generation, Lease: lease, Sticky: deploy.Sticky{Header: "X-User", Salt: "s"},
		Arms: []deploy.Arm{
			{Role: deploy.Stable, Release: deploy.Release{Key: "one"}, Share: deploy.All - share},
			{Role: deploy.Candidate, Release: deploy.Release{Key: "two"}, Share: share},
		}})
}
