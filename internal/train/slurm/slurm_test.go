package slurm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/train"
)

func TestScript(t *testing.T) {
	id := object.Sum([]byte("a run"))
	one := train.Job{
		Ref: train.Ref{ID: id}, Queue: "gpu", Requeue: true, Warn: 90500 * time.Millisecond,
		Env: map[string]string{"B": "it's $HOME", "A": "1"},
		Resources: train.Resources{
			GPUs: 2, GPUType: "h100", CPUs: 8, Memory: 3<<30 + 1, Time: 90*time.Minute + time.Second,
		},
	}
	two := train.Job{Ref: train.Ref{ID: id}, Resources: train.Resources{Nodes: 2, Ranks: 4, GPUs: 4}}
	for _, c := range []struct {
		name string
		b    batch
		opts train.Backend
	}{
		{"one", batch{job: one, comment: id.Hex()}, train.Backend{Options: []string{"--account=physics", "#SBATCH --qos=long", "-t 10"}}},
		{"nodes", batch{job: two, comment: id.Hex()}, train.Backend{Setup: []string{"module load cuda"}}},
		{"array", batch{job: train.Job{Ref: train.Ref{ID: id}}, comment: "key", tasks: []int{0, 1, 2, 5, 7, 8}}, train.Backend{}},
	} {
		got, err := New(&train.Host{Dir: "~/mlx"}, c.opts).script(c.b)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := os.ReadFile(filepath.Join("testdata", c.name+".sh"))
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s\n%s", c.name, diff, got)
		}
		if out, err := exec.Command("sh", "-n", "-c", got).CombinedOutput(); err != nil {
			t.Errorf("%s: sh cannot read it: %v: %s", c.name, err, out)
		}
	}
}

func TestScriptRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		j       train.Job
		options []string
	}{
		{"an option with a line break", train.Job{}, []string{"--comment=a\n#SBATCH --uid=0"}},
		{"what is no option", train.Job{}, []string{"rm -rf /"}},
		{"a partition with a blank", train.Job{Queue: "a b"}, nil},
		{"a kind of GPU with a line break", train.Job{Resources: train.Resources{GPUs: 1, GPUType: "a\nb"}}, nil},
		{"a variable that is none", train.Job{Env: map[string]string{"A;rm": ""}}, nil},
	} {
		if s, err := New(&train.Host{}, train.Backend{Options: c.options}).Describe(c.j); fault.KindOf(err) != fault.Usage || err == nil {
			t.Errorf("%s: %q, %v", c.name, s, err)
		}
	}
}

// words is a job of each state as squeue, scontrol and sacct tell of it: from Slurm 22.05, and of states that it does not reach
// here as its manual has them.
func TestStatusIsRead(t *testing.T) {
	d := New(&train.Host{Dir: "/x"}, train.Backend{})
	id := object.Sum([]byte("a run"))
	hex := id.Hex()
	exit := func(n int) *int { return &n }
	h := "h|" + hex + "|12\n"
	now := "now|2026-11-26T16:24:30\n"
	for _, c := range []struct {
		name, said string
		want       train.Status
	}{
		{"result", "r|" + hex + "|12\n", train.Status{State: train.Done}},
		{"result that is seen late", h + now + "q|12|COMPLETED|2026-11-26T16:24:29|n1|0:00|None\nr|" + hex + "|\n", train.Status{State: train.Done, Node: "n1"}},
		{"ended just now", h + now + "q|12|COMPLETED|2026-11-26T16:24:29|n1|0:00|None\n", train.Status{State: train.Running, Reason: "it has ended, and its result is not seen yet", Node: "n1"}},
		{"ended without", h + now + "q|12|COMPLETED|2026-11-26T16:20:29|n1|0:00|None\n", train.Status{State: train.Gone, Cause: train.CauseExit, Reason: "the agent ended without a result", Node: "n1"}},
		{"resources", h + now + "q|12|PENDING|N/A||0:00|Resources\n", train.Status{State: train.Pending, Reason: "Resources: what it asks for is in use; it starts when that is free"}},
		{"QOS", h + now + "q|12|PENDING|N/A||0:00|QOSMaxGRESPerUser\n", train.Status{State: train.Pending, Reason: "QOSMaxGRESPerUser: as much is in use as the QOS allows; it starts when jobs end"}},
		{"per job", h + now + "q|12|PENDING|N/A||0:00|QOSMaxCpuPerJobLimit\n", train.Status{State: train.Pending, Reason: "QOSMaxCpuPerJobLimit: one job may not ask for that much, by the QOS"}},
		{"nodes away", h + now + "q|12|PENDING|N/A||0:00|ReqNodeNotAvail, UnavailableNodes:n[1-2]\n", train.Status{State: train.Pending, Reason: "ReqNodeNotAvail, UnavailableNodes:n[1-2]: the nodes for it are down, drained or reserved"}},
		{"running again", h + now + "q|12|RUNNING|2027-11-26T16:24:29|n[1-2]|1-02:03:04|None\ns|JobId=12 JobName=x JobState=RUNNING Restarts=1 ExitCode=0:0\n", train.Status{State: train.Running, Node: "n[1-2]", Starts: 2, Ran: 26*time.Hour + 3*time.Minute + 4*time.Second}},
		{"failed", h + now + "q|12|FAILED|2026-11-26T16:24:29|n1|0:00|NonZeroExitCode\ns|JobId=12 Restarts=0 ExitCode=7:0\n", train.Status{State: train.Gone, Cause: train.CauseExit, Reason: "the agent ended with status 7", Exit: exit(7), Node: "n1", Starts: 1}},
		{"killed", h + now + "q|12|FAILED|2026-11-26T16:24:29|n1|0:00|RaisedSignal:9(Killed)\ns|JobId=12 Restarts=0 ExitCode=0:9\n", train.Status{State: train.Gone, Cause: train.CauseExit, Reason: "the agent was killed by signal 9: RaisedSignal:9(Killed)", Exit: exit(137), Node: "n1", Starts: 1}},
		{"time", h + now + "q|12|TIMEOUT|2026-11-26T16:24:29|n1|0:00|TimeLimit\n", train.Status{State: train.Gone, Cause: train.CauseTime, Reason: "Slurm ended it at its time limit", Node: "n1"}},
		{"memory", h + "a|12|OUT_OF_MEMORY|0:125|n1\n", train.Status{State: train.Gone, Cause: train.CauseMemory, Reason: "it used more memory than it had asked for", Node: "n1"}},
		{"preempted", h + "a|12|PREEMPTED|0:15|n1\n", train.Status{State: train.Gone, Cause: train.CausePreempted, Reason: "Slurm gave its place to another job", Node: "n1"}},
		{"node", h + "a|12|NODE_FAIL|0:0|n1\n", train.Status{State: train.Gone, Cause: train.CauseNode, Reason: "node n1 failed", Node: "n1"}},
		{"boot", h + now + "q|12|BOOT_FAIL|N/A|n1|0:00|None\n", train.Status{State: train.Gone, Cause: train.CauseNode, Reason: "a node could not be made ready", Node: "n1"}},
		{"cancelled", h + "a|12|CANCELLED by 1000|0:15|n1\n", train.Status{State: train.Gone, Cause: train.CauseCancelled, Reason: "Slurm says: cancelled by 1000", Node: "n1"}},
		{"new state", h + now + "q|12|EXPEDITING|N/A|n1|0:00|None\n", train.Status{State: train.Unknown, Reason: "Slurm says EXPEDITING", Node: "n1"}},
		{"forgotten", h + now, train.Status{State: train.Gone, Cause: train.CauseMissing, Reason: "Slurm does not know job 12 any more, and it left no result"}},
	} {
		told, err := d.told(strings.Split(c.said, "\n"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		c.want.Ref = train.Ref{ID: id, Handle: "12"}
		if diff := cmp.Diff(c.want, told.status(train.Ref{ID: id})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestSlurmsWords(t *testing.T) {
	d := New(&train.Host{Name: "login", Dir: "~/mlx"}, train.Backend{})
	for _, c := range []struct {
		said string
		kind fault.Kind
		hint string
	}{
		{"sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", fault.Unavailable, "ssh login scontrol ping"},
		{"slurm_load_jobs error: Zero Bytes were transmitted or received", fault.Unavailable, "ssh login systemctl status munge"},
		{"sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", fault.Unavailable, "ssh login scontrol ping"},
		{"sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified", fault.Usage, "sacctmgr"},
		{"sbatch: error: Batch job submission failed: Invalid qos specification", fault.Usage, "sacctmgr"},
		{"sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)", fault.Usage, "sinfo"},
		{"sbatch: error: invalid partition specified: x", fault.Usage, "sinfo -s"},
		{"scancel: error: Kill job error on job id 1: Access/permission denied", fault.Denied, ""},
		{"", fault.Unavailable, "scontrol ping"},
	} {
		err := d.trouble("submit job 1", c.said)
		hints := fmt.Sprint(fault.Hints(err))
		if fault.KindOf(err) != c.kind || !strings.Contains(hints, c.hint) || strings.Contains(err.Error(), "sbatch:") {
			t.Errorf("%q: %v: %v, hints %v", c.said, fault.KindOf(err), err, hints)
		}
	}
}

func TestWrap(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "singularity"), []byte("#!/bin/sh\nprintf '<%s>' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		image string
		gpus  bool
		want  string
	}{
		{"pytorch/pytorch:2", true, "<exec><--nv><docker://pytorch/pytorch:2><python><a b>"},
		{"/images/x.sif", false, "<exec></images/x.sif><python><a b>"},
		{"oras://x/y", false, "<exec><oras://x/y><python><a b>"},
	} {
		words := append(Wrap(c.image, c.gpus), "python", "a b")
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = []string{"PATH=" + bin + ":/bin:/usr/bin"}
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != c.want {
			t.Errorf("%s: %s, %v", c.image, out, err)
		}
	}
	none := append(Wrap("x", false), "true")
	cmd := exec.Command(none[0], none[1:]...)
	cmd.Env = []string{"PATH=/bin:/usr/bin"}
	if out, err := cmd.CombinedOutput(); err == nil && !strings.Contains(string(out), "neither apptainer") {
		t.Errorf("without Apptainer: %s, %v", out, err)
	}
}

func FuzzTold(f *testing.F) {
	d := New(&train.Host{Dir: "/x"}, train.Backend{})
	id := object.Sum([]byte("a run"))
	f.Add("h|" + id.Hex() + "|12_3\nnow|2026-11-26T16:24:30\nq|12_3|COMPLETED|2026-11-26T16:24:29|n1|0:00|None\ns|JobId=9 ArrayJobId=12 ArrayTaskId=3 Restarts=1 ExitCode=0:9")
	f.Add("fail|\nUnable to contact")
	f.Add("r|" + id.Hex() + "|12\na|12|CANCELLED by 1000|0:15|n1")
	f.Fuzz(func(t *testing.T, said string) {
		told, err := d.told(strings.Split(said, "\n"))
		if err != nil {
			return
		}
		st := told.status(train.Ref{ID: id, Handle: "12"})
		switch st.State {
		case train.Pending, train.Running, train.Done, train.Gone, train.Unknown:
		default:
			t.Errorf("state %q", st.State)
		}
		if !isHandle(st.Handle) {
			t.Errorf("handle %q", st.Handle)
		}
		if (st.State == train.Done) != told.results[id.Hex()] {
			t.Errorf("%+v does not fit the results %v", st, told.results)
		}
	})
}

func TestGroups(t *testing.T) {
	var jobs []train.Job
	for i := range 2*maxArray + 3 {
		jobs = append(jobs, train.Job{Resources: train.Resources{GPUs: i % 2}})
	}
	seen := map[int]bool{}
	for _, g := range groups(jobs) {
		if len(g) > maxArray {
			t.Errorf("an array of %d", len(g))
		}
		for _, n := range g {
			if jobs[n].Resources != jobs[g[0]].Resources || seen[n] {
				t.Fatalf("job %d in a group with %d", n, g[0])
			}
			seen[n] = true
		}
	}
	if len(seen) != len(jobs) {
		t.Errorf("%d of %d jobs", len(seen), len(jobs))
	}
}

func TestElapsed(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0:07": 7 * time.Second, "59:59": time.Hour - time.Second, "1:00:00": time.Hour, "10-00:00:01": 240*time.Hour + time.Second,
		"INVALID": 0, "": 0, "-1:00": 0, "1:2:3:4": 0, "99999-0:00": 0, "1-": 0,
	} {
		if got := elapsed(text); got != want {
			t.Errorf("%q is %v, not %v", text, got, want)
		}
	}
}
