package router

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

const service = "flights"

// patience is how long something may take on a busy machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	switch os.Getenv("ROUTER_TEST_CHILD") {
	case "router":
		childRouter()
	case "model":
		childModel()
	default:
		os.Exit(m.Run())
	}
}

// running is a router within this process.
type running struct {
	t      *testing.T
	url    string
	state  string
	client *Client
	end    context.CancelFunc
	ended  chan error
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run starts a router with a new folder, or the one that o names.
func run(t *testing.T, o Options) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, url: "http://" + l.Addr().String(), state: o.State, ended: make(chan error, 1), log: &lockedBuffer{}}
	if r.state == "" {
		r.state = t.TempDir()
	}
	o.Service, o.State, o.Listeners = service, r.state, []net.Listener{l}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	if o.Settings.TLS != nil {
		r.url = "https://" + l.Addr().String()
	}
	if o.Settings.Drain == 0 {
		o.Settings.Drain = 2 * time.Second
	}
	ready := make(chan struct{})
	o.Ready = func() { close(ready) }
	ctx, end := context.WithCancel(context.Background())
	r.end, r.client = end, NewClient(r.state)
	go func() { r.ended <- Run(ctx, o) }()
	select {
	case <-ready:
	case err := <-r.ended:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("the router does not start")
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	http.DefaultClient.CloseIdleConnections()
	r.end()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Error(err)
		}
		r.ended <- nil
	case <-time.After(patience):
		r.t.Error("the router does not end")
	}
}

func (r *running) apply(d deploy.Desired) {
	r.t.Helper()
	if err := r.client.Apply(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) serve(key string, s Servers) {
	r.t.Helper()
	if err := r.client.Serve(r.t.Context(), key, s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) actual() deploy.Actual {
	r.t.Helper()
	a, err := r.client.Actual(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// seen is one arm of what is so.
func (r *running) seen(role deploy.Role) deploy.Seen {
	r.t.Helper()
	for _, s := range r.actual().Arms {
		if s.Role == role {
			return s
		}
	}
	r.t.Fatalf("no arm is %s", role)
	return deploy.Seen{}
}

// until waits for something to be so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never is so: %s", what)
		}
	}
}

// desired gives the candidate its share of the traffic, and everything else to stable.
func desired(generation uint64, candidate deploy.Share, more ...func(*deploy.Desired)) deploy.Desired {
	d := deploy.Desired{Service: service, Generation: generation, Sticky: deploy.Sticky{Salt: "s"}, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: release("one", 1), Share: deploy.All - candidate, Replicas: 1},
		{Role: deploy.Candidate, Release: release("two", 2), Share: candidate, Replicas: 1},
	}}
	for _, m := range more {
		m(&d)
	}
	return d
}

func release(key string, version int) deploy.Release {
	return deploy.Release{Key: key, Model: service, Version: version}
}

// model is a server that answers with its name, and counts.
type model struct {
	*httptest.Server
	asked atomic.Int64
	last  atomic.Pointer[http.Request]
}

// answers makes a server that gives the same answer to all, as an Open Inference Protocol server would.
func answers(t *testing.T, value string) *model {
	return handles(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"model_name":"m","outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[%s]}]}`, value)
	})
}

func handles(t *testing.T, h http.HandlerFunc) *model {
	m := &model{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.asked.Add(1)
		m.last.Store(r)
		h(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *model) servers() Servers {
	return Servers{Addresses: []string{m.Listener.Addr().String()}, Idempotent: true}
}

// post sends a JSON body and returns the status and the answer.
func post(t *testing.T, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func says(text, value string) bool { return strings.Contains(text, `"data":[`+value+`]`) }

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
