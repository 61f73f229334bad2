package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

func noteJob(t *testing.T, now time.Time) *onJob {
	t.Helper()
	r := &repo.Repo{Home: t.TempDir()}
	a := &app{now: func() time.Time { return now }, repo: func() (*repo.Repo, error) { return r, nil }}
	return &onJob{app: a, repo: r, id: object.Sum([]byte("a run")), body: run.Body{Job: &run.Job{SubmittedAt: now.Add(-time.Hour)}}}
}

// What the follower, the mirror and a list learn of a job at the same time is all kept.
func TestJobSeenFromManySides(t *testing.T) {
	t.Parallel()
	j := noteJob(t, time.Now())
	sides := []func(*run.Seen){
		func(s *run.Seen) { s.Attempt++ },
		func(s *run.Seen) { s.Handle += "h" },
		func(s *run.Seen) { s.Host += "n" },
	}
	const times = 20
	var all sync.WaitGroup
	for _, change := range sides {
		all.Go(func() {
			for range times {
				if err := j.see(change); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); s.Attempt != times || len(s.Handle) != times || len(s.Host) != times {
		t.Errorf("seen: %+v", s)
	}
}

// What was collected while a list asked for it does not come back.
func TestJobCollectedMeanwhile(t *testing.T) {
	t.Parallel()
	j := noteJob(t, time.Now())
	told := map[object.Digest]sight{j.id: {status: train.Status{State: train.Running}}}
	if err := j.app.seeAll(t.Context(), told, map[object.Digest]bool{j.id: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(j.folderOf()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
	if err := j.app.seeAll(t.Context(), told, map[object.Digest]bool{}); err != nil { // of another clone
		t.Fatal(err)
	}
	if s, there := run.SeenOf(jobsOf(j.repo), j.id); !there || s.State != run.Running {
		t.Errorf("seen: %+v, %v", s, there)
	}
}

// A backend is given its time from when it has the job: an upload of an hour is no waiting of its own.
func TestJobWaitsSinceItWasGiven(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	j := noteJob(t, now)
	if got := j.waitsSince(); !got.Equal(j.body.Job.SubmittedAt) {
		t.Errorf("of another clone since %v", got)
	}
	if err := j.given("job 7"); err != nil {
		t.Fatal(err)
	}
	if err := j.see(func(s *run.Seen) {
		*s = (sight{status: train.Status{State: train.Pending}}).seen(*s, now.Add(time.Minute))
	}); err != nil {
		t.Fatal(err)
	}
	if got := j.waitsSince(); !got.Equal(now) {
		t.Errorf("since %v", got)
	}
}

// The record of the end names a job as its backend does, also when the folder of the job here is gone.
func TestAgentHandle(t *testing.T) {
	t.Parallel()
	id := object.Sum([]byte("a run"))
	dir := t.TempDir()
	for _, c := range []struct{ backend, file, want string }{
		{"ray", "", "mlx-" + id.Hex()[:12]},
		{"kubernetes", "", "mlx-" + id.Hex()[:12]},
		{"slurm", "", ""},
		{"slurm", "123_4\n", "123_4"},
		{"local", "", ""}, // a process, and gone
	} {
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, "slurm_id"), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j := &agentJob{dir: dir, id: id, body: run.Body{Job: &run.Job{Type: c.backend}}}
		if got := j.handle(); got != c.want {
			t.Errorf("%s: handle %q", c.backend, got)
		}
	}
}
