package gate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"mlx/internal/fault"
)

// LoadTest is a load that servers must hold which no gate has started: those of a release that is about to get traffic.
type LoadTest struct {
	URLs    []string // asked in turn
	Type    string   // content type of the bodies
	Bodies  [][]byte // sent in turn
	Rate    float64  // requests a second, sent whatever the servers do
	Time    time.Duration
	Timeout time.Duration // of one request; 0: 30 s
	P99     time.Duration // 99 of 100 requests must be answered within this, counted from when they were meant to be sent; 0: only errors count
}

// LoadTested is what became of it. Inconclusive: the generator was too weak for the rate, which says nothing of the servers.
type LoadTested struct {
	Verdict Verdict
	Shown   string // in words: "1000/s for 30 s  p99 41 ms"
	Sent    int
	Failed  int
	P99     time.Duration // negative: more than one of 100 was not answered
}

// loadErrors is the share of the requests of a load that may fail.
const loadErrors = 0.01

// Run puts the load on the servers.
func (l LoadTest) Run(ctx context.Context) (LoadTested, error) {
	bad := func(format string, args ...any) (LoadTested, error) {
		return LoadTested{}, fault.New(fault.Usage, "cannot test the load: "+format, args...)
	}
	n := l.Rate * l.Time.Seconds()
	switch {
	case len(l.URLs) == 0 || len(l.Bodies) == 0:
		return bad("there is nothing to send, or nobody to send it to")
	case !(n >= 1 && n <= loadMost) || l.Time > loadLongest:
		return bad("it has 1 to %d requests, and lasts at most %s", loadMost, loadLongest)
	case l.P99 > 0 && n < 100:
		return bad("of %d requests no 99th percentile can be told: it takes 100", int(n))
	}
	run, err := generator{targets: l.URLs, kind: l.Type, bodies: l.Bodies, rate: l.Rate, time: l.Time, timeout: cmp.Or(l.Timeout, loadTimeout)}.run(ctx)
	if err != nil {
		return LoadTested{}, err
	}
	return l.judged(run), nil
}

func (l LoadTest) judged(run *loadRun) LoadTested {
	t := LoadTested{Verdict: Pass, Sent: run.sent, Failed: run.failed, P99: quantileOf(run.latencies, 0.99, run.sent)}
	errors, shown, _ := run.measure("errors")
	t.Shown = fmt.Sprintf("%s/s for %g s", rateText(l.Rate), l.Time.Seconds())
	late := func(r *loadRun) bool {
		p99 := quantileOf(r.latencies, 0.99, r.sent)
		return l.P99 > 0 && (p99 < 0 || p99 > l.P99)
	}
	if t.P99 >= 0 {
		t.Shown += "  p99 " + spanText(t.P99)
	}
	switch weak := run.weak(); {
	case weak != "":
		t.Verdict = Inconclusive
		t.Shown += ": invalid, " + weak
	case math.IsNaN(errors) || errors > loadErrors:
		t.Verdict = Fail
		t.Shown += ": " + shown
	case late(run) && !run.saturated && !late(run.fromSent()):
		t.Verdict = Inconclusive
		t.Shown += ": invalid, the load generator was late by " + spanText(run.lag(0.99)) + " at the 99th percentile"
	case late(run):
		t.Verdict = Fail
		t.Shown += ", at most " + spanText(l.P99)
	}
	return t
}
