//go:build interop

package slurm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// The test is not parallel: the others would not be answered meanwhile.
func TestControllerIsRestarted(t *testing.T) {
	c := newCluster(t)
	running := c.submit(c.job("until [ -e go ]; do sleep 0.05; done", train.Resources{}))
	ended := c.submit(c.job("", train.Resources{}))
	c.awaitState(running, train.Running)
	c.awaitState(ended, train.Done)
	control := func(verb string) {
		t.Helper()
		cmd := exec.Command("../../../.ci/slurm", verb)
		cmd.Env = append(os.Environ(), "WORKDIR="+filepath.Join(os.Getenv("SLURM_CONF"), "../../.."))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", verb, err, out)
		}
	}
	control("stop")
	up := false
	defer func() {
		if !up {
			control("restart")
		}
	}()
	if all, err := c.Status(t.Context(), []train.Ref{running}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "Unable to contact slurm controller") {
		t.Errorf("while the controller is down: %+v, %v", all, err)
	}
	if _, err := c.Submit(t.Context(), c.job("", train.Resources{})); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a submit while the controller is down: %v", err)
	}
	if err := c.Cancel(t.Context(), running, time.Second); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a cancel while the controller is down: %v", err)
	}
	if all, err := c.Status(t.Context(), []train.Ref{ended}); err != nil || all[0].State != train.Done {
		t.Errorf("one that has a result, while the controller is down: %+v, %v", all, err)
	}
	control("restart")
	up = true
	c.awaitState(running, train.Running)
	os.WriteFile(filepath.Join(c.folder(running), "go"), nil, 0o600)
	c.awaitState(running, train.Done)
}

func TestArray(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var jobs []train.Job
	for i := range 5 {
		todo := fmt.Sprintf("echo task %d; until [ -e go ]; do sleep 0.05; done; [ %d != 2 ] || exit 9", i, i)
		jobs = append(jobs, c.job(todo, train.Resources{CPUs: 1}))
	}
	other := c.job("", train.Resources{CPUs: 2}) // does not fit among them
	all := append(append([]train.Job{}, jobs...), other)
	handles, err := c.SubmitAll(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	array, _, _ := strings.Cut(handles[0], "_")
	refs := make([]train.Ref, len(all))
	for i := range all {
		refs[i] = train.Ref{ID: all[i].ID, Handle: handles[i]}
		if want := fmt.Sprintf("%s_%d", array, i); i < 5 && handles[i] != want || i == 5 && strings.Contains(handles[i], "_") {
			t.Errorf("handle %d is %q", i, handles[i])
		}
	}
	for _, r := range refs[:5] {
		c.awaitText(r, logName, "task")
	}
	again, err := c.SubmitAll(t.Context(), all)
	if err != nil || strings.Join(again, " ") != strings.Join(handles, " ") {
		t.Errorf("a second submit gives %v, %v; want %v", again, err, handles)
	}
	os.Remove(filepath.Join(jobs[3].Dir, IDName))
	if h, err := c.Submit(t.Context(), jobs[3]); err != nil || h != handles[3] {
		t.Errorf("a submit of one of them whose answer was lost gives %q, %v; want %q", h, err, handles[3])
	}
	if err := c.Cancel(t.Context(), refs[1], 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c.awaitState(refs[1], train.Done)
	if got := c.text(refs[0], "signals.0") + c.text(refs[2], "signals.0"); got != "" {
		t.Errorf("the cancel of one reached another: %q", got)
	}
	for _, j := range jobs {
		os.WriteFile(filepath.Join(j.Dir, "go"), nil, 0o600)
	}
	for i, r := range refs {
		if i == 2 {
			if st := c.awaitState(r, train.Gone); st.Exit == nil || *st.Exit != 9 {
				t.Errorf("the task that fails: %+v", st)
			}
			continue
		}
		c.awaitState(r, train.Done)
	}
	for i, r := range refs[:5] {
		if got := c.text(r, logName); !strings.Contains(got, fmt.Sprintf("task %d\n", i)) {
			t.Errorf("the log of task %d is %q", i, got)
		}
	}
}

const world = `echo "$MLX_MASTER_ADDR $MLX_NODES $SLURMD_NODENAME" >"place.$node"
until [ -e go ] || [ -e "signals.$node" ]; do sleep 0.05; done
sleep 0.3
`

func TestTwoNodes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ref := c.submit(c.job(world, train.Resources{Nodes: 2, CPUs: 3}))
	c.awaitText(ref, "place.0", "\n")
	c.awaitText(ref, "place.1", "\n")
	if a, b := c.text(ref, "place.0"), c.text(ref, "place.1"); a != "127.0.0.1 2 n1\n" || b != "127.0.0.1 2 n2\n" {
		t.Errorf("places %q and %q", a, b)
	}
	os.WriteFile(filepath.Join(c.folder(ref), "go"), nil, 0o600)
	c.awaitState(ref, train.Done)
	if got := c.text(ref, "signals.0") + c.text(ref, "signals.1"); got != "" {
		t.Errorf("signals that nobody sent: %q", got)
	}
}

func TestSignalsReachTheAgentsOfAllNodes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const todo = `python3 -c '
import os, signal, sys, time
def note(n, _):
    open("child." + sys.argv[1], "a").write("%d " % n)
for n in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(n, note)
open("child." + sys.argv[1], "a").write("begun ")
time.sleep(60)' "$node" &
wait; wait; wait`
	ref := c.submit(c.job(todo, train.Resources{Nodes: 2}))
	c.awaitText(ref, "child.0", "begun")
	c.awaitText(ref, "child.1", "begun")
	command(t, "scancel", "--signal=USR1", "--batch", ref.Handle)
	c.awaitText(ref, "signals.0", "0 USR1\n")
	c.awaitText(ref, "signals.1", "1 USR1\n")
	if got := c.text(ref, "child.0") + c.text(ref, "child.1"); got != "begun begun " {
		t.Errorf("what the agents started got signals as well: %q", got)
	}
	if err := c.Cancel(t.Context(), ref, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	c.awaitState(ref, train.Done)
	for n := range 2 {
		if got := c.text(ref, fmt.Sprintf("signals.%d", n)); !strings.HasPrefix(got, fmt.Sprintf("%d USR1\n%d TERM\n", n, n)) {
			t.Errorf("node %d got the signals %q", n, got)
		}
	}
}

func TestAThousandJobsAreAskedForAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "--hold")
	jobs := make([]train.Job, 1000)
	for i := range jobs {
		jobs[i] = c.job("", train.Resources{})
	}
	start := time.Now()
	handles, err := c.SubmitAll(t.Context(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	submitted := time.Since(start)
	defer command(t, "scancel", strings.TrimSuffix(handles[0], "_0"))
	refs := make([]train.Ref, len(jobs))
	for i, j := range jobs {
		refs[i] = train.Ref{ID: j.ID, Handle: handles[i]}
	}
	start = time.Now()
	all, err := c.Status(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 jobs: submitted in %s, asked for in %s", submitted, time.Since(start))
	for i, st := range all {
		if st.State != train.Pending || !strings.Contains(st.Reason, "held") || st.ID != refs[i].ID {
			t.Fatalf("job %d: %+v", i, st)
		}
	}
}
