package router

import (
	"bufio"
	"context"
	"encoding/json"
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
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// childRouter is a router as a process of its own, on the listener that it inherits.
func childRouter() {
	listeners, err := Inherited(os.NewFile(3, "listener"))
	var settings Settings
	if err == nil {
		err = json.Unmarshal([]byte(os.Getenv("ROUTER_TEST_SETTINGS")), &settings)
	}
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer end()
	if err == nil {
		err = Run(ctx, Options{Service: service, Listeners: listeners, State: os.Getenv("ROUTER_TEST_STATE"), Settings: settings, Now: time.Now,
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Ready: func() { fmt.Println("ready") }})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// childModel is a model server as a process of its own.
func childModel() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond) // it thinks
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"predictions":[%s]}`, os.Getenv("ROUTER_TEST_VALUE"))
	}))
}

// process is a child, and the first line that it said.
type process struct {
	*exec.Cmd
	line string
}

func child(t *testing.T, kind string, files []*os.File, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), "ROUTER_TEST_CHILD="+kind), env...)
	cmd.ExtraFiles, cmd.Stderr = files, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s said nothing: %v", kind, err)
	}
	return &process{cmd, strings.TrimSpace(line)}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
}

// terminate ends a child as a supervisor does, and waits for it.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("a child ended with %v", err)
	}
}

// host is what a supervisor holds: the listener, and two models.
type host struct {
	t        *testing.T
	url      string
	file     *os.File
	state    string
	client   *Client
	one, two *process
}

func newHost(t *testing.T) *host {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); file.Close() })
	h := &host{t: t, url: "http://" + l.Addr().String(), file: file, state: filepath.Join(t.TempDir(), "router")}
	h.client = NewClient(h.state)
	h.one, h.two = child(t, "model", nil, "ROUTER_TEST_VALUE=1"), child(t, "model", nil, "ROUTER_TEST_VALUE=2")
	return h
}

func (h *host) router() *process {
	h.t.Helper()
	return child(h.t, "router", []*os.File{h.file}, "ROUTER_TEST_STATE="+h.state, `ROUTER_TEST_SETTINGS={"drain":5000000000}`)
}

// begin starts a router that gives a share to the candidate.
func (h *host) begin(d deploy.Desired) *process {
	h.t.Helper()
	r := h.router()
	for key, m := range map[string]*process{"one": h.one, "two": h.two} {
		if err := h.client.Serve(h.t.Context(), key, Servers{Addresses: []string{m.line}, Idempotent: true}); err != nil {
			h.t.Fatal(err)
		}
	}
	h.apply(d)
	return r
}

func (h *host) apply(d deploy.Desired) {
	h.t.Helper()
	if err := h.client.Apply(h.t.Context(), d); err != nil {
		h.t.Fatal(err)
	}
}

// traffic asks from n clients, each one request after the other on a connection that stays, until it is stopped.
type traffic struct {
	sent, lost atomic.Int64
	first      atomic.Pointer[string] // that was lost
	end        atomic.Bool
	all        sync.WaitGroup
}

func (h *host) load(n int) *traffic {
	l := &traffic{}
	for range n {
		l.all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			defer client.CloseIdleConnections()
			for !l.end.Load() {
				l.sent.Add(1)
				resp, err := client.Post(h.url, "application/json", strings.NewReader(`{"x":1}`))
				what := fmt.Sprint(err)
				if err == nil {
					text, readErr := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err = readErr; err == nil && (resp.StatusCode != 200 || !strings.HasPrefix(string(text), `{"predictions":[`)) {
						err = io.ErrUnexpectedEOF
					}
					what = fmt.Sprintf("%d %s %v", resp.StatusCode, text, readErr)
				}
				if err != nil {
					l.lost.Add(1)
					l.first.CompareAndSwap(nil, &what)
				}
			}
		})
	}
	return l
}

// after waits until n more requests were sent.
func (l *traffic) after(t *testing.T, n int64) {
	t.Helper()
	from := l.sent.Load()
	until(t, fmt.Sprintf("%d more requests are sent", n), func() bool { return l.sent.Load() >= from+n })
}

func (l *traffic) stop(t *testing.T, most int64) {
	t.Helper()
	l.end.Store(true)
	l.all.Wait()
	t.Logf("%d of %d requests were lost", l.lost.Load(), l.sent.Load())
	if l.lost.Load() > most {
		t.Errorf("%d of %d requests were lost, at most %d may be; the first: %s", l.lost.Load(), l.sent.Load(), most, *l.first.Load())
	}
}

// TestRollout goes through a whole rollout under load: steps, the router replaced within one, the candidate killed, and back. Nothing is lost.
func TestRollout(t *testing.T) {
	h := newHost(t)
	first := h.begin(desired(1, 0))
	l := h.load(4)
	l.after(t, 100)
	h.apply(desired(2, 100))
	l.after(t, 100)
	h.apply(desired(3, 500))
	l.after(t, 100)

	second := h.router() // takes over
	h.apply(desired(4, 2000))
	l.after(t, 20)
	first.terminate(t)
	l.after(t, 200)

	a, err := h.client.Actual(t.Context())
	if err != nil || a.Generation != 4 || a.Arms[1].Share != 2000 {
		t.Fatalf("after the upgrade: %+v, %v", a, err)
	}
	h.two.kill(t)
	l.after(t, 100)
	h.apply(desired(5, 0))
	l.after(t, 100)
	sent := l.sent.Load()
	l.stop(t, 0)
	if a, err = h.client.Actual(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, two := a.Arms[0].Counts, a.Arms[1].Counts
	if n := one.Requests + two.Requests; n < sent || n != l.sent.Load() {
		t.Errorf("%d requests are counted by both routers, %d were sent", n, l.sent.Load())
	}
	if two.Retried == 0 || two.Errors != two.Retried || one.Errors != 0 {
		t.Errorf("counted %+v", two)
	}
	second.terminate(t)
}

// TestKilledRouter holds that a router which is killed loses no more than what was under way, that what was counted is kept, and that its
// successor goes on at once, on the listener that the supervisor holds.
func TestKilledRouter(t *testing.T) {
	h := newHost(t)
	r := h.begin(desired(1, 2000))
	const clients = 2
	l := h.load(clients)
	l.after(t, 500)
	before, err := h.client.Actual(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.kill(t)
	at := time.Now()
	again := h.router()
	if _, err := h.client.Actual(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("accepting after %v", time.Since(at))
	l.after(t, 500)
	l.stop(t, clients) // one each was under way
	after, err := h.client.Actual(t.Context())
	if err != nil || after.Generation != 1 || after.Arms[1].Share != 2000 {
		t.Fatalf("after the start: %+v, %v", after, err)
	}
	count := func(a deploy.Actual) int64 { return a.Arms[0].Counts.Requests + a.Arms[1].Counts.Requests }
	if count(before) < 490 || count(after) < l.sent.Load()-clients || count(after) > l.sent.Load() {
		t.Errorf("%d, then %d are counted, %d were sent", count(before), count(after), l.sent.Load())
	}
	again.terminate(t)
	if _, err := os.Stat(filepath.Join(h.state, controlFile)); err == nil {
		t.Error("the control socket stays")
	}
}

// TestControllerDies holds that the candidate loses its traffic in time when nobody is there any more, and that the old router obeys too
// while it is being replaced.
func TestControllerDies(t *testing.T) {
	h := newHost(t)
	r := h.begin(desired(1, 5000, func(d *deploy.Desired) { d.Lease = time.Second }))
	at := time.Now()
	l := h.load(2)
	for {
		a, err := h.client.Actual(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if a.Reverted != nil {
			break
		}
		if time.Since(at) > patience {
			t.Fatal("it never reverts")
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("reverted after %v of a lease of 1s", time.Since(at))
	l.after(t, 50)
	l.stop(t, 0)
	r.kill(t)
	next := h.router()
	if a, err := h.client.Actual(t.Context()); err != nil || a.Reverted == nil || a.Arms[1].Share != 0 {
		t.Errorf("after the start: %+v, %v", a, err)
	}
	next.terminate(t)
}

// TestOldRouterObeys holds that a router which is being replaced answers by what is said to its successor.
func TestOldRouterObeys(t *testing.T) {
	h := newHost(t)
	old := h.begin(desired(1, 0))
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	ask := func() (string, bool) {
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
		resp, err := http.ReadResponse(lines, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), resp.Close
	}
	if text, last := ask(); text != `{"predictions":[1]}` || last {
		t.Errorf("answered %s, last %v", text, last)
	}
	next := h.router()
	h.apply(desired(2, deploy.All))
	if text, _ := ask(); text != `{"predictions":[2]}` { // on the connection of the old one
		t.Errorf("answered %s", text)
	}
	if err := old.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "the old one says that it ends", func() bool { _, last := ask(); return last })
	if err := old.Wait(); err != nil {
		t.Error(err)
	}
	next.terminate(t)
}
