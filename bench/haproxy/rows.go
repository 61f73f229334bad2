//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"mlx/bench/internal/child"
	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
)

const rate = 500

// rollout goes through 1, 5, 20 and 100 % and back, with the candidate killed on its way.
func (b *bench) rollout() error {
	h, err := b.host("1ms")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 0, 0); err != nil {
		return err
	}
	shares := []deploy.Share{100, 500, 2000}
	errs := make(chan error, 20)
	at, step := map[int]func(){}, b.requests/7
	var one, two [4]int64
	for i := range 4 {
		at[(i+1)*step] = func() {
			var err error
			one[i], two[i], _, _, err = h.counts()
			if err == nil && i < 3 {
				err = h.split(uint64(i+2), shares[i], 0)
			} else if err == nil {
				err = h.split(5, deploy.All, 0)
			}
			errs <- err
		}
	}
	at[5*step] = func() { h.two.Kill() }
	var back time.Duration
	at[6*step] = func() {
		began := time.Now()
		err := h.split(6, 0, 0)
		back = time.Since(began)
		errs <- err
	}
	o := traffic.Offer(h.url(), rate, b.requests, at)
	for range 5 {
		if err := <-errs; err != nil {
			return err
		}
	}
	if o.Lost > 0 {
		fmt.Println("the first that was lost:", o.First)
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("lost of %d: rollout, candidate killed, rollback", o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: none})
	for i, share := range shares {
		got := float64(two[i+1]-two[i]) / float64(two[i+1]-two[i]+one[i+1]-one[i])
		b.report.Add(measure.Line{Measure: fmt.Sprintf("share observed at %s, from it", share), Value: 100 * math.Abs(got-share.Float()), Unit: "points", Bar: 0.5})
	}
	b.report.Add(measure.Line{Measure: "rollback: stored and obeyed", Value: back.Seconds() * 1000, Unit: "ms", Bar: 1000})
	return b.counted(h, o)
}

// counted holds what was counted against what was answered.
func (b *bench) counted(h *host, o traffic.Outcome) error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		one, two, again, lost, err := h.counts()
		if err != nil {
			return err
		}
		if one+two < int64(o.Sent) && time.Now().Before(end) {
			continue
		}
		b.report.Add(measure.Line{Measure: "not counted of these", Value: math.Abs(float64(int64(o.Sent) - one - two)), Unit: "requests", Bar: 0.001 * float64(o.Sent)})
		b.report.Add(measure.Line{Measure: "log lines of these said to be lost", Value: float64(lost), Unit: "requests"})
		b.report.Add(measure.Line{Measure: "of these tried again at another server", Value: float64(again), Unit: "requests"})
		return nil
	}
}

// plane kills the plane in the middle of a canary.
func (b *bench) plane() error {
	return b.disturbed("plane killed", none, func(h *host) error {
		h.plane.Kill()
		return h.startPlane()
	})
}

// reload has another HAProxy take over. Until the plane notices, its slots are empty.
func (b *bench) reload() error {
	return b.disturbed("HAProxy reloaded by somebody", 0, (*host).takeOver)
}

// disturbed does something three times at 20 %.
func (b *bench) disturbed(what string, bar float64, do func(*host) error) error {
	h, err := b.host("1ms")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 2000, 0); err != nil {
		return err
	}
	errs := make(chan error, 3)
	at := map[int]func(){}
	for i := range 3 {
		at[500+1000*i] = func() { errs <- do(h) }
	}
	o := traffic.Offer(h.url(), rate, 3500, at)
	for range 3 {
		if err := <-errs; err != nil {
			return err
		}
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("%s 3 times: lost of %d", what, o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: bar})
	if bar == 0 {
		return nil
	}
	return b.counted(h, o)
}

// lease lets the controller die.
func (b *bench) lease() error {
	const lease = 2 * time.Second
	h, err := b.host("1ms")
	if err != nil {
		return err
	}
	defer h.close()
	reverted := child.Reverted(h.client, 5*lease)
	if err := h.split(1, 2000, lease); err != nil {
		return err
	}
	o := traffic.Offer(h.url(), rate, 1500, nil)
	late := <-reverted - lease
	b.report.Add(measure.Line{Measure: "controller dead: reverted after its lease", Value: late.Seconds(), Unit: "s", Bar: 0.2})
	b.report.Add(measure.Line{Measure: fmt.Sprintf("lost of %d meanwhile", o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: none})
	return nil
}

const alone = `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind %s
  default_backend b
backend b
  balance roundrobin
  server one %s weight 4
  server two %s weight 1
`

// cost compares what a request costs with HAProxy alone, which logs nothing, in turns.
func (b *bench) cost() error {
	h, err := b.host("0s")
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.split(1, 2000, 0); err != nil {
		return err
	}
	address, err := free()
	if err != nil {
		return err
	}
	config := filepath.Join(h.dir, "alone.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, alone, address, h.one.Line, h.two.Line), 0o600); err != nil {
		return err
	}
	other := exec.Command(program(), "-f", config)
	if err := other.Start(); err != nil {
		return err
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	time.Sleep(500 * time.Millisecond) // its socket opens
	best := map[string]float64{}
	for range 4 {
		for _, e := range []struct {
			address string
			pids    map[string]int
		}{{h.s.Listen, map[string]int{"HAProxy": h.proxy.Process.Pid, "plane": h.plane.Process.Pid}}, {address, map[string]int{"alone": other.Process.Pid}}} {
			if err := perRequest(e.address, e.pids, best); err != nil {
				return err
			}
		}
	}
	b.report.Add(measure.Line{Measure: "CPU a request, HAProxy driven and logging", Value: best["HAProxy"], Unit: "us", Peer: "HAProxy alone", Theirs: best["alone"]})
	b.report.Add(measure.Line{Measure: "CPU a request, plane", Value: best["plane"], Unit: "us"})
	b.report.Add(measure.Line{Measure: "CPU a request, both", Value: best["HAProxy"] + best["plane"], Unit: "us", Peer: "HAProxy alone", Theirs: best["alone"]})
	if err := b.memory(h, other.Process.Pid); err != nil {
		return err
	}
	before, err := traffic.CPU(h.plane.Process.Pid)
	if err != nil {
		return err
	}
	o := traffic.Offer(h.url(), rate, 5*rate, nil)
	after, err := traffic.CPU(h.plane.Process.Pid)
	b.report.Add(measure.Line{Measure: fmt.Sprintf("CPU of the plane at %d/s", rate), Value: 100 * (after - before) / 5, Unit: "% of a core"})
	b.report.Add(measure.Line{Measure: "P50 through HAProxy, 500/s", Value: traffic.At(o.Took, 0.5).Seconds() * 1000, Unit: "ms"})
	return err
}

// memory tells what was held at most.
func (b *bench) memory(h *host, alone int) error {
	var most []float64
	for _, pid := range []int{h.proxy.Process.Pid, h.plane.Process.Pid, alone} {
		mib, err := traffic.Peak(pid)
		if err != nil {
			return err
		}
		most = append(most, mib)
	}
	b.report.Add(measure.Line{Measure: "memory of HAProxy at most", Value: most[0], Unit: "MiB", Peer: "HAProxy alone", Theirs: most[2]})
	b.report.Add(measure.Line{Measure: "memory of the plane at most", Value: most[1], Unit: "MiB"})
	return nil
}

// perRequest takes the lowest microseconds of CPU that processes need for a request.
func perRequest(address string, pids map[string]int, best map[string]float64) error {
	before := map[string]float64{}
	for name, pid := range pids {
		cpu, err := traffic.CPU(pid)
		if err != nil {
			return err
		}
		before[name] = cpu
	}
	n, err := traffic.Saturate(address, 32, 3*time.Second)
	if err != nil {
		return err
	}
	for name, pid := range pids {
		cpu, err := traffic.CPU(pid)
		if err != nil {
			return err
		}
		if v := (cpu - before[name]) / float64(n) * 1e6; best[name] == 0 || v < best[name] {
			best[name] = v
		}
	}
	return nil
}
