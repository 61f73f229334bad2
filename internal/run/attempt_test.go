//go:build unix

package run

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mlx/internal/lineage"
)

// submitted is a job of a command, as the node has it.
func submitted(t *testing.T, command ...string) (Runner, lineage.Record, Spec) {
	t.Helper()
	dir := t.TempDir()
	r, err := openBench(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{Command: command, Dir: dir, Folder: ".", Worktree: "main", Job: &Job{Backend: "b", Type: "local", Nodes: 1},
		Aside: filepath.Join(dir, "attempts", "1"), Attempt: 1}
	start, err := r.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r, start, s
}

// left makes the folder of an attempt whose agent was killed. over says how the command is known to have ended, if it is.
func left(t *testing.T, r Runner, start lineage.Record, over *overNote) string {
	t.Helper()
	dir := filepath.Join(r.Runs, start.ID.Hex())
	err := errors.Join(makeFolder(dir), os.WriteFile(filepath.Join(dir, claimName), nil, 0o666),
		os.WriteFile(filepath.Join(dir, outputName), []byte("half\n"), 0o666),
		os.WriteFile(filepath.Join(dir, indexName), []byte("mlx-log/1 2026-11-26T01:00:00.123Z 0\no 5 1\n"), 0o666),
		note(dir, attemptName, attemptNote{1, "gpu-1", time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)}))
	if over != nil {
		err = errors.Join(err, note(dir, overName, over))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTakeUp: what an agent left that was killed is recorded as it was known to end, or as the caller says, and nothing is executed.
func TestTakeUp(t *testing.T) {
	status := 4
	known := &overNote{State: Failed, Cause: "exit status 4", ExitStatus: &status, EndedAt: time.Now().UTC().Truncate(time.Microsecond), DurationS: 3}
	for name, c := range map[string]struct {
		over   *overNote
		again  bool
		state  State
		cause  string
		status int
	}{
		"known":         {known, false, Failed, "exit status 4", 4},
		"unknown":       {nil, false, Lost, "node went", 125},
		"another one":   {nil, true, Lost, "node went", 125},
		"known, again":  {known, true, Failed, "exit status 4", 4},
		"nothing there": {},
	} {
		mark := filepath.Join(t.TempDir(), "executed")
		r, start, s := submitted(t, "touch", mark)
		dir := ""
		if c.state != "" {
			dir = left(t, r, start, c.over)
		}
		s.Again = func(b *Body) bool { return c.again && b.State == c.state }
		got, err := r.TakeUp(t.Context(), start, s, Ending{State: Lost, Cause: "node went"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("%s: it was executed", name)
		}
		switch {
		case c.state == "":
			if got != nil {
				t.Errorf("%s: %+v", name, got)
			}
		case c.again:
			a := got.Aside
			if a == nil || a.State != c.state || a.Cause != c.cause || a.Log == nil || a.Host != "gpu-1" || got.Status != c.status {
				t.Errorf("%s: %+v", name, got)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s: its folder is still in the way: %v", name, err)
			}
		default:
			v := got.View
			if v.State != c.state || *v.Cause != c.cause || got.Status != c.status || v.Log == nil || len(v.Job.Attempts) != 1 || v.Machine.Host != "gpu-1" {
				t.Errorf("%s: %+v", name, v)
			}
			if again, err := r.TakeUp(t.Context(), start, s, Ending{State: Lost, Cause: "again"}); err != nil || again != nil {
				t.Errorf("%s: taken up twice: %+v, %v", name, again, err)
			}
		}
	}
}

// TestStops: a stop ends the command for its own reason, kills what does not end, and wins over how the command ends.
func TestStops(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		grace  time.Duration
		cause  string
	}{
		"polite":   {"trap 'exit 0' TERM; echo x; while :; do sleep 0.05; done", time.Minute, "preempted"},
		"stubborn": {"trap '' TERM; echo x; while :; do sleep 0.05; done", 100 * time.Millisecond, "preempted; killed, because it did not end"},
	} {
		r, start, s := submitted(t, "sh", "-c", c.script)
		stops := make(chan Stop, 1)
		r.Stops = stops
		go func() {
			await(t, func() bool {
				text, _ := os.ReadFile(filepath.Join(r.Runs, start.ID.Hex(), outputName))
				return len(text) > 0
			})
			stops <- Stop{State: Killed, Cause: "preempted", Grace: c.grace}
		}()
		got, err := r.Continue(t.Context(), start, s)
		if err != nil {
			t.Fatal(err)
		}
		if got.View.State != Killed || *got.View.Cause != c.cause {
			t.Errorf("%s: %s, %s", name, got.View.State, *got.View.Cause)
		}
	}
}
