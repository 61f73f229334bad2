package meter

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// patience is how long something may take on a busy machine.
const patience = 30 * time.Second

const childVariable = "METER_TEST_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		childMeter(text)
		return
	}
	os.Exit(m.Run())
}

// child is what a process of a meter is started with.
type child struct {
	Settings               Settings
	Target                 int
	Traffic, Stats, Folder string
}

func childMeter(text string) {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	traffic, err := net.Listen("tcp", c.Traffic)
	if err != nil {
		panic(err)
	}
	stats, err := net.Listen("tcp", c.Stats)
	if err != nil {
		panic(err)
	}
	err = Run(ctx, Options{Settings: c.Settings, Target: c.Target, Traffic: traffic, Stats: stats, State: c.Folder, Now: time.Now, Log: router.NewLog(os.Stderr)})
	if err != nil {
		panic(err)
	}
}

// started is a meter that runs as a process.
type started struct {
	t    *testing.T
	c    child
	cmd  *exec.Cmd
	done chan error
}

func start(t *testing.T, c child) *started {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &started{t: t, c: c, cmd: cmd, done: make(chan error, 1)}
	go func() { s.done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return s
}

func newChild(t *testing.T, server *httptest.Server, settings Settings) child {
	t.Helper()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	target, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	settings.Service, settings.Release = "flights", "0123abcd"
	return child{settings, target, freeAddress(t), freeAddress(t), filepath.Join(t.TempDir(), "state")}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ask says the status and the text; 0: nobody answers.
func ask(address, path string) (int, string) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for over := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(over) {
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

func (s *started) awaitReady() {
	s.t.Helper()
	await(s.t, "the pod is ready", func() bool { status, _ := ask(s.c.Stats, "/ready"); return status == http.StatusOK })
}

func (s *started) actual() deploy.Seen {
	s.t.Helper()
	status, text := ask(s.c.Stats, "/v1/actual")
	var a deploy.Actual
	if err := json.Unmarshal([]byte(text), &a); status != http.StatusOK || err != nil || len(a.Arms) != 1 {
		s.t.Fatalf("%d %s: %v", status, text, err)
	}
	return a.Arms[0]
}

// model answers predictions, and says at /readyz whether it can.
type model struct {
	*httptest.Server
	ready  atomic.Bool
	asked  atomic.Int64
	hold   chan struct{} // what is asked at /slow waits for it
	inSlow atomic.Int64
}

func newModel(t *testing.T) *model {
	m := &model{hold: make(chan struct{})}
	m.ready.Store(true)
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/readyz":
			if !m.ready.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/slow":
			m.inSlow.Add(1)
			<-m.hold
			fallthrough
		default:
			m.asked.Add(1)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"predictions":[0.25]}`)
		}
	}))
	t.Cleanup(m.Close)
	return m
}

// TestBroken: whoever asks hears of a request that found no server as soon as it is answered, and not of one that a server failed.
func TestBroken(t *testing.T) {
	m := newModel(t)
	s := start(t, newChild(t, m.Server, Settings{Ready: []string{"/readyz"}, Linger: -1}))
	s.awaitReady()
	if status, text := ask(s.c.Stats, "/v1/broken/-1"); status != http.StatusOK || text != "{\"broken\":0}\n" {
		t.Fatal(status, text)
	}
	heard := make(chan string, 1)
	go func() {
		_, text := ask(s.c.Stats, "/v1/broken/0")
		heard <- text
	}()
	await(t, "a server's own failure", func() bool { status, _ := ask(s.c.Traffic, "/broken"); return status == http.StatusInternalServerError })
	m.Close()
	if status, _ := ask(s.c.Traffic, "/predict"); status != http.StatusBadGateway {
		t.Fatal(status)
	}
	if text := <-heard; text != "{\"broken\":1}\n" {
		t.Error(text)
	}
	if status, _ := ask(s.c.Stats, "/v1/broken/many"); status != http.StatusBadRequest {
		t.Error(status)
	}
}

func TestAnswersAreCounted(t *testing.T) {
	m := newModel(t)
	s := start(t, newChild(t, m.Server, Settings{Ready: []string{"/v2/health/live", "/readyz"}, Linger: -1}))
	s.awaitReady()
	for range 20 {
		if status, text := ask(s.c.Traffic, "/predict"); status != http.StatusOK || text != `{"predictions":[0.25]}` {
			t.Fatal(status, text)
		}
	}
	for range 3 {
		if status, _ := ask(s.c.Traffic, "/broken"); status != http.StatusInternalServerError {
			t.Fatal(status)
		}
	}
	seen := s.actual()
	c := seen.Counts
	if c.Requests != 23 || c.Answers != 20 || c.Errors != 3 || c.Latency.Count() != 23 || c.Outputs.High.Count() != 20 {
		t.Errorf("counted: %+v", c)
	}
	if seen.Key != "0123abcd" || seen.Role != deploy.Stable || seen.Share != deploy.All {
		t.Errorf("seen: %+v", seen)
	}
	if status, text := ask(s.c.Stats, "/metrics"); status != http.StatusOK || !strings.Contains(text, "mlx_router_") {
		t.Error(status, text)
	}
	// The port that counts takes no orders.
	for _, path := range []string{"/v1/desired", "/v1/lease", "/v1/drain", "/v1/servers/0123abcd"} {
		if status, _ := ask(s.c.Stats, path); status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, status)
		}
	}
}

func TestReadinessIsThatOfTheServer(t *testing.T) {
	m := newModel(t)
	m.ready.Store(false)
	s := start(t, newChild(t, m.Server, Settings{Ready: []string{"/readyz"}, Linger: -1}))
	await(t, "the meter runs", func() bool { status, _ := ask(s.c.Stats, "/healthz"); return status == http.StatusOK })
	await(t, "the server says why it is not ready", func() bool {
		status, text := ask(s.c.Stats, "/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "/readyz answers 503")
	})
	m.ready.Store(true)
	s.awaitReady()
	m.Close()
	if status, text := ask(s.c.Stats, "/ready"); status != http.StatusServiceUnavailable || !strings.Contains(text, "nothing answers") {
		t.Error(status, text)
	}
	if c := s.actual().Counts; c.Requests != 0 {
		t.Errorf("the probes of the pod were counted: %+v", c)
	}
}

// TestPodEndsWithoutLoss: the pod is told to end while users ask. Requests are taken as long as it lingers, a request under way is answered,
// and only then does the server hear that it is over.
func TestPodEndsWithoutLoss(t *testing.T) {
	m := newModel(t)
	s := start(t, newChild(t, m.Server, Settings{Ready: []string{"/readyz"}, Linger: time.Second}))
	s.awaitReady()

	slow, drained := make(chan string, 1), make(chan time.Time, 1)
	go func() {
		status, text := ask(s.c.Traffic, "/slow")
		slow <- fmt.Sprint(status, " ", text)
	}()
	await(t, "the slow request is under way", func() bool { return m.inSlow.Load() == 1 })

	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "no new requests are wanted", func() bool {
		status, text := ask(s.c.Stats, "/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "ending")
	})
	go func() {
		if status, text := ask(s.c.Stats, "/drained"); status != http.StatusOK {
			t.Errorf("who waits for the end got %d %s", status, text)
		}
		drained <- time.Now()
	}()
	// Who has not heard of it still asks, on connections of its own and on one that stays.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if status, text := ask(s.c.Traffic, "/predict"); status != http.StatusOK {
					t.Errorf("lost: %d %s", status, text)
				}
			}
		})
	}
	wg.Wait()
	select {
	case <-drained:
		t.Error("the server was to end while a request was under way")
	default:
	}
	released := time.Now()
	close(m.hold)
	if got := <-slow; got != `200 {"predictions":[0.25]}` {
		t.Error("the slow request got", got)
	}
	if at := <-drained; at.Before(released) {
		t.Error("the server was to end while a request was under way")
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	if m.asked.Load() != 41 {
		t.Errorf("the server was asked %d times", m.asked.Load())
	}
}

func TestNobodyWaitsForAnEndThatDoesNotCome(t *testing.T) {
	m := newModel(t)
	s := start(t, newChild(t, m.Server, Settings{Linger: -1}))
	s.awaitReady()
	before := time.Now()
	if status, text := ask(s.c.Stats, "/drained"); status != http.StatusOK || time.Since(before) < notTold {
		t.Errorf("%d %s after %s", status, text, time.Since(before))
	}
}

// TestKilledMeterCountsOn: the container is started again in the same pod.
func TestKilledMeterCountsOn(t *testing.T) {
	m := newModel(t)
	s := start(t, newChild(t, m.Server, Settings{Linger: -1}))
	s.awaitReady()
	for range 5 {
		ask(s.c.Traffic, "/predict")
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.done
	again := start(t, s.c)
	await(t, "the router of the next one", func() bool {
		status, text := ask(again.c.Traffic, "/predict")
		if status != 0 && status != http.StatusOK {
			t.Fatalf("a request met %d %s", status, text)
		}
		return status == http.StatusOK
	})
	again.awaitReady()
	if c := again.actual().Counts; c.Requests != 6 || c.Answers != 6 {
		t.Errorf("counted: %+v", c)
	}
}

func TestSettings(t *testing.T) {
	for text, want := range map[string]string{
		``:                            "unexpected end",
		`{}`:                          "no service and release",
		`{"service":"a"}`:             "no service and release",
		`{"service":"a","release":1}`: "cannot unmarshal",
		`{"service":"a","release":"b","ready":["readyz"]}`:                "is no path",
		`{"service":"a","release":"b","server":{"addresses":["[::]:1"]}}`: "--target",
		`"` + strings.Repeat("a", maxSettings) + `"`:                      "longer than",
	} {
		if _, err := ReadSettings([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v", text, err)
		}
	}
	for text, want := range map[string]time.Duration{"": usualLinger, `,"linger":-1`: 0, `,"linger":1000000`: time.Millisecond} {
		s, err := ReadSettings([]byte(`{"service":"a","release":"b"` + text + `}`))
		if err != nil || s.Linger != want {
			t.Errorf("%s: %v %v", text, s.Linger, err)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"service":"a","release":"b","ready":["/"],"router":{"limits":{"body":1}},"server":{"idempotent":true}}`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = ReadSettings(text) }) // whatever it is, it is refused or read
}
