//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

// faultyService is a service of which the parts are ended, and whose rollouts stay at a step until somebody says more. A server of a version
// does not start while a file says that it is down.
const faultyService = `
services:
  flights:
    model: flights
    cmd: test ! -e "$DOWN/$MLX_MODEL_VERSION" && exec servedmodel
    ready: /health
    start_timeout: 20s
    idempotent: true
    rollout:
      steps: [50%, 100%]
      bake: 1s
      max_bake: 2m
      min_samples: 10
      lease: 3s
      checks: [{expr: errors < 0.05}]
`

// served asks for a prediction of 1, which is the number of the version.
func servedQuestion() question {
	return question{path: "/predict", body: `{"instances": [1]}`, read: func(text []byte) (string, error) {
		var a struct{ Predictions []float64 }
		if err := json.Unmarshal(text, &a); err != nil || len(a.Predictions) != 1 {
			return "", fmt.Errorf("not one prediction: %w", err)
		}
		return "v" + strconv.FormatFloat(a.Predictions[0], 'f', -1, 64), nil
	}}
}

// newFaulty runs a service with v1 in service; v2 and v3 are good, v4 never starts.
func newFaulty(t *testing.T) *hosted {
	t.Helper()
	h := hostedFaulty(t)
	h.start()
	h.mlx("deploy", "flights", "flights@v1")
	return h
}

func hostedFaulty(t *testing.T) *hosted {
	t.Helper()
	return faultyOf(newSomebody(t), faultyService)
}

func faultyOf(p *somebody, config string) *hosted {
	p.t.Helper()
	h := p.hosts("flights", map[string]string{
		"mlx.yaml": config, "one.json": `{"w": 1}`, "two.json": `{"w": 2}`, "three.json": `{"w": 3}`, "dead.json": `{"dies": true}`,
	})
	h.env = append(h.env, "DOWN="+h.path("down"))
	h.register("flights", "one.json", "two.json", "three.json", "dead.json")
	return h
}

// state is a file of the service.
func (h *hosted) state(name ...string) string {
	return h.path(append([]string{h.dir, ".git", "mlx", "services", h.name}, name...)...)
}

// processIn is the process that a note in the folder of the service names.
func (h *hosted) processIn(note string) int {
	h.t.Helper()
	text, err := os.ReadFile(note)
	if err != nil {
		h.t.Fatal(err)
	}
	pid := decoded[struct{ Process struct{ PID int } }](h.t, string(text)).Process.PID
	if pid <= 1 {
		h.t.Fatalf("%s names no process: %s", note, text)
	}
	return pid
}

// server is the process that serves a role.
func (h *hosted) server(role string) int {
	h.t.Helper()
	a := h.status().arm(role)
	if a == nil {
		h.t.Fatalf("nothing is %s", role)
	}
	return h.processIn(h.state("servers", a.Release[:12]+"-1.json"))
}

func (h *hosted) kill(pid int) {
	h.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
}

// canary deploys a version and waits until it gets its share.
func (h *hosted) canary(model string, words ...string) *beside {
	h.t.Helper()
	b := h.begin("project", append([]string{"mlx", "deploy", h.name, model}, words...)...)
	b.says("step 1")
	h.awaits("the candidate gets requests", func() bool { a := h.status().arm("candidate"); return a != nil && a.Answers > 0 })
	return b
}

// given is what the router gives to a role. All that it gives must be all.
func (h *hosted) given(role deploy.Role) deploy.Share {
	h.t.Helper()
	now, err := router.NewClient(h.state("router")).Actual(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	sum, of := deploy.Share(0), deploy.Share(0)
	for _, a := range now.Arms {
		if a.Role != deploy.Shadow {
			sum += a.Share
		}
		if a.Role == role {
			of += a.Share
		}
	}
	if sum != deploy.All {
		h.t.Errorf("the shares sum to %v: %+v", sum, now.Arms)
	}
	return of
}

// TestServiceControllerKilled kills the controller in the middle of a canary: the router takes the requests back when the lease is over, nobody
// loses one, and whoever goes on writes down why.
func TestServiceControllerKilled(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	b := h.canary("flights@v2", "--bake", "1h")
	h.kill(b.cmd.Process.Pid)
	began := time.Now()
	b.end()
	var last string
	h.awaits("all goes to v1", func() bool {
		now := u.since(20)
		last = fmt.Sprint(now)
		return now["v2"] == 0
	})
	t.Logf("%.1f s after the controller was killed: %s; the lease is 3 s", time.Since(began).Seconds(), last)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it went back after %v already", took)
	}
	if _, problem, status := h.try("project", "mlx", "service", "resume", "flights"); status != 1 || !strings.Contains(problem, "lease_expired") {
		t.Errorf("resume ends with %d\n%s", status, problem)
	}
	if v := h.status(); v.State != "rolled_back" || v.arm("stable").Model.Name != "flights@v1" {
		t.Errorf("it is %+v", v)
	}
	if out := h.mlx("log", "service:flights"); !strings.Contains(out, "lease_expired") {
		t.Errorf("the story: %s", out)
	}
	u.stop("v1", "v2")
}

// TestServiceTwoControllers: who goes on with a rollout that somebody carries out follows it, and of two that deploy at once one is told that it
// came too late, or that another one took its place. No change is written twice, and nobody loses a request.
func TestServiceTwoControllers(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	first := h.canary("flights@v2", "--bake", "3s")
	second := h.begin("project", "mlx", "service", "resume", "flights")
	if a, b := first.end(), second.end(); a != 0 || b != 0 {
		t.Errorf("they ended with %d and %d\n%s\n%s", a, b, first.problem.String(), second.problem.String())
	}
	one, two := h.begin("project", "mlx", "deploy", "flights", "flights@v3"), h.begin("project", "mlx", "deploy", "flights", "flights@v1")
	a, b := one.end(), two.end()
	said := one.problem.String() + two.problem.String()
	if a+b < 1 || a+b > 2 || !strings.Contains(said, "took its place") && !strings.Contains(said, "cannot deploy") {
		t.Errorf("of two at once: %d and %d\n%s", a, b, said)
	}
	if v := h.status(); v.State != "stable" || len(v.Arms) == 0 {
		t.Errorf("it is %+v", v)
	}
	u.also = "v3" // it may have had a share, or not
	u.stop("v1", "v2")
}

// TestServiceStaleGeneration says to the real router what was said before, as a controller does that knows nothing of what came after it.
func TestServiceStaleGeneration(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	h.mlx("deploy", "flights", "flights@v2")
	control := router.NewClient(h.state("router"))
	now, err := control.Actual(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := h.status().arm("previous")
	if old == nil || old.Model.Name != "flights@v1" {
		t.Fatalf("it is %+v", h.status())
	}
	for _, generation := range []uint64{now.Generation, now.Generation - 1, 1} {
		err := control.Apply(t.Context(), deploy.Desired{Service: "flights", Generation: generation,
			Arms: []deploy.Arm{{Role: deploy.Stable, Release: deploy.Release{Key: old.Release}, Share: deploy.All, Replicas: 1}}})
		if !errors.Is(err, deploy.ErrStale) {
			t.Errorf("generation %d after %d: %v", generation, now.Generation, err)
		}
	}
	if v := h.status(); v.State != "stable" || v.Generation != now.Generation {
		t.Errorf("it is %+v", v)
	}
	u.since(5) // those that were under way
	if now := u.since(20); len(now) != 1 || now["v2"] == 0 {
		t.Errorf("afterwards: %v", now)
	}
	u.stop("v1", "v2")
}

// TestServiceRouterKilled kills the router in the middle of a canary: the supervisor holds the socket and starts it again, with its shares.
func TestServiceRouterKilled(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	u.most = 2 // those under way cannot be saved
	b := h.canary("flights@v2", "--bake", "1h")
	first := h.processIn(h.state("router.json"))
	h.kill(first)
	h.awaits("another one runs", func() bool { return h.processIn(h.state("router.json")) != first })
	if now := u.since(40); now["v1"] == 0 || now["v2"] == 0 {
		t.Errorf("after it was killed: %v", now)
	}
	if got := h.given(deploy.Candidate); got != deploy.All/2 {
		t.Errorf("the candidate gets %v", got)
	}
	h.mlx("service", "resume", "flights", "--full")
	if status := b.end(); status != 0 {
		t.Errorf("the rollout ended with %d\n%s", status, b.problem.String())
	}
	u.stop("v1", "v2")
}

// TestServiceSupervisorKilled kills the supervisor in the middle of a canary: requests are answered all the same, the rollout stays where it is,
// and the next supervisor takes router and servers over.
func TestServiceSupervisorKilled(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	b := h.canary("flights@v2", "--bake", "1h")
	plane, stable, candidate := h.processIn(h.state("router.json")), h.server("stable"), h.server("candidate")
	h.kill(h.run.cmd.Process.Pid)
	h.run.end()
	began := time.Now()
	h.awaits("twice the lease is over", func() bool { return time.Since(began) > 6*time.Second })
	if now := u.since(40); now["v1"] == 0 || now["v2"] == 0 {
		t.Errorf("without a supervisor: %v", now)
	}
	h.start()
	if h.processIn(h.state("router.json")) != plane || h.server("stable") != stable || h.server("candidate") != candidate {
		t.Error("the next supervisor has started again what ran")
	}
	h.mlx("service", "resume", "flights", "--full")
	if status := b.end(); status != 0 {
		t.Errorf("the rollout ended with %d\n%s", status, b.problem.String())
	}
	u.stop("v1", "v2")
}

// TestServiceNeverReady deploys a version whose server ends at once, and one whose command never begins it: stable is not touched.
func TestServiceNeverReady(t *testing.T) {
	t.Parallel()
	h := faultyOf(newSomebody(t), strings.Replace(faultyService, "start_timeout: 20s", "start_timeout: 2s", 1))
	h.start()
	h.mlx("deploy", "flights", "flights@v1")
	u := h.ask(50, servedQuestion())
	if _, problem, status := h.try("project", "mlx", "deploy", "flights", "flights@v4"); status != 1 || !strings.Contains(problem, "v4 was not ready within 2 s") {
		t.Errorf("it ended with %d\n%s", status, problem)
	}
	h.write(nil, "down", "2")
	if _, problem, status := h.try("project", "mlx", "deploy", "flights", "flights@v2"); status != 1 || !strings.Contains(problem, "v2 was not ready within 2 s") {
		t.Errorf("it ended with %d\n%s", status, problem)
	}
	if v := h.status(); v.State != "rolled_back" || v.arm("stable").Model.Name != "flights@v1" || v.arm("stable").Restarts != 0 {
		t.Errorf("it is %+v", v)
	}
	u.since(20)
	u.stop("v1")
}

// TestServiceCandidateCrashes kills the server of the candidate again and again: its requests are answered by stable, and three broken
// connections within 10 s end the rollout.
func TestServiceCandidateCrashes(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	b := h.canary("flights@v2", "--bake", "1h")
	h.kill(h.server("candidate"))
	if status := b.end(); status != 1 || !strings.Contains(b.problem.String(), "breaks: the connection of the candidate broke 3 times") {
		t.Errorf("it ended with %d\n%s", status, b.problem.String())
	}
	if v := h.status(); v.State != "rolled_back" || v.arm("stable").Model.Name != "flights@v1" {
		t.Errorf("it is %+v", v)
	}
	if now := u.since(20); now["v2"] > 0 {
		t.Errorf("afterwards: %v", now)
	}
	u.stop("v1", "v2")
}

// TestServiceStableCrashes kills the server of stable in the middle of a canary, and it cannot start again for a while: it is tried again, later
// each time, and the candidate keeps its share and gets no more, however well it does. Then the rollout goes on.
func TestServiceStableCrashes(t *testing.T) {
	t.Parallel()
	h := newFaulty(t)
	u := h.ask(50, servedQuestion())
	u.most = 1 << 20 // those of stable are lost: nobody may answer in its place
	b := h.canary("flights@v2", "--bake", "2s")
	h.write(nil, "down", "1")
	h.kill(h.server("stable"))
	h.awaits("it was tried four times", func() bool {
		if got := h.given(deploy.Candidate); got != deploy.All/2 {
			t.Errorf("while stable is down the candidate gets %v", got)
		}
		return h.status().arm("stable").Restarts >= 4 // after 0.5, 1, 2 and 4 s: longer than a step takes
	})
	if now := u.since(20); now["v2"] == 0 || now["v2"] == 20 {
		t.Errorf("while stable is down: %v", now)
	}
	if err := os.Remove(h.path("down", "1")); err != nil {
		t.Fatal(err)
	}
	if status := b.end(); status != 0 {
		t.Errorf("the rollout ended with %d\n%s", status, b.problem.String())
	}
	u.since(5)
	if now := u.since(20); len(now) != 1 || now["v2"] == 0 {
		t.Errorf("in the end: %v", now)
	}
	u.stop("v1", "v2")
}

// TestServiceClockJumps sets the clock of supervisor, router and controller a day forward, and then two back, in the middle of a step: the lease
// does not end, the bake is as long as it was, and the rollout ends well.
func TestServiceClockJumps(t *testing.T) {
	t.Parallel()
	h := hostedFaulty(t)
	h.program = "jumping"
	h.env = append(h.env, "JUMP="+h.path("jump"))
	h.start()
	h.mlx("deploy", "flights", "flights@v1")
	u := h.ask(50, servedQuestion())
	b := h.begin("project", "jumping", "deploy", "flights", "flights@v2", "--bake", "8s")
	b.says("step 1")
	began := time.Now()
	for _, off := range []string{"24h", "-24h"} {
		h.write([]byte(off), "jump")
		now := u.since(75) // 1.5 s
		if now["v1"] == 0 || now["v2"] == 0 {
			t.Errorf("after the clock was set to %s: %v", off, now)
		}
	}
	b.says("step 2")
	// One look counts as a quarter of a bake at most.
	if took := time.Since(began); took < 4*time.Second {
		t.Errorf("a step of 8 s took %v", took)
	}
	if status := b.end(); status != 0 {
		t.Errorf("the rollout ended with %d\n%s", status, b.problem.String())
	}
	u.stop("v1", "v2")
}
