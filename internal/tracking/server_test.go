package tracking

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

const host = "bench"

// TestMain lets a test start this binary again as an endpoint in a process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("TRACKING_TEST_ROLE") {
	case "server":
		os.Exit(playServer(os.Args[1], os.Args[2]))
	case "client":
		os.Exit(playClient(os.Args[1], os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// playServer serves the folder until it is killed. It prints where.
func playServer(dir, addr string) int {
	o, err := optionsIn(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("http://" + l.Addr().String())
	server := http.Server{Handler: New(o), ReadHeaderTimeout: time.Minute}
	fmt.Println(server.Serve(l))
	return 1
}

// optionsIn opens the ledger and the store of a folder as another process does.
func optionsIn(dir string) (Options, error) {
	ledger, err := lineage.Open(lineage.Options{Dir: filepath.Join(dir, "ledger"), Now: time.Now, By: "ana", Host: host, PID: os.Getpid()})
	if err != nil {
		return Options{}, err
	}
	store, err := snapshot.Open(snapshot.Options{
		Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Now: time.Now,
		Clone: snapshot.Clone{ID: strings.Repeat("0", 32), Dir: dir},
	})
	if err != nil {
		return Options{}, err
	}
	runs := filepath.Join(dir, "runs")
	r := run.Runner{Ledger: ledger, Store: store, Now: time.Now, Host: host, Tmp: filepath.Join(dir, "tmp"), Runs: runs, Environ: os.Environ()}
	return Options{
		Runner: r, History: run.History{Ledger: ledger, Host: host, Now: time.Now, Runs: runs}, Ledger: ledger, Store: store, Now: time.Now,
		Registry: registry.Registry{Ledger: ledger, Now: time.Now}, Dir: filepath.Join(dir, "tracking"),
		Base: run.Body{Folder: ".", Worktree: "main", Process: run.Self(host, os.Getpid()), Machine: run.Machine{Host: host, CPUs: 1}},
	}, nil
}

// bench is an endpoint over a folder of its own.
type bench struct {
	*testing.T
	dir    string
	o      Options
	server *Server
	url    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir()}
	b.open(func(*Options) {})
	return b
}

func (b *bench) open(change func(*Options)) {
	b.Helper()
	var err error
	if b.o, err = optionsIn(b.dir); err != nil {
		b.Fatal(err)
	}
	change(&b.o)
	b.o.Trouble = func(err error) { b.Errorf("trouble: %v", err) }
	b.server = New(b.o)
	web := httptest.NewServer(b.server)
	b.url = web.URL
	ledger, store, server := b.o.Ledger, b.o.Store, b.server
	b.Cleanup(func() {
		web.Close()
		if err := server.Close(context.Background()); err != nil {
			b.Errorf("close: %v", err)
		}
		_, _ = ledger.Close(), store.Close()
	})
}

// call asks, and returns status and text of the answer.
func (b *bench) call(method, path, body string) (int, string) {
	b.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/api/2.0/mlflow/" + path
	}
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// must asks, and returns the answer, which is no error.
func (b *bench) must(method, path, body string) string {
	b.Helper()
	status, text := b.call(method, path, body)
	if status != http.StatusOK {
		b.Fatalf("%s %s %.300s: %d %s", method, path, body, status, text)
	}
	return text
}

func (b *bench) post(path, body string) string { b.Helper(); return b.must("POST", path, body) }

// create begins a run and returns its id.
func (b *bench) create(body string) string {
	b.Helper()
	return between(b.T, b.post("runs/create", body), `"run_id":"`, `"`)
}

func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, before)
	found, _, ok2 := strings.Cut(rest, after)
	if !ok || !ok2 {
		t.Fatalf("no %s…%s in %s", before, after, text)
	}
	return found
}

// refused asks for what is refused, with that code and words.
func (b *bench) refused(method, path, body string, code Code, words string) {
	b.Helper()
	status, text := b.call(method, path, body)
	if status != code.status() || !strings.Contains(text, `"error_code":"`+string(code)+`"`) || !strings.Contains(text, words) {
		b.Errorf("%s %s %.200s: %d %s; want %s %q", method, path, body, status, text, code, words)
	}
}

func (b *bench) body(id string) run.Body {
	b.Helper()
	digest, err := b.server.digestOf(context.Background(), id)
	if err != nil {
		b.Fatal(err)
	}
	body, _, err := b.o.History.Body(context.Background(), digest)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func (b *bench) digest(id string) object.Digest {
	b.Helper()
	d, err := b.server.digestOf(context.Background(), id)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func firstLine(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("%v after %q", err, text)
	}
	return strings.TrimSpace(text)
}

// restart closes the endpoint and opens another one over the same folder.
func (b *bench) restart(change func(*Options)) {
	b.Helper()
	if err := b.server.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.open(change)
}

// records are those of a run.
func (b *bench) records(id string) []lineage.Record {
	b.Helper()
	digest, all := b.digest(id), []lineage.Record(nil)
	for rec, err := range b.o.Ledger.Select(context.Background(), lineage.Query{Nouns: []string{"run"}, All: true}) {
		if err != nil {
			b.Fatal(err)
		}
		if of, ok := run.IDOf(rec); ok && of == digest {
			all = append(all, rec)
		}
	}
	return all
}

// folder makes the folder of a run in progress, as whoever runs its command does.
func (b *bench) folder(id object.Digest) {
	b.Helper()
	if err := os.MkdirAll(filepath.Join(b.o.Runner.Runs, id.Hex()), 0o777); err != nil {
		b.Fatal(err)
	}
}

// killedPoints is how many points each client logs.
const killedPoints = 500

// playClient logs points one by one, each until it is acknowledged, and prints when it is half-way.
func playClient(url, id, key string) int {
	post := func(i int) bool {
		body := fmt.Sprintf(`{"run_id": %q, "key": %q, "value": %d, "timestamp": %d, "step": %d}`, id, key, i, 1700000000000+i, i)
		resp, err := http.Post(url+"/api/2.0/mlflow/runs/log-metric", "application/json", strings.NewReader(body))
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return err == nil && resp.StatusCode == http.StatusOK
	}
	for i := range killedPoints {
		for tries := 0; !post(i); tries++ {
			if tries == 6000 {
				fmt.Println("gave up")
				return 1
			}
			time.Sleep(5 * time.Millisecond) // the endpoint is being started anew
		}
		if i%100 == 50 {
			fmt.Println("at", i)
		}
	}
	fmt.Println("done")
	return 0
}
