//go:build interop

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHostsOverSSH has three hosts of a real sshd serve as one: names of one server, each with a clone of its own. A host that does not let in and one
// whose key is another are told as what they are.
func TestHostsOverSSH(t *testing.T) {
	config := os.Getenv("MLX_TEST_SSH")
	if config == "" {
		t.Fatal("no sshd: .ci/sshd up, and eval \"$(.ci/sshd env)\"")
	}
	b := newHostsBench(t, config)
	b.mlx("deploy", "flights", "flights@v1")
	b.mlx("deploy", "flights", "flights@v2", "--detach") // nobody asks it anything
	b.until("rolling", "\ncandidate\tflights@v2\t1%\t")
	b.mlx("service", "resume", "flights", "--full")
	if said := b.mlx("service", "status", "flights"); !strings.Contains(said, "stable\tflights@v2\t100%") || strings.Count(said, "\tsame\t") != 3 {
		t.Errorf("after a rollout:\n%s", said)
	}
	b.mlx("rollback", "flights")
	if said := b.mlx("service", "status", "flights"); !strings.Contains(said, "stable\tflights@v1\t100%") {
		t.Errorf("after a rollback:\n%s", said)
	}
	for name, want := range map[string]string{"intruder": "does not let you in", "stranger": "is not the one known", "nobody": "no ssh server answers there"} {
		b.write(name)
		b.mlx("trust", "-y", "-q")
		said, err := b.try("service", "status", "flights")
		if err == nil || !strings.Contains(said, want) || !strings.Contains(said, "host\t"+name+"\taway") {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}

// hostsBench is a project whose service has hosts.
type hostsBench struct {
	t       *testing.T
	dir     string
	program string
	environ []string
}

func newHostsBench(t *testing.T, config string) *hostsBench {
	t.Helper()
	b := &hostsBench{t: t, dir: t.TempDir()}
	b.program = filepath.Join(b.dir, "mlx")
	b.run(".", "go", "build", "-o", b.program, ".")
	b.environ = append(os.Environ(), "MLX_SSH=ssh -F "+config, "HOME="+b.dir, "XDG_RUNTIME_DIR=", "XDG_CONFIG_HOME=", "GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=ana@example.org",
		"GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=ana@example.org")
	work := b.at("work")
	for _, dir := range []string{work, b.at("remote")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	there := "#!/bin/sh\nexport HOME=" + shellWord(b.dir) + "\nunset XDG_CONFIG_HOME\nexec " + shellWord(b.program) + " \"$@\"\n" // sshd gives it nothing of the environment
	if err := os.WriteFile(b.at("there"), []byte(there), 0o700); err != nil {
		t.Fatal(err)
	}
	server := "import http.server,os\nclass H(http.server.BaseHTTPRequestHandler):\n  def do_GET(s): s.send_response(200); s.end_headers()\n" +
		"http.server.ThreadingHTTPServer(('127.0.0.1',int(os.environ['PORT'])),H).serve_forever()\n"
	if err := os.WriteFile(filepath.Join(work, "serve.py"), []byte(server), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(work, "git", "init", "-q")
	b.write("gpu-behind-bastion")
	b.mlx("init", "-q")
	for _, weight := range []string{"1", "2"} {
		if err := os.WriteFile(filepath.Join(work, "m.json"), []byte(weight), 0o600); err != nil {
			t.Fatal(err)
		}
		b.mlx("model", "register", "flights", "m.json")
	}
	b.mlx("remote", "add", "team", b.at("remote"), "--default")
	b.mlx("trust", "-y", "-q")
	b.run(work, "git", "add", "-A")
	b.run(work, "git", "commit", "-qm", "first")
	b.mlx("push", "-q")
	for _, host := range []string{"one", "two", "three"} {
		b.host(host)
	}
	b.until("empty")
	return b
}

// host makes a clone in which the service runs until the test ends.
func (b *hostsBench) host(name string) {
	b.t.Helper()
	b.run(b.dir, "git", "clone", "-q", b.at("work"), b.at(name))
	for _, words := range [][]string{{"trust", "-y", "-q"}, {"pull", "--no-checkout", "-q"}} {
		b.run(b.dir, b.program, append([]string{"-C", b.at(name)}, words...)...)
	}
	cmd := exec.Command(b.program, "-C", b.at(name), "service", "run", "flights")
	cmd.Env = b.environ
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	})
}

func (b *hostsBench) at(name string) string { return filepath.Join(b.dir, name) }

// write makes mlx.yaml with the third host by a name of the configuration of ssh.
func (b *hostsBench) write(third string) {
	b.t.Helper()
	name := filepath.Join(b.at("work"), "mlx.yaml")
	text, _ := os.ReadFile(name) // it has what mlx init and mlx remote wrote
	head, _, _ := strings.Cut(string(text), "services:\n")
	services := "services:\n  flights:\n    model: flights\n    cmd: exec python3 serve.py\n    ready: /\n    code: [serve.py]\n    start_timeout: 60s\n    hosts:\n"
	for i, host := range []string{"gpu-box", "gpu-two", third} {
		services += "      - {host: " + host + ", dir: " + b.at([]string{"one", "two", "three"}[i]) + ", mlx: " + b.at("there") + "}\n"
	}
	if err := os.WriteFile(name, []byte(head+services), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *hostsBench) try(args ...string) (string, error) {
	cmd := exec.Command(b.program, args...)
	cmd.Dir, cmd.Env = b.at("work"), b.environ
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func (b *hostsBench) mlx(args ...string) string {
	b.t.Helper()
	said, err := b.try(args...)
	if err != nil {
		b.t.Fatalf("mlx %v: %v\n%s", args, err, said)
	}
	return said
}

func (b *hostsBench) run(dir, name string, args ...string) {
	b.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, b.environ
	if text, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%s %v: %v\n%s", name, args, err, text)
	}
}

// until waits for a state of the service, in which something is said of it.
func (b *hostsBench) until(state string, words ...string) {
	b.t.Helper()
	said := ""
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if said, _ = b.try("service", "status", "flights"); strings.HasPrefix(said, "flights\t"+state) && strings.Contains(said, strings.Join(words, "")) {
			return
		}
	}
	b.t.Fatalf("it does not become %s:\n%s", state, said)
}
