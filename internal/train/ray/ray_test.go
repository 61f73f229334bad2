package ray

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/train"
)

// TestStatusOfJobs puts what Ray 2.60 says into the words of mlx.
func TestStatusOfJobs(t *testing.T) {
	const common = `"type": "SUBMISSION", "submission_id": "x", "driver_agent_http_address": "http://10.0.0.7:52365"`
	for name, c := range map[string]struct {
		text   string
		state  train.State
		cause  train.Cause
		exit   int
		reason string
	}{
		"waits":   {`"status": "PENDING", "message": "Job has not started yet. It may be waiting for resources (CPUs, GPUs, memory, custom resources) to become available."`, train.Pending, "", -1, "waiting for resources"},
		"runs":    {`"status": "RUNNING", "message": "Job is currently running."`, train.Running, "", -1, ""},
		"ended":   {`"status": "SUCCEEDED", "driver_exit_code": 0`, train.Done, "", 0, ""},
		"failed":  {`"status": "FAILED", "driver_exit_code": 7, "message": "Job entrypoint command failed with exit code 7, last available logs (truncated to 20,000 chars):\nkilled by ray.kill, running low on memory", "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR"`, train.Done, "", 7, ""},
		"signal":  {`"status": "FAILED", "driver_exit_code": -9, "message": "Job entrypoint command failed with exit code -9. No logs available."`, train.Gone, train.CauseExit, -9, "signal 9"},
		"stopped": {`"status": "STOPPED", "message": "Job was intentionally stopped."`, train.Gone, train.CauseCancelled, -1, "intentionally stopped"},
		"memory":  {`"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_DIED", "message": "Job supervisor actor died: The actor died because its worker process has died. Worker exit detail: Task was killed due to the node running low on memory.\nMemory on the node"`, train.Gone, train.CauseMemory, -1, "running low on memory"},
		"node":    {`"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_DIED", "message": "Job supervisor actor died: The actor died unexpectedly before finishing this task.\n\tThe actor is dead because its node has died."`, train.Gone, train.CauseNode, -1, "Job supervisor actor died"},
		"kill":    {`"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_DIED", "message": "Job supervisor actor died: The actor died unexpectedly before finishing this task.\n\tThe actor is dead because it was killed by ` + "`ray.kill`" + `."`, train.Gone, train.CauseCancelled, -1, "actor died"},
		"start":   {`"status": "FAILED", "error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT", "message": "Job supervisor actor failed to start within 900.0 seconds."`, train.Gone, train.CauseTime, -1, "900.0 seconds"},
		"setup":   {`"status": "FAILED", "error_type": "RUNTIME_ENV_SETUP_FAILURE", "message": "runtime_env setup failed: Failed to download"`, train.Gone, train.CauseNone, -1, "runtime_env setup failed"},
		"new":     {`"status": "PAUSED"`, train.Unknown, "", -1, "PAUSED"},
	} {
		found, err := decodeJobs(strings.NewReader("[{"+common+", "+c.text+"}]"), map[string]bool{"x": true})
		if err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", name, found, err)
			continue
		}
		s := found["x"].status(train.Ref{})
		exit := -1
		if s.Exit != nil {
			exit = *s.Exit
		}
		if s.State != c.state || s.Cause != c.cause || exit != c.exit || !strings.Contains(s.Reason, c.reason) || s.Node != "10.0.0.7" {
			t.Errorf("%s is %+v with exit %d", name, s, exit)
		}
	}
}

func TestHolds(t *testing.T) {
	n := node{Resources: map[string]float64{"CPU": 4, "GPU": 2, "memory": 8 << 30, "accelerator_type:A100": 1}}
	for _, c := range []struct {
		r    train.Resources
		want int
	}{
		{train.Resources{}, 4},
		{train.Resources{GPUs: 1}, 2},
		{train.Resources{GPUs: 1, GPUType: "A100", CPUs: 1}, 2},
		{train.Resources{GPUs: 1, GPUType: "H100"}, 0},
		{train.Resources{GPUs: 3}, 0},
		{train.Resources{Memory: 5 << 30}, 1},
	} {
		if got := n.holds(demandOf(c.r)); got != c.want {
			t.Errorf("%+v: %d places", c.r, got)
		}
	}
	if text := demand(n.Resources).String(); text != "4 CPU, 2 GPU, accelerator_type:A100, 8.0 GiB memory" {
		t.Errorf("%q", text)
	}
}

// fake is what of the API a test is about.
func fake(t *testing.T, h http.HandlerFunc) *Driver {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	agent := filepath.Join(t.TempDir(), "mlx")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{
		Backend: train.Backend{Name: "ray", URL: server.URL}, Now: time.Now,
		Agent: func() (string, error) { return agent, nil }, Token: func() string { return "s3cret" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestLostReply makes the job, and then cuts the connection: Submit must find it and not fail.
func TestLostReply(t *testing.T) {
	var made atomic.Bool
	var posts atomic.Int32
	d := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch {
		case r.Method == http.MethodPost:
			posts.Add(1)
			made.Store(true)
			panic(http.ErrAbortHandler)
		case strings.HasPrefix(r.URL.Path, "/api/jobs/mlx-"):
			if !made.Load() {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			fmt.Fprint(w, `{"status": "PENDING"}`)
		case r.URL.Path == "/api/v0/nodes":
			fmt.Fprint(w, `{"data": {"result": {"result": [{"state": "ALIVE", "resources_total": {"CPU": 1}}]}}}`)
		}
	})
	j := someJob(t)
	for range 2 {
		if handle, err := d.Submit(t.Context(), j); err != nil || handle != j.Name() {
			t.Fatalf("%q, %v", handle, err)
		}
	}
	if posts.Load() != 1 {
		t.Errorf("the job was posted %d times", posts.Load())
	}
}

func someJob(t *testing.T) train.Job {
	t.Helper()
	id := object.Sum([]byte(t.Name()))
	order, err := json.Marshal(train.Order{Kind: "order/v1", Run: id})
	if err != nil {
		t.Fatal(err)
	}
	return train.Job{Ref: train.Ref{ID: id}, Dir: "~/.cache/mlx/node/jobs/" + id.Hex(), Order: order, Secrets: map[string]string{"TOKEN": "hush"}}
}

// TestNothingSecretIsPosted reads every byte of the request that makes a job.
func TestNothingSecretIsPosted(t *testing.T) {
	j := someJob(t)
	s, err := request(j, demandOf(j.Resources), "abc")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil || bytes.Contains(text, []byte("hush")) || bytes.Contains(text, []byte("TOKEN")) {
		t.Errorf("%s, %v", text, err)
	}
	if s.RuntimeEnv.Env["RAY_JOB_STOP_WAIT_TIME_S"] != "60" || s.CPUs != 1 {
		t.Errorf("%+v", s)
	}
}

// TestTroubleHasASide tells a server that is down from one that refuses, and from one that has no such job.
func TestTroubleHasASide(t *testing.T) {
	for status, want := range map[int]fault.Kind{401: fault.Denied, 403: fault.Denied, 500: fault.Unavailable, 400: fault.Conflict, 302: fault.Unavailable} {
		d := fake(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			fmt.Fprint(w, "Traceback (most recent call last):\n  File x\nValueError: this is why\n")
		})
		_, err := d.Status(t.Context(), []train.Ref{{}})
		if fault.KindOf(err) != want || !strings.Contains(err.Error(), "this is why") {
			t.Errorf("%d: %v", status, err)
		}
	}
	crowded := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"result": false, "msg": "Max number of in-progress requests=100 reached.", "data": {"result": null}}`)
	})
	if _, err := crowded.Status(t.Context(), []train.Ref{{}}); err == nil || !strings.HasSuffix(err.Error(), "Ray answers Max number of in-progress requests=100 reached.") {
		t.Errorf("what the API wraps: %v", err)
	}
	server := httptest.NewServer(nil)
	server.Close()
	d, err := New(Options{Backend: train.Backend{Name: "ray", URL: server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Status(t.Context(), []train.Ref{{}}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("nobody answers: %v", err)
	}
	for _, u := range []string{"", "127.0.0.1:8265", "ray://head:10001", "http://"} {
		if _, err := New(Options{Backend: train.Backend{URL: u}}); fault.KindOf(err) != fault.Usage {
			t.Errorf("url %q: %v", u, err)
		}
	}
}

// TestRetries repeats what is harmless, and nothing else.
func TestRetries(t *testing.T) {
	var n atomic.Int32
	d := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, "[]")
	})
	if s, err := d.Status(t.Context(), []train.Ref{{}}); err != nil || s[0].Cause != train.CauseMissing || n.Load() != 3 {
		t.Errorf("%+v, %v after %d requests", s, err, n.Load())
	}
	n.Store(0)
	if err := d.api.post(t.Context(), "/x", nil); err == nil || n.Load() != 1 {
		t.Errorf("a POST was made %d times, %v", n.Load(), err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("enough"))
	if _, err := d.Status(ctx, []train.Ref{{}}); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("%v", err)
	}
}

func TestPartsAreBounded(t *testing.T) {
	p := &parts{d: &Driver{}, total: maxBundle}
	if _, err := p.Write([]byte("x")); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

func FuzzJobs(f *testing.F) {
	f.Add([]byte(`[{"submission_id": "x", "status": "FAILED", "driver_exit_code": -9, "message": null}, {"submission_id": null}]`))
	f.Add([]byte(`[`))
	f.Add([]byte(`{"a": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := decodeJobs(bytes.NewReader(text), map[string]bool{"x": true})
		if err != nil {
			return
		}
		for id, d := range found {
			if s := d.status(train.Ref{}); id != "x" || s.State == "" {
				t.Errorf("%q is %+v", id, s)
			}
		}
	})
}

// TestFrameBesideOwnLine: what Ray writes to the log between two frames is no frame, and one that does not end is an error.
func TestFrameBesideOwnLine(t *testing.T) {
	line := ownLine + "mlx-1-link-2: exec sh ./mlx-start 00 link 2 'jobs/1'\n"
	r := strings.NewReader(line + "d\x00\x00\x00\x02hi" + line + "a\x00\x00\x00\x00" + strings.TrimSuffix(line, "\n"))
	for _, want := range []string{"dhi", "a"} {
		if kind, data, err := readFrame(r); err != nil || string(kind)+string(data) != want {
			t.Errorf("%q%q, %v; want %q", kind, data, err, want)
		}
	}
	if kind, data, err := readFrame(r); !errors.Is(err, io.EOF) {
		t.Errorf("%q%q, %v", kind, data, err)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("d\x00\x00\x00\x02hi"))
	f.Add([]byte("a\xff\xff\xff\xff"))
	f.Add([]byte(ownLine + "x\nx\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		for {
			_, data, err := readFrame(r)
			if err != nil {
				return
			}
			if len(data) > maxFrame {
				t.Fatalf("%d bytes", len(data))
			}
		}
	})
}

func TestSkip(t *testing.T) {
	for from, want := range map[int64]string{0: "abc", 2: "c", 3: "", 9: ""} {
		r, err := skip(io.NopCloser(strings.NewReader("abc")), from)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != want {
			t.Errorf("from %d: %q, %v", from, text, err)
		}
	}
}
