//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"mlx/bench/internal/child"
	"mlx/internal/deploy"
	"mlx/internal/deploy/haproxy"
	"mlx/internal/deploy/router"
)

// plane is one as a process, on the socket of log lines that it inherits.
func plane(args []string) {
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer end()
	logs, err := net.FilePacketConn(os.NewFile(3, "logs"))
	if err == nil {
		log := router.NewLog(os.Stderr)
		s := haproxy.Settings{Socket: args[1], Backend: "bench", Log: args[2], Servers: 1}
		err = router.Run(ctx, router.Options{Service: "bench", State: args[0], Now: time.Now, Log: log, Carrier: haproxy.New(s, logs, time.Now, log),
			Ready: func() { fmt.Println("ready") }})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// host is an HAProxy, a stable and another model, and a plane.
type host struct {
	s        haproxy.Settings
	dir      string
	logs     *os.File
	client   *router.Client
	one, two *child.Process
	plane    *child.Process
	proxy    *exec.Cmd
}

func (b *bench) host(think string) (*host, error) {
	dir, err := os.MkdirTemp(b.dir, "h-")
	if err != nil {
		return nil, err
	}
	logs, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }() // the file goes on
	h := &host{dir: dir, client: router.NewClient(filepath.Join(dir, "state"))}
	h.s = haproxy.Settings{Socket: filepath.Join(dir, "admin.sock"), Backend: "bench", Log: logs.LocalAddr().String(), Servers: 1}
	if h.logs, err = logs.File(); err != nil {
		return nil, err
	}
	if h.s.Listen, err = free(); err != nil {
		return nil, err
	}
	text := haproxy.Config{Settings: h.s, Service: "bench", Idempotent: true}.Lines()
	if err := os.WriteFile(h.config(), []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := h.startProxy(); err != nil {
		return nil, err
	}
	if h.one, err = child.Start(nil, "child-model", think); err != nil {
		return nil, err
	}
	if h.two, err = child.Start(nil, "child-model", think); err != nil {
		return nil, err
	}
	if err := h.startPlane(); err != nil {
		return nil, err
	}
	for key, m := range map[string]*child.Process{"one": h.one, "two": h.two} {
		if err := h.client.Serve(context.Background(), key, router.Servers{Addresses: []string{m.Line}, Idempotent: true}); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *host) config() string { return filepath.Join(h.dir, "haproxy.cfg") }

func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func program() string {
	if name := os.Getenv("MLX_TEST_HAPROXY"); name != "" {
		return name
	}
	return "haproxy"
}

// startProxy begins HAProxy, with words such as -sf and a process that it takes over from.
func (h *host) startProxy(words ...string) error {
	h.proxy = exec.Command(program(), append([]string{"-f", h.config()}, words...)...)
	if err := h.proxy.Start(); err != nil {
		return fmt.Errorf(`%w; eval "$(.ci/haproxy)" gets it`, err)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if h.s.Check(context.Background()) == nil {
			return nil
		}
	}
	return errors.New("HAProxy does not answer")
}

func (h *host) startPlane() (err error) {
	h.plane, err = child.Start([]*os.File{h.logs}, "child-plane", filepath.Join(h.dir, "state"), h.s.Socket, h.s.Log)
	return err
}

func (h *host) close() {
	for _, p := range []*child.Process{h.plane, h.one, h.two} {
		if p != nil {
			p.Kill()
		}
	}
	_ = h.proxy.Process.Kill()
	_ = h.proxy.Wait()
	h.logs.Close()
}

func (h *host) url() string { return "http://" + h.s.Listen + "/v2/models/m/infer" }

// split gives the candidate a share.
func (h *host) split(generation uint64, share deploy.Share, lease time.Duration) error {
	return h.client.Apply(context.Background(), deploy.Desired{Service: "bench", Generation: generation, Lease: lease, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: deploy.Release{Key: "one"}, Share: deploy.All - share},
		{Role: deploy.Candidate, Release: deploy.Release{Key: "two"}, Share: share},
	}})
}

// counts are the requests that each release was counted for, without those that were tried again elsewhere, and those that were.
func (h *host) counts() (one, two, again, lost int64, err error) {
	a, err := h.client.Actual(context.Background())
	for _, s := range a.Arms {
		n := s.Counts.Requests - s.Counts.Retried
		if s.Key == "one" {
			one = n
		} else {
			two = n
		}
		again, lost = again+s.Counts.Retried, lost+s.Counts.Lost
	}
	return one, two, again, lost, err
}

func (h *host) takeOver() error {
	old := h.proxy
	err := h.startProxy("-sf", strconv.Itoa(old.Process.Pid))
	go func() { _ = old.Wait() }()
	return err
}
