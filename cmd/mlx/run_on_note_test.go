package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	first := "mlx-" + id.Hex()[:12]
	for _, c := range []struct{ backend, file, env, want string }{
		{"ray", "", "", first},
		{"ray", "", train.StartVariable + "=" + first + "-2", first + "-2"},
		{"kubernetes", "", "HOSTNAME=" + first + "-0-x7k2p", first},
		{"kubernetes", "", "HOSTNAME=" + first + "-3-0-x7k2p", first + "-3"},
		{"slurm", "", "", ""},
		{"slurm", "123_4\n", "", "123_4"},
		{"local", "", "", ""}, // a process, and gone
	} {
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, "slurm_id"), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j := &agentJob{app: &app{environ: []string{c.env}}, dir: dir, id: id, body: run.Body{Job: &run.Job{Type: c.backend}}}
		if got := j.handle(); got != c.want {
			t.Errorf("%s: handle %q", c.backend, got)
		}
	}
}

// Since when a job is running is told by its agent, else by the backend, else by the first look; what it cost before it waited again stays.
func TestJobSeenRunning(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	running := func(change func(*train.Status)) train.Status {
		s := train.Status{State: train.Running}
		change(&s)
		return s
	}
	plain := running(func(*train.Status) {})
	look := func(s run.Seen, st train.Status, minutes int) run.Seen {
		return (sight{status: st}).seen(s, at(minutes))
	}
	for _, c := range []struct {
		name  string
		looks []train.Status // one a minute
		want  run.Seen
		spent time.Duration // after three minutes
		sure  bool
	}{
		{"nobody tells", []train.Status{plain, plain}, run.Seen{Since: at(0)}, 3 * time.Minute, false},
		{"for how long", []train.Status{running(func(s *train.Status) { s.Ran = time.Hour })}, run.Seen{Began: at(-60)}, 63 * time.Minute, true},
		{"the backend", []train.Status{plain, running(func(s *train.Status) { s.Began = at(-5) })}, run.Seen{Since: at(0), Began: at(-5)}, 8 * time.Minute, true},
		{"the agent, in its second attempt", []train.Status{
			running(func(s *train.Status) { s.Began = at(-5) }),
			running(func(s *train.Status) { s.Began, s.Attempt, s.SpentS = at(1), 2, 240 }),
		}, run.Seen{Began: at(1), Attempt: 2, Heard: true, SpentS: 240}, 6 * time.Minute, true},
		{"it waits again", []train.Status{running(func(s *train.Status) { s.Began = at(-5) }), plain, {State: train.Pending}}, run.Seen{SpentS: 360}, 6 * time.Minute, true},
	} {
		s := run.Seen{State: run.Pending}
		for i, st := range c.looks {
			s = look(s, st, i)
		}
		s.State, s.At = "", time.Time{}
		if s != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, s, c.want)
		}
		if u := useSoFar(s, at(3)); u.Lasted != c.spent || u.Assumed == c.sure {
			t.Errorf("%s: %+v", c.name, u)
		}
	}
}

// What is read of several nodes and attempts is added up, and what is not read is said.
func TestEnergyOfJob(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	after := func(minutes int) *time.Time { at := began.Add(time.Duration(minutes) * time.Minute); return &at }
	gpu := func(joules float64) run.Drawn { return run.Drawn{Of: run.DrawnGPU, Joules: joules, Method: "power"} }
	denied := run.Drawn{Of: run.DrawnCPU, Missing: "CPU: root only"}
	b := run.Body{EndedAt: after(60), DurationS: 1200, CPUSeconds: 600, Job: &run.Job{
		Nodes: 2, GPUs: 4, Power: &run.Power{Intensity: 100}, Price: &run.Price{Currency: "EUR", GPUHour: 2},
		Attempts: []run.Attempt{
			{StartedAt: began, EndedAt: after(10), Drawn: []run.Drawn{gpu(1.8e6), denied}},
			{StartedAt: *after(40), EndedAt: after(60), Drawn: []run.Drawn{gpu(3.6e6), gpu(1.8e6), denied}},
		},
	}}
	closeJob(&b)
	if c := b.Job.Cost; c == nil || c.Amount != 8*0.5*2 || c.How != "8 GPU x 0.5 h x 2 EUR, 2 attempts" || c.Basis != train.BasisEstimated {
		t.Errorf("%+v", c)
	}
	e := b.Job.Energy
	if e == nil || e.KWh == nil || *e.KWh != 2 || e.Basis != train.BasisMeasured || *e.CO2 != 200 || e.CO2Basis != train.BasisEstimated {
		t.Fatalf("%+v", e)
	}
	want := []string{"GPU: 3 of 4 readings, of 2 attempts on 2 nodes", "CPU: root only"}
	if diff := cmp.Diff(want, e.Missing); diff != "" {
		t.Error(diff)
	}
	b.Job.Power, b.Job.Attempts = nil, []run.Attempt{{StartedAt: began, EndedAt: after(10), Drawn: []run.Drawn{denied}}}
	closeJob(&b)
	if e := b.Job.Energy; e == nil || e.KWh != nil || len(e.Missing) != 1 {
		t.Errorf("no meter could be read: %+v", e)
	}
	b.Job.Attempts[0].Drawn = nil
	closeJob(&b)
	if e := b.Job.Energy; e != nil {
		t.Errorf("there is no meter: %+v", e)
	}
}
