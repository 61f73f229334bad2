//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
	"mlx/internal/audit"
	"mlx/internal/lineage"
)

// asked is a process that requests go through.
type asked struct {
	name, url string
	pid       int
	cost      float64 // seconds of CPU a request, the lowest
	sent      int
}

// ask offers 1,000 requests a second for some time.
func (a *asked) ask() error {
	const rate, seconds = 1000, 5
	before, err := traffic.CPU(a.pid)
	if err != nil {
		return err
	}
	o := traffic.Offer(a.url, rate, rate*seconds, nil)
	after, err := traffic.CPU(a.pid)
	if err != nil {
		return err
	}
	if o.Lost > 0 {
		return fmt.Errorf("%s: %d were lost: %s", a.name, o.Lost, o.First)
	}
	a.cost = min(a.cost, (after-before)/float64(o.Sent))
	a.sent += o.Sent
	return nil
}

// log compares routers with and without a log of predictions, in turns, and counts what is in it at the end.
func (b *bench) log() error {
	plain, err := b.run("plain", "v4")
	if err != nil {
		return err
	}
	defer plain.end()
	logged, err := b.run("logged", "v2")
	if err != nil {
		return err
	}
	logged.end() // what it was asked for until now is sealed with that
	if logged, err = b.run("logged"); err != nil {
		return err
	}
	defer func() { logged.end() }()
	before, err := b.predictions()
	if err != nil {
		return err
	}
	all, stop, err := b.asked(plain, logged)
	if err != nil {
		return err
	}
	defer stop()
	for range b.rounds {
		for _, a := range all {
			if err := a.ask(); err != nil {
				return err
			}
		}
	}
	without, with := all[0], all[1]
	for _, a := range all[2:] {
		b.report.Add(measure.Line{Measure: "CPU a request, 1,000/s", Value: without.cost * 1e6, Unit: "us", Peer: a.name, Theirs: a.cost * 1e6})
	}
	b.report.Add(measure.Line{Measure: "CPU a request, with the log", Value: with.cost * 1e6, Unit: "us", Peer: "without", Theirs: without.cost * 1e6})
	b.report.Add(measure.Line{Measure: "CPU of the log, of the router's", Value: (with.cost - without.cost) / without.cost, Unit: "x", Bar: 0.1})
	if err := b.peaks(all); err != nil {
		return err
	}
	logged.end() // which is asked twice, and does no harm
	after, err := b.predictions()
	b.report.Add(measure.Line{Measure: fmt.Sprintf("not in the log of %d, at a clean stop", with.sent), Value: math.Abs(float64(with.sent - (after - before))), Unit: "requests", Bar: none})
	return err
}

// asked are the routers, and the proxies of others in front of the same server.
func (b *bench) asked(plain, logged *host) (all []*asked, stop func(), err error) {
	for _, h := range []*host{plain, logged} {
		pid, err := h.routerPID()
		if err != nil {
			return nil, nil, err
		}
		all = append(all, &asked{name: h.name, url: h.url, pid: pid, cost: math.Inf(1)})
	}
	server, err := plain.server("")
	if err != nil {
		return nil, nil, err
	}
	peers, err := traffic.Peers(b.dir, server, server)
	for _, e := range peers {
		all = append(all, &asked{name: e.Name, url: "http://" + e.Address + "/v2/models/m/infer", pid: e.PID, cost: math.Inf(1)})
	}
	return all, func() {
		for _, e := range peers {
			e.Stop()
		}
	}, err
}

// peaks adds what each has held at most.
func (b *bench) peaks(all []*asked) error {
	own := 0.0
	for i, a := range all {
		held, err := traffic.Peak(a.pid)
		if err != nil {
			return err
		}
		line := measure.Line{Measure: "memory of the router at most", Value: held, Unit: "MiB"}
		switch i {
		case 0:
			own = held
		case 1:
			line.Measure, line.Peer, line.Theirs = "with the log", "without", own
		default:
			line.Value, line.Peer, line.Theirs = own, a.name, held
		}
		b.report.Add(line)
	}
	return nil
}

// predictions counts what the log holds.
func (b *bench) predictions() (int, error) {
	l, err := lineage.Open(lineage.Options{Dir: filepath.Join(b.dir, ".git", "mlx", "ledger"), Now: time.Now, By: "bench", PID: os.Getpid()})
	if err != nil {
		return 0, err
	}
	all, err := audit.Entries(context.Background(), l, "logged")
	n := int64(0)
	for _, e := range all {
		n += e.Rows
	}
	return int(n), errors.Join(err, l.Close())
}

// highest looks for the highest rate at which 99 of 100 answers come within 100 ms of when they were due.
func (b *bench) highest() error {
	h, err := b.run("plain", "v4")
	if err != nil {
		return err
	}
	defer h.end()
	all, stop, err := b.asked(h, h)
	if err != nil {
		return err
	}
	defer stop()
	rates := make([]float64, len(all))
	for i, a := range all {
		for rate := 500; i != 1; rate += max(rate/5, 100) {
			if !holds(a.url, rate, 2) {
				break
			}
			rates[i] = float64(rate)
		}
	}
	for i, a := range all[2:] {
		b.report.Add(measure.Line{Measure: "highest rate, P99 < 100 ms, 1 ms model", Value: rates[0], Unit: "/s", Peer: a.name, Theirs: rates[i+2]})
	}
	return nil
}

// holds says whether 99 of 100 answers come within 100 ms, and none is lost, in one of some tries: what else runs here only takes away.
func holds(url string, rate, tries int) bool {
	for range tries {
		o := traffic.Offer(url, rate, rate*2, nil)
		if traffic.At(o.Due, 0.99) <= 100*time.Millisecond && o.Lost == 0 {
			return true
		}
	}
	return false
}
