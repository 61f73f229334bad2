package cascade

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// podOf is a pod of a small and a large stage at two ports.
func podOf(ports ...int) Pod {
	stage := func(name, next string) Stage {
		return Stage{ReleaseStage: deploy.ReleaseStage{Name: name, Model: name, Serve: &deploy.Serve{Protocol: "json"}, Next: next, OnError: deploy.OnErrorFail}}
	}
	return Pod{Plan: Plan{Service: "s", Combine: deploy.Combine{By: deploy.CombineCascade}, Stages: []Stage{stage("small", "sure < 0.5"), stage("large", "")}},
		Ports: ports, Ready: [][]string{{"/health"}, {"/nothing", "/health"}}}
}

// TestPod: stages whose servers somebody else keeps are asked once they are ready, and told of when they are not.
func TestPod(t *testing.T) {
	var up atomic.Bool
	serve := func(answer string) (*httptest.Server, int) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
			if !up.Load() {
				http.Error(w, "loading", http.StatusServiceUnavailable)
			}
		})
		mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		s := httptest.NewServer(mux)
		t.Cleanup(s.Close)
		_, port, err := net.SplitHostPort(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		return s, n
	}
	small, first := serve(`{"predictions":[1],"sure":0.1}`)
	_, second := serve(`{"predictions":[2]}`)
	text, err := json.Marshal(podOf(first, second))
	if err != nil {
		t.Fatal(err)
	}
	pod, err := ReadPod(text)
	if err != nil {
		t.Fatal(err)
	}
	beside := NewNeighbours(pod)
	c, err := New(Options{Plan: pod.Plan, Now: time.Now, Address: beside.Address, Trouble: beside.Trouble}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { beside.Watch(ctx); close(ended) }()
	defer func() { stop(); <-ended }()
	stats := beside.Stats(c)
	look := func(h http.Handler, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	until := func(what string, h http.Handler, path string, status int, says string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			got, text := look(h, path)
			if got == status && strings.Contains(text, says) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d %q", what, got, text)
			}
		}
	}
	until("it loads", stats, "/ready/0", http.StatusServiceUnavailable, "503 Service Unavailable at /health")
	if got, text := look(c, ReadyPath); got != http.StatusServiceUnavailable || !strings.Contains(text, "stage small: ") {
		t.Errorf("before its stages are: %d %q", got, text)
	}
	up.Store(true)
	until("one is ready", stats, "/ready/0", http.StatusOK, "")
	until("the other one is", stats, "/ready/1", http.StatusOK, "")
	until("all are", c, ReadyPath, http.StatusOK, "")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/predict", strings.NewReader(`{"x":1}`)))
	if w.Code != http.StatusOK || w.Body.String() != `{"predictions":[2]}` || w.Header().Get(StageHeader) != "large" {
		t.Errorf("an answer: %d %s %v", w.Code, w.Body, w.Header())
	}
	if _, text := look(stats, "/v1/stages"); !strings.Contains(text, `"name":"small","ready":1`) || !strings.Contains(text, `"passed":1`) || !strings.Contains(text, `"decided":1`) {
		t.Errorf("what was counted: %s", text)
	}
	small.CloseClientConnections()
	small.Close()
	until("it has gone", stats, "/ready/0", http.StatusServiceUnavailable, "connection refused")
	if got, _ := look(stats, "/ready/2"); got != http.StatusNotFound {
		t.Errorf("a stage that is not there: %d", got)
	}
}

// TestPodRefused: a plan that no pod can follow is refused, whatever stands in it.
func TestPodRefused(t *testing.T) {
	listed := podOf(1, 2)
	listed.Plan.Stages[0].List, listed.Plan.Stages[0].Serve, listed.Plan.Stages[0].Reply = &deploy.ReleaseList{}, nil, json.RawMessage("1")
	nowhere := podOf(1, 70000)
	for name, p := range map[string]Pod{"no ports": podOf(), "a list": listed, "a port": nowhere, "nothing": {}} {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPod(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzReadPod(f *testing.F) {
	text, err := json.Marshal(podOf(8100, 8101))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ReadPod(text)
		if err != nil {
			return
		}
		if c, err := New(Options{Plan: p.Plan, Now: time.Now}, nil); err == nil {
			_ = c.Close()
		}
		_ = NewNeighbours(p)
	})
}
