package kube

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// twice is a shadow whose answers are compared, as a rollout asks for it.
func twice(generation uint64) deploy.Desired {
	d := deploy.Desired{Service: "flights", Generation: generation, Mirror: deploy.All, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: testRelease(1), Share: deploy.All, Replicas: 1}, {Role: deploy.Shadow, Release: testRelease(2), Replicas: 1}}}
	for i := range d.Arms {
		d.Arms[i].Release.Serve.Idempotent = true
	}
	return d
}

// TestCompared: who compares is there when copies are made whose answers may be compared, and in no other case.
func TestCompared(t *testing.T) {
	with := func(change func(*Settings, *deploy.Desired)) (Settings, deploy.Desired) {
		s, d := testSettings(Gateway), twice(4)
		change(&s, &d)
		return s, d
	}
	for name, test := range map[string]struct {
		change func(*Settings, *deploy.Desired)
		want   bool
	}{
		"copies":               {func(*Settings, *deploy.Desired) {}, true},
		"few copies":           {func(_ *Settings, d *deploy.Desired) { d.Mirror = 1 }, true},
		"KServe":               {func(s *Settings, _ *deploy.Desired) { *s = testSettings(Standard) }, true},
		"a file is followed":   {func(s *Settings, _ *deploy.Desired) { s.unguarded = true }, true},
		"no copies":            {func(_ *Settings, d *deploy.Desired) { d.Mirror = 0 }, false},
		"stable asked once":    {func(_ *Settings, d *deploy.Desired) { d.Arms[0].Release.Serve.Idempotent = false }, false},
		"shadow asked once":    {func(_ *Settings, d *deploy.Desired) { d.Arms[1].Release.Serve.Idempotent = false }, false},
		"no shadow":            {func(_ *Settings, d *deploy.Desired) { d.Arms[1].Role = deploy.Candidate }, false},
		"its own shadow":       {func(_ *Settings, d *deploy.Desired) { d.Arms[1].Release = d.Arms[0].Release }, false},
		"nothing of mlx there": {func(s *Settings, _ *deploy.Desired) { s.Agent = "" }, false},
	} {
		s, d := with(test.change)
		all, err := Objects(s, d)
		if err != nil {
			t.Fatal(name, err)
		}
		there := 0
		for _, o := range all {
			if named(o) == "flights-compare" {
				there++
			}
		}
		mirror := strings.Contains(YAML(all[len(all)-1:]), "name: flights-compare\n")
		if want := map[bool]int{true: 6}[test.want]; there != want || mirror != test.want {
			t.Errorf("%s: %d objects, copies go there: %t", name, there, mirror)
		}
	}
	s, d := testSettings(Gateway), twice(4)
	first, err := s.comparer(d)
	d.Generation, d.Mirror = 9, 100 // it was paused, and goes on
	again, err2 := s.comparer(d)
	if err != nil || err2 != nil || YAML(first) != YAML(again) {
		t.Errorf("it is another pod in another generation: %v %v", err, err2)
	}
	back, err := s.allToStable(d)
	if err != nil || strings.Contains(YAML([]Object{back}), "compare") {
		t.Errorf("copies are made when all goes back: %v %v", back, err)
	}
}

// TestCountsOfPairs: what was compared never falls, and mixes with no answers.
func TestCountsOfPairs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counts.json")
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	of := func(n, otherwise int64) deploy.Pairs {
		return deploy.Pairs{Eligible: n, Compared: n, Disagreed: otherwise, Differences: deploy.NewHistogram([]int64{n - otherwise, otherwise})}
	}
	c := openCounts(file, nil)
	want := func(after string, n, otherwise int64) {
		t.Helper()
		got := c.pairs("k")
		if got.Eligible != n || got.Compared != n || got.Disagreed != otherwise || got.Differences.Count() != n {
			t.Errorf("%s: %+v, not %d with %d", after, got, n, otherwise)
		}
		if sum := c.sums()["k"].Requests; sum != 7 {
			t.Errorf("%s: %d requests are known", after, sum)
		}
	}
	there := map[string]bool{"server": true, "one": true}
	c.see("k", "server", deploy.Counters{Requests: 7, Answers: 7})
	c.seePairs("k", "one", of(10, 2))
	c.keep(t.Context(), there, now)
	want("a pod", 10, 2)
	c.seePairs("k", "one", of(3, 1))
	c.keep(t.Context(), there, now)
	want("it began again", 13, 3)
	other := openCounts(file, nil)
	other.seePairs("k", "one", of(5, 1))
	other.keep(t.Context(), there, now)
	c.keep(t.Context(), there, now)
	want("another process saw more", 15, 3)
	c.seePairs("k", "two", of(1, 0))
	c.keep(t.Context(), map[string]bool{"server": true, "two": true}, now)
	c.keep(t.Context(), map[string]bool{"server": true, "two": true}, now.Add(time.Hour))
	want("another pod", 16, 3)
	if c = openCounts(file, nil); c.pairs("j").Eligible != 0 {
		t.Error("pairs of nobody")
	}
	want("another process", 16, 3)
}
