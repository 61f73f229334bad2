//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"mlx/bench/internal/child"
	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
)

// figures are those of one engine.
type figures struct {
	p50  time.Duration
	cost float64 // seconds of CPU a request
}

// cost compares what a request costs, in turns, so that all meet the same machine.
func (b *bench) cost() error {
	h, err := b.host("0s", "0s", "{}")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 2000, 0); err != nil {
		return err
	}
	peers, err := traffic.Peers(b.dir, h.one.Line, h.two.Line)
	if err != nil {
		return err
	}
	engines := append([]*traffic.Engine{{Name: "direct", Address: h.one.Line}, {Name: "mlx", Address: h.address, PID: h.router.Process.Pid}}, peers...)
	best := make(map[string]figures)
	for range b.rounds {
		for _, e := range engines {
			f, err := b.measure(e)
			if err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
			old, ok := best[e.Name]
			if ok {
				f = figures{min(f.p50, old.p50), min(f.cost, old.cost)}
			}
			best[e.Name] = f
		}
	}
	for _, e := range peers {
		e.Stop()
	}
	added := func(name string) float64 { return measure.Milliseconds(best[name].p50 - best["direct"].p50) }
	lines := func(what, unit string, bar float64, atLeast bool, value func(string) float64) {
		b.report.Add(measure.Line{Measure: what, Value: value("mlx"), Unit: unit, Bar: bar, AtLeast: atLeast})
		for _, e := range peers {
			b.report.Add(measure.Line{Measure: what, Value: value("mlx"), Unit: unit, Peer: e.Name, Theirs: value(e.Name)})
		}
	}
	b.report.Add(measure.Line{Measure: "P50 of the model alone, 500/s", Value: measure.Milliseconds(best["direct"].p50), Unit: "ms"})
	lines("added P50, 500/s", "ms", 0.3, false, added)
	lines("CPU a request", "us", 130, false, func(name string) float64 { return best[name].cost * 1e6 })
	lines("requests a second of one core", "/s", 0, true, func(name string) float64 { return 1 / best[name].cost })
	return nil
}

// measure asks one engine at a rate for its latency, and as fast as it goes for its CPU.
func (b *bench) measure(e *traffic.Engine) (figures, error) {
	o := traffic.Offer("http://"+e.Address+"/v2/models/m/infer", 500, 1000, nil)
	if o.Lost > 0 {
		return figures{}, fmt.Errorf("%d of %d were lost: %s", o.Lost, o.Sent, o.First)
	}
	f := figures{p50: traffic.At(o.Took, 0.5)}
	if e.PID == 0 {
		return f, nil
	}
	before, err := traffic.CPU(e.PID)
	if err != nil {
		return f, err
	}
	n, err := traffic.Saturate(e.Address, 32, 3*time.Second)
	if err != nil {
		return f, err
	}
	after, err := traffic.CPU(e.PID)
	f.cost = (after - before) / float64(n)
	return f, err
}

// rollout goes through 1, 5, 20 and 100 % and back, with the router replaced at 20 % and the candidate killed at 100 %.
func (b *bench) rollout() error {
	h, err := b.host("1ms", "1ms", "{}")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 0, 0); err != nil {
		return err
	}
	errs := make(chan error, 20)
	at, step := map[int]func(){}, b.requests/8
	for i, share := range []deploy.Share{100, 500, 2000} {
		at[(i+1)*step] = func() { errs <- h.split(uint64(i+2), share, 0) }
	}
	at[4*step] = func() {
		old := h.router
		next, err := h.start()
		if err != nil {
			errs <- err
			return
		}
		h.router = next
		errs <- terminate(old)
	}
	at[5*step] = func() { errs <- h.split(5, deploy.All, 0) }
	at[6*step] = func() { h.two.Kill() }
	var back time.Duration
	at[7*step] = func() {
		began := time.Now()
		err := h.split(6, 0, 0)
		back = time.Since(began)
		errs <- err
	}
	o := traffic.Offer(h.url(), 500, b.requests, at)
	for range 6 {
		if err := <-errs; err != nil {
			return err
		}
	}
	a, err := h.client.Actual(context.Background())
	if err != nil {
		return err
	}
	counted, retried := int64(0), int64(0)
	for _, s := range a.Arms {
		counted, retried = counted+s.Counts.Requests, retried+s.Counts.Retried
	}
	if o.Lost > 0 {
		fmt.Println("the first that was lost:", o.First)
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("lost of %d: rollout, upgrade, candidate killed", o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: none})
	b.report.Add(measure.Line{Measure: "not counted of these, by two routers", Value: float64(int64(o.Sent) - counted), Unit: "requests", Bar: none})
	b.report.Add(measure.Line{Measure: "of these answered by stable for the candidate", Value: float64(retried), Unit: "requests"})
	b.report.Add(measure.Line{Measure: "rollback: stored and obeyed", Value: measure.Milliseconds(back), Unit: "ms", Bar: 1000})
	return nil
}

// lease lets the controller die.
func (b *bench) lease() error {
	const lease = 2 * time.Second
	h, err := b.host("1ms", "1ms", "{}")
	if err != nil {
		return err
	}
	defer h.close()
	reverted := child.Reverted(h.client, 5*lease)
	if err := h.split(1, 2000, lease); err != nil {
		return err
	}
	o := traffic.Offer(h.url(), 500, 1500, nil)
	late := <-reverted - lease
	b.report.Add(measure.Line{Measure: "controller dead: reverted after its lease", Value: late.Seconds(), Unit: "s", Bar: 0.2})
	b.report.Add(measure.Line{Measure: fmt.Sprintf("lost of %d meanwhile", o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: none})
	return nil
}

// kill kills the router, and starts another on the listener that is held.
func (b *bench) kill() error {
	h, err := b.host("1ms", "1ms", "{}")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 2000, 0); err != nil {
		return err
	}
	started := make(chan error, 1)
	var took time.Duration
	o := traffic.Offer(h.url(), 500, 1500, map[int]func(){750: func() {
		h.router.Kill()
		began := time.Now()
		next, err := h.start()
		took, h.router = time.Since(began), next
		started <- err
	}})
	if err := <-started; err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("router killed: lost of %d", o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: 2})
	b.report.Add(measure.Line{Measure: "router killed: accepting again", Value: measure.Milliseconds(took), Unit: "ms", Bar: 100})
	return nil
}

// shadow compares what clients see without a shadow, with one, and with one that is slow.
func (b *bench) shadow() error {
	for _, c := range []struct{ name, think string }{{"healthy", "1ms"}, {"400 ms slow", "400ms"}} {
		h, err := b.host("5ms", c.think, `{"shadow":{"age":2000000000}}`)
		if err != nil {
			return err
		}
		without, with := time.Hour, time.Hour
		sent := 0
		generation := uint64(0)
		for range b.rounds { // in turns
			for _, mirror := range []deploy.Share{0, deploy.All} {
				generation++
				if err := h.mirror(generation, mirror); err != nil {
					return err
				}
				o := traffic.Offer(h.url(), 300, 900, nil)
				if o.Lost > 0 {
					return fmt.Errorf("%d were lost: %s", o.Lost, o.First)
				}
				if p50 := traffic.At(o.Took, 0.5); mirror > 0 {
					sent += o.Sent
					with = min(with, p50)
				} else {
					without = min(without, p50)
				}
			}
		}
		if err := b.pairs(h, c.name, sent); err != nil {
			return err
		}
		b.report.Add(measure.Line{Measure: "P50 with a shadow " + c.name, Value: measure.Milliseconds(with), Unit: "ms", Peer: "no shadow", Theirs: measure.Milliseconds(without)})
		b.report.Add(measure.Line{Measure: "P50 with a shadow " + c.name + ", to none", Value: float64(with) / float64(without), Unit: "x", Bar: 1.1})
		h.close()
	}
	return nil
}

func (h *host) mirror(generation uint64, share deploy.Share) error {
	return h.client.Apply(context.Background(), deploy.Desired{Service: "bench", Generation: generation, Mirror: share, Arms: []deploy.Arm{
		{Role: deploy.Stable, Release: deploy.Release{Key: "one"}, Share: deploy.All}, {Role: deploy.Shadow, Release: deploy.Release{Key: "two"}}}})
}

// pairs waits until each copy is compared or given up.
func (b *bench) pairs(h *host, name string, sent int) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		a, err := h.client.Actual(context.Background())
		if err != nil {
			return err
		}
		p := a.Pairs
		if p.Compared+p.Dropped+p.Unlike < int64(sent) && time.Now().Before(end) {
			continue
		}
		if name == "healthy" {
			b.report.Add(measure.Line{Measure: "compared, of all, with a healthy shadow", Value: float64(p.Compared) / float64(sent), Unit: "x", Bar: 1, AtLeast: true})
			return nil
		}
		b.report.Add(measure.Line{Measure: "compared, of all, with a slow shadow", Value: float64(p.Compared) / float64(sent), Unit: "x"})
		b.report.Add(measure.Line{Measure: "compared or counted as dropped, of all", Value: float64(p.Compared+p.Dropped) / float64(sent), Unit: "x", Bar: 1, AtLeast: true})
		return nil
	}
}

// highest looks for the highest rate at which 99 of 100 answers come within 100 ms of when they were due.
func (b *bench) highest() error {
	h, err := b.host("1ms", "1ms", "{}")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 2000, 0); err != nil {
		return err
	}
	peers, err := traffic.Peers(b.dir, h.one.Line, h.two.Line)
	if err != nil {
		return err
	}
	rates := map[string]float64{}
	for _, e := range append([]*traffic.Engine{{Name: "mlx", Address: h.address}}, peers...) {
		for rate := 500; ; rate += max(rate/5, 100) {
			o := traffic.Offer("http://"+e.Address+"/v2/models/m/infer", rate, rate*2, nil)
			if p99 := traffic.At(o.Due, 0.99); o.Lost > 0 || p99 > 100*time.Millisecond {
				break
			}
			rates[e.Name] = float64(rate)
		}
		if e.Stop != nil {
			e.Stop()
		}
	}
	const what = "highest rate, P99 < 100 ms, 1 ms model"
	b.report.Add(measure.Line{Measure: what, Value: rates["mlx"], Unit: "/s"})
	for _, e := range peers {
		b.report.Add(measure.Line{Measure: what, Value: rates["mlx"], Unit: "/s", Peer: e.Name, Theirs: rates[e.Name]})
	}
	return nil
}
