//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog" //nolint:depguard // the router wants one
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// model is a server that thinks for a while and answers.
func model(args []string) {
	think, err := time.ParseDuration(args[0])
	if err != nil {
		think = 0
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	_ = http.Serve(l, traffic.Model(think))
	os.Exit(0)
}

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

// process is a child, and the first line that it said.
type process struct {
	*exec.Cmd
	line string
}

func child(files []*os.File, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.ExtraFiles, cmd.Stderr = files, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s said nothing: %w", args[0], err)
	}
	return &process{cmd, strings.TrimSpace(line)}, nil
}

func (p *process) kill() {
	_ = p.Process.Kill() // it may have ended
	_ = p.Wait()
}

// terminate ends it as a supervisor does.
func (p *process) terminate() error {
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
	one, two *process
	router   *process
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
	if h.one, err = child(nil, "child-model", think); err != nil {
		return nil, err
	}
	if h.two, err = child(nil, "child-model", thinkOfTwo); err != nil {
		return nil, err
	}
	if h.router, err = h.start(); err != nil {
		return nil, err
	}
	for key, m := range map[string]*process{"one": h.one, "two": h.two} {
		if err := h.client.Serve(context.Background(), key, router.Servers{Addresses: []string{m.line}, Idempotent: true}); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *host) start() (*process, error) {
	return child([]*os.File{h.file}, "child-router", h.state, h.settings)
}

func (h *host) close() {
	for _, p := range []*process{h.router, h.one, h.two} {
		if p != nil {
			p.kill()
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
