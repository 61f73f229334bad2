//go:build unix

package run

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the commands that runs start.
func TestMain(m *testing.M) {
	if role := os.Getenv("RUN_TEST_ROLE"); role != "" {
		os.Exit(play(role, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// play is the fake commands. Each says "ready" once a signal would reach it as meant.
func play(role string, args []string) int {
	stop := make(chan os.Signal, 1)
	switch role {
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case "graceful":
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		fmt.Println("ready")
		fmt.Println((<-stop).String())
		return 7
	case "stubborn":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "parent":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "RUN_TEST_ROLE=graceful")
		child.Stdout = os.Stdout
		signal.Ignore(syscall.SIGTERM)
		if err := child.Run(); err != nil {
			return child.ProcessState.ExitCode()
		}
	case "eat":
		block := make([]byte, 96<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		runtime.KeepAlive(block)
	case "write":
		return writeFiles(args)
	case "driver":
		return playDriver(args)
	default:
		return playOutput(role, args)
	}
	return 0
}

// writeFiles takes NAME=TEXT; the name $X is the file that the variable names.
func writeFiles(args []string) int {
	code := 0
	for _, arg := range args {
		name, text, _ := strings.Cut(arg, "=")
		if name == "exit" {
			code, _ = strconv.Atoi(text)
			continue
		}
		if err := os.WriteFile(os.ExpandEnv(name), []byte(os.ExpandEnv(text)), 0o666); err != nil {
			return 99
		}
	}
	return code
}

func ordered(role string, args ...string) order {
	return order{argv: append([]string{os.Args[0]}, args...), env: append(os.Environ(), "RUN_TEST_ROLE="+role), grace: time.Minute}
}

// piped gives the child a pipe for its output.
func (o order) piped(t *testing.T) (order, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	o.stdout = w
	return o, bufio.NewReader(r)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func TestExecuteEnds(t *testing.T) {
	tests := []struct {
		role   string
		args   []string
		want   outcome
		state  State
		cause  string
		status int
	}{
		{"exit", []string{"0"}, outcome{status: 0}, Succeeded, "", 0},
		{"exit", []string{"3"}, outcome{status: 3}, Failed, "exit status 3", 3},
		{"die", nil, outcome{status: -1, signal: "SIGKILL", number: 9}, Killed, "SIGKILL", 137},
	}
	for _, tt := range tests {
		got, err := ordered(tt.role, tt.args...).execute()
		if err != nil {
			t.Fatal(err)
		}
		state, cause := got.verdict(0)
		status := statusOf(got)
		got.cpu, got.peakBytes = 0, 0
		if !reflect.DeepEqual(got, tt.want) || state != tt.state || cause != tt.cause || status != tt.status {
			t.Errorf("%s %v: %+v, %s %q, %d", tt.role, tt.args, got, state, cause, status)
		}
	}
}

func TestExecuteNoProgram(t *testing.T) {
	if err := lookup("no-such-program-anywhere", "."); err == nil || !strings.Contains(err.Error(), `there is no program "no-such-program-anywhere"`) {
		t.Errorf("got %v", err)
	}
	if err := lookup("./no-such-script", "."); err == nil || !strings.Contains(err.Error(), `there is no program "./no-such-script"`) {
		t.Errorf("got %v", err)
	}
	if _, err := (order{argv: []string{t.TempDir()}}).execute(); err == nil {
		t.Error("a folder was executed")
	}
}

// A program is found in the PATH that the child is given, as it would find others there.
func TestExecuteFindsByThePathOfTheChild(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "only-here")); err != nil {
		t.Fatal(err)
	}
	o := ordered("exit", "0")
	o.argv[0] = "only-here"
	if _, err := o.execute(); err == nil {
		t.Fatal("it was found without a PATH that has it")
	}
	o.env = append(o.env, "PATH="+dir+string(os.PathListSeparator)+Variable(o.env, "PATH"))
	if got, err := o.execute(); err != nil || got.status != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A signal goes to everything that the command started; its own answer decides.
func TestExecutePassesSignals(t *testing.T) {
	for _, role := range []string{"graceful", "parent"} {
		signals := make(chan os.Signal, 1)
		o, out := ordered(role).piped(t)
		o.signals = signals
		go func() {
			if line(t, out) == "ready" {
				signals <- syscall.SIGTERM
			}
		}()
		got, err := o.execute()
		if err != nil {
			t.Fatal(err)
		}
		if state, cause := got.verdict(0); got.status != 7 || state != Cancelled || cause != "stopped by SIGTERM" {
			t.Errorf("%s: %+v, %s %q", role, got, state, cause)
		}
	}
}

// At a terminal the child has no group of its own: what it started is found all the same, also when the child is gone.
func TestSharedGroupReachesDescendants(t *testing.T) {
	o, out := ordered("parent").piped(t)
	cmd := exec.Command(o.argv[0], o.argv[1:]...)
	cmd.Env, cmd.Stdout = o.env, o.stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g := &group{shared: true, known: make(map[int]string)}
	if got := line(t, out); got != "ready" {
		t.Fatalf("got %q", got)
	}
	g.send(cmd.Process, syscall.SIGCONT)
	if len(g.known) != 1 {
		t.Fatalf("%d descendants were found", len(g.known))
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	g.ask(cmd.Process)
	if got := line(t, out); got != "terminated" {
		t.Errorf("the grandchild said %q", got)
	}
}

func TestExecuteSecondSignalKills(t *testing.T) {
	signals := make(chan os.Signal, 2)
	o, out := ordered("stubborn").piped(t)
	o.signals = signals
	go func() {
		if line(t, out) == "ready" {
			signals <- syscall.SIGINT
			signals <- syscall.SIGINT
		}
	}()
	got, err := o.execute()
	if err != nil {
		t.Fatal(err)
	}
	if state, _ := got.verdict(0); got.signal != "SIGKILL" || state != Cancelled || statusOf(got) != 137 {
		t.Errorf("%+v, %s", got, state)
	}
}

// The time limit asks, then kills.
func TestExecuteTimeout(t *testing.T) {
	o, _ := ordered("stubborn").piped(t)
	o.timeout, o.grace = time.Second, 50*time.Millisecond
	got, err := o.execute()
	if err != nil {
		t.Fatal(err)
	}
	if state, cause := got.verdict(1); got.signal != "SIGKILL" || state != Killed || cause != "time limit of 1s" {
		t.Errorf("%+v, %s %q", got, state, cause)
	}
	for seconds, want := range map[float64]string{7200: "2h", 90: "1m30s", 600: "10m", 10: "10s", 36000: "10h"} {
		if got := span(seconds); got != want {
			t.Errorf("span(%v) = %s, want %s", seconds, got, want)
		}
	}
	if got := statusOf(outcome{timedOut: true}); got != 125 {
		t.Errorf("a command that ends well when its time is over: status %d", got)
	}
}

func TestExecutePeakMemory(t *testing.T) {
	got, err := ordered("eat").execute()
	if err != nil {
		t.Fatal(err)
	}
	if got.peakBytes < 96<<20 || got.peakBytes > 500<<20 {
		t.Errorf("peak of a program with 96 MiB: %d", got.peakBytes)
	}
	if got.cpu <= 0 {
		t.Errorf("CPU time %v", got.cpu)
	}
}

func TestProcess(t *testing.T) {
	const host = "here"
	self := Self(host, os.Getpid())
	other := self
	other.Boot = "another"
	reused := self
	reused.Start = "1"
	tests := []struct {
		name string
		p    Process
		want sight
	}{
		{"this process", self, alive},
		{"another machine", Self("there", os.Getpid()), unknown},
		{"another boot or container", other, unknown},
		{"its id was given to another process", reused, gone},
		{"no process", Process{Host: host, PID: 1 << 30, Boot: self.Boot, Start: "1"}, gone},
	}
	for _, tt := range tests {
		if got := tt.p.seen(host); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
