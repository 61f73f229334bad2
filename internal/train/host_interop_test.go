//go:build interop

package train

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mlx/internal/fault"
)

// sshConfig is that of the server of .ci/sshd.
func sshConfig(t *testing.T) string {
	t.Helper()
	config := os.Getenv("MLX_TEST_SSH")
	if config == "" {
		t.Fatal("MLX_TEST_SSH names no ssh_config: .ci/sshd up; eval \"$(.ci/sshd env)\"")
	}
	return config
}

// thereHost makes hosts that the server of .ci/sshd leads to: real connections, each of which serves several commands.
func thereHost(t *testing.T) func(name string) *Host {
	t.Helper()
	config, cache := sshConfig(t), t.TempDir()
	sockets, err := os.MkdirTemp("/tmp", "mlx-") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	sockets = filepath.Join(sockets, "s")
	t.Cleanup(func() {
		kept, _ := filepath.Glob(filepath.Join(sockets, "*"))
		for _, k := range kept { // the connections that are kept open
			_ = exec.Command("ssh", "-F", config, "-o", "ControlPath="+k, "-O", "exit", "gpu-box").Run()
		}
		_ = os.RemoveAll(filepath.Dir(sockets))
	})
	return func(name string) *Host {
		return &Host{
			Name: name, Dir: filepath.Join(t.TempDir(), "node"), SSH: []string{"ssh", "-F", config}, Self: selfOf(t), Cache: cache,
			Sockets: []string{sockets},
		}
	}
}

func TestWordsArriveOverSSH(t *testing.T) {
	host := thereHost(t)
	for _, name := range []string{"gpu-box", "gpu-behind-bastion", "gpu-mux"} {
		h := host(name)
		var easy, hard []string // those that travel as they are, and as digits
		for _, w := range hostileWords() {
			if strings.ContainsAny(w, "\n\r\\!") {
				hard = append(hard, w)
			} else {
				easy = append(easy, w)
			}
		}
		for _, words := range [][]string{easy, hard} {
			got, err := h.Run(t.Context(), append([]string{"printf", "%s|"}, words...), nil)
			if want := strings.Join(words, "|") + "|"; err != nil || got.Status != 0 || string(got.Stdout) != want {
				t.Errorf("%s: %q arrive as %q %q, %v", name, words, got.Stdout, got.Stderr, err)
			}
		}
		got, err := h.Run(t.Context(), []string{"sh", "-c", "cat; echo trouble >&2; exit 255"}, []byte("stdin"))
		if err != nil || string(got.Stdout) != "stdin" || string(got.Stderr) != "trouble\n" || got.Status != 254 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestFleetOverSSH(t *testing.T) {
	for _, c := range fleetCases() {
		t.Run(c.name, func(t *testing.T) { c.test(newField(t, thereHost(t), "gpu-box")) })
	}
}

func TestHostsThatDoNotLetIn(t *testing.T) {
	host := thereHost(t)
	if _, err := host("gpu-box").Run(t.Context(), []string{"true"}, nil); err != nil {
		t.Fatal(err) // from here on a connection to the very address is open, which must help nobody
	}
	for _, c := range []struct {
		name string
		kind fault.Kind
		want string
	}{
		{"stranger", fault.Denied, "the key of stranger is not the one known"},
		{"unknown", fault.Denied, "the key of unknown is not known"},
		{"intruder", fault.Denied, "intruder does not let you in"},
		{"nobody", fault.Unavailable, "cannot reach nobody: no ssh server answers there"},
		{"no-such-host.invalid", fault.Unavailable, "cannot find a host called no-such-host.invalid"},
	} {
		h := host(c.name)
		_, err := h.Run(t.Context(), []string{"true"}, nil)
		if fault.KindOf(err) != c.kind || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v: %v, want %v: %s", c.name, fault.KindOf(err), err, c.kind, c.want)
		}
		if _, other := h.Link(t.Context()); other == nil || other.Error() != err.Error() {
			t.Errorf("%s: a link says %v, not %v", c.name, other, err)
		}
		f := Fleet{Hosts: []*Host{h}}
		if _, err := f.Status(t.Context(), []Ref{{}}); err == nil {
			t.Errorf("%s tells of jobs", c.name)
		}
		if _, err := os.Stat(h.Dir); err == nil {
			t.Errorf("%s: something was brought there", c.name)
		}
	}
}

func TestOneConnectionServesMany(t *testing.T) {
	h := thereHost(t)("gpu-box")
	if _, err := h.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	sockets, err := os.ReadDir(h.Sockets[0])
	if err != nil || len(sockets) != 1 {
		t.Errorf("connections kept open: %d, %v", len(sockets), err)
	}
	own := thereHost(t)("gpu-mux")
	if _, err := own.Run(t.Context(), []string{"true"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(own.Sockets[0]); err == nil {
		if left, _ := os.ReadDir(own.Sockets[0]); len(left) > 0 {
			t.Error("a user who keeps connections open himself gets one more")
		}
	}
}

// TestRestartWhileAJobRuns: the server goes with all its connections. The state is an error then, never an end, and the job goes on.
func TestRestartWhileAJobRuns(t *testing.T) {
	f := newField(t, thereHost(t), "gpu-box")
	j := f.job("echo x >began; while [ ! -e go ]; do sleep 0.02; done\n")
	f.submit(j)
	f.file(j, "began")
	c, err := f.Hosts[0].connect(t.Context(), "jobs")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
	sshd(t, "down-only")
	if err := <-ended; fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the connection ends with %v", err)
	}
	_ = c.Close()
	if _, err := f.Status(t.Context(), []Ref{j.Ref}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("without a server the state is asked with %v", err)
	}
	if _, err := f.Submit(t.Context(), j); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("without a server it is submitted with %v", err)
	}
	sshd(t, "restart")
	f.until(j, Running)
	if err := os.WriteFile(filepath.Join(j.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.until(j, Done)
}

// sshd stops the server by its files, or lets .ci/sshd start it again.
func sshd(t *testing.T, what string) {
	t.Helper()
	dir := filepath.Dir(sshConfig(t))
	cmd := exec.Command("../../.ci/sshd", "restart")
	if what == "down-only" {
		cmd = exec.Command("../../.ci/sshd", "stop")
	}
	cmd.Env = append(os.Environ(), "WORKDIR="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
}

// TestALostReply: the connection is cut once the host has begun to answer. A repeated submit finds the job.
func TestALostReply(t *testing.T) {
	f := newField(t, thereHost(t), "gpu-box")
	j := f.job("echo $$ >>began; while [ ! -e go ]; do sleep 0.02; done\n")
	if _, err := f.Hosts[0].Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cut := context.WithCancel(t.Context())
	go func() {
		f.file(j, AgentName) // it was started, and the reply is on its way at most
		cut()
	}()
	_, err := f.Submit(ctx, j)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	f.submit(j)
	f.file(j, "began")
	if err := os.WriteFile(filepath.Join(j.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.until(j, Done)
	if n := strings.Count(f.file(j, "began"), "\n"); n != 1 {
		t.Errorf("it was executed %d times", n)
	}
}

// TestADeadConnection: the other side is stopped, and answers nothing any more without closing anything.
func TestADeadConnection(t *testing.T) {
	h := thereHost(t)("gpu-box")
	h.SSH = append(h.SSH, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", "-o", "ControlMaster=no", "-o", "ControlPath=none")
	h.Sockets = nil
	done := make(chan error, 1)
	file := filepath.Join(t.TempDir(), "pid")
	go func() {
		_, err := h.Run(t.Context(), []string{"sh", "-c", "echo $PPID >\"$1\".new; mv \"$1\".new \"$1\"; sleep 30", "sh", file}, nil)
		done <- err
	}()
	var server int
	for server == 0 && t.Context().Err() == nil {
		text, _ := os.ReadFile(file)
		server, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		time.Sleep(10 * time.Millisecond) // another process writes it
	}
	if server, _ = strconv.Atoi(parentOf(server)); server == 0 { // of the shell that keeps 255 for ssh
		t.Fatal("the server of the connection is not found")
	}
	if err := syscall.Kill(server, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(server, syscall.SIGKILL)
	select {
	case err := <-done:
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "does not answer any more") {
			t.Errorf("the connection ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the connection never ends")
	}
}

func parentOf(pid int) string {
	if fields := procStat(strconv.Itoa(pid)); len(fields) > 1 {
		return string(fields[1])
	}
	return ""
}

// TestNodesOverSSH: two names of one machine, which the second reaches by way of the first.
func TestNodesOverSSH(t *testing.T) {
	f := newField(t, thereHost(t), "gpu-box", "gpu-behind-bastion")
	j := f.job("echo $MLX_NODE_RANK of $MLX_NODES at $MLX_MASTER_ADDR >rank-$MLX_NODE_RANK; trap '' TERM; while :; do sleep 1; done\n")
	j.Resources.Nodes = 2
	if h := f.submit(j); !strings.Contains(h, "gpu-box:") || !strings.Contains(h, ",gpu-behind-bastion:") {
		t.Errorf("the handle is %s", h)
	}
	for rank, want := range []string{"0 of 2 at 127.0.0.1\n", "1 of 2 at 127.0.0.1\n"} {
		if got := f.file(j, "rank-"+strconv.Itoa(rank)); got != want {
			t.Errorf("node %d is %q", rank, got)
		}
	}
	if err := f.Cancel(t.Context(), j.Ref, 0); err != nil {
		t.Fatal(err)
	}
	for rank := range 2 {
		a, ok := NodeJobs{Root: f.root}.agent(j.ID, rank)
		if !ok || a.lives() {
			t.Errorf("node %d lives on: %+v", rank, a)
		}
	}
}

// TestManyAtOnce: connections that are made at the same time share what is brought.
func TestManyAtOnce(t *testing.T) {
	h := thereHost(t)("gpu-box")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			one := &Host{Name: h.Name, Dir: h.Dir, SSH: h.SSH, Self: h.Self, Cache: h.Cache, Sockets: h.Sockets}
			if _, err := one.Install(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	left, err := filepath.Glob(filepath.Join(h.Dir, "bin", "*", "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left are %q, %v", left, err)
	}
}
