//go:build interop

package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/run"
)

// killedClient is somebody who submits a job with 100 MB of data, and whose mlx is killed. clone has the same project.
type killedClient struct {
	*somebody
	random *rand.Rand
	sum    string // of the data
	ended  map[string]bool
}

// killedJob notes that it began, prints twenty lines, and leaves 20 MB.
const killedJob = `echo $MLX_RUN_ID >>"$1/count"
i=0; while [ $i -lt 20 ]; do echo line $i of $2; i=$((i+1)); sleep 0.02; done
mkdir -p out; sha256sum <data/big >out/sum; head -c 20000000 data/big >out/part; echo $2 >out/word
`

func newKilledClient(t *testing.T) *killedClient {
	c := &killedClient{somebody: sshProject(t, sshConfigOf(t)), random: rand.New(rand.NewPCG(9, 9)), ended: map[string]bool{}}
	data := seeded(7, 100<<20)
	c.sum = fmt.Sprintf("%x", sha256.Sum256(data))
	c.write(data, "project", "data", "big")
	c.write([]byte(killedJob), "project", "job.sh")
	c.do("project", "mlx", "snapshot", "data")
	c.share("project", "share")
	c.do("project", "mlx", "push", "-q")
	c.do(".", "git", "clone", "-q", "project", "clone")
	c.do("clone", "mlx", "trust", "-y")
	c.do("clone", "mlx", "pull", "-q") // it has the data, however few of the rounds ask it to go on
	return c
}

// submit are the words that submit the job.
func (c *killedClient) submit(word string) []string {
	return []string{"mlx", "run", "--on", "box", "-d", "data", "-o", "out", "--", "sh", "job.sh", c.home, word}
}

// lines is what the job prints.
func (c *killedClient) lines(word string) string {
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "line %d of %s\n", i, word)
	}
	return b.String()
}

// holds that all of a run is in a clone.
func (c *killedClient) holds(dir, id, word string) {
	c.t.Helper()
	if got := c.do(dir, "mlx", "job", "logs", id); got != c.lines(word) {
		c.t.Errorf("%s: in %s its output is %q", word, dir, got)
	}
	for name, want := range map[string]string{"word": word + "\n", "sum": c.sum + "  -\n"} {
		if got, err := os.ReadFile(c.path(dir, "out", name)); err != nil || string(got) != want {
			c.t.Errorf("%s: in %s out/%s is %q, %v", word, dir, name, got, err)
		}
	}
	if info, err := os.Stat(c.path(dir, "out", "part")); err != nil || info.Size() != 20_000_000 {
		c.t.Errorf("%s: in %s out/part is not whole: %v", word, dir, err)
	}
}

// recover has others go on with what a killed mlx has left: another process; two of them, the first of which is killed too; or one
// here and one in another clone at the same time.
func (c *killedClient) recover(how int, word string) {
	c.t.Helper()
	id, _ := c.stateOf("project")
	if id == "" {
		return
	}
	c.ended[id] = true
	switch given := c.there("node", "jobs", id, "ready"); {
	case how == 0:
		if out := c.do("project", "mlx", "job", "attach", id); out != c.lines(word) {
			c.t.Errorf("%s: attached, it printed %q", word, out)
		}
	case how == 1 || !given: // only the clone that submitted it can bring it there
		c.killed(time.Duration(c.random.IntN(1500))*time.Millisecond, "project", "mlx", "job", "attach", id)
		c.do("project", "mlx", "job", "wait", id)
	default:
		c.do("project", "mlx", "push", "-q")
		c.do("clone", "mlx", "pull", "-q")
		if err := os.RemoveAll(c.path("clone", "out")); err != nil {
			c.t.Fatal(err)
		}
		var both sync.WaitGroup
		there := c.begin("clone", "mlx", "job", "attach", id)
		both.Go(func() { _ = c.command("project", "mlx", "job", "wait", id).Run() }) // how it went is looked at below
		if status := there.end(); status != 0 || there.out.String() != c.lines(word) {
			c.t.Errorf("%s: attached from another clone, status %d, it printed %q: %s", word, status, there.out.String(), there.problem.String())
		}
		both.Wait()
		c.do("project", "mlx", "job", "wait", id)
		c.holds("clone", id, word)
	}
	if left, state := c.stateOf("project"); left != "" {
		c.t.Fatalf("%s: run %s is still %s", word, left, state)
	}
	c.holds("project", id, word)
}

// TestInteropClientKilled kills mlx while it brings itself, the data and the job to a host, follows the job and fetches its results.
// Whoever goes on with it finds all of it, and it is executed once.
func TestInteropClientKilled(t *testing.T) {
	t.Parallel() // it waits, most of the time
	c := newKilledClient(t)
	c.killed(300*time.Millisecond, "project", c.submit("first")...) // mlx is on its way
	c.recover(0, "first")
	began := time.Now()
	c.do("project", c.submit("second")...)
	whole, kills := time.Since(began), 0
	const rounds = 8
	for round := range rounds {
		word := fmt.Sprintf("round%d", round)
		for _, dir := range []string{"project/out", "node/store"} { // so that everything travels again
			if err := os.RemoveAll(c.path(dir)); err != nil {
				t.Fatal(err)
			}
		}
		began = time.Now()
		if c.killed(time.Duration((float64(round)+c.random.Float64())/rounds*float64(whole)), "project", c.submit(word)...) {
			kills++
		} else {
			whole = min(whole, time.Since(began)) // this machine was busy when it was measured
		}
		c.recover(round%3, word)
	}
	t.Logf("a run takes %.1f s; killed %d times of %d, %d runs", whole.Seconds(), kills, rounds, len(c.ended))
	if kills < rounds/3 {
		t.Errorf("only %d of %d were killed", kills, rounds)
	}
	seen := map[string]bool{}
	for _, id := range c.executed() {
		if seen[id] {
			t.Errorf("run %s was executed twice", id)
		}
		seen[id] = true
	}
	for _, dir := range []string{"project", "clone"} {
		for id, n := range c.ends(dir) {
			if n != 1 || !seen[id] {
				t.Errorf("in %s run %s has %d ends; it was executed: %v", dir, id, n, seen[id])
			}
		}
		c.do(dir, "mlx", "verify")
	}
	if n := len(c.ends("project")); n != len(seen) {
		t.Errorf("%d runs have ended, %d were executed", n, len(seen))
	}
	c.nothingLeft()
}

// ends counts the records of the end of each run.
func (p *somebody) ends(dir string) map[string]int {
	p.t.Helper()
	l, err := lineage.Open(lineage.Options{Dir: p.path(dir, ".git", "mlx", "ledger"), ReadOnly: true})
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	all := map[string]int{}
	for rec, err := range l.Select(p.t.Context(), lineage.Query{Nouns: []string{"run"}, All: true}) {
		if err != nil {
			p.t.Fatal(err)
		}
		if !run.Ended.Is(rec) {
			continue
		}
		body, err := run.Ended.Decode(rec)
		if err != nil || body.Run == nil || body.State != run.Succeeded {
			p.t.Errorf("in %s a run ended as %s, %v", dir, body.State, err)
			continue
		}
		all[body.Run.Hex()]++
	}
	return all
}

// TestInteropAgentKilled kills mlx on the host, alone and with its command. The run is lost, in words, what it printed is here, and it is
// executed again only where that was asked for.
func TestInteropAgentKilled(t *testing.T) {
	t.Parallel() // it waits, most of the time
	for name, kill := range map[string]func(p *somebody, agent int){
		"alone":            func(p *somebody, agent int) { p.kill(agent) },
		"with its command": func(p *somebody, agent int) { p.killAll(agent) },
	} {
		t.Run(name, func(t *testing.T) {
			p := sshProject(t, sshConfigOf(t))
			b := p.follow()
			id, state := p.stateOf("project")
			if state != "running" {
				t.Errorf("it is %s", state)
			}
			kill(p, p.agentOf(id))
			if status := b.end(); status != 125 || b.out.String() != "before\n" {
				t.Errorf("status %d, it printed %q: %s", status, b.out.String(), b.problem.String())
			}
			v := decoded[struct{ State, Cause string }](t, p.do("project", "mlx", "show", "run:"+id, "--json"))
			if v.State != "lost" || !strings.HasPrefix(v.Cause, "lost on box: mlx there ended without a result") {
				t.Errorf("it is %s: %s", v.State, v.Cause)
			}
			if got := p.do("project", "mlx", "job", "logs", id); got != "before\n" {
				t.Errorf("its output is %q", got)
			}
			p.write(nil, "go") // a command that still lived would end well now
			p.try("project", "mlx", "job", "attach", id)
			if ids := p.executed(); len(ids) != 1 {
				t.Errorf("it was executed as %v", ids)
			}
			p.do("project", "mlx", "verify")
			p.nothingLeft()
		})
	}
}

// agentOf is the process of the agent of a job.
func (p *somebody) agentOf(id string) int {
	p.t.Helper()
	text, err := os.ReadFile(p.path("node", "jobs", id, "agent.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	return decoded[struct{ PID int }](p.t, string(text)).PID
}

// killAll kills a process and all that it has started, the oldest first.
func (p *somebody) killAll(pid int) {
	p.t.Helper()
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, name := range names {
			text, _ := os.ReadFile(name) // a thread may be gone
			for word := range strings.FieldsSeq(string(text)) {
				child, err := strconv.Atoi(word)
				if err != nil {
					p.t.Fatal(err)
				}
				pids = append(pids, child)
			}
		}
	}
	for _, pid := range slices.Compact(pids) {
		p.kill(pid)
	}
}
