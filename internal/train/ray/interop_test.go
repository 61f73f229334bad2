//go:build interop

package ray

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/train"
)

// agentScript stands for mlx on the node where a test is about Ray alone: what it does is the text of the order.
const agentScript = `#!/bin/sh
case "$1 $2" in
"agent unpack")
  for p in $(echo "$PYTHONPATH" | tr : ' '); do
    [ -d "$p/mlx-job" ] && export JOB="$p/mlx-job"
    [ -d "$p/mlx-bundle" ] && mkdir -p "$4" && cat "$p"/mlx-bundle/* >>"$4/bundle"
  done
  mkdir -p "$4"
  script=$(tr '\0' '\n' <"$JOB/env" | sed -n 's/^SCRIPT=//p')
  DIR=$4 exec sh -c "$script"
  ;;
"agent serve") exec cat ;;
esac
`

func rayURL(t *testing.T) string {
	t.Helper()
	u := os.Getenv("MLX_TEST_RAY")
	if u == "" {
		t.Fatal("MLX_TEST_RAY is missing: run .ci/interop, or start Ray by .ci/ray up")
	}
	return u
}

// realToken is the token that Ray asks for.
func realToken(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("RAY_AUTH_TOKEN_PATH"))
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(text))
}

type cluster struct {
	*Driver
	root string
}

func realRay(t *testing.T) cluster {
	t.Helper()
	agent := filepath.Join(t.TempDir(), "mlx")
	if err := os.WriteFile(agent, []byte(agentScript), 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "mlx on the node")
	d, err := New(Options{
		Backend: train.Backend{Name: "ray", Type: "ray", URL: rayURL(t), Dir: root},
		Agent:   func() (string, error) { return agent, nil },
		Now:     time.Now,
		Token:   func() string { return realToken(t) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return cluster{d, root}
}

// job is one whose script a shell executes.
func (c cluster) job(t *testing.T, script string, r train.Resources) train.Job {
	t.Helper()
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.IntN(256))
	}
	id := object.Digest(seed)
	order, err := json.Marshal(train.Order{Kind: "order/v1", Run: id, Grace: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return train.Job{
		Ref: train.Ref{ID: id}, Title: "a \"test\" $HOME", Dir: c.root + "/jobs/" + id.Hex(), Resources: r, Order: order,
		Env: map[string]string{"SCRIPT": strings.ReplaceAll(script, "\n", "; ")}, Secrets: map[string]string{"TOKEN": "hush-hush-hush"},
	}
}

func (c cluster) submit(t *testing.T, j train.Job) train.Ref {
	t.Helper()
	handle, err := c.Submit(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := c.Cancel(ctx, j.Ref, time.Second); err != nil {
			t.Error(err)
		}
	})
	return train.Ref{ID: j.ID, Handle: handle}
}

func (c cluster) until(t *testing.T, r train.Ref, want ...train.State) train.Status {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		all, err := c.Status(t.Context(), []train.Ref{r})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if all[0].State == w {
				return all[0]
			}
		}
		if time.Now().After(deadline) || all[0].State == train.Done || all[0].State == train.Gone {
			t.Fatalf("job %s is %+v\n%s", r.Name(), all[0], c.log(t, r))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c cluster) log(t *testing.T, r train.Ref) string {
	t.Helper()
	log, err := c.Logs(t.Context(), r, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRayExit(t *testing.T) {
	c := realRay(t)
	zero := c.job(t, "exit 0", train.Resources{})
	seven := c.job(t, `printf 'odd \377 byte\n'; exit 7`, train.Resources{CPUs: 1})
	killed := c.job(t, "kill -9 $$", train.Resources{CPUs: 1})
	for _, j := range []train.Job{zero, seven, killed} {
		c.submit(t, j)
	}
	if s := c.until(t, zero.Ref, train.Done); s.Exit == nil || *s.Exit != 0 {
		t.Errorf("exit 0 is %+v", s)
	}
	if s := c.until(t, seven.Ref, train.Done); s.Exit == nil || *s.Exit != 7 || s.Node == "" {
		t.Errorf("exit 7 is %+v", s)
	}
	if s := c.until(t, killed.Ref, train.Gone); s.Cause != train.CauseExit || !strings.Contains(s.Reason, "signal 9") {
		t.Errorf("kill -9 is %+v", s)
	}
	if log := c.log(t, seven.Ref); !strings.Contains(log, "odd \xff byte\n") {
		t.Errorf("the log is %q", log)
	}

	// Again, as after a lost reply: the one that ended is left as it is.
	if handle, err := c.Submit(t.Context(), seven); err != nil || handle != seven.Name() {
		t.Errorf("again: %q, %v", handle, err)
	}
	// A POST that somebody else won.
	body, err := request(seven, demandOf(seven.Resources), "x")
	if err != nil {
		t.Fatal(err)
	}
	body.RuntimeEnv.WorkingDir = "gcs://_ray_pkg_none.zip"
	if err := c.create(t.Context(), body); err != nil {
		t.Errorf("a second job of the same id: %v", err)
	}
	if err := c.Cancel(t.Context(), seven.Ref, time.Second); err != nil {
		t.Errorf("cancel of one that has ended: %v", err)
	}
}

func TestRaySecrets(t *testing.T) {
	c := realRay(t)
	j := c.job(t, `tr '\0' '\n' <"$JOB/secrets" | sha256sum; sleep 600`, train.Resources{CPUs: 1})
	c.submit(t, j)
	c.until(t, j.Ref, train.Running)
	want := fmt.Sprintf("%x", sha256.Sum256([]byte("TOKEN=hush-hush-hush\n")))
	for !strings.Contains(c.log(t, j.Ref), want) {
		time.Sleep(100 * time.Millisecond)
	}
	for _, path := range []string{"/api/jobs/", "/api/jobs/" + j.Name(), "/api/v0/actors?detail=true&limit=10000", "/api/v0/runtime_envs?detail=true", "/api/v0/tasks?detail=true"} {
		req, err := http.NewRequest(http.MethodGet, rayURL(t)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+realToken(t))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || bytes.Contains(text, []byte("hush-hush")) {
			t.Errorf("%s (%d, %v) shows the secret", path, resp.StatusCode, err)
		}
	}
}

// TestRayCancel ends jobs that run, that wait, and that have children who do not listen.
func TestRayCancel(t *testing.T) {
	c := realRay(t)
	marks := t.TempDir()
	polite := c.job(t, `trap 'echo polite >`+marks+`/polite; exit 143' TERM; touch `+marks+`/started; while :; do sleep 0.1; done`, train.Resources{GPUs: 2})
	c.submit(t, polite)
	c.until(t, polite.Ref, train.Running)
	awaitFile(t, filepath.Join(marks, "started"))
	waiting := c.job(t, "touch "+marks+"/waiting", train.Resources{GPUs: 1})
	next := c.job(t, "echo $CUDA_VISIBLE_DEVICES >"+marks+"/next", train.Resources{GPUs: 2})
	c.submit(t, waiting)
	if s := c.until(t, waiting.Ref, train.Pending); !strings.Contains(s.Reason, "waiting for resources") {
		t.Errorf("the reason of a job that waits is %q", s.Reason)
	}
	if err := c.Cancel(t.Context(), waiting.Ref, time.Second); err != nil {
		t.Fatal(err)
	}
	if s := c.until(t, waiting.Ref, train.Gone); s.Cause != train.CauseCancelled {
		t.Errorf("a job that was cancelled before it began is %+v", s)
	}
	c.submit(t, next)
	if err := c.Cancel(t.Context(), polite.Ref, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if s := c.until(t, polite.Ref, train.Gone); s.Cause != train.CauseCancelled {
		t.Errorf("a cancelled job is %+v", s)
	}
	awaitFile(t, filepath.Join(marks, "polite"))
	c.until(t, next.Ref, train.Done) // its GPUs are free again
	if text, err := os.ReadFile(filepath.Join(marks, "next")); err != nil || strings.TrimSpace(string(text)) != "0,1" {
		t.Errorf("the next job has the GPUs %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(marks, "waiting")); err == nil {
		t.Error("the job that was cancelled before it began has executed")
	}
	for range 2 {
		if err := c.Cancel(t.Context(), polite.Ref, time.Second); err != nil {
			t.Errorf("cancel again: %v", err)
		}
	}
}

func awaitFile(t *testing.T, name string) {
	t.Helper()
	for range 600 {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not come", name)
}

func TestRayImpossible(t *testing.T) {
	c := realRay(t)
	for _, r := range []train.Resources{{GPUs: 99}, {GPUs: 1, GPUType: "B900"}, {Nodes: 3, GPUs: 1}, {Memory: 1 << 50}} {
		j := c.job(t, "exit 0", r)
		_, err := c.Submit(t.Context(), j)
		if fault.KindOf(err) != fault.Conflict {
			t.Errorf("%+v: %v", r, err)
		}
		if _, found, err := c.api.job(t.Context(), j.Name()); found || err != nil {
			t.Errorf("%+v was submitted, %v", r, err)
		}
	}
}

// TestRayBundle sends more than fits into one package.
func TestRayBundle(t *testing.T) {
	c := realRay(t)
	j := c.job(t, `sha256sum <"$DIR/bundle"`, train.Resources{CPUs: 1})
	text := make([]byte, partSize+partSize/2)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(text)
	j.Bundle = func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
	c.submit(t, j)
	c.until(t, j.Ref, train.Done)
	if want := fmt.Sprintf("%x", sha256.Sum256(text)); !strings.Contains(c.log(t, j.Ref), want) {
		t.Errorf("the bundle did not arrive: %s", c.log(t, j.Ref))
	}
}

// TestRayLog reads 100,000 lines while they are written, from where the last read ended.
func TestRayLog(t *testing.T) {
	c := realRay(t)
	j := c.job(t, "seq 100000", train.Resources{CPUs: 1})
	c.submit(t, j)
	var all bytes.Buffer
	for ended := false; ; {
		log, err := c.Logs(t.Context(), j.Ref, int64(all.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, log); err != nil {
			t.Fatal(err)
		}
		log.Close()
		if ended {
			break
		}
		s, err := c.Status(t.Context(), []train.Ref{j.Ref})
		if err != nil {
			t.Fatal(err)
		}
		ended = s[0].State == train.Done
		time.Sleep(50 * time.Millisecond)
	}
	// What Ray itself writes when it starts a job it holds back for a while: it may come after what the job says, or in the middle.
	said := regexp.MustCompile(ownLine+`.*\n`).ReplaceAllString("\n"+all.String(), "")
	_, text, _ := strings.Cut(said, "\n1\n")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, l := range lines {
		if l != fmt.Sprint(i+2) {
			t.Fatalf("line %d is %q, of %d", i+2, l, len(lines)+1)
		}
	}
	if len(lines) != 99999 {
		t.Fatalf("%d lines", len(lines)+1)
	}
}

// TestRayLink sends bytes there and back, after the job has ended and while every GPU and processor is taken.
func TestRayLink(t *testing.T) {
	c := realRay(t)
	ended := c.job(t, "exit 3", train.Resources{CPUs: 1})
	c.submit(t, ended)
	c.until(t, ended.Ref, train.Done)
	full := c.job(t, "sleep 600", train.Resources{GPUs: 2, CPUs: 4})
	c.submit(t, full)
	c.until(t, full.Ref, train.Running)
	for _, r := range []train.Ref{ended.Ref, full.Ref} {
		began := time.Now()
		l, err := c.Link(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		opened := time.Since(began)
		began = time.Now()
		var one [5]byte
		if _, err := l.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(l, one[:]); err != nil || string(one[:]) != "hello" {
			t.Fatalf("%q, %v", one, err)
		}
		turn := time.Since(began)
		text := make([]byte, 40<<20)
		random := rand.NewChaCha8([32]byte{2})
		random.Read(text)
		began = time.Now()
		sent := make(chan error, 1)
		go func() {
			_, err := l.Write(text)
			sent <- err
		}()
		back := make([]byte, len(text))
		if _, err := io.ReadFull(l, back); err != nil || !bytes.Equal(back, text) {
			t.Fatalf("not the same came back, %v", err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		t.Logf("opened in %v, a turn takes %v, 40 MiB there and back %v", opened, turn, time.Since(began))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Read(one[:]); err == nil {
			t.Error("a closed connection can be read")
		}
		if _, found, err := c.api.job(t.Context(), l.(*link).id); found || err != nil {
			t.Errorf("the connection left its job behind, %v", err)
		}
	}
}

// TestRayNodes executes a job in two places of one node, which is all that there is.
func TestRayNodes(t *testing.T) {
	c := realRay(t)
	marks := t.TempDir()
	j := c.job(t, `echo $MLX_NODE_RANK $MLX_NODES $MLX_MASTER_ADDR $MLX_MASTER_PORT $CUDA_VISIBLE_DEVICES >`+marks+`/$MLX_NODE_RANK; until [ -s `+marks+`/0 ]; do sleep 0.1; done; exit $((MLX_NODE_RANK * 5))`,
		train.Resources{Nodes: 2, GPUs: 1})
	c.submit(t, j)
	if s := c.until(t, j.Ref, train.Done); *s.Exit != 5 {
		t.Errorf("%+v\n%s", s, c.log(t, j.Ref))
	}
	words := make([][]string, 2)
	for rank := range words {
		text, err := os.ReadFile(filepath.Join(marks, fmt.Sprint(rank)))
		if err != nil {
			t.Fatal(err)
		}
		words[rank] = strings.Fields(string(text))
	}
	if len(words[0]) != 5 || words[0][1] != "2" || words[0][2] != words[1][2] || words[0][3] != words[1][3] || words[0][4] == words[1][4] {
		t.Errorf("the ranks see %q", words)
	}
	if n, err := c.place(t.Context(), j.Ref); err != nil || n.IP != words[0][2] {
		t.Errorf("rank 0 is at %+v, %v", n, err)
	}

	long := c.job(t, `echo $$ >`+marks+`/pid$MLX_NODE_RANK; exec sleep 600`, train.Resources{Nodes: 2, GPUs: 1})
	c.submit(t, long)
	awaitFile(t, filepath.Join(marks, "pid0"))
	awaitFile(t, filepath.Join(marks, "pid1"))
	if err := c.Cancel(t.Context(), long.Ref, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	for rank := range 2 {
		pid, err := os.ReadFile(filepath.Join(marks, fmt.Sprintf("pid%d", rank)))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err = os.Stat("/proc/" + strings.TrimSpace(string(pid))); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err == nil {
			t.Errorf("rank %d is still there", rank)
		}
	}
}
