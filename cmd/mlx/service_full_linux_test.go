package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// TestServiceFullDisk fills the disk of a service in the middle of a canary, for real: nothing moves forward, requests are answered, and when the
// candidate then crashes all goes to stable at once. When there is space again the records are made up.
func TestServiceFullDisk(t *testing.T) {
	if os.Getenv(fullVar) == "" {
		t.Parallel()
		inOwnMounts(t)
		return
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	p := newSomebody(t)
	smallDisk(t, p.path("project"), 64<<20)
	h := faultyOf(p, faultyService)
	h.start()
	h.mlx("deploy", "flights", "flights@v1")
	u := h.ask(50, servedQuestion())
	b := h.canary("flights@v2", "--bake", "3s")
	candidate := h.server("candidate")
	h.fill("project", "filler")
	began := time.Now()
	b.says("no space left on device")
	h.awaits("the bake is long over", func() bool {
		if got := h.given(deploy.Candidate); got != deploy.All/2 {
			t.Errorf("on a full disk the candidate gets %v", got)
		}
		return time.Since(began) > 8*time.Second || t.Failed()
	})
	if _, problem, status := h.try("project", "mlx", "service", "pause", "flights", "--json"); status != 2 || !strings.Contains(problem, `"error":"unavailable"`) {
		t.Errorf("a word that cannot be written down: status %d\n%s", status, problem)
	}
	h.kill(candidate)
	h.awaits("all goes to stable", func() bool { return h.given(deploy.Candidate) == 0 })
	u.since(5) // those that were under way
	if now := u.since(20); len(now) != 1 || now["v1"] == 0 {
		t.Errorf("after the candidate has crashed: %v", now)
	}
	if err := os.Remove(h.path("project", "filler")); err != nil {
		t.Fatal(err)
	}
	if status := b.end(); status != 1 {
		t.Errorf("the rollout ended with %d\n%s", status, b.problem.String())
	}
	if out := h.mlx("log", "service:flights"); !strings.Contains(out, "v2 rolled back") || !strings.Contains(out, "broke 3 times") {
		t.Errorf("the story: %s", out)
	}
	h.mlx("verify", "--ledger")
	u.stop("v1", "v2")
}

// fill writes a file until the disk is full.
func (h *hosted) fill(name ...string) {
	h.t.Helper()
	f, err := os.Create(h.path(name...))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
