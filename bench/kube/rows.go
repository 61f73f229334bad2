//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/kube"
)

// hundred brings services up, moves them by a step of their rollouts, looks at them, and takes one back.
func (b *bench) hundred() error {
	ctx, end := context.WithTimeout(context.Background(), 4*patience)
	defer end()
	if err := b.project(); err != nil {
		return err
	}
	book, err := b.records()
	if err != nil {
		return err
	}
	of, err := releases(book)
	if err != nil {
		return err
	}
	go b.node(ctx)
	if err := b.rollouts(ctx, book, of); err != nil {
		return err
	}
	if err := b.list(); err != nil {
		return err
	}
	if err := b.back(ctx); err != nil {
		return err
	}
	return b.byHand(ctx)
}

// rollouts has controllers bring a release into service everywhere, then roll another one out by two steps, and leaves them there.
func (b *bench) rollouts(ctx context.Context, book deploy.Book, of []deploy.Release) error {
	ctx, end := context.WithCancel(ctx)
	cluster := deploykube.NewCluster(b.client)
	defer cluster.Close()
	f := newFleet(b, cluster, book)
	made, err := f.each(func(d *driven) error {
		r, err := f.plan(ctx, d.name, of[0], deploy.BlueGreen)
		if err != nil {
			return err
		}
		return f.drive(ctx, d, r)
	})
	if err != nil {
		end()
		return err
	}
	b.show("%d services: first release made and in service", made.Seconds(), "s")
	var going sync.WaitGroup
	defer func() {
		end()
		going.Wait()
	}()
	planned := make(map[string]deploy.Rollout, len(f.all))
	at := time.Now()
	for _, d := range f.all {
		if planned[d.name], err = f.plan(ctx, d.name, of[1], deploy.Canary); err != nil {
			return err
		}
		d.seen = map[int]time.Time{}
	}
	plan := time.Since(at)
	at = time.Now()
	for _, d := range f.all {
		going.Go(func() { _ = f.drive(ctx, d, planned[d.name]) }) // it is stopped in the end, and what is wanted of it is looked at
	}
	if _, err := f.each(func(d *driven) error { return d.until(ctx, 0) }); err != nil {
		return err
	}
	b.show("%d services: candidate started, first step seen", time.Since(at).Seconds(), "s")
	return b.step(ctx, f, plan)
}

func (b *bench) show(what string, value float64, unit string) {
	b.report.Add(measure.Line{Measure: fmt.Sprintf(what, b.services), Value: value, Unit: unit})
}

// step has all go on to their next step.
func (b *bench) step(ctx context.Context, f *fleet, plan time.Duration) error {
	before, cluster := ownCPU(), b.clusterCPU()
	took, err := f.each(func(d *driven) error {
		if err := f.goOn(ctx, d); err != nil {
			return err
		}
		return d.until(ctx, 1)
	})
	if err != nil {
		return err
	}
	b.moved = took
	cpu, theirs := ownCPU()-before, b.clusterCPU()-cluster
	peak, err := traffic.Peak(os.Getpid())
	b.show("%d rollouts planned in the ledger", plan.Seconds(), "s")
	b.show("%d steps: said, recorded, patched, observed", took.Seconds(), "s")
	b.report.Add(measure.Line{Measure: fmt.Sprintf("%d rollouts planned, a step of each observed", b.services), Value: (plan + took).Seconds(), Unit: "s", Bar: 5})
	b.report.Add(measure.Line{Measure: fmt.Sprintf("CPU of these %d steps", b.services), Value: cpu, Unit: "s", Peer: "the cluster", Theirs: theirs})
	b.report.Add(measure.Line{Measure: "memory of their controllers at most", Value: peak, Unit: "MiB"})
	return err
}

// list has a process of mlx, which has not looked before, look at all services.
func (b *bench) list() error {
	cost, err := b.call("service", "list")
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("mlx service list of %d", b.services), Value: cost.Wall, Unit: "s", Bar: 5})
	b.show("its CPU, %d services", cost.CPU, "s")
	b.show("its memory at most, %d services", cost.PeakMiB(), "MiB")
	return nil
}

// route is what is read of an HTTPRoute.
type route struct {
	Metadata struct {
		Generation int64
	}
	Spec struct {
		Rules []struct {
			BackendRefs []struct{ Weight int }
		}
	}
	Status struct {
		Parents []struct {
			Conditions []struct{ ObservedGeneration int64 }
		}
	}
}

// whole says that one release gets everything.
func (r route) whole() bool {
	given := 0
	for _, rule := range r.Spec.Rules {
		for _, ref := range rule.BackendRefs {
			if ref.Weight > 0 {
				given++
			}
		}
	}
	return given == 1
}

// back has a process of mlx take back a rollout of which another release has a share, and waits until the route says so.
func (b *bench) back(ctx context.Context) error {
	var worst time.Duration
	for i := range min(3, b.services) {
		began, done := time.Now(), make(chan error, 1)
		var cost measure.Cost
		go func() {
			var err error
			cost, err = b.call("rollback", serviceName(i), "-m", "measured")
			done <- err
		}()
		var patched time.Duration
		for patched == 0 {
			var r route
			if err := b.client.Get(ctx, kube.HTTPRoutes, serviceName(i), &r); err != nil {
				return err
			}
			if r.whole() {
				patched = time.Since(began)
			}
		}
		worst = max(worst, patched)
		if err := <-done; err != nil {
			return err
		}
		b.report.Add(measure.Line{Measure: "mlx rollback: until what it left has ended", Value: cost.Wall, Unit: "s"})
		b.report.Add(measure.Line{Measure: "its CPU", Value: cost.CPU, Unit: "s"})
	}
	b.report.Add(measure.Line{Measure: "mlx rollback: from the command to the patched route", Value: measure.Milliseconds(worst), Unit: "ms", Bar: 1000})
	return nil
}

// byHand does a step of all services as a script does: it reads a route, patches its weights, and reads it again until it was taken, one after another.
func (b *bench) byHand(ctx context.Context) error {
	began := time.Now()
	for i := range b.services {
		var r route
		if err := b.client.Get(ctx, kube.HTTPRoutes, serviceName(i), &r); err != nil {
			return err
		}
		for n := range r.Spec.Rules[0].BackendRefs {
			patch := []map[string]any{{"op": "replace", "path": "/spec/rules/0/backendRefs/" + strconv.Itoa(n) + "/weight", "value": 5000 + i}}
			if err := b.client.Patch(ctx, kube.HTTPRoutes, serviceName(i), patch, &r); err != nil {
				return err
			}
		}
		for taken := false; !taken; {
			if err := b.client.Get(ctx, kube.HTTPRoutes, serviceName(i), &r); err != nil {
				return err
			}
			taken = len(r.Status.Parents) > 0 && len(r.Status.Parents[0].Conditions) > 0 && r.Status.Parents[0].Conditions[0].ObservedGeneration >= r.Metadata.Generation
		}
	}
	b.report.Add(measure.Line{Measure: fmt.Sprintf("a step of %d, at once and one by one", b.services), Value: b.moved.Seconds(), Unit: "s", Peer: "GET, PATCH, GET", Theirs: time.Since(began).Seconds()})
	return nil
}

// ownCPU is what this process has needed.
func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// clusterCPU is what the programs of .ci/kube have needed, if it is that.
func (b *bench) clusterCPU() float64 {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(b.config), "pid", "*")) // the pattern is well formed
	sum := 0.0
	for _, file := range files {
		text, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text))) // 0 is no process
		if cpu, statErr := traffic.CPU(pid); err == nil && statErr == nil {
			sum += cpu
		}
	}
	return sum
}
