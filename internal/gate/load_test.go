package gate

import (
	"math"
	"strings"
	"testing"
	"time"
)

// A server that stalls for 2 s at the rate of 1000/s keeps 2000 requests waiting: it must be seen, whether the generator sent them in time
// or only when the server let it.
func TestLoadShowsStall(t *testing.T) {
	began := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for _, inTime := range []bool{true, false} {
		run := &loadRun{rate: 1000, time: 10 * time.Second, total: 10_000, interval: time.Millisecond, batch: 1, saturated: !inTime}
		for i := range 10_000 {
			due := began.Add(time.Duration(i) * time.Millisecond)
			p := loadPoint{seq: uint64(i), sentAt: due, latency: time.Millisecond}
			stall, end := began.Add(3*time.Second), began.Add(5*time.Second)
			switch waits := !due.Before(stall) && due.Before(end); {
			case waits && inTime:
				p.latency = end.Sub(due) + time.Millisecond
			case waits:
				p.sentAt = end
			}
			run.points = append(run.points, p)
		}
		run.settled()
		for name, want := range map[string]float64{"latency_p50": 0.001, "latency_p99": 1.9, "latency_max": 2} {
			if v, _, why := run.measure(name); why != "" || math.Abs(v-want) > 0.01 {
				t.Errorf("in time %v: %s is %v (%s), want %v", inTime, name, v, why, want)
			}
		}
		c := loadCheck{rule: Rule{Kind: "measure", Name: "latency_p99", Max: &Bound{Value: 0.1, Unit: "s", Text: "100ms"}}}
		if f := c.judged(run); f.Verdict != Fail || f.Plot == nil {
			t.Errorf("in time %v: %s %s %s", inTime, f.Verdict, f.Text(), f.Note)
		}
	}
}

// A generator that was too weak or too late tells nothing; a request that failed was never answered.
func TestLoadVerdicts(t *testing.T) {
	began := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	made := func(n int, change func(i int, p *loadPoint)) *loadRun {
		run := &loadRun{rate: 100, time: 10 * time.Second, total: 1000, interval: 10 * time.Millisecond, batch: 2}
		for i := range n {
			p := loadPoint{seq: uint64(i), sentAt: began.Add(time.Duration(i) * 10 * time.Millisecond), latency: 5 * time.Millisecond}
			change(i, &p)
			run.points = append(run.points, p)
		}
		return run.settled()
	}
	fine := func(int, *loadPoint) {}
	late := func(i int, p *loadPoint) {
		if i%20 == 3 {
			p.sentAt = p.sentAt.Add(60 * time.Millisecond)
		}
	}
	failing := func(i int, p *loadPoint) { p.failed = i%50 == 7 }
	ms := func(v float64) *Bound { return &Bound{Value: v / 1000, Unit: "s", Text: "N ms"} }
	tests := []struct {
		name    string
		run     *loadRun
		rule    Rule
		verdict Verdict
		says    string
	}{
		{"fast", made(1000, fine), Rule{Name: "latency_p99", Max: ms(50)}, Pass, "5 ms"},
		{"slow", made(1000, fine), Rule{Name: "latency_p99", Max: ms(4)}, Fail, "5 ms"},
		{"weak generator", made(980, fine), Rule{Name: "latency_p99", Max: ms(50)}, Inconclusive, "invalid: the load generator sent 98/s of 100/s"},
		{"late generator", made(1000, late), Rule{Name: "latency_p99", Max: ms(50)}, Inconclusive, "invalid: the load generator was late by 60 ms"},
		{"late, and slow anyway", made(1000, late), Rule{Name: "latency_p99", Max: ms(4)}, Fail, "65 ms"},
		{"failures are no answers", made(1000, failing), Rule{Name: "latency_p99", Max: ms(50)}, Fail, "2% of the requests were not answered"},
		{"failures below the quantile", made(1000, failing), Rule{Name: "latency_p95", Max: ms(50)}, Pass, "5 ms"},
		{"errors", made(1000, failing), Rule{Name: "errors", Max: limit(0.01)}, Fail, "2% of 1000 requests failed"},
		{"throughput", made(1000, fine), Rule{Name: "throughput", Min: limit(190)}, Pass, "200 predictions/s"},
		{"too few", made(1000, fine), Rule{Name: "latency_p99", Max: ms(50), MinSamples: 2000}, Inconclusive, "only 1000 answers"},
		{"no server of ours", made(1000, fine), Rule{Name: "cpu", Max: ms(50)}, Inconclusive, "mlx did not start this server"},
	}
	for _, tt := range tests {
		tt.rule.Kind = "measure"
		f := loadCheck{rule: tt.rule}.judged(tt.run)
		if f.Verdict != tt.verdict || !strings.Contains(f.Shown+" | "+f.Note, tt.says) {
			t.Errorf("%s: %s %s (%s), want %s %q", tt.name, f.Verdict, f.Shown, f.Note, tt.verdict, tt.says)
		}
	}
}

// A load on a real server: every request arrives once, with an answer that is read.
func TestLoadReal(t *testing.T) {
	server := askServer(t)
	load := &Load{Rate: 200, Time: 300 * time.Millisecond, Batch: []int{1, 8}}
	rules := []Rule{{Kind: "measure", Name: "errors", Max: limit(0), Load: load}, {Kind: "measure", Name: "latency_p50", Max: &Bound{Value: 60, Unit: "s"}, Load: load}}
	r, err := askJudge(askSpec(Model{URL: server.URL}, rules...), askTable(100), nil)
	if err != nil {
		t.Fatal(err)
	}
	checks := r.Gates[0].Checks
	if len(checks) != 4 || checks[1].Slice["batch"] != "8" {
		t.Fatalf("%+v", checks)
	}
	for _, f := range checks { // on a busy machine less than the rate may be sent; what was sent was answered
		if f.Value == nil || f.Verdict == Fail || *f.Rows == 0 || f.Subject == "errors" && *f.Value != 0 {
			t.Errorf("%s %s %s", f.Verdict, f.Text(), f.Note)
		}
	}
}
