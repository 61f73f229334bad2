//go:build !windows

package train

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mlx/internal/object"
)

// field is a fleet under test with the folder of its first host, which the test can look into.
type field struct {
	Fleet
	t    *testing.T
	root string
	ids  byte
}

// newField makes a fleet of hosts of these names, all of which are this machine.
func newField(t *testing.T, host func(name string) *Host, names ...string) *field {
	f := &field{t: t, root: filepath.Join(t.TempDir(), "node $HOME 'x")}
	for _, n := range names {
		h := host(n)
		h.Dir = f.root
		f.Hosts = append(f.Hosts, h)
	}
	return f
}

func hereHost(t *testing.T) func(string) *Host {
	return func(string) *Host { return &Host{Self: selfOf(t), Cache: t.TempDir()} }
}

func selfOf(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// job prepares the folder of a job that executes a script.
func (f *field) job(script string) Job {
	f.t.Helper()
	f.ids++
	id := object.Sum([]byte(f.t.Name() + strconv.Itoa(int(f.ids))))
	dir := filepath.Join(f.root, "jobs", id.Hex())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "do"), []byte(script), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = f.Cancel(context.Background(), Ref{ID: id}, 0) })
	return Job{Ref: Ref{ID: id}, Dir: dir}
}

func (f *field) submit(j Job) string {
	f.t.Helper()
	handle, err := f.Submit(f.t.Context(), j)
	if err != nil {
		f.t.Fatal(err)
	}
	return handle
}

// until waits for a state.
func (f *field) until(j Job, want State) Status {
	f.t.Helper()
	for {
		all, err := f.Status(f.t.Context(), []Ref{j.Ref})
		if err != nil {
			f.t.Fatal(err)
		}
		if all[0].State == want {
			return all[0]
		}
		if all[0].State != Running {
			f.t.Fatalf("the job is %+v, and will not be %s", all[0], want)
		}
	}
}

// file waits for a file in the folder of a job, and returns its text.
func (f *field) file(j Job, name string) string {
	f.t.Helper()
	for f.t.Context().Err() == nil {
		if text, err := os.ReadFile(filepath.Join(j.Dir, name)); err == nil && len(text) > 0 {
			return string(text)
		}
		time.Sleep(10 * time.Millisecond) // another process writes it
	}
	f.t.Fatalf("there is no %s", name)
	return ""
}

func (f *field) log(j Job, from int64) string {
	f.t.Helper()
	r, err := f.Logs(f.t.Context(), j.Ref, from)
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// oneJobOneExecution: however often and from how many sides it is submitted.
func (f *field) oneJobOneExecution() {
	j := f.job("echo $$ >>began; while [ ! -e go ]; do sleep 0.02; done; exit 7\n")
	handles := make([]string, 4)
	var wait sync.WaitGroup
	for i := range handles {
		wait.Go(func() {
			var err error
			if handles[i], err = f.Submit(f.t.Context(), j); err != nil {
				f.t.Error(err)
			}
		})
	}
	wait.Wait()
	handles = append(handles, f.submit(j))
	if slices.Sort(handles); handles[0] == "" || handles[0] != handles[len(handles)-1] {
		f.t.Errorf("handles %q", handles)
	}
	if s := f.until(j, Running); s.Starts != 1 || s.Node == "" {
		f.t.Errorf("running as %+v", s)
	}
	if err := os.WriteFile(filepath.Join(j.Dir, "go"), nil, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if s := f.until(j, Done); s.Exit == nil || *s.Exit != 7 {
		f.t.Errorf("ended as %+v", s)
	}
	f.submit(j) // of one that has ended
	if n := strings.Count(f.file(j, "began"), "\n"); n != 1 {
		f.t.Errorf("it was executed %d times", n)
	}
}

// nothingLivesOn: a cancelled job leaves no process, also of those that do not listen or went away.
func (f *field) nothingLivesOn() {
	j := f.job("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 1; done' & echo words; while :; do sleep 1; done\n")
	f.submit(j)
	pid, err := strconv.Atoi(strings.TrimSpace(f.file(j, "child")))
	if err != nil {
		f.t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := f.Cancel(f.t.Context(), j.Ref, 0); err != nil {
			f.t.Error(err)
		}
	}
	if err := syscall.Kill(pid, 0); err == nil && procStart(pid) != "" {
		f.t.Errorf("process %d lives on", pid)
	}
	if s := f.until(j, Gone); !strings.Contains(s.Reason, "words") {
		f.t.Errorf("it is %+v", s)
	}
	if got := f.log(j, 2); !strings.HasPrefix(got, "rds\n") {
		f.t.Errorf("the log from byte 2 is %q", got)
	}
	if err := f.Cancel(f.t.Context(), f.job("").Ref, time.Second); err != nil {
		f.t.Errorf("cancel of what was never started: %v", err)
	}
	if j.Requeue = true; f.submit(j) == "" {
		f.t.Error("it is not started again")
	}
	if s := f.until(j, Running); s.Starts != 2 {
		f.t.Errorf("started again it is %+v", s)
	}
}

// cancelledInPeace: within the grace the command may end by itself.
func (f *field) cancelledInPeace() {
	j := f.job("trap 'echo saved >>kept; exit 3' TERM; echo x >began; while :; do sleep 0.05; done\n")
	f.submit(j)
	f.file(j, "began")
	if err := f.Cancel(f.t.Context(), j.Ref, time.Minute); err != nil {
		f.t.Fatal(err)
	}
	if s := f.until(j, Done); *s.Exit != 3 || f.file(j, "kept") != "saved\n" {
		f.t.Errorf("it is %+v", s)
	}
}

// whatIsKnown: of jobs whose process is not what it was, and of many at once.
func (f *field) whatIsKnown() {
	note := func(change func(*agent)) Ref {
		j := f.job("")
		f.t.Cleanup(func() { _ = os.Remove(filepath.Join(j.Dir, AgentName)) }) // it names this very process: nobody may end it
		host, err := os.Hostname()
		if err != nil {
			f.t.Fatal(err)
		}
		a := agent{Kind: "agent/v1", Host: host, Boot: bootOf(), PID: os.Getpid(), Start: procStart(os.Getpid()), Nodes: 1, Starts: 1}
		change(&a)
		text, err := json.Marshal(a)
		if err == nil {
			err = os.WriteFile(filepath.Join(j.Dir, AgentName), text, 0o600)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		return j.Ref
	}
	jobs := []Ref{
		note(func(*agent) {}),
		note(func(a *agent) { a.Start = "1" }),
		note(func(a *agent) { a.Boot = "another" }),
		note(func(a *agent) { a.Host = "another" }),
		{ID: object.Sum([]byte("never"))},
	}
	for i := range 995 {
		jobs = append(jobs, Ref{ID: object.Sum([]byte{byte(i), byte(i >> 8)})})
	}
	all, err := f.Status(f.t.Context(), jobs)
	if err != nil || len(all) != len(jobs) {
		f.t.Fatal(len(all), err)
	}
	for i, want := range []Status{{State: Running}, {State: Gone}, {State: Gone, Cause: CauseNode}, {State: Unknown}, {State: Gone, Cause: CauseMissing}} {
		if all[i].State != want.State || all[i].Cause != want.Cause || all[i].ID != jobs[i].ID {
			f.t.Errorf("%d: %+v, want %+v", i, all[i], want)
		}
	}
}

func TestFleetHere(t *testing.T) {
	for _, c := range fleetCases() {
		t.Run(c.name, func(t *testing.T) { c.test(newField(t, hereHost(t), "")) })
	}
}

type fleetCase struct {
	name string
	test func(*field)
}

func fleetCases() []fleetCase {
	return []fleetCase{
		{"one job is one execution", (*field).oneJobOneExecution},
		{"nothing lives on", (*field).nothingLivesOn},
		{"cancelled in peace", (*field).cancelledInPeace},
		{"what is known", (*field).whatIsKnown},
		{"what is left", (*field).whatIsLeft},
	}
}

// TestHostsThatAJobIsNotOn: nobody has to reach them to end it.
func TestHostsThatAJobIsNotOn(t *testing.T) {
	f := newField(t, hereHost(t), "")
	j := f.job("trap '' TERM; echo x >began; while :; do sleep 0.05; done\n")
	f.Hosts = append(f.Hosts, &Host{Name: "nowhere", Dir: f.root, SSH: []string{"false"}, Self: selfOf(t)})
	j.Handle = f.submit(j)
	f.file(j, "began")
	if text, err := f.Left(t.Context(), j.Ref); err != nil || text == "" {
		t.Errorf("left is %q, %v", text, err)
	}
	if err := f.Cancel(t.Context(), j.Ref, 0); err != nil {
		t.Error(err)
	}
	if err := f.Cancel(t.Context(), Ref{ID: j.ID}, 0); err == nil {
		t.Error("a job that may be on a host that cannot be asked was cancelled")
	}
	f.Hosts = f.Hosts[:1]
	f.until(j, Gone)
}

// whatIsLeft: also of what a command has started, and nothing else.
func (f *field) whatIsLeft() {
	other, j := f.job("while :; do sleep 0.05; done\n"), f.job("sleep 1000 & echo $! >child; wait\n")
	f.submit(other)
	f.submit(j)
	if err := os.WriteFile(filepath.Join(j.Dir, "seen"), []byte("by all"), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(j.Dir, "seen"), 0o644); err != nil { //nolint:gosec // it is to be found
		f.t.Fatal(err)
	}
	child := "process " + strings.TrimSpace(f.file(j, "child")) + ": sleep 1000"
	left, err := f.Left(f.t.Context(), j.Ref)
	if n := strings.Count(left, "process "); err != nil || !strings.Contains(left, child) || !strings.Contains(left, j.Dir+"\n") || n != 3 {
		f.t.Errorf("left are an agent, its command and %s, not %q: %v", child, left, err)
	}
	if shows, err := f.Shows(f.t.Context(), j.Ref); err != nil || !strings.Contains(shows, child) || !strings.Contains(shows, "by all") {
		f.t.Errorf("it shows %q, %v", shows, err)
	}
	if err := f.Cancel(f.t.Context(), j.Ref, 0); err != nil {
		f.t.Fatal(err)
	}
	if left, err := f.Left(f.t.Context(), j.Ref); err != nil || left != j.Dir+"\n" {
		f.t.Errorf("after a cancel are left %q, %v", left, err)
	}
}

func TestSeveralNodes(t *testing.T) {
	f := newField(t, hereHost(t), "", "", "")
	j := f.job("env | grep ^MLX_ | sort >env-$MLX_NODE_RANK; while [ ! -e go ]; do sleep 0.02; done\n")
	j.Resources.Nodes = 3
	j.Env = map[string]string{"GREETING": "a b"}
	handle := f.submit(j)
	if again := f.submit(j); again != handle || strings.Count(handle, ",") != 2 {
		t.Errorf("handle %q, then %q", handle, again)
	}
	port := ""
	for rank := range 3 {
		env := strings.Fields(f.file(j, "env-"+strconv.Itoa(rank)))
		at := slices.IndexFunc(env, func(v string) bool { return strings.HasPrefix(v, MasterPortVariable+"=") })
		if at < 0 || port != "" && env[at] != port {
			t.Fatalf("node %d has %q, others %s", rank, env, port)
		}
		port = env[at]
		for _, want := range []string{NodeRankVariable + "=" + strconv.Itoa(rank), NodesVariable + "=3", MasterVariable + "=127.0.0.1", SharedVariable + "=1"} {
			if !slices.Contains(env, want) {
				t.Errorf("node %d lacks %s: %q", rank, want, env)
			}
		}
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(port, MasterPortVariable+"=")); err != nil || n < firstPort || n >= firstPort+ports {
		t.Errorf("the port is %s", port)
	}
	if err := os.WriteFile(filepath.Join(j.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.until(j, Done)
	j.Resources.Nodes = 4
	if _, err := f.Submit(t.Context(), j); err == nil {
		t.Error("4 nodes of 3 hosts")
	}
}
