//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy/cascade"
)

// stagedService answers 1 by its large model, whose number of the version is what it says.
const stagedService = `
services:
  guard:
    stages:
      - {name: known, hashes: known.hashes, reply: {predictions: [-1]}}
      - {name: small, model: small, cmd: exec servedmodel, ready: /health, next: answer > 0, deadline: 10s, on_error: skip}
      - {name: large, model: large, cmd: exec servedmodel, ready: /health, deadline: 20s}
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

// newStaged runs a service of stages with v1 of both models in service; v2 of the large one is good.
func newStaged(t *testing.T, config string) *hosted {
	t.Helper()
	h := newSomebody(t).hosts("guard", map[string]string{"mlx.yaml": config, "one.json": `{"w": 1}`, "two.json": `{"w": 2}`,
		"known.hashes": strings.Repeat("a", 64) + "\n"})
	h.register("small", "one.json")
	h.register("large", "one.json", "two.json")
	h.start()
	h.mlx("deploy", "guard", "large@v1")
	return h
}

// stage is the process of a stage of stable; 0: there is none now.
func (h *hosted) stage(n int) int {
	h.t.Helper()
	key := h.status().arm("stable").Release[:12]
	return processAt(h.state("stages", key+"-1", "servers", fmt.Sprintf("%s-%d.json", key, n)))
}

// answering is the process that answers by the stages of stable; 0: there is none now.
func (h *hosted) answering() int {
	h.t.Helper()
	return processAt(h.state("servers", h.status().arm("stable").Release[:12]+"-1.json"))
}

func processAt(note string) int {
	var n struct{ Process struct{ PID int } }
	if text, err := os.ReadFile(note); err != nil || json.Unmarshal(text, &n) != nil {
		return 0
	}
	return n.Process.PID
}

// seenStage is what status tells of a stage of stable.
func (h *hosted) seenStage(name string) stageView {
	h.t.Helper()
	for _, s := range h.status().arm("stable").Stages {
		if s.Name == name {
			return s
		}
	}
	h.t.Fatalf("there is no stage %s", name)
	return stageView{}
}

func running(pid int) bool { return syscall.Kill(pid, 0) == nil }

// TestServiceStageKilled kills the server of a stage again and again: requests wait for it, or are answered by the next one, and nobody loses one.
func TestServiceStageKilled(t *testing.T) {
	t.Parallel()
	h := newStaged(t, stagedService)
	u := h.ask(50, servedQuestion())
	for _, n := range []int{1, 2} {
		first := h.stage(n)
		h.kill(first)
		h.awaits("it is started again", func() bool { now := h.stage(n); return now != first && now != 0 })
		u.since(50)
	}
	h.awaits("status tells of it", func() bool { return h.seenStage("small").Restarts == 1 && h.seenStage("large").Restarts == 1 })
	if a := h.status().arm("stable"); a.Restarts != 0 {
		t.Errorf("it was started again: %+v", a)
	}
	u.stop("v1")
}

// TestServiceCascadeKilled kills the process that answers by the stages: the next one takes the servers of the stages over as they are, and what
// was counted goes on. When the release is not to run any more, none of them is left, also when everything that watches them was killed.
func TestServiceCascadeKilled(t *testing.T) {
	t.Parallel()
	h := newStaged(t, stagedService)
	u := h.ask(50, servedQuestion())
	u.most = 1 << 20 // one server has no other to be asked in its place
	h.awaits("it is counted", func() bool { return h.seenStage("large").Decided > 20 })
	small, large, first := h.stage(1), h.stage(2), h.answering()
	h.kill(first)
	h.awaits("another one runs", func() bool {
		now := h.answering()
		return now != first && now != 0 && h.status().arm("stable").Ready == 1
	})
	if h.stage(1) != small || h.stage(2) != large {
		t.Error("servers of stages that ran were started again")
	}
	before := h.seenStage("large").Decided
	u.since(50)
	h.awaits("it goes on counting", func() bool { return before > 20 && h.seenStage("large").Decided > before })
	u.stop("v1")

	h.kill(h.run.cmd.Process.Pid) // the supervisor, and then the one that answers: nobody is left who knows of the stages
	h.run.end()
	h.kill(h.answering())
	key := h.status().arm("stable").Release[:12]
	if err := os.WriteFile(h.state("arms.json"), []byte(`{"arms": []}`), 0o600); err != nil { // as if another release were in service
		t.Fatal(err)
	}
	if err := os.Remove(h.state("servers", key+"-1.json")); err != nil {
		t.Fatal(err)
	}
	if !running(small) || !running(large) {
		t.Fatal("the servers of the stages have ended with it")
	}
	h.start()
	h.awaits("what nobody knew of has ended", func() bool { return !running(small) && !running(large) })
}

// TestServiceStagesChange deploys another version of one stage and goes back under traffic: nobody loses a request, all that ran for the one is
// ended when it is not kept, and the rest of it is as before.
func TestServiceStagesChange(t *testing.T) {
	t.Parallel()
	h := newStaged(t, stagedService)
	u := h.ask(100, servedQuestion())
	h.mlx("deploy", "guard", "large@v2")
	u.since(20)
	if now := u.since(20); now["v1"] > 0 {
		t.Errorf("v2 is in service: %v", now)
	}
	h.mlx("rollback", "guard", "-m", "worse")
	u.since(20)
	if now := u.since(20); now["v2"] > 0 {
		t.Errorf("v1 is back: %v", now)
	}
	u.stop("v1", "v2")
	small, large := h.stage(1), h.stage(2)
	if err := h.run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.run.end()
	if running(small) || running(large) {
		t.Error("servers of stages outlive the service")
	}
}

// TestServiceListDamaged changes what hashes are looked up in: it is made again before anything is served by it.
func TestServiceListDamaged(t *testing.T) {
	t.Parallel()
	h := newStaged(t, stagedService)
	list := h.state("releases", h.status().arm("stable").Release[:12], cascadeIndexes, "known")
	if err := h.run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.run.end()
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-10] ^= 1
	for name, bytes := range map[string][]byte{"damaged": text, "short": text[:70], "empty": nil} {
		if err := os.WriteFile(list, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		h.start()
		h.awaits("it serves", func() bool { return h.once(servedQuestion()) == "v1" })
		l, err := cascade.Open(list)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := l.Verify(); err != nil || l.Len() != 1 {
			t.Errorf("%s: %d, %v", name, l.Len(), err)
		}
		_ = l.Close()
		if err := h.run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		h.run.end()
	}
}

// TestServiceStageHeader asks through the router: the answer is that of a stage, byte by byte, and its header names it.
func TestServiceStageHeader(t *testing.T) {
	t.Parallel()
	h := newStaged(t, strings.Replace(stagedService, "next: answer > 0", "next: answer > 5", 1))
	for body, want := range map[string]string{`{"instances": [1]}`: "small", `{"instances": [9]}`: "large"} {
		resp, err := http.Post(h.url+"/predict", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var a struct{ Predictions []float64 }
		err = json.NewDecoder(resp.Body).Decode(&a)
		resp.Body.Close()
		if got := resp.Header.Get(cascade.StageHeader); got != want || err != nil || len(a.Predictions) != 1 {
			t.Errorf("%s: %q answers %v, %v", body, got, a, err)
		}
	}
}

// TestCascadeRefuses starts the hidden command as nobody should.
func TestCascadeRefuses(t *testing.T) {
	t.Parallel()
	p := newSomebody(t)
	plan := filepath.Join(t.TempDir(), "plan.json")
	for text, want := range map[string]string{
		"{":              "unexpected end of JSON input",
		`{"stages": []}`: "0 is no number of stages",
		`{"service": "s", "combine": {"by": "cascade"}, "stages": [{"stage": {"name": "a", "serve": {"command": "x"}}}]}`: "this is started by mlx service run",
	} {
		if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, problem, status := p.try("", "mlx", "cascade", plan); status != 2 || !strings.Contains(problem, want) {
			t.Errorf("%s: %d %s after %v", text, status, problem, time.Since(began))
		}
	}
}
