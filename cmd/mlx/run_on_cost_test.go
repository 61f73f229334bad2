package main

import (
	"math"
	"testing"
	"time"

	"mlx/internal/run"
	"mlx/internal/train"
)

// A run that is not recorded by its last attempt has used what the attempts before it used, and that one until it was last heard.
func TestJobSoFar(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	after := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
	ended := after(30)
	first := run.Attempt{N: 1, StartedAt: began, EndedAt: &ended, State: run.Failed, Drawn: []run.Drawn{{Of: run.DrawnGPU, Joules: 3.6e6, Method: "power"}}}
	for _, c := range []struct {
		name    string
		last    int
		before  time.Time
		trouble bool
		want    time.Duration
		state   run.State
		basis   string
	}{
		{"between two attempts", 1, time.Time{}, false, 30 * time.Minute, run.Failed, train.BasisEstimated},
		{"the second is gone", 2, after(50), false, 40 * time.Minute, run.Lost, train.BasisAssumed},
		{"the agent cannot go on", 2, time.Time{}, true, time.Hour, run.Failed, train.BasisEstimated},
	} {
		j := &agentJob{app: &app{now: func() time.Time { return after(70) }}, before: c.before}
		j.body.Job = &run.Job{Type: "local", GPUs: 1, Price: &run.Price{Currency: "EUR", GPUHour: 60}}
		j.book = agentBook{Last: c.last, Began: after(40), Attempts: []run.Attempt{first}}
		job := j.jobSoFar(train.Result{State: string(run.Failed), Cause: "no space"}, c.trouble)
		if got := job.Cost; got == nil || math.Abs(got.Amount-c.want.Minutes()) > 1e-9 || got.Basis != c.basis {
			t.Errorf("%s: cost %+v, want %v EUR %s", c.name, got, c.want.Minutes(), c.basis)
		}
		if e := job.Energy; e == nil || e.KWh == nil || *e.KWh != 1 {
			t.Errorf("%s: energy %+v", c.name, e)
		}
		if n := len(job.Attempts); n != c.last || job.Attempts[n-1].State != c.state {
			t.Errorf("%s: attempts %+v", c.name, job.Attempts)
		}
	}
}

// What a job has used that is handed over again stays known while it waits.
func TestSpentUntil(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return at.Add(time.Duration(n) * time.Hour) }
	seen := run.Seen{Attempt: 2, Heard: true, Began: hour(1), SpentS: 1800, At: hour(9)}
	for _, c := range []struct {
		told train.Told
		want float64
	}{
		{train.Told{}, 1800 + 8*3600},
		{train.Told{Attempt: 2, Began: hour(1), At: hour(3), SpentS: 1800}, 1800 + 2*3600},
		{train.Told{Attempt: 1, Began: at, At: hour(1)}, 1800 + 8*3600},
	} {
		if got := spentUntil(seen, c.told); got != c.want {
			t.Errorf("%+v: %v s, want %v", c.told, got, c.want)
		}
	}
	waits := run.Seen{State: run.Pending, Attempt: 3, SpentS: 9000}
	if u := useSoFar(waits, hour(20)); u.Lasted != 9000*time.Second || u.Attempts != 2 {
		t.Errorf("%+v", u)
	}
}
