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
	"mlx/internal/deploy/router/internal/answer"
)

// mirrored gives all to stable, and a copy to the shadow.
func mirrored(generation uint64) deploy.Desired {
	return deploy.Desired{Service: service, Generation: generation, Mirror: deploy.All, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: release("one", 1), Share: deploy.All}, {Role: deploy.Shadow, Release: release("two", 2)}}}
}

func TestShadowIsCompared(t *testing.T) {
	one, two := answers(t, "1.5"), answers(t, "1.52")
	pairs := make(chan Answered, 1000)
	r := run(t, Options{Settings: Settings{Compare: Compare{Absolute: 0.05}, Shadow: Copies{Age: patience}}, Sink: func(a Answered) { pairs <- a }})
	r.serve("one", one.servers())
	r.serve("two", two.servers())
	r.apply(mirrored(1))
	const n = 100
	for range n {
		if status, text := post(t, r.url, `{"x":1}`, "Authorization", "Bearer t"); status != 200 || !says(text, "1.5") {
			t.Fatalf("%d %s", status, text)
		}
	}
	until(t, "all are compared", func() bool { return r.actual().Pairs.Compared == n })
	p := r.actual().Pairs
	if p.Eligible != n || p.Dropped+p.Unlike+p.Failed+p.Disagreed != 0 || p.Differences.Count() != n || p.Differences.Quantile(0.5) < 19_000 || p.Differences.Quantile(0.5) > 21_000 {
		t.Errorf("pairs %+v", p)
	}
	if c := r.seen(deploy.Shadow).Counts; c.Requests != n || c.Answers != n || c.Outputs.High.Count() != n || c.Latency.Count() != n {
		t.Errorf("shadow: %+v", c)
	}
	got := two.last.Load()
	if got.Header.Get("Authorization") != "Bearer t" || got.Header.Get(shadowHeader) != "true" || got.Header.Get(idHeader) == "" || got.ContentLength != 7 || got.Host != strings.TrimPrefix(r.url, "http://") {
		t.Errorf("the shadow got %v", got)
	}
	for range n {
		if a := <-pairs; a.Pair == nil || a.Pair.Result.Verdict != answer.Same || a.Pair.Key != "two" || a.Key != "one" {
			t.Fatalf("handed %+v, %+v", a, a.Pair)
		}
	}
	// As a candidate it keeps its pairs.
	r.apply(desired(2, 100))
	if r.actual().Pairs.Compared != n {
		t.Error("the pairs are forgotten")
	}
}

func TestShadowDiffers(t *testing.T) {
	text := func(kind, body string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	long := strings.Repeat("1,", 600) + "1"
	for name, c := range map[string]struct {
		stable, shadow http.HandlerFunc
		body           string
		want           deploy.Pairs
	}{
		"numbers":  {text("application/json", "[1]", 200), text("application/json", "[2]", 200), "", deploy.Pairs{Compared: 1, Disagreed: 1}},
		"types":    {text("application/json", "[1]", 200), text("text/html", "x", 200), "", deploy.Pairs{Unlike: 1}},
		"fails":    {text("application/json", "[1]", 200), text("application/json", "[1]", 500), "", deploy.Pairs{Compared: 1, Failed: 1, Disagreed: 1}},
		"dies":     {text("application/json", "[1]", 200), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", deploy.Pairs{Compared: 1, Failed: 1, Disagreed: 1}},
		"refuses":  {text("application/json", "[1]", 200), text("application/json", "[1]", 422), "", deploy.Pairs{Compared: 1, Disagreed: 1}},
		"both":     {text("application/json", "[1]", 422), text("application/json", "[1]", 422), "", deploy.Pairs{Compared: 1}},
		"streams":  {text("text/event-stream", "data: 1\n\n", 200), text("text/event-stream", "data: 1\n\n", 200), "", deploy.Pairs{Unlike: 1}},
		"long":     {text("application/json", "["+long+"]", 200), text("application/json", "[1]", 200), "", deploy.Pairs{Unlike: 1}},
		"longer":   {text("application/json", "[1]", 200), text("application/json", "["+long+"]", 200), "", deploy.Pairs{Unlike: 1}},
		"big body": {text("application/json", "[1]", 200), text("application/json", "[1]", 200), strings.Repeat(" ", 3000), deploy.Pairs{Unlike: 1}},
		"images":   {text("image/png", "a", 200), text("image/png", "a", 200), "", deploy.Pairs{Compared: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := handles(t, c.stable), handles(t, c.shadow)
			r := run(t, Options{Settings: Settings{Limits: Limits{Answer: 1000, Keep: 2000}, Shadow: Copies{Age: patience}}})
			r.serve("one", one.servers())
			r.serve("two", two.servers())
			r.apply(mirrored(1))
			post(t, r.url, c.body)
			until(t, "the pair is decided", func() bool { p := r.actual().Pairs; return p.Compared+p.Unlike+p.Dropped == 1 })
			p := r.actual().Pairs
			p.Differences = deploy.Histogram{}
			if c.want.Eligible = 1; asJSON(p) != asJSON(c.want) {
				t.Errorf("pairs %+v, want %+v", p, c.want)
			}
		})
	}
}

// TestSlowShadow holds that no client waits for a shadow, and that what it cannot do in time is counted.
func TestSlowShadow(t *testing.T) {
	hold := make(chan struct{})
	one := answers(t, "1")
	two := handles(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	defer close(hold)
	var handed atomic.Int64
	r := run(t, Options{Settings: Settings{Shadow: Copies{Queue: 5, Workers: 2, Age: 200 * time.Millisecond}}, Sink: func(Answered) { handed.Add(1) }})
	r.serve("one", one.servers())
	r.serve("two", two.servers())
	r.apply(mirrored(1))
	const n = 50
	for range n {
		if status, _ := post(t, r.url, "{}"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	until(t, "all are dropped", func() bool { return r.actual().Pairs.Dropped == n })
	if p := r.actual().Pairs; p.Eligible != n || p.Compared != 0 {
		t.Errorf("pairs %+v", p)
	}
	until(t, "all are handed on", func() bool { return handed.Load() == n })
	if s := r.seen(deploy.Stable).Counts; s.Answers != n || s.Latency.Quantile(0.5) > 150_000 {
		t.Errorf("stable: %+v", s)
	}
}

func TestSink(t *testing.T) {
	one := answers(t, "7")
	seen := make(chan Answered, 100)
	r := run(t, Options{Settings: Settings{Sample: Sample{Share: 5000, Body: 4, Reply: 1000}}, Sink: func(a Answered) { seen <- a }})
	r.serve("one", one.servers())
	r.apply(desired(4, 0, func(d *deploy.Desired) { d.Sticky.Header = "X-User" }))
	whole := 0
	for i := range 60 {
		id := fmt.Sprint("id-", i)
		post(t, r.url+"/v2/models/m/infer?a=b", `{"x":1}`, idHeader, id, "X-User", "u")
		a := <-seen
		if a.ID != id || a.Service != service || a.Generation != 4 || a.Role != deploy.Stable || a.Key != "one" || a.Status != 200 || a.Path != "/v2/models/m/infer" ||
			a.Bucket != Bucket("s", "u") || a.Word != fmt.Sprintf("%016x", Hash("s", "u")) || !a.Counted || a.RequestBytes != 7 || a.ReplyType != "application/json" || a.Latency <= 0 {
			t.Fatalf("handed %+v", a)
		}
		if a.Sampled != sampled(id, 5000) {
			t.Fatalf("%s: sampled %v", id, a.Sampled)
		}
		if !a.Sampled {
			if a.Request != nil || a.Reply != nil {
				t.Fatal("a body was handed on that nobody wants")
			}
			continue
		}
		if whole++; string(a.Request) != `{"x"` || !says(string(a.Reply), "7") || int64(len(a.Reply)) != a.ReplyBytes {
			t.Fatalf("bodies %q, %q", a.Request, a.Reply)
		}
	}
	if whole < 10 || whole > 50 {
		t.Errorf("%d of 60 are sampled at 50 %%", whole)
	}
}

func TestOutputs(t *testing.T) {
	var next atomic.Pointer[string]
	one := handles(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, *next.Load())
	})
	r := run(t, Options{})
	r.serve("one", one.servers())
	r.apply(desired(1, 0))
	for i := range 100 {
		for _, body := range []string{fmt.Sprintf(`{"predictions":["w%d"]}`, i), `{"predictions":[-2]}`, `{"predictions":[3]}`, `{"predictions":[]}`} {
			next.Store(&body)
			post(t, r.url, "{}")
		}
	}
	o := r.seen(deploy.Stable).Counts.Outputs
	if len(o.Words) != deploy.MaxWords+1 || o.Words["w0"] != 1 || o.Words[""] != 100-deploy.MaxWords || o.Low.Count() != 100 || o.High.Count() != 100 || int(o.Low.Quantile(0.5)/100_000) != 20 {
		t.Errorf("outputs %+v", o)
	}
}
