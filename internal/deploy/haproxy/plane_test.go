//go:build interop && unix

package haproxy

import (
	"context"
	"strings"
	"testing"

	"mlx/internal/deploy"
)

// TestHAProxyDoesWhatARouterDoes takes a candidate from nothing to all and back, and counts.
func TestHAProxyDoesWhatARouterDoes(t *testing.T) {
	b := newBench(t, nil)
	if err := b.s.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	one, two := serve(t, "one"), serve(t, "two")
	b.serve("one", one)
	b.apply(desired(1, 0, 0))
	b.serve("two", two)
	for i, c := range []struct {
		share    deploy.Share
		n        int
		low, top int
	}{{0, 50, 0, 0}, {100, 200, 1, 3}, {500, 200, 8, 12}, {2000, 100, 17, 23}, {deploy.All, 50, 50, 50}, {0, 50, 0, 0}} {
		b.apply(desired(uint64(i+2), c.share, 0))
		if got := b.ask(c.n, "x"); got["one"]+got["two"] != c.n || got["two"] < c.low || got["two"] > c.top {
			t.Errorf("%s: %v", c.share, got)
		}
	}
	b.ask(20, "fail")
	await(t, "all are counted", func() bool { return b.seen("one").Counts.Requests+b.seen("two").Counts.Requests == 670 })
	c := b.seen("one").Counts
	if c.Errors != 20 || c.Answers != c.Requests-20 || c.Latency.Count() != c.Requests || c.Lost != 0 {
		t.Errorf("%+v", c)
	}
	if p50 := c.Latency.Quantile(0.5); p50 <= 0 || p50 > 1e6 {
		t.Errorf("P50 is %g us", p50)
	}
}

// TestWhoeverKnowsLessIsRefused has generations of the past, and one that was obeyed before a plane began.
func TestWhoeverKnowsLessIsRefused(t *testing.T) {
	b := newBench(t, nil)
	one, two := serve(t, "one"), serve(t, "two")
	b.serve("one", one)
	b.serve("two", two)
	b.apply(desired(5, 5000, 0))
	before := b.tell("show servers state flights")
	b.crash()
	b.plane()
	if a := b.actual(); a.Generation != 5 || a.Arms[1].Share != 5000 {
		t.Errorf("after it began anew: %+v", a)
	}
	if got := b.ask(20, "x"); got["one"] != 10 || got["two"] != 10 {
		t.Errorf("%v", got)
	}
	b.serve("one", one)
	b.serve("two", two)
	for _, line := range strings.Split(before, "\n") {
		f := strings.Fields(line)
		if len(f) > 18 && f[5] == "2" && !strings.Contains(b.tell("show servers state flights"), " "+f[3]+" 127.0.0.1 2 4 ") {
			t.Errorf("slot %s was left", f[3])
		}
	}
	if err := b.client.Apply(context.Background(), desired(5, 100, 0)); err == nil {
		t.Error("a generation was obeyed twice")
	}
}
