package router

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// TestPromise: without a promise of the log nothing is answered, and no server is asked.
func TestPromise(t *testing.T) {
	one := answers(t, "1.5")
	var full atomic.Bool
	var handed atomic.Int64
	r := run(t, Options{Settings: Settings{Sample: Sample{Share: deploy.All}}, Kept: func() deploy.Logged { return deploy.Logged{Strict: true, Refusing: full.Load()} },
		Promise: func() error {
			if full.Load() {
				return errors.New("no room at /secret")
			}
			return nil
		},
		Sink: func(a Answered) {
			if a.Sampled {
				handed.Add(1)
			}
		}})
	r.serve("one", one.servers())
	r.apply(deploy.Desired{Service: service, Generation: 1, Arms: []deploy.Arm{{Role: deploy.Stable, Release: release("one", 1), Share: deploy.All}}})
	if status, text := post(t, r.url, `{}`); status != 200 || !says(text, "1.5") {
		t.Fatalf("with room: %d %s", status, text)
	}
	full.Store(true)
	for range 3 {
		status, text := post(t, r.url, `{}`)
		if status != http.StatusServiceUnavailable || !strings.Contains(text, errUnlogged.Error()) || strings.Contains(text, "secret") {
			t.Fatalf("without room: %d %s", status, text)
		}
	}
	if l := r.actual().Log; l == nil || l.Refused != 3 || !l.Refusing || one.asked.Load() != 1 {
		t.Errorf("of 3 that were refused it says %+v; the server was asked %d times", l, one.asked.Load())
	}
	metrics, err := r.client.Metrics(t.Context())
	if err != nil || !strings.Contains(metrics, `mlx_router_unlogged_total{service="flights"} 3`) {
		t.Errorf("%v %s", err, metrics)
	}
	if c := r.seen(deploy.Stable).Counts; c.Requests != 1 || c.Errors != 0 {
		t.Errorf("what nobody was asked counts for no release: %+v", c)
	}
	full.Store(false)
	if status, _ := post(t, r.url, `{}`); status != 200 {
		t.Errorf("with room again: %d", status)
	}
	until(t, "both are handed over", func() bool { return handed.Load() == 2 })
}

// TestPromiseIsKept: each place that was promised is used once, whatever becomes of the request.
func TestPromiseIsKept(t *testing.T) {
	slow := make(chan struct{})
	one := handles(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/dies":
			panic(http.ErrAbortHandler)
		case "/slow":
			select {
			case <-slow:
			case <-r.Context().Done():
			}
		case "/half":
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	var promised, handed atomic.Int64
	r := run(t, Options{Settings: Settings{Sample: Sample{Share: deploy.All}, Limits: Limits{Body: 100}, Shadow: Copies{Queue: 1, Workers: 1, Age: 50 * time.Millisecond}},
		Promise: func() error { promised.Add(1); return nil },
		Sink: func(a Answered) {
			if a.Sampled {
				handed.Add(1)
			}
		}})
	post(t, r.url, `{}`) // nobody serves
	r.serve("one", one.servers())
	r.serve("two", answers(t, "1").servers())
	r.apply(mirrored(1))
	for range 5 {
		post(t, r.url, `{}`)
	}
	post(t, r.url+"/dies", `{}`)
	post(t, r.url, strings.Repeat("x", 200)) // too long: it needs no place
	for path, wait := range map[string]time.Duration{"/half": patience, "/slow": 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
		cancel()
	}
	close(slow)
	until(t, "all that were promised are handed over", func() bool { return promised.Load() == 9 && handed.Load() == 9 })
	r.stop()
	if handed.Load() != 9 {
		t.Errorf("%d were promised, and %d handed over", promised.Load(), handed.Load())
	}
}
