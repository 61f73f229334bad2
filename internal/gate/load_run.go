package gate

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// generator sends requests at a rate, whatever the server does.
type generator struct {
	targets []string // addresses, asked in turn
	kind    string   // content type of the bodies
	bodies  [][]byte
	decode  func(body []byte) ([]answer, error) // an answer that it cannot read is none; nil: any will do
	rate    float64                             // requests a second; 0: clients that ask as fast as they are answered
	time    time.Duration
	timeout time.Duration
	clients int // without a rate
}

// loadInFlight bounds the requests that wait for an answer; beyond it new ones wait, and count from when they were meant to be sent.
const loadInFlight = 10_000

// run sends the load and waits for the last answer.
//
// vegeta counts latency from when a request was really sent. What a request waited before that, because the generator or its machine
// was busy, or because all clients waited for the server, is added here: latency counts from when it was meant to be sent.
func (g generator) run(ctx context.Context) (*loadRun, error) {
	p := &loadPacer{total: math.MaxUint64, most: loadInFlight}
	workers := uint64(g.clients)
	if g.rate > 0 {
		p.interval = 1e9 / g.rate
		p.total, workers = uint64(math.Round(g.rate*g.time.Seconds())), loadInFlight
	}
	attacker := vegeta.NewAttacker(vegeta.Client(loadClient(g.timeout)), vegeta.MaxWorkers(workers), vegeta.Workers(min(workers, 64)),
		vegeta.MaxBody(askAnswerMost))
	var next atomic.Uint64
	head := http.Header{"Content-Type": {g.kind}, "Accept": {"application/json, */*"}}
	target := func(t *vegeta.Target) error {
		p.flying.Add(1)
		n := next.Add(1) - 1
		t.Method, t.URL, t.Header = http.MethodPost, g.targets[n%uint64(len(g.targets))], head
		t.Body = g.bodies[n%uint64(len(g.bodies))]
		return nil
	}
	results := attacker.Attack(target, p, g.time, "")
	run := &loadRun{rate: g.rate, time: g.time, total: p.total, interval: time.Duration(p.interval)}
	for {
		select {
		case <-ctx.Done():
			attacker.Stop()
			go func() {
				for range results { // requests on their way end by their own time limit
				}
			}()
			return nil, ctx.Err()
		case r, ok := <-results:
			if !ok {
				run.saturated = p.saturated.Load()
				return run.settled(), nil
			}
			p.flying.Add(-1)
			run.add(r, g.decode)
		}
	}
}

// loadClient opens as many connections as there are requests on their way.
func loadClient(timeout time.Duration) *http.Client {
	return straight(timeout, &http.Transport{MaxIdleConnsPerHost: loadInFlight, DisableCompression: true})
}

// loadPacer says when the next request is due: the n-th after n intervals.
type loadPacer struct {
	interval  float64 // nanoseconds; 0: at once
	total     uint64
	most      int64
	flying    atomic.Int64 // requests on their way
	saturated atomic.Bool
}

// Pace returns how long to wait before the next request.
func (p *loadPacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if hits >= p.total {
		return 0, true
	}
	if p.flying.Load() >= p.most-1 {
		p.saturated.Store(true)
	}
	return time.Duration(float64(hits)*p.interval) - elapsed, false
}

// Rate is the rate at any time.
func (p *loadPacer) Rate(time.Duration) float64 {
	if p.interval == 0 {
		return 0
	}
	return 1e9 / p.interval
}

// loadRun is what was measured of one load.
type loadRun struct {
	rate     float64
	time     time.Duration
	total    uint64
	interval time.Duration
	batch    int

	sent      int
	failed    int
	first     string          // what was wrong with the first request that failed
	latencies []time.Duration // of those that were answered: from the moment they were meant to be sent; sorted once settled
	lags      []time.Duration // of all, how much later than meant each was sent
	service   []time.Duration // latencies from the moment of sending; sorted once settled
	points    []loadPoint
	began     time.Time
	ended     time.Time
	saturated bool

	usage *Usage // of the server; nil when mlx did not start it
	cpu   time.Duration
	note  string
}

// loadPoint is one request.
type loadPoint struct {
	seq     uint64
	sentAt  time.Time
	latency time.Duration // from sending
	failed  bool
}

// add takes a result. An answer that cannot be read is none.
func (r *loadRun) add(got *vegeta.Result, decode func([]byte) ([]answer, error)) {
	why := got.Error
	switch {
	case why == "" && (got.Code < 200 || got.Code >= 300):
		why = fmt.Sprintf("status %d", got.Code)
	case why == "" && decode != nil:
		if _, err := decode(got.Body); err != nil {
			why = "an answer that cannot be read: " + err.Error()
		}
	case why != "" && got.Code != 0:
		why = fmt.Sprintf("status %d: %s", got.Code, lastLines(got.Body[:min(len(got.Body), 1024)], 1))
	}
	if why != "" && r.first == "" {
		r.first = lastLines([]byte(why), 1)
	}
	r.points = append(r.points, loadPoint{seq: got.Seq, sentAt: got.Timestamp, latency: got.Latency, failed: why != ""})
}
