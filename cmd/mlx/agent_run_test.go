//go:build !windows

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/run"
	"mlx/internal/train"
)

// agentNode is somebody's project, and a node beside it.
type agentNode struct {
	*somebody
}

func newAgentNode(t *testing.T, script string) *agentNode {
	t.Helper()
	n := &agentNode{newSomebody(t)}
	n.write([]byte(script), "p", "train.sh")
	n.write([]byte("1,2\n"), "p", "data", "x.csv")
	n.do("p", "git", "init", "-q", "-b", "main")
	n.do("p", "mlx", "init")
	return n
}

// job makes the folder of a job.
func (n *agentNode) job(words ...string) string {
	n.t.Helper()
	return strings.TrimSpace(n.do("p", append([]string{"jobfolder", "--root", n.path("node")}, words...)...))
}

// running starts an agent, with variables beside its own, and returns when a line of the command has arrived.
func (n *agentNode) running(dir, line string, env ...string) (*exec.Cmd, *bytes.Buffer) {
	n.t.Helper()
	var out bytes.Buffer
	cmd := n.command("", "mlx", "agent", "run", dir)
	cmd.Env = append(slices.Clone(cmd.Env), env...)
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.until(func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "src", ".mlx", "runs", filepath.Base(dir), "output"))
		return strings.Contains(string(text), line)
	}, "the command to write "+line)
	return cmd, &out
}

// until waits for something that another process does.
func (n *agentNode) until(is func() bool, what string) {
	n.t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("waited too long for %s", what)
		}
	}
}

// result reads how a job ended.
func (n *agentNode) result(dir string) train.Result {
	n.t.Helper()
	r, err := resultOfJob(dir)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// collect imports the records of a job into the project and returns the record of its end.
func (n *agentNode) collect(dir string) run.Body {
	n.t.Helper()
	var v run.Body
	out := n.do("p", "jobfolder", "--collect", dir)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		n.t.Fatalf("%v: %s", err, out)
	}
	return v
}

// leftCheckpoint: the record names the checkpoint that the job left, and whoever collects is told to fetch it.
func (n *agentNode) leftCheckpoint(dir string, v run.Body) {
	n.t.Helper()
	roots := n.result(dir).Roots
	if c := v.Job.Checkpoint; c == nil || !slices.ContainsFunc(roots, func(r train.ResultRoot) bool { return r.Root == *c && r.Kind == "directory" }) {
		n.t.Errorf("checkpoint %v, roots %+v", c, roots)
	}
}

func TestAgentRuns(t *testing.T) {
	n := newAgentNode(t, `echo "out $SECRET"; echo "err $SECRET" >&2; mlx record loss=0.5; cat data/x.csv >model.bin; printf '%s|' "$@" >args; exit 0`)
	dir := n.job("-d", "data", "-o", "model.bin", "-o", "args", "--secret", "SECRET=correct horse", "--env", "GREETING=a b", "--setup", "export FROM=setup",
		"--wrap", "env", "--wrap", "WRAPPED=it's", "--", "sh", "train.sh", "a b", "c'd", "$x", "ü\n")
	out, problem, status := n.try("", "mlx", "agent", "run", dir)
	if status != 0 {
		t.Fatalf("status %d\n%s%s", status, out, problem)
	}
	if out != "out ***\n" || !strings.Contains(problem, "err ***\n") {
		t.Errorf("it showed %q and %q", out, problem)
	}
	r := n.result(dir)
	if r.State != "succeeded" || r.Status != 0 || r.Attempt != 1 || len(r.Packs) != 1 || len(r.Trouble) > 0 {
		t.Errorf("result %+v", r)
	}
	v := n.collect(dir)
	if v.State != run.Succeeded || v.Metrics["loss"] != 0.5 || len(v.Outputs) != 2 || v.Log == nil || v.Job == nil {
		t.Fatalf("run %+v", v)
	}
	if len(v.Job.Attempts) != 1 || v.Job.Attempts[0].State != run.Succeeded || v.Job.QueuedS == nil || len(v.Job.Hosts) != 1 || len(v.Job.Facts) == 0 {
		t.Errorf("job %+v", v.Job)
	}
	if got := n.read(dir, "src/args"); got != "a b|c'd|$x|ü\n|" {
		t.Errorf("arguments arrived as %q", got)
	}
	if !slices.Equal(v.Command, []string{"sh", "train.sh", "a b", "c'd", "$x", "ü\n"}) {
		t.Errorf("command %q", v.Command)
	}
	if _, err := os.Stat(filepath.Join(dir, "secrets")); !os.IsNotExist(err) {
		t.Errorf("the secrets are still there: %v", err)
	}
	n.nowhere(dir, "correct horse")
	for _, root := range r.Roots {
		if root.Path == "model.bin" && root.Bytes != 4 {
			t.Errorf("%+v", root)
		}
	}
	before := n.read(dir, "result.json")
	if _, _, status := n.try("", "mlx", "agent", "run", dir); status != 0 || n.read(dir, "result.json") != before {
		t.Errorf("a second start: status %d", status)
	}
}

func (n *agentNode) read(dir, name string) string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

// nowhere looks for a secret in all files of the node.
func (n *agentNode) nowhere(dir, secret string) {
	n.t.Helper()
	out, _, status := n.try("", "grep", "-r", "-l", "-a", "-F", secret, dir)
	if status != 1 {
		n.t.Errorf("the secret lies in %s", out)
	}
}

func TestAgentEndings(t *testing.T) {
	n := newAgentNode(t, `echo x >partial; eval "$1"`)
	for _, c := range []struct {
		name, does string
		words      []string
		status     int
		state      string
		cause      string
	}{
		{"exit status", "exit 7", nil, 7, "failed", "exit status 7"},
		{"killed", "kill -9 $$", nil, 137, "killed", "SIGKILL"},
		{"time limit", "sleep 60", []string{"--time", "1s"}, 143, "killed", "time limit of 1s"},
		{"not written", "rm partial", nil, 125, "failed", "the command did not write it"},
		{"no program", "", []string{"--setup", "exec /nowhere/at/all"}, 127, "failed", "exit status 127"},
	} {
		dir := n.job(append(append([]string{"-o", "partial"}, c.words...), "--", "sh", "train.sh", c.does)...)
		_, problem, status := n.try("", "mlx", "agent", "run", dir)
		r := n.result(dir)
		if status != c.status || r.Status != c.status || r.State != c.state || !strings.Contains(r.Cause, c.cause) {
			t.Errorf("%s: status %d, %+v\n%s", c.name, status, r, problem)
		}
		if kept := slices.ContainsFunc(r.Roots, func(x train.ResultRoot) bool { return x.Path == "partial" }); kept != (c.does != "rm partial" && c.does != "") {
			t.Errorf("%s: partial output kept: %v", c.name, kept)
		}
	}
}

func TestAgentRetries(t *testing.T) {
	n := newAgentNode(t, `echo attempt $MLX_ATTEMPT; ls $MLX_CHECKPOINT; echo $MLX_ATTEMPT >$MLX_CHECKPOINT/at$MLX_ATTEMPT; exit $((MLX_ATTEMPT == $1 ? 0 : $2))`)
	dir := n.job("--retries", "3", "--on", "7", "--", "sh", "train.sh", "3", "7")
	if out, problem, status := n.try("", "mlx", "agent", "run", dir); status != 0 {
		t.Fatalf("status %d\n%s%s", status, out, problem)
	}
	v := n.collect(dir)
	if v.Attempt != 3 || len(v.Job.Attempts) != 3 || v.Job.Attempts[0].Cause != "exit status 7" || v.Job.Attempts[0].Log == nil || v.Job.Attempts[2].Log != nil {
		t.Errorf("attempts %+v", v.Job.Attempts)
	}
	n.leftCheckpoint(dir, v)
	if got := n.read(dir, "attempts/2/output"); got != "attempt 2\nat1\n" {
		t.Errorf("output of attempt 2: %q", got)
	}
	for words, want := range map[string]int{"--retries 1 --on 7 -- sh train.sh 9 5": 1, "--retries 2 -- sh train.sh 9 5": 3} {
		dir := n.job(strings.Fields(words)...)
		if _, _, status := n.try("", "mlx", "agent", "run", dir); status != 5 || n.result(dir).Attempt != want {
			t.Errorf("%s: status %d after attempt %d, want 5 after %d", words, status, n.result(dir).Attempt, want)
		}
	}
}

// lastingScript runs until it is told to end, in a process that left its session behind as well.
const lastingScript = `trap 'echo warned' USR1
trap 'echo asked; sleep 0.1; exit 9' TERM
echo "began $MLX_ATTEMPT $(cat $MLX_CHECKPOINT/n 2>/dev/null)"
echo $MLX_ATTEMPT >$MLX_CHECKPOINT/n
echo partial >out
setsid sleep 300 &
echo $! >$MLX_CHECKPOINT/pid
[ "$MLX_ATTEMPT" = "$1" ] && exit 0
echo ready
while :; do sleep 0.1; done
`

func (n *agentNode) gone(dir string) {
	n.t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(n.read(dir, "checkpoint/pid")))
	if err != nil {
		n.t.Fatal(err)
	}
	n.until(func() bool { return ended(pid) }, "process "+strconv.Itoa(pid)+" to be gone")
}

func TestAgentCancelled(t *testing.T) {
	n := newAgentNode(t, lastingScript)
	dir := n.job("-o", "out", "--", "sh", "train.sh")
	cmd, _ := n.running(dir, "ready")
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	output := "src/.mlx/runs/" + filepath.Base(dir) + "/output"
	n.until(func() bool { return strings.Contains(n.read(dir, output), "warned") }, "the warning")
	n.write([]byte(`{"by":"ana","why":"wrong data","grace_s":5}`), "cancel")
	if err := os.Rename(n.path("cancel"), filepath.Join(dir, "cancel")); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	r := n.result(dir)
	if r.State != "cancelled" || r.Cause != "cancelled by ana: wrong data" || r.Status != 9 {
		t.Errorf("result %+v", r)
	}
	n.gone(dir)
	v := n.collect(dir)
	if len(v.Outputs) != 1 || !slices.ContainsFunc(v.Job.Facts, func(f run.NodeFact) bool { return f.What == "warning" }) {
		t.Errorf("outputs %v, facts %v", v.Outputs, v.Job.Facts)
	}
	told, err := train.ParseTold([]byte(n.read(dir, "state.json")))
	if err != nil || told.State != "ended" || told.Checkpoint == nil || told.Warned == nil {
		t.Errorf("it tells %+v, %v", told, err)
	}
}

// TestAgentWarnsOnce: the time limit is no second warning where the backend has just given one.
func TestAgentWarnsOnce(t *testing.T) {
	now := time.Now()
	soon, long := now.Add(-90*time.Second), now.Add(-time.Hour)
	for _, c := range []struct {
		backend *time.Time
		want    int
	}{{nil, len(run.Warnings())}, {&soon, 0}, {&long, len(run.Warnings())}} {
		j := &agentJob{app: &app{now: func() time.Time { return now }}, crew: newAgentCrew()}
		j.log = &agentLog{err: io.Discard, now: j.app.now}
		j.told.Warned = c.backend
		me := j.crew.join()
		j.limitNears(time.Minute)
		if len(me.signals) != c.want {
			t.Errorf("the backend warned at %v: %d signals, want %d", c.backend, len(me.signals), c.want)
		}
	}
}

func TestAgentCancelledBefore(t *testing.T) {
	n := newAgentNode(t, "echo never")
	dir := n.job("--later", "--", "sh", "train.sh")
	if err := os.WriteFile(filepath.Join(dir, "cancel"), []byte(`{"by":"ana"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problem, _ := n.try("", "mlx", "agent", "run", dir); n.result(dir).State != "cancelled" {
		t.Errorf("%+v\n%s", n.result(dir), problem)
	}
	late := n.job("--later", "--", "sh", "train.sh")
	if _, _, status := n.try("", "mlx", "agent", "run", "--wait", "1s", late); status != 125 || !strings.Contains(n.result(late).Cause, "has not arrived") {
		t.Errorf("status %d, %+v", status, n.result(late))
	}
}

func TestAgentKilled(t *testing.T) {
	n := newAgentNode(t, lastingScript)
	dir := n.job("--retries", "1", "--", "sh", "train.sh", "2")
	cmd, _ := n.running(dir, "ready")
	other := n.command("", "mlx", "agent", "run", dir)
	if said, err := other.CombinedOutput(); err == nil || !strings.Contains(string(said), "another agent does") {
		t.Errorf("a second agent: %v, %s", err, said)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	pid := n.read(dir, "checkpoint/pid")
	out, problem, status := n.try("", "mlx", "agent", "run", dir)
	if status != 0 || !strings.Contains(out, "began 2 1") {
		t.Fatalf("status %d\n%s%s", status, out, problem)
	}
	first, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	n.until(func() bool { return ended(first) }, "what the first attempt left behind to be gone")
	v := n.collect(dir)
	if len(v.Job.Attempts) != 2 || v.Job.Attempts[0].State != run.Lost || v.Job.Attempts[0].Log == nil || v.Attempt != 2 {
		t.Errorf("attempts %+v", v.Job.Attempts)
	}
	n.leftCheckpoint(dir, v)
}

// TestAgentKilledWhileSaving: the end of a command that has ended is recorded by whoever comes, and the command is not executed again.
func TestAgentKilledWhileSaving(t *testing.T) {
	n := newAgentNode(t, "echo x >>$COUNT; exit 4")
	dir := n.job("--retries", "5", "--env", "COUNT="+n.path("count"), "--on", "9", "--", "sh", "train.sh")
	n.try("", "mlx", "agent", "run", dir)
	want := n.result(dir)
	if err := os.Remove(filepath.Join(dir, "result.json")); err != nil {
		t.Fatal(err)
	}
	if _, problem, status := n.try("", "mlx", "agent", "run", dir); status != 4 || n.result(dir).Record != want.Record {
		t.Errorf("status %d, %+v, want %+v\n%s", status, n.result(dir), want, problem)
	}
	if got, err := os.ReadFile(n.path("count")); err != nil || string(got) != "x\n" {
		t.Errorf("executed: %q, %v", got, err)
	}
}

func TestAgentEnd(t *testing.T) {
	n := newAgentNode(t, lastingScript)
	dir := n.job("-o", "out", "-o", "absent", "--retries", "3", "--", "sh", "train.sh")
	cmd, _ := n.running(dir, "ready")
	if _, problem, status := n.try("", "mlx", "agent", "end", dir); status != 2 || !strings.Contains(problem, "its agent is at work") {
		t.Errorf("end of a job that goes on: %d, %s", status, problem)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	n.do("", "mlx", "agent", "end", "--state", "lost", "--cause", "node gpu-7 went", dir)
	r := n.result(dir)
	if r.State != "lost" || r.Cause != "node gpu-7 went" || r.Status == 0 {
		t.Errorf("%+v", r)
	}
	n.gone(dir)
	v := n.collect(dir)
	if v.State != run.Lost || v.Log == nil || len(v.Outputs) != 1 || len(v.Job.Attempts) != 1 {
		t.Errorf("%+v", v)
	}
	n.leftCheckpoint(dir, v)
	if again := n.do("", "mlx", "agent", "end", "--json", dir); !strings.Contains(again, `"lost"`) {
		t.Errorf("again: %s", again)
	}
}

func TestAgentOtherHost(t *testing.T) {
	n := newAgentNode(t, "echo attempt $MLX_ATTEMPT")
	dir := n.job("--retries", "2", "--", "sh", "train.sh")
	told := train.Told{Kind: "told/v1", State: "running", Attempt: 1, Host: "another", PID: 1, At: time.Now().UTC()}
	book := agentBook{Kind: "book/v1", Last: 1, Start: agentStart{"slurm 7", 0}}
	for name, v := range map[string]any{"state.json": told, "attempts.json": book} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(env ...string) (string, int) {
		cmd := n.command("", "mlx", "agent", "run", dir)
		cmd.Env = append(slices.Clone(cmd.Env), env...)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, env := range [][]string{nil, {"SLURM_JOB_ID=7", "SLURM_RESTART_COUNT=0"}} {
		if out, status := start(env...); status != 125 || !strings.Contains(out, "an agent on another does") {
			t.Errorf("%v: %d, %s", env, status, out)
		}
	}
	if out, status := start("SLURM_JOB_ID=7", "SLURM_RESTART_COUNT=1"); status != 0 || !strings.Contains(out, "attempt 2") {
		t.Errorf("a new start of the backend: %d, %s", status, out)
	}
}

func TestAgentHostile(t *testing.T) {
	n := newAgentNode(t, "echo never")
	for name, spoil := range map[string]func(o *train.Order, text string) string{
		"folder leaves": func(_ *train.Order, text string) string {
			return strings.Replace(text, `"folder":"."`, `"folder":"../x"`, 1)
		},
		"another command": func(_ *train.Order, text string) string { return strings.Replace(text, "train.sh", "other.sh", 1) },
		"not there": func(o *train.Order, text string) string {
			return strings.ReplaceAll(text, o.Tree.Hex(), strings.Repeat("0", 63)+"1")
		},
		"no JSON": func(*train.Order, string) string { return "{" },
		"another ledger": func(o *train.Order, text string) string {
			return strings.Replace(text, o.Ledger, "0123456789abcdef", 1)
		},
		"model leaves": func(_ *train.Order, text string) string {
			return strings.Replace(text, `"nodes":1,"ranks":1,"retries"`, `"models":[{"name":"../../x","kind":"file","env":[]}],"nodes":1,"ranks":1,"retries"`, 1)
		},
		"of another folder": func(o *train.Order, text string) string {
			return strings.ReplaceAll(text, o.Run.Hex(), strings.Repeat("ab", 32))
		},
	} {
		dir := n.job("--", "sh", "train.sh")
		text := n.read(dir, "job.json")
		o, err := train.ParseOrder([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		spoiled := spoil(&o, text)
		if spoiled == text {
			t.Fatalf("%s: nothing is spoiled", name)
		}
		if err := os.WriteFile(filepath.Join(dir, "job.json"), []byte(spoiled), 0o600); err != nil {
			t.Fatal(err)
		}
		out, problem, status := n.try("", "mlx", "agent", "run", dir)
		if r := n.result(dir); status != 125 || out != "" || r.State != "failed" || len(r.Trouble) == 0 {
			t.Errorf("%s: status %d, %q, %+v\n%s", name, status, out, r, problem)
		}
	}
	outside := n.path("outside")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, n.path("p", "link")); err != nil {
		t.Fatal(err)
	}
	n.write([]byte("x"), "q", "x")
	dir := n.job("--data-at", "link/d="+n.path("q"), "--", "sh", "train.sh")
	if _, problem, status := n.try("", "mlx", "agent", "run", dir); status != 125 || !strings.Contains(problem, "is no folder") {
		t.Errorf("data behind a link: %d, %s", status, problem)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("it wrote %v outside, %v", entries, err)
	}
}

func TestAgentRemote(t *testing.T) {
	n := newAgentNode(t, "cat data/x.csv; echo more >model; mkdir -p $MLX_CHECKPOINT; echo c >$MLX_CHECKPOINT/c")
	n.do("p", "mlx", "remote", "add", "share", n.path("remote"))
	n.do("p", "mlx", "snapshot", "data")
	dir := n.job("--push", "share", "--remote", "file://"+n.path("remote"), "-d", "data", "-o", "model", "--", "sh", "train.sh")
	out, problem, status := n.try("", "mlx", "agent", "run", dir)
	if status != 0 || out != "1,2\n" {
		t.Fatalf("status %d\n%s%s", status, out, problem)
	}
	r := n.result(dir)
	if !r.Pushed {
		t.Errorf("%+v", r)
	}
	n.do("p", "mlx", "pull", "--no-checkout")
	if shown := n.do("p", "mlx", "show", "--json", "run:"+r.Run.Short()); !strings.Contains(shown, `"succeeded"`) {
		t.Errorf("%s", shown)
	}
	if got := n.do("p", "mlx", "get", "run:"+r.Run.Short()+":model", "-o", "-"); got != "more\n" {
		t.Errorf("the output is %q", got)
	}
}

func TestSlurmWhy(t *testing.T) {
	const job = "JobId=7 JobName=mlx-1 UserId=ana(1000) JobState=%s Reason=%s Dependency=(null) Requeue=1 Restarts=0 RunTime=%s TimeLimit=%s " +
		"TimeMin=N/A SubmitTime=2026-11-26T16:00:00 PreemptEligibleTime=2026-11-26T16:00:01 PreemptTime=%s Command=(null)\n"
	for _, c := range [][6]string{
		{"COMPLETING", "None", "00:10:00", "01:00:00", "2026-11-26T16:10:00", whyPreempted},
		{"PREEMPTED", "None", "00:10:00", "01:00:00", "None", whyPreempted},
		{"COMPLETING", "TimeLimit", "01:00:30", "01:00:00", "None", whyTime},
		{"RUNNING", "None", "1-01:00:00", "1-00:59:00", "None", whyTime},
		{"CANCELLED", "None", "00:10:00", "01:00:00", "None", whyCancelled},
		{"RUNNING", "None", "00:10:00", "UNLIMITED", "None", whyUnknown},
	} {
		text := job
		for _, v := range c[:5] {
			text = strings.Replace(text, "%s", v, 1)
		}
		if got := slurmWhy(text); got != c[5] {
			t.Errorf("%v: %q", c, got)
		}
	}
	if got := slurmWhy(""); got != whyUnknown {
		t.Errorf("of nothing: %q", got)
	}
}
