package kube

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/train"

	digest "mlx/internal/object"
)

// seen is what a cluster said at a moment, as the tests against a real one recorded it.
type seen struct {
	Run       digest.Digest `json:"run"`
	Namespace string        `json:"namespace"`
	Jobs      jobList       `json:"jobs"`
	Pods      podList       `json:"pods"`
	Events    eventList     `json:"events"`
}

func read(t testing.TB, name string) seen {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "seen", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s seen) judge() train.Status {
	r := train.Ref{ID: s.Run}
	return sight{namespace: s.Namespace, jobs: index(s.Jobs), pods: byLabel(s.Pods), events: s.Events}.judge(r)
}

func TestJudge(t *testing.T) {
	number := func(n int) *int { return &n }
	for _, test := range []struct {
		name   string
		state  train.State
		cause  train.Cause
		reason string // part of it
		exit   *int
	}{
		{name: "restricted-runs", state: train.Running},
		{name: "limited-runs", state: train.Running},
		{name: "ended-exit-0", state: train.Done, exit: number(0)},
		{name: "ended-exit-7", state: train.Done, exit: number(7)},
		{name: "ended-killed", state: train.Gone, cause: train.CauseExit, reason: "signal 9", exit: number(137)},
		{name: "ended-memory", state: train.Gone, cause: train.CauseMemory, reason: "OOMKilled", exit: number(137)},
		{name: "sidecar-ended", state: train.Done, exit: number(7)},
		{name: "evicted", state: train.Gone, cause: train.CausePreempted, reason: "EvictionByEvictionAPI", exit: number(143)},
		{name: "deleted", state: train.Gone, cause: train.CauseNode, reason: "its pod was deleted"},
		{name: "late", state: train.Gone, cause: train.CauseTime, reason: "deadline", exit: number(143)},
		{name: "no-mlx-in-image", state: train.Gone, cause: train.CauseExit, reason: "container mlx, which brings mlx, ended with status"},
		{name: "impossible", state: train.Pending, reason: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu"},
		{name: "queued", state: train.Pending, reason: "waits in queue team-a"},
		{name: "no-image", state: train.Pending, reason: "container run: ErrImagePull: "},
		{name: "node-selector", state: train.Pending, reason: "didn't match Pod's node affinity/selector"},
		{name: "claim", state: train.Pending, reason: `persistentvolumeclaim "cache" not found`},
		{name: "root-image", state: train.Pending, reason: "CreateContainerConfigError: container has runAsNonRoot and image will run as root"},
		{name: "quota", state: train.Pending, reason: "exceeded quota: few"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := read(t, test.name).judge()
			if got.State != test.state || got.Cause != test.cause || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("%s %q %q", got.State, got.Cause, got.Reason)
			}
			if (got.Exit == nil) != (test.exit == nil) || got.Exit != nil && *got.Exit != *test.exit {
				t.Errorf("exit %v, not %v", got.Exit, test.exit)
			}
			if got.State == train.Running && (got.Node != "localhost" || got.Starts != 1) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What a cluster says in ways that the one of the tests does not.
func TestJudgeWords(t *testing.T) {
	change := func(name string, f func(*seen)) train.Status {
		s := read(t, name)
		f(&s)
		return s.judge()
	}
	disrupted := func(reason string) func(*seen) {
		return func(s *seen) {
			c := s.Pods.Items[0].condition("DisruptionTarget")
			c.Reason = reason
		}
	}
	for reason, cause := range map[string]train.Cause{
		"PreemptionByScheduler": train.CausePreempted, "DeletionByTaintManager": train.CauseNode,
		"DeletionByPodGC": train.CauseNode, "TerminationByKubelet": train.CauseNode,
	} {
		if s := change("evicted", disrupted(reason)); s.Cause != cause {
			t.Errorf("%s: %+v", reason, s)
		}
	}
	forsaken := change("ended-exit-7", func(s *seen) {
		end := s.Pods.Items[0].main().State.Terminated
		end.ExitCode, end.Message = waitedStatus, "nobody brought mlx\n"
	})
	if forsaken.State != train.Gone || forsaken.Cause != train.CauseExit || forsaken.Reason != "nobody brought mlx" {
		t.Errorf("%+v", forsaken)
	}
	for reason, cause := range map[string]train.Cause{"Evicted": train.CauseNode, "Preempting": train.CausePreempted, "NodeLost": train.CauseNode} {
		s := change("ended-killed", func(s *seen) { s.Pods.Items[0].Status.Reason = reason })
		if s.Cause != cause {
			t.Errorf("%s: %+v", reason, s)
		}
	}
	s := change("ended-killed", func(s *seen) {
		s.Jobs.Items[0].Status.Conditions = []condition{{Type: "Failed", Status: "True", Reason: "DeadlineExceeded", Message: "Job was active longer than specified deadline"}}
	})
	if s.Cause != train.CauseTime {
		t.Errorf("%+v", s)
	}
	if s := change("queued", func(s *seen) { s.Jobs.Items = nil }); s.State != train.Gone || s.Cause != train.CauseMissing {
		t.Errorf("%+v", s)
	}
	w := read(t, "queued")
	view := sight{namespace: w.Namespace, jobs: index(w.Jobs), pods: byLabel(w.Pods)}
	view.workloads.Items = append(view.workloads.Items, workload{
		Metadata: metadata{Labels: map[string]string{"kueue.x-k8s.io/job-uid": w.Jobs.Items[0].Metadata.UID}},
	})
	view.workloads.Items[0].Status.Conditions = []condition{{Type: "QuotaReserved", Status: "False", Message: "insufficient unused quota"}}
	if s := view.judge(train.Ref{ID: w.Run}); s.Reason != "queue team-a: insufficient unused quota" {
		t.Errorf("%+v", s)
	}
}

func FuzzJudge(f *testing.F) {
	all, err := filepath.Glob("testdata/seen/*.json")
	if err != nil || len(all) < 10 {
		f.Fatal(len(all), err)
	}
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s seen
		if json.Unmarshal(text, &s) != nil {
			return
		}
		switch got := s.judge(); {
		case got.State == train.Gone && got.Cause == train.CauseNone:
			t.Errorf("gone without a cause: %+v", got)
		case got.State == train.Pending && got.Reason == "":
			t.Errorf("waits for no reason: %+v", got)
		}
	})
}
