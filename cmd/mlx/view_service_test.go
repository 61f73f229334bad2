package main

import (
	"testing"
	"time"

	"mlx/internal/deploy"
)

// TestDivergence: what a rollout has just decided on is on its way; what the target was never told, what it took back, and what it answers
// nobody any more is not.
func TestDivergence(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	old, next := deploy.Release{Key: "old"}, deploy.Release{Key: "new"}
	spec := deploy.Spec{Service: "s", From: &old, To: next, Strategy: deploy.Canary, Steps: []deploy.Share{5000, deploy.All}, Replicas: 1}
	r := deploy.Rollout{Spec: spec, Generation: 7, State: deploy.StateStep, Since: at}
	known := deploy.Service{Name: "s", Current: &old, Rollouts: []deploy.Rollout{r}}
	seen := func(generation uint64, share deploy.Share) deploy.Actual {
		return deploy.Actual{At: at, Generation: generation, Arms: []deploy.Seen{{Key: "old", Share: deploy.All - share, Ready: 1}, {Key: "new", Share: share, Ready: 1}}}
	}
	obeys, before, later := seen(7, 5000), seen(6, 0), seen(8, 5000)
	reverted, refusing := seen(7, 0), seen(6, 0)
	other := seen(7, 5000)
	other.Arms[1].Ready, other.Arms[1].Other = 2, 1
	reverted.Reverted, refusing.Log = &deploy.Reverted{}, &deploy.Logged{Refusing: true}
	for name, c := range map[string]struct {
		seen  deploy.Actual
		after time.Duration
		want  string
	}{
		"it obeys": {obeys, time.Hour, "rolling"}, "it is being asked": {before, time.Second, "rolling"}, "it never obeyed": {before, time.Minute, "diverged"},
		"somebody else's": {later, time.Second, "diverged"}, "taken back": {reverted, time.Second, "diverged"}, "strict": {refusing, time.Second, "diverged"},
		"one of three runs other bytes": {other, time.Hour, "diverged"},
	} {
		s := serviceNow{name: "s", known: known, seen: &c.seen, now: at.Add(c.after)}
		if got := s.state(); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
}
