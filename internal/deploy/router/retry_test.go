package router

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mlx/internal/deploy"
)

// TestRetry holds when stable is asked in place of the candidate, and how that is counted.
func TestRetry(t *testing.T) {
	die := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	half := func(w http.ResponseWriter, r *http.Request) { // dies after the header and a part of the answer
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, strings.Repeat("x", 500))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	for name, c := range map[string]struct {
		candidate  http.HandlerFunc // nil: nobody listens
		idempotent bool
		body       string
		status     int
		retried    bool
	}{
		"dies":                          {die, true, "{}", 200, true},
		"dies within its answer":        {half, true, "{}", 200, true},
		"dies, and may be asked once":   {die, false, "{}", 502, false},
		"refuses":                       {nil, true, "{}", 200, true},
		"refuses, may be asked once":    {nil, false, "{}", 200, true}, // nothing was sent
		"dies with a body too long":     {die, true, `"` + strings.Repeat("a", 2000) + `"`, 502, false},
		"refuses with a body too long":  {nil, true, `"` + strings.Repeat("a", 2000) + `"`, 200, true},
		"an error is an answer":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, true, "{}", 500, false},
		"so is that it is overburdened": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, true, "{}", 503, false},
	} {
		t.Run(name, func(t *testing.T) {
			var got atomic.Pointer[string]
			one := handles(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				text := string(body)
				got.Store(&text)
				fmt.Fprint(w, `{"predictions":[1]}`)
			})
			address := freeAddress(t)
			if c.candidate != nil {
				address = handles(t, c.candidate).Listener.Addr().String()
			}
			seen := make(chan Answered, 10)
			r := run(t, Options{Settings: Settings{Limits: Limits{Keep: 1000}}, Sink: func(a Answered) { seen <- a }})
			r.serve("one", one.servers())
			r.serve("two", Servers{Addresses: []string{address}, Idempotent: c.idempotent})
			r.apply(desired(1, deploy.All))
			if status, text := post(t, r.url, c.body); status != c.status {
				t.Fatalf("%d %s", status, text)
			}
			a := <-seen
			counts := r.seen(deploy.Candidate).Counts
			if counts.Requests != 1 || counts.Errors != 1 || counts.Answers != 0 || counts.Latency.Count() != 1 {
				t.Errorf("counted %+v", counts)
			}
			if (counts.Retried == 1) != c.retried || (a.Retried == "two") != c.retried || c.retried && (a.Role != deploy.Stable || a.Key != "one") {
				t.Errorf("counted %+v, handed %+v", counts, a)
			}
			if c.retried && *got.Load() != c.body {
				t.Errorf("stable got %.60s", *got.Load())
			}
			if s := r.seen(deploy.Stable).Counts; s.Requests != 0 || s.Answers != 0 {
				t.Errorf("stable: %+v", s)
			}
		})
	}
}

// TestReplicas holds that a server which refuses costs nobody an answer, and that another is asked once when one dies.
func TestReplicas(t *testing.T) {
	good, other := answers(t, "1"), answers(t, "1")
	for _, balance := range []Balance{Least, Round} {
		r := run(t, Options{Settings: Settings{Balance: balance}})
		r.apply(desired(1, 0))
		dead := freeAddress(t)
		addresses := []string{dead, good.Listener.Addr().String(), other.Listener.Addr().String()}
		r.serve("one", Servers{Addresses: addresses})
		good.asked.Store(0)
		other.asked.Store(0)
		for i := range 30 {
			if status, text := post(t, r.url, "{}"); status != 200 {
				t.Fatalf("%s, request %d: %d %s", balance, i, status, text)
			}
		}
		if a, b := good.asked.Load(), other.asked.Load(); a+b != 30 || a < 10 || b < 10 {
			t.Errorf("%s: %d and %d requests", balance, a, b)
		}
		if s := r.seen(deploy.Stable); s.Ready != 2 || s.Counts.Errors != 0 {
			t.Errorf("seen %+v", s)
		}
	}
	var dead atomic.Int64
	dies := handles(t, func(http.ResponseWriter, *http.Request) { dead.Add(1); panic(http.ErrAbortHandler) })
	r := run(t, Options{})
	r.apply(desired(1, 0))
	r.serve("one", Servers{Addresses: []string{dies.Listener.Addr().String(), good.Listener.Addr().String()}, Idempotent: true})
	for i := range 10 {
		if status, text := post(t, r.url, "{}"); status != 200 {
			t.Fatalf("request %d: %d %s", i, status, text)
		}
	}
	if dead.Load() == 0 {
		t.Error("the server that dies was never asked")
	}
}

// TestLeast holds that a busy server is left alone.
func TestLeast(t *testing.T) {
	hold := make(chan struct{})
	busy := handles(t, func(http.ResponseWriter, *http.Request) { <-hold })
	free := answers(t, "1")
	r := run(t, Options{})
	r.apply(desired(1, 0))
	r.serve("one", Servers{Addresses: []string{busy.Listener.Addr().String()}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		post(t, r.url, "{}")
	}()
	until(t, "the busy server has a request", func() bool { return busy.asked.Load() == 1 })
	r.serve("one", Servers{Addresses: []string{busy.Listener.Addr().String(), free.Listener.Addr().String()}})
	for range 20 {
		post(t, r.url, "{}")
	}
	if busy.asked.Load() != 1 || free.asked.Load() != 20 {
		t.Errorf("%d and %d requests", busy.asked.Load(), free.asked.Load())
	}
	close(hold)
	<-done
}

func TestHealth(t *testing.T) {
	var sick atomic.Bool
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" && sick.Load() {
			w.WriteHeader(503)
		}
	}
	first := handles(t, serve)
	second := answers(t, "1")
	r := run(t, Options{Settings: Settings{Health: Health{Path: "/ready", Every: 10 * time.Millisecond}}})
	r.apply(desired(1, 0))
	r.serve("one", Servers{Addresses: []string{first.Listener.Addr().String(), second.Listener.Addr().String()}})
	sick.Store(true)
	until(t, "one is down", func() bool { return r.seen(deploy.Stable).Ready == 1 })
	for range 20 {
		if _, text := post(t, r.url, "{}"); !says(text, "1") {
			t.Fatal("the sick server was asked")
		}
	}
	sick.Store(false)
	until(t, "both are well", func() bool { return r.seen(deploy.Stable).Ready == 2 })
	// With every server down they are asked all the same: what is known of them may be old.
	sick.Store(true)
	r.serve("one", Servers{Addresses: []string{first.Listener.Addr().String()}})
	until(t, "none is well", func() bool { return r.seen(deploy.Stable).Ready == 0 })
	if status, _ := post(t, r.url, "{}"); status != 200 {
		t.Errorf("status %d", status)
	}
}

// TestIdleConnections holds that a server which closes idle connections early costs nobody an answer, and counts as broken nowhere.
func TestIdleConnections(t *testing.T) {
	m := handles(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	m.Config.IdleTimeout = 5 * time.Millisecond
	r := run(t, Options{})
	r.serve("one", answers(t, "1").servers())
	r.serve("two", m.servers())
	r.apply(desired(1, deploy.All))
	const n = 200
	for i := range n {
		if status, text := post(t, r.url, "{}"); status != 200 || text != "{}" {
			t.Fatalf("request %d: %d %s", i, status, text)
		}
		time.Sleep(time.Duration(4500+10*i) * time.Microsecond) // about when the server closes
	}
	if c := r.seen(deploy.Candidate).Counts; c.Answers != n || c.Errors != 0 {
		t.Errorf("counted %+v", c)
	}
}
