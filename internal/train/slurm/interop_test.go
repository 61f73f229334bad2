//go:build interop

package slurm

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/object"
	"mlx/internal/train"
)

// agentScript stands for mlx on the nodes: it does what the file todo in the folder of the job says, and leaves a result as
// mlx does, by rename and last.
const agentScript = `#!/bin/bash
[ "$1" = agent ] || exit 64
cd "$3" || exit 65
node=${SLURM_NODEID:-0}
result() { [ "$node" != 0 ] || { echo "$1" >result.new; mv result.new result.json; }; exit "$1"; }
trap 'echo "$node USR1" >>"signals.$node"' USR1
trap 'echo "$node TERM" >>"signals.$node"; [ -e stubborn ] || { kill -KILL $(jobs -p) 2>/dev/null; result 143; }' TERM
echo "attempt $MLX_SLURM_RESTARTS on $SLURMD_NODENAME of $SLURM_JOB_NODELIST" >>"began.$node"
. ./todo
result 0
`

func TestMain(m *testing.M) {
	conf := os.Getenv("MLX_TEST_SLURM")
	if conf == "" {
		fmt.Fprintln(os.Stderr, `MLX_TEST_SLURM is not set: eval "$(.ci/slurm env)"`)
		os.Exit(1)
	}
	os.Setenv("SLURM_CONF", conf)
	os.Exit(m.Run())
}

// cluster is a driver of the Slurm that MLX_TEST_SLURM names, with a folder of its own.
type cluster struct {
	*Driver
	t   *testing.T
	dir string
}

func newCluster(t *testing.T, options ...string) *cluster {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a folder")
	self := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(self, []byte(agentScript), 0o700); err != nil {
		t.Fatal(err)
	}
	h := &train.Host{Dir: dir, Self: self}
	return &cluster{New(h, train.Backend{Name: "cluster", Type: "slurm", Options: options}), t, dir}
}

// job makes the folder of a job whose agent does what todo says.
func (c *cluster) job(todo string, r train.Resources) train.Job {
	c.t.Helper()
	var id object.Digest
	_, _ = rand.Read(id[:])
	j := train.Job{Ref: train.Ref{ID: id}, Resources: r, Dir: c.folder(train.Ref{ID: id})}
	if err := os.MkdirAll(j.Dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.Dir, "todo"), []byte(todo), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return j
}

func (c *cluster) folder(j train.Ref) string { return filepath.Join(c.dir, "jobs", j.ID.Hex()) }

func (c *cluster) submit(j train.Job) train.Ref {
	c.t.Helper()
	handle, err := c.Submit(c.t.Context(), j)
	if err != nil {
		c.t.Fatal(err)
	}
	j.Handle = handle
	c.t.Cleanup(func() { _ = c.Cancel(context.Background(), j.Ref, 0) })
	return j.Ref
}

func (c *cluster) status(j train.Ref) train.Status {
	c.t.Helper()
	all, err := c.Status(c.t.Context(), []train.Ref{j})
	if err != nil {
		c.t.Fatal(err)
	}
	return all[0]
}

// await asks until a job is so.
func (c *cluster) await(j train.Ref, what string, within time.Duration, is func(train.Status) bool) train.Status {
	c.t.Helper()
	end := time.Now().Add(within)
	for {
		st := c.status(j)
		if is(st) {
			return st
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(c.folder(j), logName))
			c.t.Fatalf("job %s is not %s after %s: %+v\n%s", j.Handle, what, within, st, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *cluster) awaitState(j train.Ref, state train.State) train.Status {
	c.t.Helper()
	return c.await(j, string(state), 30*time.Second, func(s train.Status) bool { return s.State == state })
}

func (c *cluster) text(j train.Ref, name string) string {
	text, _ := os.ReadFile(filepath.Join(c.folder(j), name))
	return string(text)
}

// awaitText waits for a file in the folder of a job to hold something.
func (c *cluster) awaitText(j train.Ref, name, part string) {
	c.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(c.text(j, name), part); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("%s of job %s does not hold %q but %q; %s", name, j.Handle, part, c.text(j, name), c.text(j, logName))
		}
	}
}

// command runs a program of Slurm.
func command(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", words, err, out)
	}
	return string(out)
}

func TestJobRunsAndEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "--nodelist=n2")
	j := c.job("", train.Resources{GPUs: 1, GPUType: "h100", CPUs: 2, Memory: 64 << 20, Time: 90 * time.Second})
	j.Env = map[string]string{"PLAIN": "it's \"so\" $HOME\nand more"}
	os.WriteFile(filepath.Join(j.Dir, "todo"), []byte(`printf %s "$PLAIN" >value; printf %s "$CUDA_VISIBLE_DEVICES" >gpus; echo hello`), 0o600)
	ref := c.submit(j)
	st := c.awaitState(ref, train.Done)
	if got := c.text(ref, "value"); got != j.Env["PLAIN"] {
		t.Errorf("a variable arrives as %q", got)
	}
	if got := c.text(ref, "gpus"); got == "" {
		t.Error("the job has no GPU")
	}
	log, err := c.Logs(t.Context(), ref, 1)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := copyAll(&b, log); err != nil || b.String() != "ello\n" {
		t.Errorf("the log from byte 1 is %q, %v", b.String(), err)
	}
	if st.Handle != ref.Handle {
		t.Errorf("handle %q, want %q", st.Handle, ref.Handle)
	}
	again, err := c.Submit(t.Context(), j)
	if err != nil || again != ref.Handle {
		t.Errorf("a second submit gives %q, %v; want %q", again, err, ref.Handle)
	}
}

func TestAnswerOfASubmitIsLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	j := c.job("sleep 30", train.Resources{})
	ref := c.submit(j)
	c.awaitState(ref, train.Running)
	if err := os.Remove(filepath.Join(j.Dir, IDName)); err != nil {
		t.Fatal(err)
	}
	again, err := c.Submit(t.Context(), j)
	if err != nil || again != ref.Handle {
		t.Errorf("a submit whose first answer was lost gives %q, %v; want %q", again, err, ref.Handle)
	}
	if err := os.Remove(filepath.Join(j.Dir, IDName)); err != nil {
		t.Fatal(err)
	}
	if err := c.Cancel(t.Context(), train.Ref{ID: j.ID}, time.Second); err != nil {
		t.Fatal(err)
	}
	c.awaitState(ref, train.Done)
	if n := strings.Count(c.text(ref, "began.0"), "attempt"); n != 1 {
		t.Errorf("it was executed %d times", n)
	}
}

func TestManySubmitsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	j := c.job("sleep 0.5", train.Resources{})
	handles := make(chan string, 6)
	for range cap(handles) {
		go func() {
			h, err := c.Submit(t.Context(), j)
			if err != nil {
				h = err.Error()
			}
			handles <- h
		}()
	}
	first := <-handles
	for range cap(handles) - 1 {
		if h := <-handles; h != first {
			t.Errorf("handles %q and %q", first, h)
		}
	}
	c.awaitState(train.Ref{ID: j.ID}, train.Done)
	if n := strings.Count(c.text(j.Ref, "began.0"), "attempt"); n != 1 {
		t.Errorf("it was executed %d times", n)
	}
}

func copyAll(b *strings.Builder, r io.ReadCloser) (int64, error) {
	defer r.Close()
	return io.Copy(b, r)
}
