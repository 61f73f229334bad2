//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
)

const perSecond = 500

// lost adds what became of a load, which may lose so many.
func (b *bench) lost(what string, o traffic.Outcome, bar float64) {
	if o.Lost > 0 {
		fmt.Println("the first that was lost:", o.First)
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("%s: lost of %d", what, o.Sent), Value: float64(o.Lost), Unit: "requests", Bar: bar})
}

// rollout goes through 1, 5, 20 and 100 % and back, with the router replaced at 20 %; then again, with the candidate killed at 20 %.
func (b *bench) rollout() error {
	h, err := b.run("plain", "v2")
	if err != nil {
		return err
	}
	defer h.end()
	var back time.Duration
	o, err := traffic.During(h.url, perSecond, func() error {
		deployed := make(chan error, 1)
		go func() { deployed <- b.call("deploy", "plain", "m@v3") }()
		err := h.share(2000)
		if err == nil {
			err = h.replaceRouter()
		}
		if err = errors.Join(err, <-deployed); err != nil {
			return err
		}
		began := time.Now()
		err = b.call("rollback", "plain")
		back = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	b.lost("1-5-20-100 %, router replaced, rollback", o, none)
	b.report.Add(measure.Line{Measure: "mlx rollback, previous warm, from its start on", Value: back.Seconds(), Unit: "s", Bar: 1})
	o, err = traffic.During(h.url, perSecond, func() error {
		deployed := make(chan error, 1)
		go func() { deployed <- b.judged("deploy", "plain", "m@v4") }()
		err := h.share(2000)
		if err == nil {
			var pid int
			if pid, err = h.candidate(); err == nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return errors.Join(err, <-deployed)
	})
	if err != nil {
		return err
	}
	b.lost("candidate killed at 20 %", o, none)
	return nil
}

// judged runs a command whose answer may be no.
func (b *bench) judged(args ...string) error {
	_, err := measure.Run(measure.Command{Dir: b.dir, Args: append([]string{b.mlx}, args...), OK: []int{1, 3}})
	return err
}

// replaceRouter has another router take over, and waits until it has.
func (h *host) replaceRouter() error {
	old, err := h.routerPID()
	if err != nil {
		return err
	}
	if err := h.command.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if now, err := h.routerPID(); err == nil && now != old {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("the router stays the old one")
		}
	}
}

// back returns to a release whose server has to be started.
func (b *bench) back() error {
	h, err := b.run("plain", "v1", "v2", "v3") // of which the first is not even kept ready
	if err != nil {
		return err
	}
	defer h.end()
	var took time.Duration
	o, err := traffic.During(h.url, perSecond, func() error {
		began := time.Now()
		err := b.call("rollback", "plain", "--to", "m@v1")
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("mlx rollback, cold, server starts in %s", b.slow), Value: took.Seconds(), Unit: "s", Bar: 60})
	b.report.Add(measure.Line{Measure: "of that beside the start of the server", Value: (took - b.slow).Seconds(), Unit: "s"})
	b.lost("cold rollback", o, none)
	return nil
}

// controller kills mlx deploy in the middle of a canary.
func (b *bench) controller() error {
	const lease = 2 * time.Second // as mlx.yaml has it
	h, err := b.run("plain", "v2")
	if err != nil {
		return err
	}
	defer h.end()
	var took time.Duration
	o, err := traffic.During(h.url, perSecond, func() error {
		cmd := exec.Command(b.mlx, "-C", b.dir, "deploy", "plain", "m@v5", "--bake", "1m")
		if err := cmd.Start(); err != nil {
			return err
		}
		err := h.share(100)
		time.Sleep(lease) // it is renewed meanwhile
		began := time.Now()
		err = errors.Join(err, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		if err != nil {
			return err
		}
		err = h.until("a revert", func(a deploy.Actual) bool { return a.Reverted != nil })
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "mlx deploy killed: reverted after, lease 2 s", Value: took.Seconds(), Unit: "s", Bar: (lease + 200*time.Millisecond).Seconds()})
	b.lost("mlx deploy killed at 1 %", o, none)
	return b.judged("service", "resume", "plain") // which finds the rollout over
}

// kill kills the router; the supervisor holds the socket. What was under way then is lost, and that is more the busier the machine is: the
// lowest of the rounds counts, and the one in the middle is shown.
func (b *bench) kill() error {
	h, err := b.run("logged", "v2")
	if err != nil {
		return err
	}
	defer h.end()
	var lost, took []float64
	var p50 time.Duration
	for range b.rounds {
		o, first, err := h.killed()
		if err != nil {
			return err
		}
		lost, took, p50 = append(lost, float64(o.Lost)), append(took, measure.Milliseconds(first)), traffic.At(o.Took, 0.5)
	}
	slices.Sort(lost)
	slices.Sort(took)
	b.report.Add(measure.Line{Measure: "router killed: lost of 1500", Value: lost[0], Unit: "requests", Bar: 2})
	b.report.Add(measure.Line{Measure: "in the round in the middle", Value: lost[len(lost)/2], Unit: "requests"})
	b.report.Add(measure.Line{Measure: "under way at any time, by P50", Value: perSecond * p50.Seconds(), Unit: "requests"})
	b.report.Add(measure.Line{Measure: "router killed: the first answer to who comes then", Value: took[len(took)/2], Unit: "ms", Bar: 100})
	return nil
}

// killed kills the router under load, and tells what became of that and when somebody new was answered.
func (h *host) killed() (o traffic.Outcome, took time.Duration, err error) {
	done := make(chan error, 1)
	o = traffic.Offer(h.url, perSecond, 1500, map[int]func(){750: func() {
		pid, err := h.routerPID()
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		began := time.Now()
		if err == nil {
			err = fresh(h.url)
		}
		took = time.Since(began)
		done <- err
	}})
	return o, took, <-done
}

// fresh asks on a connection of its own, once.
func fresh(url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for end := time.Now().Add(patience); ; {
		resp, err := client.Post(url, "application/json", strings.NewReader(traffic.Question))
		if err == nil {
			if err := resp.Body.Close(); err != nil || resp.StatusCode == http.StatusOK {
				return err
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(end) {
			return err
		}
	}
}
