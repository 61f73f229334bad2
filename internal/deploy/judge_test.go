package deploy

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mlx/internal/gate"
	"mlx/internal/object"
)

// sampled is a rollout at 5 % with a sample.
func sampled(candidate, stable Counters, pairs Pairs, rules ...Rule) Rollout {
	r, _ := at0(StateStep, nil)
	r.Step = 1
	r.Checks = rules
	if pairs.Eligible > 0 {
		r.State = StateShadow
	}
	r.Marks.Candidate, r.Marks.Stable = Tally{}.see(candidate), Tally{}.see(stable)
	r.Marks.Pairs = PairTally{}.see(pairs)
	return r
}

func counted(errors, n int64) Counters {
	return Counters{Requests: n, Answers: n - errors, Errors: errors}
}

func measure(name string, change func(*Rule)) Rule {
	r := Rule{Kind: KindMeasure, Name: name}
	change(&r)
	return r
}

func margin(v float64) func(*Rule) { return func(r *Rule) { r.Margin = &v } }
func limit(v float64) func(*Rule)  { return func(r *Rule) { r.Max = &v } }

func latencies(median float64, n int) Histogram {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	counts := make([]int64, NumBuckets)
	for range n {
		counts[Bucket(int64(median*math.Exp(0.5*random.NormFloat64())))]++
	}
	return NewHistogram(counts)
}

// TestChecks is the table of what checks say, in the words of a session.
func TestChecks(t *testing.T) {
	timed := func(h Histogram) Counters { return Counters{Requests: h.Count(), Answers: h.Count(), Latency: h} }
	spread := func(mean float64, n int, words map[string]int64) Counters {
		random := rand.New(rand.NewPCG(9, uint64(n)))
		low, high := make([]int64, NumBuckets), make([]int64, NumBuckets)
		for range n {
			if v := int64(1e6 * (mean + random.NormFloat64())); v < 0 {
				low[Bucket(-v)]++
			} else {
				high[Bucket(v)]++
			}
		}
		return Counters{Requests: int64(n), Answers: int64(n), Outputs: Outputs{Low: NewHistogram(low), High: NewHistogram(high), Words: words}}
	}
	words := func(letters string, each int64) Counters {
		all := map[string]int64{}
		for _, letter := range letters {
			all[string(letter)] = each
		}
		return spread(0, 0, all)
	}
	lossy := func(lost, answers int64) Counters { return Counters{Requests: answers, Answers: answers, Lost: lost} }
	for _, c := range []struct {
		name  string
		r     Rollout
		want  gate.Verdict
		words string // Text of the finding
		why   string // reason of the judgement
	}{
		{"errors of the session", sampled(counted(11, 2741), counted(11, 53208), Pairs{}, measure(MeasureErrors, margin(0.01))), gate.Pass,
			"+0.38 points (95%: to +0.64)  limit +1 point", ""},
		{"too many errors", sampled(counted(31, 1000), counted(11, 53208), Pairs{}, measure(MeasureErrors, margin(0.01))), gate.Fail,
			"+3.08 points (95%: to +4.14)  limit +1 point", "errors 3.1% against 0.02%"},
		{"a few log lines lost", sampled(lossy(20, 2000), lossy(0, 9000), Pairs{}), gate.Pass, "99%: of 20 of 2,020 requests of the candidate no log line came  at least 95%", ""},
		{"many log lines lost", sampled(lossy(20, 2000), lossy(1000, 9000), Pairs{}), gate.Inconclusive, "",
			"counted 90%: of 1,000 of 10,000 requests of stable no log line came"},
		{"many errors of few", sampled(counted(3, 60), counted(11, 53208), Pairs{}, measure(MeasureErrors, margin(0.01))), gate.Inconclusive, "", "errors"},
		{"300 without one", sampled(counted(0, 300), counted(0, 100_000), Pairs{}, measure(MeasureErrors, limit(0.01))), gate.Pass, "0%  limit 1%", ""},
		{"299 without one", sampled(counted(0, 299), counted(0, 100_000), Pairs{}, measure(MeasureErrors, limit(0.01))), gate.Inconclusive, "",
			"errors 0% of 299 answers, 300 are needed"},
		{"nobody asked", sampled(counted(0, 0), counted(0, 0), Pairs{}, measure(MeasureErrors, margin(0.01))), gate.Inconclusive, "no answers  limit +1 point",
			"errors no answers"},
		{"one does not fit the schema", sampled(Counters{Requests: 9, Answers: 9, Schema: 1}, Counters{}, Pairs{}, measure(MeasureSchema, func(*Rule) {})),
			gate.Fail, "11.1%  none", "schema 11.1%"},
		{"all fit the schema", sampled(Counters{Requests: 900, Answers: 900}, Counters{}, Pairs{}, measure(MeasureSchema, func(*Rule) {})), gate.Pass, "0%  none", ""},
		{"fallbacks", sampled(Counters{Requests: 500, Answers: 400, Errors: 100, Retried: 100}, Counters{}, Pairs{}, measure(MeasureFallbacks, limit(0.02))), gate.Fail,
			"20%  limit 2%", "fallbacks 20%"},
		{"fast", sampled(timed(latencies(14_000, 2741)), timed(latencies(12_000, 50_000)), Pairs{}, measure("latency_p99", limit(0.1))), gate.Pass,
			"43 ms  limit 100 ms", ""},
		{"slow", sampled(timed(latencies(60_000, 2741)), timed(latencies(12_000, 50_000)), Pairs{}, measure("latency_p99", limit(0.1))), gate.Fail, "", "latency_p99 18"},
		{"P99 of few", sampled(timed(latencies(14_000, 999)), timed(latencies(12_000, 50_000)), Pairs{}, measure("latency_p99", limit(0.1))), gate.Inconclusive, "",
			"latency_p99 4"},
		{"twice as slow", sampled(timed(latencies(24_000, 3000)), timed(latencies(12_000, 50_000)), Pairs{}, measure("latency_p95", func(r *Rule) { r.Ratio = ptr(1.2) })),
			gate.Fail, "", "latency_p95 5"},
		{"as slow", sampled(timed(latencies(12_000, 3000)), timed(latencies(12_000, 50_000)), Pairs{}, measure("latency_p95", func(r *Rule) { r.Ratio = ptr(1.2) })),
			gate.Pass, "", ""},
		{"a little slower", sampled(timed(latencies(14_000, 3000)), timed(latencies(12_000, 50_000)), Pairs{}, measure("latency_p50", func(r *Rule) { r.Margin = ptr(0.005) })),
			gate.Pass, "14 ms against 12 ms  limit +5 ms", ""},
		{"against nothing", sampled(timed(latencies(12_000, 3000)), Counters{}, Pairs{}, measure("latency_p95", func(r *Rule) { r.Ratio = ptr(1.2) })), gate.Inconclusive, "", ""},
		{"the same predictions", sampled(spread(0, 3000, nil), spread(0, 20_000, nil), Pairs{}, measure(MeasurePSI, limit(0.1))), gate.Pass, "", ""},
		{"other predictions", sampled(spread(1, 3000, nil), spread(0, 20_000, nil), Pairs{}, measure(MeasurePSI, limit(0.1))), gate.Fail, "", "prediction_psi PSI "},
		{"few predictions", sampled(spread(0, 100, nil), spread(0, 20_000, nil), Pairs{}, measure(MeasurePSI, limit(0.1))), gate.Inconclusive, "", ""},
		{"few predictions that miss two tenths", sampled(words("abcdefgh", 8), words("abcdefghij", 12), Pairs{}, measure(MeasurePSI, limit(0.1))), gate.Inconclusive,
			"PSI 1.4 (95%: from 0)  limit 0.1", "prediction_psi PSI 1.4 of 64 predictions, 300 are needed"},
		{"somewhat other predictions", sampled(spread(0.5, 1000, nil), spread(0, 2300, nil), Pairs{}, measure(MeasurePSI, limit(0.2))), gate.Inconclusive,
			"PSI 0.24 (95%: from 0.1)  limit 0.2", "prediction_psi PSI 0.24 (95%: from 0.1)"},
		{"other words", sampled(spread(0, 0, map[string]int64{"yes": 800, "no": 200}), spread(0, 0, map[string]int64{"yes": 500, "no": 500}), Pairs{},
			measure(MeasurePSI, func(*Rule) {})), gate.Fail, "", "prediction_psi PSI 0.4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Judge{}.Judge(t.Context(), c.r)
			if len(j.Findings) != 1 || j.Verdict != c.want || !strings.HasPrefix(j.Reason, c.why) || c.why == "" && c.want != gate.Inconclusive && j.Reason != "" {
				t.Fatalf("%s: %q, %+v", j.Verdict, j.Reason, j.Findings)
			}
			f := j.Findings[0]
			if c.words != "" && f.Text() != c.words {
				t.Errorf("it says %q", f.Text())
			}
			if _, err := object.Encode(j.Findings); err != nil {
				t.Errorf("no record can keep it: %v", err)
			}
			if c.want == gate.Inconclusive && f.Note == "" && f.Shown == "" {
				t.Errorf("it says nothing: %+v", f)
			}
		})
	}
}

func TestShadowsStateTheirCoverage(t *testing.T) {
	rule := measure(MeasureDisagreement, limit(0.02))
	for _, c := range []struct {
		pairs Pairs
		want  gate.Verdict
		words string
	}{
		{Pairs{Eligible: 1800, Compared: 1800, Disagreed: 4}, gate.Pass, "100%: 1,800 of 1,800 copies compared"},
		{Pairs{Eligible: 1000, Compared: 949, Dropped: 51}, gate.Inconclusive, "94.9%: 949 of 1,000 copies compared (51 dropped)"},
		{Pairs{Eligible: 1000, Compared: 600, Dropped: 300, Unlike: 100}, gate.Inconclusive, "60%: 600 of 1,000 copies compared (300 dropped, 100 not comparable)"},
		{Pairs{Eligible: 1000, Compared: 1000, Disagreed: 200}, gate.Fail, "100%: 1,000 of 1,000 copies compared"},
		{Pairs{Eligible: 1000, Compared: 500, Disagreed: 400}, gate.Fail, "50%: 500 of 1,000 copies compared"},
	} {
		j := Judge{}.Judge(t.Context(), sampled(counted(0, 2000), counted(0, 9000), c.pairs, rule))
		if j.Verdict != c.want || j.Findings[0].Shown != c.words {
			t.Errorf("%+v: %s, %q", c.pairs, j.Verdict, j.Findings[0].Shown)
		}
	}
	if j := (Judge{}).Judge(t.Context(), sampled(counted(0, 2000), counted(0, 9000), Pairs{}, rule)); len(j.Findings) != 0 {
		t.Errorf("a step without copies is judged by them: %+v", j.Findings)
	}
	for rule, want := range map[string]gate.Verdict{MeasureDisagreement: gate.Inconclusive, MeasureErrors: gate.Pass} { // of a target that compares none
		r := sampled(counted(0, 2000), counted(0, 9000), Pairs{}, measure(rule, limit(0.02)))
		r.State = StateShadow
		if j := (Judge{}).Judge(t.Context(), r); j.Verdict != want {
			t.Errorf("copies of which none was compared, and %s: %s, %+v", rule, j.Verdict, j.Findings)
		}
	}
}

func TestWhatIsMeasuredOutside(t *testing.T) {
	nan := math.NaN()
	rule := func(change func(*Rule)) Rule {
		r := Rule{Kind: "command", Name: "python revenue.py", Title: "revenue"}
		change(&r)
		return r
	}
	low := func(v float64) func(*Rule) { return func(r *Rule) { r.Min = &v } }
	for _, c := range []struct {
		name string
		rule Rule
		m    Measured
		err  error
		want gate.Verdict
		says string
	}{
		{"enough", rule(low(3)), Measured{Value: 3.1, Baseline: nan}, nil, gate.Pass, ""},
		{"too little", rule(low(3)), Measured{Value: 2.9, Baseline: 3.1}, nil, gate.Fail, "revenue 2.9 against 3.1"},
		{"perhaps", rule(low(3)), Measured{Value: 2.9, Baseline: nan, Interval: &[2]float64{2.7, 3.1}}, nil, gate.Inconclusive, "revenue 2.9"},
		{"surely too much", rule(limit(3)), Measured{Value: 3.9, Baseline: nan, Interval: &[2]float64{3.7, 4.1}}, nil, gate.Fail, "revenue 3.9"},
		{"no worse", rule(margin(0.5)), Measured{Value: 3.9, Baseline: 3.5}, nil, gate.Pass, ""},
		{"no baseline", rule(margin(0.5)), Measured{Value: 3.9, Baseline: nan}, nil, gate.Inconclusive, "revenue 3.9"},
		{"no value", rule(low(3)), Measured{Value: nan, Baseline: nan}, nil, gate.Inconclusive, "revenue no value"},
		{"too few", rule(both2(low(3), func(r *Rule) { r.MinSamples = 100 })), Measured{Value: 1, Baseline: nan, Samples: 99}, nil, gate.Inconclusive, "revenue 1"},
		{"broken", rule(low(3)), Measured{}, errors.New("exit status 2\n"), gate.Inconclusive, "revenue exit status 2"},
		{"its own word", rule(func(*Rule) {}), Measured{Value: nan, Baseline: nan, Verdict: gate.Fail, Shown: "exit status 1"}, nil, gate.Fail, "revenue exit status 1"},
		{"only a warning", rule(both2(low(3), func(r *Rule) { r.Severity = gate.SeverityWarn })), Measured{Value: 1, Baseline: nan}, nil, gate.Pass, ""},
	} {
		j := Judge{Ask: func(context.Context, Rule, Rollout) (Measured, error) { return c.m, c.err }}
		got := j.Judge(t.Context(), sampled(counted(0, 2000), counted(0, 9000), Pairs{}, c.rule))
		if got.Verdict != c.want || got.Reason != c.says {
			t.Errorf("%s: %s, %q", c.name, got.Verdict, got.Reason)
		}
		if _, err := object.Encode(got.Findings); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if got := (Judge{}).Judge(t.Context(), sampled(counted(0, 9), counted(0, 9), Pairs{}, rule(low(3)))); got.Verdict != gate.Inconclusive {
		t.Errorf("what nobody measures is %s", got.Verdict)
	}
}

func both2(all ...func(*Rule)) func(*Rule) {
	return func(r *Rule) {
		for _, f := range all {
			f(r)
		}
	}
}

// TestChecksThatAreWatched looks at candidates that are just as good as they must be, after every few answers, and counts those that are
// ever aborted; and holds that what is bad is found soon.
func TestChecksThatAreWatched(t *testing.T) {
	const series = 100
	rule := measure(MeasureErrors, margin(0.01))
	aborted, found := 0, 0
	for s := range uint64(series) {
		random := rand.New(rand.NewPCG(s, 12))
		for i, rate := range []float64{0.011, 0.05} {
			var errs int64
			for n := int64(30); n <= 3000; n += 30 {
				for range 30 {
					if random.Float64() < rate {
						errs++
					}
				}
				if j := (Judge{}).Judge(t.Context(), sampled(counted(errs, n), counted(n/50, 20*n), Pairs{}, rule)); j.Verdict == gate.Fail {
					if i == 0 {
						aborted++
					} else {
						found++
					}
					break
				}
			}
		}
	}
	if limit := int(0.05*series + 3*math.Sqrt(0.05*0.95*series)); aborted > limit || found < series*9/10 {
		t.Errorf("%d of %d that are good enough were aborted, %d of %d bad ones", aborted, series, found, series)
	}
}

func TestErrorBudget(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	day := func(ago int, requests, errors int64) Period {
		return Period{From: now.AddDate(0, 0, -ago-1), To: now.AddDate(0, 0, -ago), Requests: requests, Errors: errors}
	}
	slo := SLO{Availability: 0.9999}
	var month []Period
	for d := range 60 {
		month = append(month, day(d, 1_000_000, 50)) // half of what is allowed, for longer than the window
	}
	b, err := NewBudget(slo, month, now)
	if err != nil || b.Requests != 30_000_000 || b.Errors != 1500 || math.Abs(b.Left-0.5) > 1e-9 || math.Abs(b.Slow-0.5) > 1e-9 || b.Burning() {
		t.Errorf("%+v, %v", b, err)
	}
	if got := b.String(); got != "50% of the error budget left (1,500 of 3,000 errors in 30 d)" {
		t.Errorf("it says %q", got)
	}
	if b.Lasts != 30*24*time.Hour {
		t.Errorf("it lasts %v", b.Lasts)
	}
	// A fault of an hour: 2 % of its requests fail.
	month = append(month, Period{From: now.Add(-time.Hour), To: now, Requests: 41_667, Errors: 833})
	if b, err = NewBudget(slo, month, now); err != nil || !b.Burning() || !strings.Contains(b.String(), "times too fast") {
		t.Errorf("%+v, %v", b, err)
	}
	month = append(month, day(0, 0, 2000))
	if b, _ = NewBudget(slo, month, now); b.Left >= 0 || !strings.HasPrefix(b.String(), "0% of the error budget left") || b.Lasts != 0 {
		t.Errorf("%+v: %s", b, b)
	}
	if b, _ = NewBudget(slo, nil, now); b.Left != 1 || b.Burning() {
		t.Errorf("without requests: %+v", b)
	}
	if _, err := NewBudget(SLO{Availability: 1}, nil, now); err == nil {
		t.Error("nothing may go wrong, and that was taken")
	}
	// It gates a rollout: used up, nothing goes on, and nothing is aborted for it.
	for _, c := range []struct {
		left float64
		want gate.Verdict
	}{{0.3, gate.Pass}, {0, gate.Inconclusive}, {-2, gate.Inconclusive}} {
		j := Judge{Budget: func(context.Context, Rollout) (Budget, error) { return Budget{SLO: slo, Left: c.left}, nil }}
		if got := j.Judge(t.Context(), sampled(counted(0, 9), counted(0, 9), Pairs{}, measure(MeasureBudget, func(*Rule) {}))); got.Verdict != c.want {
			t.Errorf("with %v left: %s, %s", c.left, got.Verdict, got.Reason)
		}
	}
}

func TestFit(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		room          Room
		beside, alone bool
		known         bool
		says          string
	}{
		{Room{Memory: 8 * gib, NeedMemory: gib, Replicas: 4}, true, true, true, ""},
		{Room{Memory: 2 * gib, StableMemory: 4 * gib, NeedMemory: gib, Replicas: 4}, false, true, true,
			"it needs 4 GiB of memory, and beside what is in service there are 2 GiB"},
		{Room{GPU: 4 * gib, StableGPU: 20 * gib, NeedGPU: 20 * gib, Memory: 64 * gib, NeedMemory: gib}, false, true, true,
			"it needs 20 GiB of GPU memory, and beside what is in service there are 4 GiB"},
		{Room{GPU: 4 * gib, StableGPU: 8 * gib, NeedGPU: 20 * gib}, false, false, true, "it needs 20 GiB of GPU memory, and there are 12 GiB"},
		{Room{}, true, true, false, ""},
		{Room{NeedGPU: gib}, true, true, false, ""},
	} {
		if f := NewFit(c.room); f.Beside != c.beside || f.Alone != c.alone || f.Known != c.known || f.Problem != c.says {
			t.Errorf("%+v: %+v", c.room, f)
		}
	}
}
