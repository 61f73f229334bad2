//go:build interop

package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/kube"
)

// awhile is how long something may take on a busy machine.
const awhile = 60 * time.Second

var (
	namespaces = kube.Resource{Version: "v1", Plural: "namespaces", Everywhere: true}
	configMaps = kube.Resource{Version: "v1", Plural: "configmaps"}
)

// world is a namespace of a real API server, with an object that stands for the route of a service.
type world struct {
	t      *testing.T
	server string // address of the API server
	ca     string // file of its certificate
	client *kube.Client
	log    io.Writer // of guards
}

// lines is what was said.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	file := os.Getenv("MLX_TEST_KUBE")
	if file == "" {
		t.Fatal(`MLX_TEST_KUBE is not set: .ci/kube up && eval "$(.ci/kube env)"`)
	}
	name := fmt.Sprintf("guard-%d", time.Now().UnixNano())
	c, err := kube.Open(kube.Config{Files: []string{file}, Namespace: name, Agent: "mlx-test"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: c.Server(), ca: between(t, file, `certificate-authority: "`, `"`), client: c, log: os.Stderr}
	w.create(namespaces, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}})
	t.Cleanup(func() {
		if err := c.Delete(context.WithoutCancel(t.Context()), namespaces, name, kube.Removal{}); err != nil {
			t.Error(err)
		}
	})
	w.create(configMaps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "route"},
		"data": map[string]any{"candidate": "20"}})
	return w
}

func between(t *testing.T, file, before, after string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), before)
	word, _, ok := strings.Cut(rest, after)
	if !ok {
		t.Fatalf("%s has no %s", file, before)
	}
	return word
}

func (w *world) create(r kube.Resource, o any) {
	w.t.Helper()
	if err := w.client.Create(w.t.Context(), r, o, nil); err != nil {
		w.t.Fatal(err)
	}
}

// steps give all to stable, as the driver of Kubernetes writes it.
func (w *world) steps(generation int) string {
	path := w.client.Path(configMaps, "route")
	note := fmt.Sprintf(`{\"generation\":%d}`, generation)
	return fmt.Sprintf(`[{"path":%q,"patch":{"data":{"candidate":"0"},"metadata":{"annotations":{"dev.mlx/reverted":"%s"}}}}]`, path, note)
}

// renew says that somebody controls the rollout. at is what the clock of that machine says.
func (w *world) renew(seconds, generation int, at time.Time) {
	w.t.Helper()
	o := map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
		"metadata": map[string]any{"name": "flights", "annotations": map[string]any{NoteRevert: w.steps(generation)}},
		"spec": map[string]any{"holderIdentity": "test", "leaseDurationSeconds": seconds,
			"renewTime": at.UTC().Format("2006-01-02T15:04:05.000000Z07:00")}}
	if err := w.client.Apply(w.t.Context(), kube.Leases, kube.Application{Object: o, Force: true}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// candidate is the share of the candidate.
func (w *world) candidate() string {
	w.t.Helper()
	var o struct{ Data map[string]string }
	if err := w.client.Get(w.t.Context(), configMaps, "route", &o); err != nil {
		w.t.Fatal(err)
	}
	return o.Data["candidate"]
}

// obeys notes which generation the route obeys.
func (w *world) obeys(generation string) {
	w.t.Helper()
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{noteGeneration: generation}}}
	if err := w.client.Merge(w.t.Context(), configMaps, "route", patch, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) done() Done {
	w.t.Helper()
	var l lease
	var d Done
	if err := w.client.Get(w.t.Context(), kube.Leases, "flights", &l); err != nil {
		w.t.Fatal(err)
	}
	if note := l.Metadata.Annotations[NoteGuard]; note != "" {
		if err := json.Unmarshal([]byte(note), &d); err != nil {
			w.t.Fatal(err)
		}
	}
	return d
}

// guard starts one, which ends with the test or when what it returns is called.
func (w *world) guard(c *kube.Client) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Run(ctx, Options{Client: c, Lease: "flights", Now: time.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))}); err != nil {
			w.t.Error(err)
		}
	})
	end = func() { cancel(); wg.Wait() }
	w.t.Cleanup(end)
	return end
}

func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	for end := time.Now().Add(awhile); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not so after %s: %s", awhile, what)
		}
	}
}

// stays looks for as long whether the candidate keeps its share, while each is called again and again.
func (w *world) stays(d time.Duration, each func()) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if each != nil {
			each()
		}
		if got := w.candidate(); got != "20" {
			w.t.Fatalf("the candidate has %s though its lease was renewed", got)
		}
	}
}

func TestInteropGuard(t *testing.T) {
	w := newWorld(t)
	said := &lines{}
	w.log = said
	w.guard(w.client) // before there is a Lease
	old := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	tick := 0
	again := func() { tick++; w.renew(3, 4, old.Add(time.Duration(tick)*time.Millisecond)) }
	w.stays(7*time.Second, again) // whoever renews it has a clock that is far behind
	last := time.Now()
	w.until("all goes to stable", func() bool { return w.candidate() == "0" })
	if took := time.Since(last); took < 2500*time.Millisecond {
		t.Errorf("the candidate had %s of its 3 s", took)
	}
	w.until("the guard has written down what it did", func() bool { d := w.done(); return d.Done && d.Generation == 4 })

	// The same is asked for again: the guard does nothing a second time. A later state has a lease of its own.
	give := func() {
		if err := w.client.Merge(t.Context(), configMaps, "route", map[string]any{"data": map[string]any{"candidate": "20"}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	give()
	w.renew(1, 4, old)
	w.stays(3*time.Second, nil)
	if n := strings.Count(said.String(), "all goes to stable"); n != 1 {
		t.Errorf("it was taken back %d times: %s", n, said)
	}
	w.renew(1, 5, old)
	w.until("the later one is taken back", func() bool { d := w.done(); return d.Done && d.Generation == 5 && w.candidate() == "0" })

	// Whoever controls it has gone on to a later state, and was slow with the Lease: what it holds is not done to that.
	give()
	w.obeys("7")
	w.renew(1, 6, old)
	w.until("the guard has looked", func() bool { d := w.done(); return d.Done && d.Generation == 6 })
	if got := w.candidate(); got != "20" {
		t.Fatalf("the candidate of a later state has %s", got)
	}
	w.obeys("6")

	// A rollout that is over has no Lease any more.
	w.renew(2, 6, old.Add(time.Second))
	if err := w.client.Delete(t.Context(), kube.Leases, "flights", kube.Removal{}); err != nil {
		t.Fatal(err)
	}
	w.stays(4*time.Second, nil)
}

// TestInteropGuardGoesOn: a guard was killed after it began.
func TestInteropGuardGoesOn(t *testing.T) {
	w := newWorld(t)
	w.renew(3600, 4, time.Now())
	note, err := json.Marshal(Done{Generation: 4, Revert: digest(w.steps(4)), At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]any{"annotations": map[string]any{NoteGuard: string(note)}}
	if err := w.client.Merge(t.Context(), kube.Leases, "flights", map[string]any{"metadata": meta}, nil); err != nil {
		t.Fatal(err)
	}
	w.guard(w.client)
	w.until("what was begun is done", func() bool { return w.candidate() == "0" && w.done().Done })
}

// TestInteropGuardStaysInItsNamespace: whoever can write a Lease cannot have the guard change what is elsewhere.
func TestInteropGuardStaysInItsNamespace(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v1/namespaces/default/configmaps/kube-root-ca.crt", "/api/v1/nodes/localhost", "/api/v1/namespaces/x/../default/a/b", "", "/version"} {
		if err := w.client.MergeAt(t.Context(), path, map[string]any{}, nil); err == nil || fault.KindOf(err) != fault.Denied && fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestInteropGuardsRights: the rights that its role gives to the guard are enough, and it needs no others.
func TestInteropGuardsRights(t *testing.T) {
	w := newWorld(t)
	rbac := func(kind, plural string, more map[string]any) {
		o := map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": map[string]any{"name": "guard"}}
		for key, value := range more {
			o[key] = value
		}
		w.create(kube.Resource{Group: "rbac.authorization.k8s.io", Version: "v1", Plural: plural}, o)
	}
	rule := func(group, plural, name string, verbs ...any) map[string]any {
		return map[string]any{"apiGroups": []any{group}, "resources": []any{plural}, "resourceNames": []any{name}, "verbs": verbs}
	}
	w.create(kube.ServiceAccounts, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "guard"}})
	rbac("Role", "roles", map[string]any{"rules": []any{
		rule("coordination.k8s.io", "leases", "flights", "get", "list", "watch", "patch"), rule("", "configmaps", "route", "get", "patch")}})
	rbac("RoleBinding", "rolebindings", map[string]any{
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "guard"},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "guard"}}})
	var token struct{ Status struct{ Token string } }
	if err := w.client.Create(t.Context(), kube.Resource{Version: "v1", Plural: "serviceaccounts/guard/token"},
		map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{"expirationSeconds": 600}}, &token); err != nil {
		t.Fatal(err)
	}
	w.guard(w.as(token.Status.Token, w.server))
	w.renew(2, 4, time.Now())
	w.until("all goes to stable", func() bool { return w.candidate() == "0" && w.done().Done })
}

// as is somebody with a token, who asks at an address.
func (w *world) as(token, address string) *kube.Client {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "config")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
clusters: [{name: a, cluster: {server: %q, certificate-authority: %q}}], users: [{name: a, user: {token: %q}}]}`, address, w.ca, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	c, err := kube.Open(kube.Config{Files: []string{file}, Namespace: w.client.Namespace(), Agent: "mlx-test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// TestInteropGuardWithoutServer: while the guard cannot reach the API server, nothing is known of who renews the Lease.
func TestInteropGuardWithoutServer(t *testing.T) {
	w := newWorld(t)
	admin := between(t, os.Getenv("MLX_TEST_KUBE"), "user: {token: ", "}")
	wire := newWire(t, w.server)
	w.guard(w.as(admin, "https://"+wire.address()))
	w.renew(3, 4, time.Now())
	w.stays(time.Second, nil)
	wire.cut(true)
	w.stays(5*time.Second, func() { w.renew(3, 4, time.Now()) }) // by somebody who reaches it
	wire.cut(false)
	w.stays(5*time.Second, func() { w.renew(3, 4, time.Now()) })
	wire.cut(true)
	time.Sleep(4 * time.Second) // longer than the lease, and nobody renews it; nor can the guard do anything
	if got := w.candidate(); got != "20" {
		t.Fatalf("the candidate has %s, and nobody could change that", got)
	}
	wire.cut(false)
	w.until("all goes to stable as soon as it can be", func() bool { return w.candidate() == "0" && w.done().Done })
}

// wire is a connection to a server that can be cut.
type wire struct {
	l    net.Listener
	mu   sync.Mutex
	off  bool
	open map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{l: l, open: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); w.cut(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c, u.Host)
		}
	}()
	return w
}

func (w *wire) address() string { return w.l.Addr().String() }

func (w *wire) cut(off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = off
	for c := range w.open {
		if off {
			c.Close()
			delete(w.open, c)
		}
	}
}

func (w *wire) carry(c net.Conn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	w.mu.Lock()
	if w.off {
		w.mu.Unlock()
		return
	}
	w.open[c] = true
	w.mu.Unlock()
	go func() { _, _ = io.Copy(s, c); s.Close() }()
	_, _ = io.Copy(c, s)
}
