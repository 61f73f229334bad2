package deploy

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// manyRollouts fills a ledger with rollouts of services in turn, of ten records each, as controllers write them.
func manyRollouts(tb testing.TB, l *lineage.Ledger, clock *time.Time, services, rollouts int) {
	tb.Helper()
	latency, outputs := make([]int64, NumBuckets), make([]int64, NumBuckets)
	for i := range 200 { // as many buckets as an hour of one model fills
		latency[200+i], outputs[400+i] = int64(10+i), int64(10+i)
	}
	counts := Counters{Requests: 22_000, Answers: 22_000, Latency: NewHistogram(latency), Outputs: Outputs{High: NewHistogram(outputs)}}
	marks := Marks{Candidate: Tally{Base: counts}, Stable: Tally{Base: counts}, Whole: Tally{Base: counts}}
	for i := range rollouts {
		name := fmt.Sprintf("service-%d", i%services)
		*clock = clock.Add(time.Hour)
		to := release(i/services%100+1, "python serve.py")
		plan := Plan{Spec: Spec{Service: name, To: to, Strategy: Canary, Steps: []Share{100, 500, 2000, All}, Lease: time.Minute, Keep: time.Hour}.Filled(), Generation: uint64(i*20 + 1)}
		rec, err := Planned.Append(tb.Context(), l, lineage.Entry[Plan]{Body: plan, In: []lineage.Input{Named(name)}})
		if err != nil {
			tb.Fatal(err)
		}
		prev := []object.Digest{}
		for n, to := range []State{StatePackaged, StateReady, StateGated, StateStep, StateStep, StateStep, StateStep, StateCompleted, ""} {
			var next lineage.Record
			if to == "" {
				o := Observation{Service: name, Rollout: rec.ID, Generation: plan.Generation + 8, State: StateCompleted, Took: time.Second}
				next, err = Observed.Append(tb.Context(), l, lineage.Entry[Observation]{Body: o, Prev: prev, In: inputs(name, rec.ID)})
			} else {
				m := Move{Service: name, Rollout: rec.ID, Generation: plan.Generation + uint64(n) + 1, From: StatePlanned, To: to, Step: max(0, min(n-3, 3)), Actor: Mlx, Candidate: plan.To.Key,
					Findings: []gate.Finding{{Name: "errors", Verdict: gate.Pass}, {Name: "latency_p99", Verdict: gate.Pass}}}
				if to == StateStep {
					m.Marks = &marks
				}
				next, err = Moved.Append(tb.Context(), l, lineage.Entry[Move]{Body: m, Prev: prev, Op: m.op(), In: inputs(name, rec.ID)})
			}
			if err != nil {
				tb.Fatal(err)
			}
			prev = []object.Digest{next.ID}
		}
	}
}

func BenchmarkService(b *testing.B) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := b.TempDir()
	open := func() *lineage.Ledger {
		l, err := lineage.Open(lineage.Options{Dir: dir, Now: func() time.Time { return clock }, By: "ana", Host: "host", PID: 1})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	l := open()
	manyRollouts(b, l, &clock, 10, 1000)
	if err := errors.Join(l.Seal(b.Context()), l.Close()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l := open()
		s, err := (Book{Ledger: l}).Service(b.Context(), "service-3")
		if err != nil || len(s.Rollouts) != 100 || s.Current == nil {
			b.Fatal(len(s.Rollouts), err)
		}
		l.Close()
	}
}
