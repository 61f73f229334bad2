package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestRunOnKilled: a client that is killed at any moment, before, while and after a job executes, loses nothing and executes nothing
// twice: whoever waits for the run next has its result.
func TestRunOnKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell")
	}
	p := newSomebody(t)
	p.do(".", "git", "init", "-q", "p")
	p.do("p", "mlx", "init")
	p.write([]byte("echo $MLX_RUN_ID >> "+p.path("count")+"\nsleep 0.2\necho $1 > out.txt\n"), "p", "job.sh")
	p.do("p", "git", "add", "-A")
	p.do("p", "git", "commit", "-qm", "first")
	r := rand.New(rand.NewPCG(5, 6))
	kills := 0
	for round := range 8 {
		word := fmt.Sprintf("round%d", round)
		if p.killed(time.Duration(r.IntN(1500))*time.Millisecond, "p", "mlx", "run", "-q", "--on", "local", "-o", "out.txt", "--", "sh", "job.sh", word) {
			kills++
		}
		for _, line := range strings.Split(strings.TrimSpace(p.do("p", "mlx", "job", "list")), "\n") {
			if id, _, ok := strings.Cut(line, "\t"); ok {
				p.killed(time.Duration(r.IntN(800))*time.Millisecond, "p", "mlx", "job", "wait", id)
				p.do("p", "mlx", "job", "wait", id)
				if got, err := os.ReadFile(p.path("p", "out.txt")); err != nil || string(got) != word+"\n" {
					t.Errorf("round %d: out.txt is %q, %v", round, got, err)
				}
			}
		}
		if left := p.do("p", "mlx", "job", "list"); left != "" {
			t.Fatalf("round %d: is left: %s", round, left)
		}
	}
	text, _ := os.ReadFile(p.path("count")) // none where every client was killed before it had recorded anything
	seen := map[string]bool{}
	for id := range strings.FieldsSeq(string(text)) {
		if seen[id] {
			t.Errorf("run %s was executed twice", id)
		}
		seen[id] = true
	}
	if runs := strings.Count(p.do("p", "mlx", "log", "-k", "run"), "succeeded"); runs != len(seen) {
		t.Errorf("%d runs are recorded as succeeded, %d were executed", runs, len(seen))
	}
	t.Logf("killed %d times", kills)
	if kills == 0 {
		t.Fatal("none was killed")
	}
}
