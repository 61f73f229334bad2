//go:build unix

package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/folder"
)

// TestMain is also the programs that the tests start: a model server, a router that does nothing else than the supervisor needs of one,
// and a supervisor that can be killed.
func TestMain(m *testing.M) {
	switch os.Getenv("LOCAL_TEST_MAIN") {
	case "":
		os.Exit(m.Run())
	case "server":
		serverMain()
	case "router":
		routerMain(os.Args[1])
	case "supervisor":
		supervisorMain(os.Args[1], os.Args[2])
	}
}

// serverMain answers with its process number, and is ready after READY_AFTER.
func serverMain() {
	began := time.Now()
	after, _ := time.ParseDuration(os.Getenv("READY_AFTER"))
	if os.Getenv("BREAKS") != "" {
		fmt.Fprintln(os.Stderr, "ModuleNotFoundError: no module named sklearn")
		os.Exit(7)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("NEVER") != "" || time.Since(began) < after {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d %s %s", os.Getpid(), os.Getenv("NAME"), os.Getenv("MLX_MODEL_DIR"))
	})
	fmt.Println("serving")
	if os.Getenv("SLOW_END") != "" {
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		go func() {
			<-told
			time.Sleep(time.Second)
			os.Exit(0)
		}()
	}
	_ = http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux)
}

// fileRouter tells a router by a file where servers are.
type fileRouter struct{ dir string }

func (r fileRouter) Serve(_ context.Context, servers map[string][]string) error {
	return folder.WriteJSON(filepath.Join(r.dir, "told.json"), servers)
}

func (r fileRouter) Actual(context.Context) (deploy.Actual, error) { return deploy.Actual{}, nil }

func routerMain(dir string) {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if there(dir, routerHangs) {
		_ = os.WriteFile(filepath.Join(dir, routerHung), nil, 0o600)
		<-ctx.Done()
		return
	}
	if err := Offer(ctx, dir, l.(*net.TCPListener)); err != nil {
		panic(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/router" {
			fmt.Fprint(w, os.Getpid())
			return
		}
		text, _ := os.ReadFile(filepath.Join(dir, "told.json"))
		var told map[string][]string
		_ = json.Unmarshal(text, &told)
		for _, addresses := range told {
			for _, a := range addresses {
				httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a}).ServeHTTP(w, r)
				return
			}
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})}
	go func() { _ = server.Serve(l) }()
	_, _ = os.NewFile(4, "say").Write([]byte{1})
	<-ctx.Done()
	_ = server.Shutdown(context.Background())
}

// Files in the folder of a bench: while they are there, nothing can be laid out, or that takes for ever, or a router that starts does nothing,
// which it says in another one.
const (
	layFails    = "lay-fails"
	layWaits    = "lay-waits"
	routerHangs = "router-hangs"
	routerHung  = "router-hung"
)

func there(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func optionsOf(dir, listen string) Options {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Options{
		Service: "flights", Dir: dir, Listen: listen, Program: []string{self, dir}, Router: fileRouter{dir}, Now: time.Now,
		Environ: append(os.Environ(), "LOCAL_TEST_MAIN=router"), Drain: 5 * time.Second,
		Lay: func(context.Context, deploy.Release) (Place, error) {
			for there(dir, layWaits) {
				time.Sleep(10 * time.Millisecond)
			}
			if there(dir, layFails) {
				return Place{}, errors.New("no space left on device")
			}
			return Place{Dir: dir, Env: []string{"MLX_MODEL_DIR=" + filepath.Join(dir, "model")}}, nil
		},
		Log: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	}
}

func supervisorMain(dir, listen string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := Run(ctx, optionsOf(dir, listen), func(Running) {}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// bench is a service whose supervisor is a process of its own.
type bench struct {
	t       *testing.T
	dir     string
	listen  string
	client  Client
	current *exec.Cmd
}

func newBench(t *testing.T) *bench {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, listen: l.Addr().String(), client: Client{dir}}
	t.Cleanup(func() {
		if b.current != nil {
			b.end()
		}
	})
	return b
}

func (b *bench) begin() {
	b.t.Helper()
	self, _ := os.Executable()
	b.current = exec.Command(self, b.dir, b.listen)
	b.current.Env = append(os.Environ(), "LOCAL_TEST_MAIN=supervisor")
	b.current.Stderr = os.Stderr
	if err := b.current.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.await("the supervisor answers", func() bool {
		r, err := b.client.Running(b.t.Context())
		return err == nil && r.PID == b.current.Process.Pid && r.Router.PID != 0
	})
}

// end asks the supervisor to end, and waits until it has.
func (b *bench) end() {
	_ = b.current.Process.Signal(syscall.SIGTERM)
	_ = b.current.Wait()
	b.current = nil
}

func (b *bench) await(what string, done func() bool) {
	b.t.Helper()
	for until := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			r, err := b.client.Running(context.Background())
			b.t.Fatalf("not so after 20 s: %s; it is %+v, %v", what, r, err)
		}
	}
}

func releaseOf(name string, env ...string) deploy.Release {
	return deploy.Release{Key: strings.Repeat(name, 16), Model: "flights", Version: 1, Serve: deploy.Serve{
		Command: `exec "$0"`, Env: append(env, "LOCAL_TEST_MAIN=server", "NAME="+name), Ready: "/health", Start: 10 * time.Second, Stop: 5 * time.Second,
	}}
}

func wanted(replicas int, releases ...deploy.Release) Arms {
	self, _ := os.Executable()
	var a Arms
	for _, r := range releases {
		r.Serve.Command = "exec '" + self + "'"
		a.Arms = append(a.Arms, Wanted{Release: r, Replicas: replicas})
	}
	return a
}

func (b *bench) want(a Arms) {
	b.t.Helper()
	if _, err := b.client.Want(b.t.Context(), a); err != nil {
		b.t.Fatal(err)
	}
}

// ask asks through the router. It does not use a connection twice.
func (b *bench) ask(path string) (int, string) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Get("http://" + b.listen + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (b *bench) running() Running {
	b.t.Helper()
	r, err := b.client.Running(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) awaitReady(key string, n int) {
	b.t.Helper()
	b.await(fmt.Sprintf("%d servers of %s are ready", n, key), func() bool {
		for _, a := range b.running().Arms {
			if a.Key == key {
				return len(a.Servers) == n
			}
		}
		return n == 0
	})
}

func (b *bench) pid() int {
	b.t.Helper()
	var pid int
	b.await("a server answers", func() bool {
		status, text := b.ask("/pid")
		first, _, _ := strings.Cut(text, " ")
		pid, _ = strconv.Atoi(first)
		return status == http.StatusOK
	})
	return pid
}

func TestServersAndRouterAreStartedAgain(t *testing.T) {
	b := newBench(t)
	b.begin()
	if _, err := (Client{t.TempDir()}).Running(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a service that does not run: %v", err)
	}
	a := releaseOf("a")
	b.want(wanted(2, a))
	b.awaitReady(a.Key, 2)
	b.pid() // the router is told of them right after
	if status, text := b.ask("/pid"); status != http.StatusOK || !strings.HasSuffix(text, " a "+filepath.Join(b.dir, "model")) {
		t.Errorf("it answers %d %s", status, text)
	}
	if m := b.running().Arms[0].Memory; m < 1<<20 || m > 1<<30 {
		t.Errorf("a server holds %d bytes", m)
	}
	victim := b.pid()
	_ = syscall.Kill(victim, syscall.SIGKILL)
	b.await("it was started again", func() bool { r := b.running().Arms[0]; return r.Restarts == 1 && len(r.Servers) == 2 })
	_, text := b.ask("/router")
	router, _ := strconv.Atoi(text)
	_ = syscall.Kill(router, syscall.SIGKILL)
	if status, _ := b.ask("/pid"); status != http.StatusOK {
		t.Errorf("after the router was killed a request gets %d: the socket should have held it", status)
	}
	if r := b.running().Router; r.Restarts != 1 || r.PID == router {
		t.Errorf("the router is %+v", r)
	}
	old := b.running().Router.PID
	if r, err := b.client.Upgrade(t.Context()); err != nil || r.Router.PID == old {
		t.Errorf("after an upgrade the router is %+v, %v", r.Router, err)
	}
	if status, _ := b.ask("/pid"); status != http.StatusOK {
		t.Errorf("after an upgrade a request gets %d", status)
	}
}

func TestASupervisorTakesOverWhatOneLeft(t *testing.T) {
	b := newBench(t)
	b.begin()
	a := releaseOf("a")
	b.want(wanted(1, a))
	b.awaitReady(a.Key, 1)
	server, router := b.pid(), b.running().Router.PID
	self, _ := os.Executable()
	second := exec.Command(self, b.dir, b.listen)
	second.Env = append(os.Environ(), "LOCAL_TEST_MAIN=supervisor")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "it runs already on this machine") {
		t.Errorf("a second supervisor says %s, %v", out, err)
	}
	_ = b.current.Process.Kill()
	_ = b.current.Wait()
	if b.pid() != server {
		t.Error("without a supervisor another server answers")
	}
	b.begin()
	b.awaitReady(a.Key, 1)
	if r := b.running(); b.pid() != server || r.Router.PID != router || r.Arms[0].Restarts != 0 {
		t.Errorf("server %d and router %d are now %d and %+v", server, router, b.pid(), r)
	}
	_ = syscall.Kill(router, syscall.SIGKILL)
	if status, _ := b.ask("/pid"); status != http.StatusOK {
		t.Errorf("after the router that was taken over was killed a request gets %d", status)
	}
	_ = syscall.Kill(server, syscall.SIGKILL)
	b.await("the server that was taken over is started again", func() bool { _, text := b.ask("/pid"); return strings.Contains(text, " a ") })
	last, router := b.pid(), b.running().Router.PID
	b.end()
	for what, pid := range map[string]int{"server": last, "router": router} {
		if (identity{pid, startOf(pid)}).alive() && startOf(pid) != "" {
			t.Errorf("the %s lives on after its supervisor was asked to end", what)
		}
	}
	if _, err := b.client.Running(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("of a supervisor that ended: %v", err)
	}
}

func TestWhatCannotServeSaysWhy(t *testing.T) {
	b := newBench(t)
	b.begin()
	never, breaks := releaseOf("b", "NEVER=1"), releaseOf("c", "BREAKS=1")
	never.Serve.Start = 3 * time.Second // in which a busy machine starts a process
	guess := releaseOf("d")
	guess.Serve.Ready = ""
	b.want(wanted(1, never, breaks, guess))
	b.awaitReady(guess.Key, 1)
	late, asked, ended := false, false, false // each until its next try
	b.await("both have their words", func() bool {
		arms := b.running().Arms
		late = late || strings.Contains(arms[0].Trouble, "it was not ready after 3s: ")
		asked = asked || strings.Contains(arms[0].Trouble, "/health answers 503")
		ended = ended || strings.Contains(arms[1].Trouble, "it ended with exit status 7: ") && strings.Contains(arms[1].Trouble, "no module named sklearn")
		return late && asked && ended
	})
	for _, bad := range []Arms{{Arms: []Wanted{{}}}, wanted(-1, never), wanted(1, never, never), wanted(100000, never)} {
		if _, err := b.client.Want(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "the supervisor refuses") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	b.await("it has ended again, and says so all the time and once", func() bool {
		arm := b.running().Arms[1]
		if strings.Count(arm.Trouble, "no module named sklearn") != 1 {
			t.Fatalf("after %d starts it says %q", arm.Restarts, arm.Trouble)
		}
		return arm.Restarts > 2
	})
	b.want(wanted(1, guess))
	b.await("the others are gone", func() bool { return len(b.running().Arms) == 1 })
	b.end()
	b.begin() // it knows what is to run
	b.awaitReady(guess.Key, 1)
}

func TestWhatHasHadItsTimeIsStopped(t *testing.T) {
	b := newBench(t)
	a, old := releaseOf("a"), releaseOf("e")
	arms := wanted(1, a, old)
	arms.Arms[1].Until = time.Now().Add(-time.Minute)
	if err := folder.WriteJSON(filepath.Join(b.dir, armsName), arms); err != nil {
		t.Fatal(err)
	}
	b.begin()
	b.await("it is stopped", func() bool { return len(b.running().Arms) == 1 })
	if got, err := b.client.Arms(); err != nil || len(got.Arms) != 1 || got.Arms[0].Release.Key != a.Key {
		t.Errorf("what is to run is %+v, %v", got, err)
	}
}

func TestSocketsInDeepFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	l, err := listenUnix(t.Context(), dir, "a.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	again, err := listenUnix(t.Context(), dir, "a.sock") // of a process that was killed
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	c, err := dialUnix(t.Context(), dir, "a.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := again.Accept(); err != nil {
		t.Error(err)
	} else {
		_ = got.Close()
	}
}

func TestOpenPortsAreFound(t *testing.T) {
	if _, err := os.Stat("/proc/self/net/tcp"); err != nil {
		t.Skip("this system does not tell what a process listens on")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := openPorts(os.Getpid()); len(got) != 0 {
		t.Errorf("beyond loopback it listens on %v", got)
	}
	a, inode := listening("   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 x 100 0 0 10 0")
	if a.String() != "0.0.0.0:8080" || inode != "12345" {
		t.Errorf("a line is read as %v, %s", a, inode)
	}
	six, _ := listening("   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1 x 100")
	if six.String() != "[::1]:80" || !six.Addr().IsLoopback() {
		t.Errorf("a line of IPv6 is read as %v", six)
	}
	for _, bad := range []string{"", "a b c 0A", "0: zz:1F90 0 0A 0 0 0 0 0 1 0", "0: 00:1F90 0 0A 0 0 0 0 0 1 0"} {
		if a, _ := listening(bad); a.IsValid() {
			t.Errorf("%q is read as %v", bad, a)
		}
	}
}

func TestLogsArePutAside(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	f, err := openLog(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := trim(name); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxLog); err != nil {
		t.Fatal(err)
	}
	if err := trim(name); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "one\n\n two\nthree\nfour\n")
	if got := lastLines(name, int64(len("one\n\n two\nthree\n")), 3); got != "four" {
		t.Errorf("the last lines behind the third are %q", got)
	}
	if got := lastLines(name, 0, 3); got != "two | three | four" {
		t.Errorf("its last lines are %q", got)
	}
	if info, err := os.Stat(name + ".1"); err != nil || info.Size() != maxLog {
		t.Errorf("what was put aside: %v, %v", info, err)
	}
}
