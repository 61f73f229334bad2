//go:build interop

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sshServer is an OpenSSH server of one test, which may be disturbed.
type sshServer struct {
	t      *testing.T
	env    []string
	config string // of ssh: gpu-box leads to it
}

// newSSHServer starts one. env says where: SSHD_ADDRESS and SSHD_WORDS of .ci/sshd.
func newSSHServer(t *testing.T, env ...string) *sshServer {
	t.Helper()
	work := t.TempDir()
	s := &sshServer{t: t, env: append(append(os.Environ(), "WORKDIR="+work), env...), config: filepath.Join(work, "sshd", "ssh_config")}
	t.Cleanup(func() { s.tell("down") })
	s.tell("up")
	return s
}

// tell asks .ci/sshd for something.
func (s *sshServer) tell(words ...string) {
	s.t.Helper()
	cmd := exec.Command("../../.ci/sshd", words...) // not of the context of the test, which is over when it is asked to go down
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf(".ci/sshd %s: %v\n%s", words, err, out)
	}
}

// sshProject is a project of somebody whose backend box is gpu-box of an ssh configuration.
func sshProject(t *testing.T, config string) *somebody {
	t.Helper()
	p := newSomebody(t)
	p.env = append(p.env, "MLX_SSH=ssh -F '"+config+"'")
	p.write([]byte("/data/\n/out/\n"), "project", ".gitignore")
	p.do("project", "git", "init", "-q", "-b", "main")
	p.do("project", "mlx", "init")
	text, err := os.ReadFile(p.path("project", "mlx.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(append(text, "backends:\n  box: {type: ssh, host: gpu-box, dir: '"+p.path("node")+"'}\n"...), "project", "mlx.yaml")
	p.do("project", "mlx", "trust", "-y")
	return p
}

// stateOf is the state of the one run in progress, as mlx job list tells it, and its id. Empty: there is none.
func (p *somebody) stateOf(dir string) (id, state string) {
	p.t.Helper()
	out := p.do(dir, "mlx", "job", "list")
	if out == "" {
		return "", ""
	}
	cells := strings.Split(strings.TrimSpace(out), "\t")
	if len(cells) < 2 || strings.Contains(cells[len(cells)-1], "\n") {
		p.t.Fatalf("more than one run is in progress: %q", out)
	}
	return cells[0], cells[1]
}

// onNode are the processes that work in the folder of mlx on the node, by their numbers.
func (p *somebody) onNode() map[int]string {
	p.t.Helper()
	found := map[int]string{}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range all {
		words, _ := os.ReadFile(name) // it may be gone
		folder, _ := os.Readlink(filepath.Join(filepath.Dir(name), "cwd"))
		if bytes.Contains(words, []byte(p.path("node"))) || strings.HasPrefix(folder, p.path("node")) {
			if n, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && n != os.Getpid() {
				found[n] = strings.ReplaceAll(string(words), "\x00", " ")
			}
		}
	}
	return found
}

// nothingLeft holds that no process of a job is on the node any more, and no results that nobody has fetched.
func (p *somebody) nothingLeft() {
	p.t.Helper()
	began := time.Now()
	for left := p.onNode(); len(left) > 0; left = p.onNode() {
		if time.Since(began) > 20*time.Second {
			p.t.Fatalf("these are still on the node: %v", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
	jobs, err := os.ReadDir(p.path("node", "jobs"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, j := range jobs {
		if !p.there("node", "jobs", j.Name(), "collected") {
			p.t.Errorf("nobody has fetched the results of job %.12s", j.Name())
		}
		for _, name := range []string{"src", "checkpoint", "attempts"} {
			if p.there("node", "jobs", j.Name(), name) {
				p.t.Errorf("%s of job %.12s is still there", name, j.Name())
			}
		}
	}
}

// executed are the ids of the runs that a command noted when it began.
func (p *somebody) executed() []string {
	p.t.Helper()
	text, err := os.ReadFile(p.path("count"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// waiting is a command that says "before", and "after" when the file go is there. It notes that it began, and writes out/word.
func (p *somebody) waiting() []string {
	script := `echo $MLX_RUN_ID >>"$1/count"; mkdir -p out; echo before; touch "$1/began"; while ! test -e "$1/go"; do sleep 0.02; done; echo after; echo word >out/word`
	return []string{"--", "sh", "-c", script, "sh", p.home}
}

// follow begins mlx run --on box of waiting, and returns when the command has begun and its output is here.
func (p *somebody) follow() *beside {
	p.t.Helper()
	b := p.begin("project", append([]string{"mlx", "run", "--on", "box", "-o", "out"}, p.waiting()...)...)
	p.until("the command begins", func() bool { return strings.Contains(b.out.String(), "before\n") || len(b.ended) > 0 })
	if len(b.ended) > 0 {
		p.t.Fatalf("it ends: %s", b.problem.String())
	}
	return b
}

// wholeOutput is what these commands print.
const wholeOutput = "before\nafter\n"

// endedWell holds that what follows a run ended well and printed what matches a pattern, and that the run ended well, all of it, and once.
func (p *somebody) endedWell(b *beside, printed string) {
	p.t.Helper()
	if status := b.end(); status != 0 || !regexp.MustCompile("^"+printed+"$").MatchString(b.out.String()) {
		p.t.Errorf("it printed %q, status %d: %s", b.out.String(), status, b.problem.String())
	}
	if text, err := os.ReadFile(p.path("project", "out", "word")); err != nil || string(text) != "word\n" {
		p.t.Errorf("its output is %q, %v", text, err)
	}
	if ids := p.executed(); len(ids) != 1 {
		p.t.Errorf("it was executed as %v", ids)
	}
	if id, state := p.stateOf("project"); id != "" {
		p.t.Errorf("run %s is still %s", id, state)
	}
	p.do("project", "mlx", "verify")
	p.nothingLeft()
}

// TestInteropServerStops: the ssh server goes with all its connections while a client follows a run, which ends meanwhile; and while its
// results are fetched.
func TestInteropServerStops(t *testing.T) {
	t.Parallel() // it waits, most of the time
	s := newSSHServer(t)
	t.Run("mid-run", func(t *testing.T) {
		p := sshProject(t, s.config)
		b := p.follow()
		s.tell("stop", "on")
		b.says("cannot reach box, trying again")
		if id, state := p.stateOf("project"); id == "" || state != "unknown" {
			t.Errorf("while nobody can know, run %s is %q", id, state)
		}
		p.write(nil, "go")
		results := func() bool {
			found, _ := filepath.Glob(p.path("node", "jobs", "*", "result.json"))
			return len(found) == 1
		}
		p.until("the run ends", results)
		if id, state := p.stateOf("project"); id == "" || state != "unknown" {
			t.Errorf("while nobody can know, run %s that has ended is %q", id, state)
		}
		s.tell("stop", "off")
		p.endedWell(b, wholeOutput)
	})
	for name, c := range map[string]struct {
		detach  []string
		follow  []string // words that fetch the results; none: the run itself does
		printed string
	}{
		"mid-collect":             {nil, nil, wholeOutput},
		"mid-collect of job wait": {[]string{"--detach"}, []string{"mlx", "job", "wait", "@last"}, "[0-9a-f]{64}\tsucceeded\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := sshProject(t, s.config)
			p.write(seeded(11, 100<<20), "project", "data", "big")
			p.do("project", "mlx", "snapshot", "data")
			script := `echo $MLX_RUN_ID >>"$1/count"; mkdir -p out; echo before; tac -s x data/big >out/part; echo word >out/word; echo after`
			b := p.begin("project", slices.Concat([]string{"mlx", "run", "--on", "box", "-o", "out", "-d", "data"}, c.detach, []string{"--", "sh", "-c", script, "sh", p.home})...)
			if c.follow != nil {
				if status := b.end(); status != 0 {
					t.Fatalf("status %d: %s", status, b.problem.String())
				}
				b = p.begin("project", c.follow...)
			}
			p.until("the results are fetched", func() bool {
				found, _ := filepath.Glob(p.path("project", ".git", "mlx", "jobs", "*", "result.json"))
				return len(found) == 1 || len(b.ended) > 0
			})
			s.tell("stop", "on")
			b.says("cannot reach box, trying again")
			s.tell("stop", "off")
			p.endedWell(b, c.printed)
		})
	}
}

// kill ends a process, which may have ended.
func (p *somebody) kill(pid int) {
	p.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Fatal(err)
	}
}
