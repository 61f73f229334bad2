//go:build interop

package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/kube"
	digest "mlx/internal/object"
	"mlx/internal/train"
)

// agentScript stands for mlx where only Kubernetes is looked at: run waits for a script and becomes it, serve echoes.
const agentScript = `#!/bin/sh
case "$2" in
serve) exec cat ;;
run) cd "$3" && while ! [ -f go ]; do sleep 0.1; done; exec sh ./go ;;
esac
`

// cluster is the real one of .ci/kube, with a namespace for the test.
type cluster struct {
	t      *testing.T
	files  []string
	admin  *kube.Client
	ns     string
	client *kube.Client
}

func open(t *testing.T, file, namespace string) *kube.Client {
	t.Helper()
	c, err := kube.Open(kube.Config{Files: []string{file}, Namespace: namespace, Agent: "mlx-test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func real(t *testing.T, labels map[string]any) *cluster {
	t.Helper()
	file := os.Getenv("MLX_TEST_KUBE")
	if file == "" {
		t.Fatal(`MLX_TEST_KUBE is not set: .ci/kube up && eval "$(.ci/kube env)"`)
	}
	ns := "t-" + digest.Sum([]byte(t.Name()+time.Now().String())).Short()
	c := &cluster{t: t, files: []string{file}, ns: ns, admin: open(t, file, "default"), client: open(t, file, ns)}
	namespaces := kube.Resource{Version: "v1", Plural: "namespaces"}
	if err := c.admin.Create(t.Context(), global(namespaces), map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns, "labels": labels},
	}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.admin.Delete(context.WithoutCancel(t.Context()), global(namespaces), ns, kube.Removal{}); err != nil {
			t.Error(err)
		}
	})
	return c
}

// global marks a resource that has no namespace.
func global(r kube.Resource) kube.Resource { r.Everywhere = true; return r }

func (c *cluster) driver(change func(*train.Backend)) *Driver {
	c.t.Helper()
	agent := filepath.Join(c.t.TempDir(), "mlx")
	if err := os.WriteFile(agent, []byte(agentScript), 0o755); err != nil {
		c.t.Fatal(err)
	}
	b := train.Backend{Name: "k8s", Type: "kubernetes", Image: "mlx.test/train:1"}
	if change != nil {
		change(&b)
	}
	return New(Options{Client: c.client, Backend: b, Agents: func(string, string) (string, error) { return agent, nil }})
}

func (c *cluster) job(name string) train.Job {
	return train.Job{Ref: train.Ref{ID: digest.Sum([]byte(c.ns + name))}, Title: name}
}

func (c *cluster) submit(d *Driver, j train.Job) {
	c.t.Helper()
	handle, err := d.Submit(c.t.Context(), j)
	if err != nil {
		c.t.Fatal(err)
	}
	if handle != c.ns+"/"+j.Name() {
		c.t.Fatalf("handle %q", handle)
	}
}

// until asks for the status until ok, and returns it.
func (c *cluster) until(d *Driver, r train.Ref, what string, ok func(train.Status) bool) train.Status {
	c.t.Helper()
	var last train.Status
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		all, err := d.Status(c.t.Context(), []train.Ref{r})
		if err != nil {
			c.t.Fatal(err)
		}
		if last = all[0]; ok(last) {
			c.record(r, strings.ReplaceAll(what, " ", "-"))
			return last
		}
	}
	c.t.Fatalf("never %s: %+v", what, last)
	return last
}

func running(s train.Status) bool { return s.State == train.Running }
func over(s train.Status) bool    { return s.State == train.Done || s.State == train.Gone }

// script makes the agent of a node go on, with what the job is to do.
func (c *cluster) script(d *Driver, j train.Job, node int, text string) {
	c.t.Helper()
	c.send(d, j, node, text, "")
}

// send makes a script that of a node, and does what then says there, in its shell.
func (c *cluster) send(d *Driver, j train.Job, node int, text, then string) {
	c.t.Helper()
	link, err := d.LinkNode(c.t.Context(), j.Ref, node)
	if err != nil {
		c.t.Fatal(err)
	}
	link.Close()
	pods, err := d.pods(c.t.Context(), j.Ref)
	if err != nil {
		c.t.Fatal(err)
	}
	dir := d.dir(j.Ref)
	_, errs, status, err := c.client.Run(c.t.Context(), kube.Command{
		Pod: first(pods, node).Metadata.Name, Container: mainName,
		Argv: []string{"sh", "-c", "cat >" + dir + "/.go && mv " + dir + "/.go " + dir + "/go" + then},
	}, strings.NewReader(text), 1000)
	if err != nil || status != 0 {
		c.t.Fatal(err, status, string(errs))
	}
}

// loop is a script that works until it is killed, with a trap for TERM, and waits until the trap is set: a first process without one
// does not hear TERM.
func (c *cluster) loop(d *Driver, j train.Job, node int, trap string) {
	c.t.Helper()
	c.send(d, j, node, "trap '"+trap+"' TERM; : >trapped; while :; do sleep 0.1; done",
		" && cd "+d.dir(j.Ref)+" && while ! [ -f trapped ]; do sleep 0.1; done")
}

// record keeps what the cluster says of a job, for the tests that need none.
func (c *cluster) record(r train.Ref, name string) {
	c.t.Helper()
	dir := os.Getenv("MLX_RECORD")
	if dir == "" {
		return
	}
	admin := open(c.t, c.files[0], c.ns)
	out := seen{Run: r.ID, Namespace: c.ns}
	which := kube.Select{Labels: selector([]train.Ref{r})}
	err := errors.Join(admin.List(c.t.Context(), kube.Jobs, which, &out.Jobs), admin.List(c.t.Context(), kube.Pods, which, &out.Pods),
		admin.List(c.t.Context(), kube.Events, kube.Select{Fields: "involvedObject.name=" + r.Name()}, &out.Events))
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// nothing holds that a namespace has nothing left of a job.
func (c *cluster) nothing(r train.Ref) {
	c.t.Helper()
	var left []string
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		left = nil
		for _, resource := range []kube.Resource{kube.Jobs, kube.Pods, kube.Secrets, kube.Services} {
			var all podList
			if err := c.client.List(c.t.Context(), resource, kube.Select{Labels: runLabel + "=" + r.ID.Hex()[:labelLength]}, &all); err != nil {
				c.t.Fatal(err)
			}
			for _, o := range all.Items {
				left = append(left, resource.Plural+"/"+o.Metadata.Name)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	c.t.Fatalf("left behind: %v", left)
}

func TestInteropEnds(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	for _, test := range []struct {
		name, script string
		memory       int64
		state        train.State
		cause        train.Cause
		exit         int
	}{
		{name: "exit 0", script: "echo fine", state: train.Done},
		{name: "exit 7", script: "exit 7", state: train.Done, exit: 7},
		{name: "killed", script: "sh -c 'kill -KILL 1'; kill -KILL $$; sleep 600", state: train.Gone, cause: train.CauseExit, exit: 137},
		{name: "memory", script: "exec tail -c 400m /dev/zero", memory: 32 << 20, state: train.Gone, cause: train.CauseMemory, exit: 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := c.in(t)
			j := c.job(test.name)
			j.Resources.Memory = test.memory
			c.submit(d, j)
			s := c.until(d, j.Ref, "running "+test.name, running)
			if s.Node == "" || s.Starts != 1 {
				t.Errorf("%+v", s)
			}
			if test.name == "killed" {
				c.script(d, j, 0, "sleep 600")
				c.killMain(d, j)
			} else {
				c.script(d, j, 0, test.script)
			}
			s = c.until(d, j.Ref, "ended "+test.name, over)
			if s.State != test.state || s.Cause != test.cause || s.Exit == nil || *s.Exit != test.exit {
				t.Errorf("%+v, exit %v", s, s.Exit)
			}
			if test.name == "exit 0" {
				log, err := d.Logs(t.Context(), j.Ref, 2)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := io.ReadAll(log); err != nil || string(text) != "ne\n" {
					t.Errorf("log from 2: %q, %v", text, err)
				}
				if err := d.Cancel(t.Context(), j.Ref, time.Second); err != nil {
					t.Error(err)
				}
				if s := c.until(d, j.Ref, "still ended", over); s.State != train.Done {
					t.Errorf("a cancel of a job that has ended: %+v", s)
				}
			}
			if err := d.Clean(t.Context(), j.Ref); err != nil {
				t.Error(err)
			}
			c.nothing(j.Ref)
		})
	}
}

func (c *cluster) in(t *testing.T) *cluster { d := *c; d.t = t; return &d }

// killMain kills the container as the node would, from outside of it.
func (c *cluster) killMain(d *Driver, j train.Job) {
	c.t.Helper()
	pods, err := d.pods(c.t.Context(), j.Ref)
	if err != nil {
		c.t.Fatal(err)
	}
	killContainer(c.t, filepath.Dir(c.files[0]), first(pods, 0).Metadata.UID)
}

func TestInteropTwice(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	j := c.job("twice")
	j.Secrets = map[string]string{"TOKEN": "hunter2-$(HOME)"}
	j.Env = map[string]string{"PLAIN": "a $(TOKEN) $$ b 'q' \"d\" ü\nline"}
	c.submit(d, j)
	c.submit(d, j)
	// A client that died after the Job: the next submit makes the rest.
	if err := c.client.Delete(t.Context(), kube.Secrets, j.Name(), kube.Removal{}); err != nil {
		t.Fatal(err)
	}
	c.submit(d, j)
	c.until(d, j.Ref, "running twice", running)
	c.script(d, j, 0, `[ "$TOKEN" = 'hunter2-$(HOME)' ] || exit 3; printf '%s' "$PLAIN"; exit 5`)
	if s := c.until(d, j.Ref, "ended twice", over); s.State != train.Done || *s.Exit != 5 || s.Starts != 1 {
		t.Fatalf("%+v %v", s, *s.Exit)
	}
	log, err := d.Logs(t.Context(), j.Ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(log); string(text) != j.Env["PLAIN"] {
		t.Errorf("%q", text)
	}
	var jobs jobList
	if err := c.client.List(t.Context(), kube.Jobs, kube.Select{}, &jobs); err != nil || len(jobs.Items) != 1 {
		t.Errorf("%d jobs, %v", len(jobs.Items), err)
	}
	for _, r := range []kube.Resource{kube.Jobs, kube.Pods, kube.Events} {
		var raw json.RawMessage
		if err := c.client.List(t.Context(), r, kube.Select{}, &raw); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("hunter2")) {
			t.Errorf("%s hold the secret", r.Plural)
		}
	}
	text, err := d.Describe(j)
	if err != nil || strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMi") || !strings.Contains(text, `"TOKEN"`) {
		t.Errorf("%v\n%s", err, text)
	}
	if err := d.Clean(t.Context(), j.Ref); err != nil {
		t.Error(err)
	}
	c.nothing(j.Ref)
}

func TestInteropCancel(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	waits, runs := c.job("pending"), c.job("runs")
	waits.Resources.GPUs = 100
	runs.Secrets, runs.Resources.Nodes = map[string]string{"A": "b"}, 2
	c.submit(d, waits)
	c.submit(d, runs)
	s := c.until(d, waits.Ref, "impossible", func(s train.Status) bool { return strings.Contains(s.Reason, "Insufficient nvidia.com/gpu") })
	if s.State != train.Pending || !strings.HasPrefix(s.Reason, "0/") {
		t.Errorf("%+v", s)
	}
	c.until(d, runs.Ref, "two nodes", running)
	c.loop(d, runs, 0, "echo got TERM; exit 0")
	c.loop(d, runs, 1, "")
	start := time.Now()
	for _, j := range []train.Job{waits, runs, runs, c.job("never was")} {
		if err := d.Cancel(t.Context(), j.Ref, 2*time.Second); err != nil {
			t.Error(err)
		}
	}
	for _, j := range []train.Job{waits, runs} {
		c.nothing(j.Ref)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s, the grace was 2 s", took)
	}
	all, err := d.Status(t.Context(), []train.Ref{runs.Ref, waits.Ref})
	if err != nil || all[0].Cause != train.CauseMissing || all[1].State != train.Gone {
		t.Errorf("%+v %v", all, err)
	}
}

func TestInteropNodes(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	j := c.job("nodes")
	j.Resources.Nodes = 2
	c.submit(d, j)
	c.until(d, j.Ref, "nodes", running)
	for n := range 2 {
		c.script(d, j, n, `echo "$JOB_COMPLETION_INDEX $MLX_NODES $MLX_MASTER_ADDR $(hostname)"`)
	}
	if s := c.until(d, j.Ref, "nodes ended", over); s.State != train.Done {
		t.Fatalf("%+v", s)
	}
	pods, err := d.pods(t.Context(), j.Ref)
	if err != nil {
		t.Fatal(err)
	}
	address := first(pods, 0).Status.IP // the name resolves before a command starts
	for n, want := range []string{"0 2 ADDRESS NAME-0\n", "1 2 ADDRESS NAME-1\n"} {
		log, err := c.client.Logs(t.Context(), first(pods, n).Metadata.Name, kube.LogOptions{Container: mainName, Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(log); string(text) != strings.NewReplacer("NAME", j.Name(), "ADDRESS", address).Replace(want) {
			t.Errorf("node %d says %q", n, text)
		}
	}
	if err := d.Clean(t.Context(), j.Ref); err != nil {
		t.Error(err)
	}
	c.nothing(j.Ref)
}

func TestInteropQueue(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	j := c.job("queue")
	j.Queue = "team-a"
	c.submit(d, j)
	s := c.until(d, j.Ref, "queued", func(s train.Status) bool { return s.State == train.Pending })
	if s.Reason != "waits in queue team-a" {
		t.Errorf("%+v", s)
	}
	a, b := c.job("first"), c.job("second")
	for _, j := range []*train.Job{&a, &b} {
		j.Resources.GPUs, j.Resources.GPUType = 3, "NVIDIA-H100-80GB-HBM3"
		c.submit(d, *j)
		if j == &a {
			c.until(d, a.Ref, "first runs", running)
		}
	}
	c.until(d, b.Ref, "second waits", func(s train.Status) bool { return strings.Contains(s.Reason, "Insufficient") })
	if err := d.Cancel(t.Context(), a.Ref, 0); err != nil {
		t.Fatal(err)
	}
	c.until(d, b.Ref, "second runs", running)
	for _, r := range []train.Ref{b.Ref, j.Ref} {
		if err := d.Cancel(t.Context(), r, 0); err != nil {
			t.Fatal(err)
		}
		c.nothing(r)
	}
}

func TestInteropLink(t *testing.T) {
	c := real(t, nil)
	d := c.driver(nil)
	j := c.job("link")
	c.submit(d, j)
	if _, err := d.Link(t.Context(), c.job("other").Ref); err == nil || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a job without a pod: %v", err)
	}
	c.until(d, j.Ref, "running link", running)
	for round := range 2 { // the second finds mlx there
		link, err := d.Link(t.Context(), j.Ref)
		if err != nil {
			t.Fatal(err)
		}
		text := bytes.Repeat([]byte("0123456789abcde\n"), 256<<10) // 4 MiB
		begun := time.Now()
		go link.Write(text)
		back := make([]byte, len(text))
		if _, err := io.ReadFull(link, back); err != nil || !bytes.Equal(text, back) {
			t.Fatalf("round %d: %v", round, err)
		}
		t.Logf("4 MiB there and back: %s", time.Since(begun))
		link.Close()
		if _, err := link.Read(back); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a read after Close: %v", err)
		}
	}
	if err := d.Cancel(t.Context(), j.Ref, 0); err != nil {
		t.Fatal(err)
	}
	c.nothing(j.Ref)
}
