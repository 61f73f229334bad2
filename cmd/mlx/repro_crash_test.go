package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// reproStages is a pipeline whose stages count how often each was executed.
const reproStages = `
stages:
  a: {cmd: "echo run >> ../a.count; sleep 0.05; cat in > a.out; cat in >> a.out", deps: [in], outs: [a.out]}
  b: {cmd: "echo run >> ../b.count; mkdir b.dir; for i in 1 2 3 4 5; do cat a.out > b.dir/$i; done", deps: [a.out], outs: [b.dir]}
  c: {cmd: "echo run >> ../c.count; cat b.dir/5 > c.out", deps: [b.dir], outs: [c.out]}
`

// withStages is somebody with a project of these stages in the folder p.
func withStages(t *testing.T) *somebody { return withConfig(t, reproStages) }

// withConfig is somebody with a project in the folder p, whose mlx.yaml says this as well.
func withConfig(t *testing.T, config string) *somebody {
	p := newSomebody(t)
	p.write([]byte("one\n"), "p", "in")
	p.do("p", "git", "init", "-q")
	p.do("p", "mlx", "init")
	text, err := os.ReadFile(p.path("p", "mlx.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(append(text, config...), "p", "mlx.yaml")
	return p
}

func (p *somebody) count(stage string) int {
	text, _ := os.ReadFile(p.path(stage + ".count")) // none before the first
	return strings.Count(string(text), "run")
}

// TestReproRaces: of several repro at once, in one worktree and in two, each stage is executed by one, and all end well.
func TestReproRaces(t *testing.T) {
	p := withStages(t)
	p.do("p", "git", "add", "-A")
	p.do("p", "git", "commit", "-qm", "first")
	p.do("p", "git", "worktree", "add", "-q", "../q")
	for round := range 4 {
		for _, dir := range []string{"p", "q"} {
			p.write(fmt.Appendf(nil, "round %d\n", round), dir, "in")
		}
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() { p.do([]string{"p", "q"}[i%2], "mlx", "repro", "-q", "-j", fmt.Sprint(1+i%3)) })
		}
		all.Wait()
		for _, stage := range []string{"a", "b", "c"} {
			if n := p.count(stage); n != round+1 {
				t.Errorf("after round %d stage %s was executed %d times", round, stage, n)
			}
		}
		want := fmt.Sprintf("round %[1]d\nround %[1]d\n", round)
		for _, dir := range []string{"p", "q"} {
			if got, err := os.ReadFile(p.path(dir, "c.out")); err != nil || string(got) != want {
				t.Errorf("round %d: %s/c.out is %q, %v", round, dir, got, err)
			}
		}
	}
	if left, err := os.ReadDir(p.path("p", ".git", "mlx", "pipeline")); err != nil || len(left) > 0 {
		t.Errorf("locks are left: %v, %v", left, err)
	}
}

// TestReproKilled: a repro that is killed at any moment leaves nothing that the next one would take for made.
func TestReproKilled(t *testing.T) {
	p := withStages(t)
	p.do("p", "git", "add", "-A")
	p.do("p", "git", "commit", "-qm", "first")
	r := rand.New(rand.NewPCG(3, 4))
	kills := 0
	for round := range 12 {
		p.write(fmt.Appendf(nil, "round %d\n", round%5), "p", "in")
		for range 2 {
			if p.killed(time.Duration(r.IntN(250))*time.Millisecond, "p", "mlx", "repro", "-q") {
				kills++
			}
		}
		p.do("p", "mlx", "repro", "-q")
		want := fmt.Sprintf("round %[1]d\nround %[1]d\n", round%5)
		if got, err := os.ReadFile(p.path("p", "c.out")); err != nil || string(got) != want {
			t.Fatalf("round %d: c.out is %q, %v", round, got, err)
		}
		before := p.sums("p")
		if out := p.do("p", "mlx", "repro"); strings.Count(out, "up to date\t") != 3 {
			t.Fatalf("round %d: the next one does something: %s", round, out)
		}
		if !maps.Equal(before, p.sums("p")) {
			t.Fatal("it changed files")
		}
	}
	t.Logf("killed %d times", kills)
	if kills == 0 {
		t.Fatal("none was killed")
	}
}

// TestReproOrphan: a command that outlives its mlx is waited for by the next repro of its stage, so that the two never write
// at once, and can be ended by mlx job cancel. So it is when mlx had no time to note which process the command is.
func TestReproOrphan(t *testing.T) {
	for _, c := range []struct{ cancel, unnoted bool }{{}, {cancel: true}, {unnoted: true}, {cancel: true, unnoted: true}} {
		if c.unnoted && runtime.GOOS != "linux" {
			continue // the command cannot be found there
		}
		p := newSomebody(t)
		p.do(".", "git", "init", "-q", "p")
		p.do("p", "mlx", "init")
		text, err := os.ReadFile(p.path("p", "mlx.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		p.write(append(text, orphanStages...), "p", "mlx.yaml")
		first := p.command("p", "mlx", "repro", "-q")
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		p.await("begun")
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = first.Wait() // killed
		if c.unnoted {
			begun, err := filepath.Glob(p.path("p", ".git", "mlx", "runs", "*", "begins"))
			if err != nil || len(begun) != 1 {
				t.Fatal(begun, err)
			}
			if err := os.Remove(filepath.Join(filepath.Dir(begun[0]), "child")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		var problem noticed
		second := p.command("p", "mlx", "repro")
		second.Stderr = &problem
		if err := second.Start(); err != nil {
			t.Fatal(err)
		}
		problem.await(t, "its command lives on and may still write end (mlx job cancel ")
		if c.cancel {
			p.do("p", "mlx", "job", "cancel", strings.Split(problem.text(), " ")[6], "--grace", "0s")
		} else {
			p.write(nil, "go")
		}
		if err := second.Wait(); err != nil {
			t.Fatalf("%v: %s", err, problem.text())
		}
		got, err := os.ReadFile(p.path("p", "end"))
		if err != nil || string(got) != "2\n" {
			t.Errorf("end is %q, %v", got, err)
		}
	}
}

// orphanStages is a stage whose first execution waits for a file, and writes late.
const orphanStages = `
stages:
  late:
    cmd: "if [ -e ../begun ]; then echo 2 > end; else touch ../begun; while [ ! -e ../go ]; do sleep 0.02; done; echo 1 > end; fi"
    outs: [end]
`

// await waits for a file.
func (p *somebody) await(name string) {
	p.t.Helper()
	for range 1000 {
		if _, err := os.Stat(p.path(name)); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("%s never came", name)
}

// noticed is what a program prints, readable while it runs.
type noticed struct {
	mu  sync.Mutex
	all strings.Builder
}

func (n *noticed) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all.Write(b)
}

func (n *noticed) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all.String()
}

func (n *noticed) await(t *testing.T, words string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(n.text(), words) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q was never said: %s", words, n.text())
}
