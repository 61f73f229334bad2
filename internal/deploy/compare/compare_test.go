package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/kube"
)

// patience is how long something may take on a busy machine.
const patience = 30 * time.Second

// cluster answers for EndpointSlices as an API server does: a list, and then what changes.
type cluster struct {
	*httptest.Server

	mu      sync.Mutex
	version int
	slices  map[string]string // by name
	changes []string
	changed chan struct{}
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{slices: map[string]string{}, changed: make(chan struct{})}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/team/endpointslices" || q.Get("labelSelector") != "kubernetes.io/service-name in (old,new)" {
			http.Error(w, "no such thing", http.StatusNotFound)
			return
		}
		if q.Get("watch") == "" {
			c.list(w)
			return
		}
		c.watch(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) list(w io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var items []string
	for _, text := range c.slices {
		items = append(items, text)
	}
	fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"},"items":[%s]}`, c.version, strings.Join(items, ","))
}

func (c *cluster) watch(w http.ResponseWriter, r *http.Request) {
	at := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("resourceVersion"), &at)
	w.WriteHeader(http.StatusOK)
	for {
		_ = http.NewResponseController(w).Flush()
		c.mu.Lock()
		news, changed := c.changes[at:], c.changed
		at = len(c.changes)
		c.mu.Unlock()
		for _, n := range news {
			fmt.Fprintln(w, n)
		}
		if len(news) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// set makes the slice of a Service what it is to be.
func (c *cluster) set(service string, endpoints ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := "MODIFIED"
	if c.slices[service] == "" {
		kind = "ADDED"
	}
	c.version++
	c.slices[service] = fmt.Sprintf(`{"metadata":{"name":"%[1]s-x","resourceVersion":"%[2]d","labels":{"kubernetes.io/service-name":"%[1]s"}},"endpoints":[%[3]s]}`,
		service, c.version, strings.Join(endpoints, ","))
	c.changes = append(c.changes, `{"type":"`+kind+`","object":`+c.slices[service]+`}`)
	close(c.changed)
	c.changed = make(chan struct{})
}

// client speaks to it.
func (c *cluster) client(t *testing.T) *kube.Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n" +
		"clusters: [{name: c, cluster: {server: '" + c.URL + "'}}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := kube.Open(kube.Config{Files: []string{file}, Namespace: "team", Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func ready(address string) string {
	return `{"addresses":["` + address + `"],"conditions":{"ready":true}}`
}

// pods are servers at one port of several addresses, which answer with what is named after them.
func pods(t *testing.T, answers map[string]string) int {
	t.Helper()
	port := 0
	for address := range answers {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, port))
		if err != nil {
			t.Skipf("no several addresses here: %v", err) // of Linux alone all of 127.0.0.0/8 is this machine
		}
		port = l.Addr().(*net.TCPAddr).Port
		server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answers[address])
		})}}
		server.Start()
		t.Cleanup(server.Close)
	}
	return port
}

type running struct {
	t              *testing.T
	traffic, stats string
	end            func()
}

func run(t *testing.T, c *cluster, port int, state string) *running {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	traffic, stats := listen(), listen()
	settings, err := json.Marshal(Settings{Service: "flights", Stable: Side{"aaaa", "old"}, Shadow: Side{"bbbb", "new"}, Port: port,
		Router: router.Settings{Compare: router.Compare{Absolute: 0.1}, Drain: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Settings: s, Client: c.client(t), Traffic: traffic, Stats: stats, State: state, Now: time.Now, Log: router.NewLog(io.Discard)})
	}()
	var once sync.Once
	r := &running{t: t, traffic: traffic.Addr().String(), stats: stats.Addr().String(), end: func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}}
	t.Cleanup(r.end)
	return r
}

func ask(method, address, path string) (int, string) {
	req, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(`{"instances":[1]}`))
	if err != nil {
		return 0, err.Error()
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
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

func (r *running) await(what string, so func() bool) {
	r.t.Helper()
	for over := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(over) {
			_, why := ask(http.MethodGet, r.stats, "/ready")
			r.t.Fatalf("not so after %s: %s; %s; %+v", patience, what, why, r.pairs())
		}
	}
}

func (r *running) ready(want int, says string) {
	r.t.Helper()
	r.await("ready is "+says, func() bool {
		status, text := ask(http.MethodGet, r.stats, "/ready")
		return status == want && strings.Contains(text, says)
	})
}

func (r *running) pairs() deploy.Pairs {
	r.t.Helper()
	var a deploy.Actual
	if status, text := ask(http.MethodGet, r.stats, "/v1/actual"); status != http.StatusOK || json.Unmarshal([]byte(text), &a) != nil {
		r.t.Logf("%d %s", status, text)
	}
	return a.Pairs
}

func (r *running) copies(n int) {
	r.t.Helper()
	for range n {
		if status, text := ask(http.MethodPost, r.traffic, "/predict"); status != http.StatusOK {
			r.t.Fatal(status, text)
		}
	}
}

// TestCompare: copies are answered by both releases, whose pods come and go, and what was counted outlives the process.
func TestCompare(t *testing.T) {
	c := newCluster(t)
	port := pods(t, map[string]string{"127.0.0.2": `{"predictions":[1]}`, "127.0.0.3": `{"predictions":[1.05]}`, "127.0.0.4": `{"predictions":[2]}`})
	c.set("old", ready("127.0.0.2"))
	c.set("new", `{"addresses":["127.0.0.3"],"conditions":{"ready":false}}`)
	state := filepath.Join(t.TempDir(), "state")
	r := run(t, c, port, state)
	r.ready(http.StatusServiceUnavailable, "no pod of Service new is ready")
	c.set("new", ready("127.0.0.3"))
	r.ready(http.StatusOK, "")
	r.copies(20)
	r.await("20 are alike", func() bool { p := r.pairs(); return p.Eligible == 20 && p.Compared == 20 && p.Disagreed == 0 })
	c.set("new", ready("127.0.0.4"))
	r.await("the other pod is asked", func() bool { r.copies(1); return r.pairs().Disagreed > 0 })
	r.await("all are compared", func() bool { p := r.pairs(); return p.Eligible == p.Compared })
	before := r.pairs()
	if status, text := ask(http.MethodGet, r.stats, "/metrics"); status != http.StatusOK || !strings.Contains(text, "mlx_router_") {
		t.Error(status, text)
	}
	if status, _ := ask(http.MethodPut, r.stats, "/v1/desired"); status != http.StatusNotFound {
		t.Errorf("something can be asked for: %d", status)
	}
	r.end()
	r = run(t, c, port, state)
	r.ready(http.StatusOK, "")
	if after := r.pairs(); after.Eligible != before.Eligible || after.Disagreed != before.Disagreed {
		t.Errorf("%+v was counted, and %+v is known", before, after)
	}
	c.set("old")
	r.ready(http.StatusServiceUnavailable, "no pod of Service old is ready")
	if status, _ := ask(http.MethodPost, r.traffic, "/predict"); status != http.StatusServiceUnavailable {
		t.Errorf("without a pod of stable: %d", status)
	}
}

// TestAwayAPIServer: an API server that does not answer is said, and what was known stays.
func TestAwayAPIServer(t *testing.T) {
	c := newCluster(t)
	port := pods(t, map[string]string{"127.0.0.2": `[1]`, "127.0.0.3": `[1]`})
	c.set("old", ready("127.0.0.2"))
	c.set("new", ready("127.0.0.3"))
	r := run(t, c, port, filepath.Join(t.TempDir(), "state"))
	r.ready(http.StatusOK, "")
	c.CloseClientConnections()
	c.Close()
	r.copies(3)
	r.await("what comes is still compared", func() bool { return r.pairs().Compared == 3 })
	r.end()
	r = run(t, c, port, filepath.Join(t.TempDir(), "state"))
	r.ready(http.StatusServiceUnavailable, "cannot list endpointslices")
}

func TestSettingsRefused(t *testing.T) {
	for text, want := range map[string]string{
		``: "cannot read", `[]`: "cannot read", `{}`: "names no service", `{"service":"s"}`: "0 is no port", `{"service":"s","port":65536}`: "65536 is no port",
		`{"service":"s","port":1}`: "the same one",
		`{"service":"s","port":1,"stable":{"release":"a","service":"x"},"shadow":{"release":"b","service":"x,y in (z)"}}`: "is no Service",
		`{"service":"s","port":1,"stable":{"release":"a","service":"x"},"shadow":{"service":"y"}}`:                        "has no release",
		strings.Repeat(" ", maxSettings+1): "longer than 1 MiB",
	} {
		if _, err := ReadSettings([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

// FuzzAddresses: whatever an API server says of pods, what comes of it are addresses in order.
func FuzzAddresses(f *testing.F) {
	f.Add([]byte(`{"endpoints":[{"addresses":["10.0.0.1","10.0.0.2"]},{"addresses":["fd00::1"],"conditions":{"ready":true}},{"addresses":["host"]},{"addresses":[]}]}`), 8080)
	f.Add([]byte(`{"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":false}}]}`), 1)
	f.Fuzz(func(t *testing.T, text []byte, port int) {
		all := addresses([]kube.Item{{Text: text}, {Text: text}}, port)
		if !slices.IsSorted(all) || len(all) > maxServers || len(slices.Compact(slices.Clone(all))) != len(all) {
			t.Error(all)
		}
		for _, a := range all {
			if _, _, err := net.SplitHostPort(a); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRunEndsWithItsRouter: a pod whose router has ended is started again, and does not stay there as ready.
func TestRunEndsWithItsRouter(t *testing.T) {
	c := newCluster(t)
	traffic, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stats, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	s := Settings{Service: "flights", Stable: Side{"aaaa", "old"}, Shadow: Side{"bbbb", "new"}, Port: 1}
	go func() {
		done <- Run(t.Context(), Options{Settings: s, Client: c.client(t), Traffic: traffic, Stats: stats, State: t.TempDir(), Now: time.Now})
	}()
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, said := ask(http.MethodGet, stats.Addr().String(), "/ready")
		if strings.Contains(said, "no pod of Service") { // it has begun
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it does not begin: %s", said)
		}
	}
	_ = traffic.Close() // as a listener that is lost
	select {
	case err := <-done:
		if err == nil {
			t.Error("it ended without a word")
		}
	case <-time.After(patience):
		t.Error("it goes on without its router")
	}
}
