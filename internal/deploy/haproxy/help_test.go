//go:build interop && unix

package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// within is how long something may take on a busy machine.
const within = 30 * time.Second

func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("MLX_TEST_HAPROXY"), "haproxy"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal(`there is no haproxy here; eval "$(.ci/haproxy)" gets Debian's`)
	return ""
}

// proxy is an HAProxy of its own.
type proxy struct {
	t      *testing.T
	s      Settings
	config string
	url    string
	cmd    *exec.Cmd
	said   bytes.Buffer
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs HAProxy by the lines that are exported.
func start(t *testing.T, change func(string) string) (*proxy, net.PacketConn) {
	t.Helper()
	logs, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mlx-haproxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &proxy{t: t, config: filepath.Join(dir, "haproxy.cfg")}
	h.s = Settings{Socket: filepath.Join(dir, "admin.sock"), Backend: "flights", Log: logs.LocalAddr().String(), Servers: 2, Listen: freePort(t)}
	h.url = "http://" + h.s.Listen + "/predict"
	text := Config{Settings: h.s, Service: "flights", Idempotent: true}.Lines()
	if change != nil {
		text = change(text)
	}
	h.write(text)
	h.begin()
	t.Cleanup(func() { h.kill(); logs.Close() })
	return h, logs
}

func (h *proxy) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *proxy) begin(args ...string) {
	h.t.Helper()
	h.cmd = exec.Command(program(h.t), append([]string{"-f", h.config}, args...)...)
	h.cmd.Stdout, h.cmd.Stderr = &h.said, &h.said
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	pid := fmt.Sprint(h.cmd.Process.Pid)
	await(h.t, "HAProxy answers", func() bool {
		text, err := h.s.ask(context.Background(), "show info")
		return err == nil && infoOf(text, "Pid") == pid
	})
}

func (h *proxy) kill() {
	_ = h.cmd.Process.Signal(syscall.SIGKILL)
	_ = h.cmd.Wait()
}

// reload does what systemctl reload does: another process takes the sockets, and the one before ends with its last request.
func (h *proxy) reload() {
	h.t.Helper()
	old := h.cmd
	h.begin("-sf", fmt.Sprint(old.Process.Pid))
	go func() { _ = old.Wait() }()
}

func (h *proxy) tell(command string) string {
	h.t.Helper()
	text, err := h.s.ask(context.Background(), command)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(within); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// model is a server of a release: it says its name, or does what the body of the request says.
type model struct {
	address string
	server  *http.Server
}

func serve(t *testing.T, name string) *model {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &model{address: l.Addr().String()}
	m.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch string(body) {
		case "fail":
			http.Error(w, name, http.StatusInternalServerError)
			return
		case "slow":
			time.Sleep(300 * time.Millisecond)
		case "hang up":
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
			return
		}
		_, _ = io.WriteString(w, name)
	})}
	go func() { _ = m.server.Serve(l) }()
	t.Cleanup(func() { m.server.Close() })
	return m
}

// bench is a router whose carrier is an HAProxy.
type bench struct {
	*proxy
	t       *testing.T
	state   string
	client  *router.Client
	logs    net.PacketConn
	process *exec.Cmd
	said    *words
}

type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func newBench(t *testing.T, change func(string) string) *bench {
	t.Helper()
	h, logs := start(t, change)
	b := &bench{proxy: h, t: t, state: t.TempDir(), logs: logs, said: &words{}}
	b.plane()
	t.Cleanup(func() { b.end() })
	return b
}

// plane begins one as a process of its own, on the socket that the test holds.
func (b *bench) plane() {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	socket, err := b.logs.(*net.UDPConn).File()
	if err != nil {
		b.t.Fatal(err)
	}
	defer socket.Close()
	b.process = exec.Command(self, b.state, b.s.Socket, b.s.Log)
	b.process.Env = append(os.Environ(), "HAPROXY_TEST_MAIN=plane")
	b.process.ExtraFiles, b.process.Stderr = []*os.File{socket}, b.said
	if err := b.process.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.client = router.NewClient(b.state)
	var last error
	defer func() {
		if last != nil {
			b.t.Log(last, b.said.text())
		}
	}()
	await(b.t, "the plane answers", func() bool { _, last = b.client.Actual(context.Background()); return last == nil })
}

// crash kills the plane.
func (b *bench) crash() {
	_ = b.process.Process.Kill()
	_ = b.process.Wait()
}

// end ends it as a supervisor does whose service ends.
func (b *bench) end() {
	_ = b.process.Process.Signal(syscall.SIGTERM)
	_ = b.process.Wait()
}

func TestMain(m *testing.M) {
	if os.Getenv("HAPROXY_TEST_MAIN") == "" {
		os.Exit(m.Run())
	}
	logs, err := net.FilePacketConn(os.NewFile(3, "logs"))
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s := Settings{Socket: os.Args[2], Backend: "flights", Log: os.Args[3], Servers: 2}
	err = router.Run(ctx, router.Options{Service: "flights", State: os.Args[1], Settings: router.Settings{Drain: 5 * time.Second}, Now: time.Now, Log: log,
		Carrier: New(s, logs, time.Now, log)})
	if err != nil {
		panic(err)
	}
}

func (b *bench) serve(key string, models ...*model) {
	b.t.Helper()
	s := router.Servers{Addresses: []string{}, Idempotent: true}
	for _, m := range models {
		s.Addresses = append(s.Addresses, m.address)
	}
	if err := b.client.Serve(context.Background(), key, s); err != nil {
		b.t.Fatal(err)
	}
}

func desired(generation uint64, share deploy.Share, lease time.Duration) deploy.Desired {
	return deploy.Desired{Service: "flights", Generation: generation, Lease: lease, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: deploy.Release{Key: "one"}, Share: deploy.All - share, Replicas: 1},
		{Role: deploy.Candidate, Release: deploy.Release{Key: "two"}, Share: share, Replicas: 1},
	}}
}

func (b *bench) apply(d deploy.Desired) {
	b.t.Helper()
	if err := b.client.Apply(context.Background(), d); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) actual() deploy.Actual {
	b.t.Helper()
	a, err := b.client.Actual(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *bench) seen(key string) deploy.Seen {
	for _, s := range b.actual().Arms {
		if s.Key == key {
			return s
		}
	}
	return deploy.Seen{}
}

// ask asks n times, one after the other, and counts what was answered.
func (b *bench) ask(n int, body string) map[string]int {
	b.t.Helper()
	got := map[string]int{}
	for range n {
		resp, err := http.Post(b.url, "text/plain", strings.NewReader(body))
		if err != nil {
			got["lost"]++
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			got["lost"]++
		case resp.StatusCode != http.StatusOK:
			got[fmt.Sprint(resp.StatusCode)]++
		default:
			got[string(text)]++
		}
	}
	return got
}

func (w *words) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// crowd asks at a rate until it is ended, and counts what was answered.
type crowd struct {
	stop chan struct{}
	all  sync.WaitGroup
	mu   sync.Mutex
	got  map[string]int
}

// crowd begins to ask 200 times a second.
func (b *bench) crowd() *crowd {
	c := &crowd{stop: make(chan struct{}), got: map[string]int{}}
	c.all.Go(func() {
		every := time.NewTicker(5 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-every.C:
			}
			c.all.Go(func() {
				for word, n := range b.ask(1, "x") {
					c.mu.Lock()
					c.got[word] += n
					c.mu.Unlock()
				}
			})
		}
	})
	return c
}

func (c *crowd) soFar(word string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[word]
}

func (c *crowd) end() map[string]int {
	close(c.stop)
	c.all.Wait()
	return c.got
}

// total is how many of them were answered, and how many not.
func total(got map[string]int) (answered, lost int) {
	for word, n := range got {
		if word == "one" || word == "two" {
			answered += n
		} else {
			lost += n
		}
	}
	return answered, lost
}
