//go:build interop && unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
)

// triedService is what targets are tried with; see deploy.Bench.
const triedService = `
services:
  tried:
    model: tried
    cmd: %s
    ready: /health
    start_timeout: 20s
    idempotent: true%s
    rollout:
      steps: [20%%, 100%%]
      bake: 1s
      max_bake: 2m
      min_samples: 10
      lease: 4s
      checks: [{expr: errors < 0.05}]
`

// triedServer is the server of a host, of which a version is kept from starting.
const triedServer = `test ! -e "$DOWN/$MLX_MODEL_VERSION" && exec servedmodel`

// triedVersions are the versions of deploy.Bench, in their order.
var triedVersions = []struct{ name, text string }{
	{"one.json", `{"w": 1}`}, {"two.json", `{"w": 2}`}, {"three.json", `{"w": 3}`}, {"failing.json", `{"w": 4, "fails": 5}`}, {"dead.json", `{"dies": true}`},
}

// triedTarget is a target that every case is tried at.
type triedTarget struct {
	name      string
	simulated string         // what of it is none of the real thing; empty: nothing
	lost      map[int]string // cases in which it loses requests, and why it cannot be otherwise
	bench     func(t *testing.T) (deploy.Bench, deploy.Driver)
}

// triedTargets are the targets of this machine: .ci/interop starts what they need.
func triedTargets() []triedTarget {
	return []triedTarget{{name: "host", bench: hostBench}, {name: "haproxy", bench: haproxyBench}, {name: "hosts", bench: sshHostsBench}}
}

// kubeTargets are those of a cluster.
func kubeTargets() []triedTarget {
	alone := map[int]string{7: "nobody is asked in place of a server that ends, until its candidate is taken back"}
	return []triedTarget{
		{name: "gateway", bench: gatewayBench, lost: alone},
		{name: "argo", simulated: "the plugin that sets the weights of a route", bench: argoBench, lost: alone},
	}
}

// TestInteropTargets tries every case at every target with the commands that users have, and holds the table of docs/drivers.md against what was
// seen.
func TestInteropTargets(t *testing.T) {
	holdTable(t, "targets", targetsTable(triedTargets(), tryTargets(t, triedTargets())), "TestInteropTargets")
}

// TestInteropKubeTargets tries them at a real cluster.
func TestInteropKubeTargets(t *testing.T) {
	t.Setenv("MLX_TEST_AGENT", staticProgram(t)) // once for all
	holdTable(t, "kube-targets", targetsTable(kubeTargets(), tryTargets(t, kubeTargets())), "TestInteropKubeTargets")
}

// tryTargets tries all at once, and returns what each case found at each.
func tryTargets(t *testing.T, targets []triedTarget) map[string]map[int]deploy.Finding {
	t.Helper()
	seen := map[string]map[int]deploy.Finding{}
	var mu sync.Mutex
	t.Run("each", func(t *testing.T) {
		for _, target := range targets {
			t.Run(target.name, func(t *testing.T) {
				t.Parallel()
				found := tryTarget(t, target)
				mu.Lock()
				defer mu.Unlock()
				seen[target.name] = found
			})
		}
	})
	return seen
}

// tryTarget returns what each case found.
func tryTarget(t *testing.T, target triedTarget) map[int]deploy.Finding {
	t.Helper()
	bench, driver := target.bench(t)
	found := map[int]deploy.Finding{}
	for _, c := range deploy.Conformance() {
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
		f, err := c.Try(ctx, deploy.Trial{Bench: bench, Driver: driver}, time.Now)
		cancel()
		if err != nil {
			t.Fatalf("case %d, %s: %v", c.Number, c.Title, err)
		}
		found[f.Number] = f
		t.Logf("%2d %-10s %-12s %5.1f s  %s", f.Number, f.Case, f.Verdict, f.Seconds, f.Text)
		if why := target.lost[f.Number]; why != "" && f.Verdict == "fail" && strings.Contains(f.Text, " requests were lost") {
			t.Logf("   as known: %s", why)
			continue
		}
		if f.Verdict == "fail" {
			t.Errorf("case %d, %s: %s", f.Number, f.Title, f.Text)
			return found // the ones after it begin where it ends
		}
	}
	return found
}

// targetsTable is the table of docs/drivers.md.
func targetsTable(targets []triedTarget, seen map[string]map[int]deploy.Finding) string {
	var names []string
	for _, x := range targets {
		names = append(names, x.name)
	}
	text := pointsHead(names)
	for _, c := range deploy.Conformance() {
		var words []string
		for _, x := range targets {
			word := verdictWord(seen[x.name][c.Number].Verdict)
			if x.lost[c.Number] != "" {
				word = "**loses some**"
			}
			if word == "real" && x.simulated != "" {
				word = "simulated"
			}
			words = append(words, word)
		}
		text += pointsRow(c.Number, c.Title, words)
	}
	return text
}

// targetBench is a service that targets are tried with. It implements deploy.Bench.
type targetBench struct {
	*hosted
	disturb map[string]func() (undo func() error, err error)
}

func (b *targetBench) MLX(_ context.Context, args ...string) (deploy.Said, error) {
	out, problem, status := b.try("project", append([]string{"mlx"}, args...)...)
	return deploy.Said{Out: out, Err: problem, Status: status}, nil
}

func (b *targetBench) Begin(_ context.Context, args ...string) (deploy.Begun, error) {
	return &begun{b.begin("project", append([]string{"mlx"}, args...)...)}, nil
}

func (b *targetBench) Ask(_ context.Context) string { return b.once(servedQuestion()) }

func (b *targetBench) Disturb(_ context.Context, what string) (func() error, error) {
	if do := b.disturb[what]; do != nil {
		return do()
	}
	return nil, fmt.Errorf("%w: %s", errors.ErrUnsupported, what)
}

// begun is a command that goes on. It implements deploy.Begun.
type begun struct{ *beside }

func (b *begun) Kill() error {
	err := b.cmd.Process.Kill()
	b.end()
	return err
}

func (b *begun) End() (deploy.Said, error) {
	status := b.end()
	return deploy.Said{Out: b.out.String(), Err: b.problem.String(), Status: status}, nil
}

func (b *begun) Says(text string) bool {
	return strings.Contains(b.out.String(), text) || strings.Contains(b.problem.String(), text)
}

func (b *begun) Over() bool { return len(b.beside.ended) > 0 }

// newTried makes the project of a target, with what mlx.yaml says of it. Nothing runs yet.
func newTried(t *testing.T, config string) *targetBench {
	t.Helper()
	return triedOf(t, triedServer, config)
}

// triedOf makes one with another server.
func triedOf(t *testing.T, cmd, config string) *targetBench {
	t.Helper()
	return triedBy(newSomebody(t), cmd, config)
}

// triedBy makes it of somebody.
func triedBy(p *somebody, cmd, config string) *targetBench {
	p.t.Helper()
	files := map[string]string{"mlx.yaml": fmt.Sprintf(triedService, cmd, config)}
	var names []string
	for _, v := range triedVersions {
		files[v.name] = v.text
		names = append(names, v.name)
	}
	h := p.hosts(deploy.Tried, files)
	h.env = append(h.env, "DOWN="+h.path("down"))
	h.register(deploy.Tried, names...)
	return &targetBench{hosted: h}
}

// hostBench is this machine: router and servers are processes.
func hostBench(t *testing.T) (deploy.Bench, deploy.Driver) {
	t.Helper()
	b := newTried(t, "")
	b.start()
	control := router.NewClient(b.state("router"))
	driver := &local.Driver{Supervisor: local.Client{Dir: b.state()}, Router: control}
	b.disturb = map[string]func() (func() error, error){
		deploy.DisturbCandidate: func() (func() error, error) { return b.downs("candidate") },
		deploy.DisturbStable:    func() (func() error, error) { b.kill(b.server("stable")); return noUndo, nil },
		deploy.DisturbAway:      b.away,
		deploy.DisturbHand: func() (func() error, error) {
			return noUndo, takenByHand(t.Context(), driver)
		},
		deploy.DisturbLeft: func() (func() error, error) { return noUndo, b.left(b.status()) },
	}
	return b, driver
}

// noUndo is the undo of what is not undone.
func noUndo() error { return nil }

// downs ends the server of a role, and lets none of its version start until undo.
func (b *targetBench) downs(role string) (func() error, error) {
	version := strings.TrimPrefix(b.status().arm(role).Model.Name, deploy.Tried+"@v")
	b.write(nil, "down", version)
	b.kill(b.server(role))
	return func() error { return os.Remove(b.path("down", version)) }, nil
}

// away puts the sockets aside that supervisor and router are told by.
func (b *targetBench) away() (func() error, error) {
	sockets := []string{b.state("supervisor.sock"), b.state("router", "control.sock")}
	for _, name := range sockets {
		if err := os.Rename(name, name+".away"); err != nil {
			return nil, err
		}
	}
	return func() error {
		var all error
		for _, name := range sockets {
			all = errors.Join(all, os.Rename(name+".away", name))
		}
		return all
	}, nil
}

// takenByHand gives all to the candidate as somebody would of whom the records know nothing.
func takenByHand(ctx context.Context, driver *local.Driver) error {
	seen, err := driver.Observe(ctx, deploy.Tried)
	if err != nil {
		return err
	}
	d := deploy.Desired{Service: deploy.Tried, Generation: seen.Generation + 1}
	for _, a := range seen.Arms {
		if a.Role == deploy.Candidate {
			d.Arms = append(d.Arms, deploy.Arm{Role: deploy.Stable, Release: deploy.Release{Key: a.Key}, Share: deploy.All, Replicas: 1})
		}
	}
	return driver.Router.Apply(ctx, d)
}

// left is an error if servers of other releases run than of those that the status names.
func (h *hosted) left(now serviceView) error {
	running, err := local.Client{Dir: h.state()}.Running(h.t.Context())
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, a := range now.Arms {
		known[a.Release] = true
	}
	for _, a := range running.Arms {
		if !known[a.Key] {
			return fmt.Errorf("servers of %.12s run still", a.Key)
		}
	}
	return nil
}
