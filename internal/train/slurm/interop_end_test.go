//go:build interop

package slurm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

func TestEndsWithoutAResult(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	for _, k := range []struct {
		name, todo string
		cause      train.Cause
		exit       int
		reason     string
	}{
		{"status", "exit 7", train.CauseExit, 7, "status 7"},
		{"killed", "kill -KILL $$", train.CauseExit, 137, "signal 9"},
	} {
		ref := c.submit(c.job(k.todo, train.Resources{}))
		st := c.awaitState(ref, train.Gone)
		if st.Cause != k.cause || st.Exit == nil || *st.Exit != k.exit || !strings.Contains(st.Reason, k.reason) || st.Starts != 1 {
			t.Errorf("%s: %+v, exit %v", k.name, st, st.Exit)
		}
	}
	if st := c.status(train.Ref{ID: c.job("", train.Resources{}).ID}); st.State != train.Gone || st.Cause != train.CauseMissing {
		t.Errorf("a job that was never submitted: %+v", st)
	}
	forgotten := c.job("", train.Resources{})
	forgotten.Handle = "4000000"
	if st := c.status(forgotten.Ref); st.State != train.Gone || st.Cause != train.CauseMissing {
		t.Errorf("a job that Slurm does not know: %+v", st)
	}
	os.WriteFile(filepath.Join(forgotten.Dir, train.ResultName), nil, 0o600)
	if st := c.status(forgotten.Ref); st.State != train.Done {
		t.Errorf("a job with a result that Slurm has forgotten: %+v", st)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	twice := func(j train.Ref, grace time.Duration) {
		t.Helper()
		for range 2 {
			if err := c.Cancel(t.Context(), j, grace); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait := `sleep 60 & child=$!; echo "$child" >child; wait "$child"; wait "$child"`

	running := c.submit(c.job(wait, train.Resources{}))
	c.awaitText(running, "child", "\n")
	twice(running, 5*time.Second)
	c.awaitState(running, train.Done) // the agent got TERM, and had time to leave a result
	if got := c.text(running, "signals.0"); !strings.HasPrefix(got, "0 TERM\n") {
		t.Errorf("the agent got the signals %q", got)
	}
	goneProcess(t, c.text(running, "child"))

	stubborn := c.job(`touch stubborn; sleep 60 & echo "$!" >child; while :; do wait; sleep 0.2; done`, train.Resources{})
	ref := c.submit(stubborn)
	c.awaitText(ref, "child", "\n")
	twice(ref, time.Second)
	st := c.awaitState(ref, train.Gone)
	if st.Cause != train.CauseCancelled {
		t.Errorf("one that does not go: %+v", st)
	}
	goneProcess(t, c.text(ref, "child"))

	held := newCluster(t, "--hold")
	pending := held.submit(held.job("", train.Resources{}))
	if st := held.awaitState(pending, train.Pending); !strings.Contains(st.Reason, "held") {
		t.Errorf("one that is held: %+v", st)
	}
	twice2 := func() {
		for range 2 {
			if err := held.Cancel(t.Context(), pending, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
	}
	twice2()
	if st := held.awaitState(pending, train.Gone); st.Cause != train.CauseCancelled || !strings.Contains(st.Reason, "ancelled") {
		t.Errorf("one that was cancelled while it waited: %+v", st)
	}

	done := c.submit(c.job("", train.Resources{}))
	c.awaitState(done, train.Done)
	twice(done, time.Second)
	if st := c.status(done); st.State != train.Done {
		t.Errorf("one that was cancelled after its end: %+v", st)
	}
	unknown := c.job("", train.Resources{})
	twice(unknown.Ref, time.Second)
	unknown.Handle = "4000000"
	twice(unknown.Ref, time.Second)
}

// goneProcess waits for a process to be gone.
func goneProcess(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(pid)); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("process %s is still there", pid)
		}
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var refs []train.Ref
	for range 3 {
		j := c.job("until [ -e go ]; do sleep 0.05; done", train.Resources{GPUs: 1})
		j.Queue = "one"
		refs = append(refs, c.submit(j))
	}
	c.awaitState(refs[0], train.Running)
	c.awaitState(refs[1], train.Running)
	c.await(refs[2], "waiting for resources", 20*time.Second, func(s train.Status) bool {
		return s.State == train.Pending && (strings.HasPrefix(s.Reason, "Resources: ") || strings.HasPrefix(s.Reason, "Priority: "))
	})
	os.WriteFile(filepath.Join(c.folder(refs[0]), "go"), nil, 0o600)
	c.awaitState(refs[0], train.Done)
	c.awaitState(refs[2], train.Running)
	for _, r := range refs[1:] {
		os.WriteFile(filepath.Join(c.folder(r), "go"), nil, 0o600)
		c.awaitState(r, train.Done)
	}
}

func TestImpossibleRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name    string
		r       train.Resources
		queue   string
		options []string
		words   string
	}{
		{"kind of GPU", train.Resources{GPUs: 1, GPUType: "a100"}, "", nil, "Slurm refuses: Batch job submission failed: Requested node configuration is not available"},
		{"number of GPUs", train.Resources{GPUs: 9}, "", nil, "Requested node configuration is not available"},
		{"memory", train.Resources{Memory: 1 << 50}, "", nil, "Memory specification can not be satisfied"},
		{"partition", train.Resources{}, "nowhere", nil, "invalid partition specified: nowhere"},
		{"option", train.Resources{}, "", []string{"--bogus=1"}, "unrecognized option"},
		{"constraint", train.Resources{}, "", []string{"--constraint=moon"}, "Invalid feature specification"},
		{"time", train.Resources{Time: time.Hour}, "short", nil, "would never start: PartitionTimeLimit: it asks for more time than the partition allows"},
		{"nodes", train.Resources{Nodes: 3}, "", nil, "would never start: PartitionNodeLimit"},
	} {
		c := newCluster(t, k.options...)
		j := c.job("", k.r)
		j.Queue = k.queue
		handle, err := c.Submit(t.Context(), j)
		if fault.KindOf(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), k.words) {
			t.Errorf("%s: %q, %v", k.name, handle, err)
		}
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "--kill-on-invalid-dep=yes") // an option that means nothing here, and arrives
	j := c.job(`touch stubborn; while :; do sleep 0.2; done`, train.Resources{Time: time.Second})
	j.Queue, j.Warn = "short", 50*time.Second
	ref := c.submit(j)
	c.awaitState(ref, train.Running)
	start := time.Now()
	for !strings.Contains(c.text(ref, "signals.0"), "USR1") { // Slurm looks now and then only
		if time.Since(start) > 55*time.Second {
			t.Fatal("the agent got no warning")
		}
		time.Sleep(100 * time.Millisecond)
	}
	st := c.await(ref, "at its end", 3*time.Minute, func(s train.Status) bool { return s.State == train.Gone })
	if st.Cause != train.CauseTime {
		t.Errorf("%+v", st)
	}
}

func TestRequeue(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	j := c.job(`touch stubborn; if [ "$MLX_SLURM_RESTARTS" = 0 ]; then echo 17 >checkpoint; while :; do sleep 0.2; done; fi; cat checkpoint >resumed`, train.Resources{})
	j.Requeue = true
	ref := c.submit(j)
	c.awaitText(ref, "checkpoint", "17")
	command(t, "scontrol", "requeue", ref.Handle)
	c.await(ref, "waiting again", 20*time.Second, func(s train.Status) bool { return s.State != train.Running || s.Starts == 2 })
	c.await(ref, "done", time.Minute, func(s train.Status) bool { return s.State == train.Done })
	if got := c.text(ref, "resumed"); got != "17\n" {
		t.Errorf("the second attempt finds %q", got)
	}
	if got := c.text(ref, "began.0"); strings.Count(got, "attempt") != 2 || !strings.Contains(got, "attempt 1 on") {
		t.Errorf("attempts: %q", got)
	}
}
