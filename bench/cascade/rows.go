//go:build linux

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"mlx/bench/internal/child"
	"mlx/bench/internal/measure"
	"mlx/bench/internal/traffic"
	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
)

// hash is one of those on the list.
func hash(i int) [32]byte { return sha256.Sum256(fmt.Append(nil, i)) }

// written writes hashes as people have them: one a line. One more is that of the question that all ask.
func written(name string, n int) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintf(w, "%x\n", sha256.Sum256([]byte(traffic.Question)))
	for i := range n - 1 {
		fmt.Fprintf(w, "%x\n", hash(i))
	}
	return w.Flush()
}

// list makes a list of many hashes, looks them up, and answers by them.
func (b *bench) list() error {
	text, index := b.dir+"/known.hashes", b.dir+"/known.list"
	if err := written(text, b.hashes); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cost, err := measure.Run(measure.Command{Args: []string{self, "child-build", text, index}})
	if err != nil {
		return err
	}
	info, err := os.Stat(index)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d hashes: ", b.hashes)
	b.report.Add(measure.Line{Measure: what + "sorted in", Value: cost.Wall, Unit: "s"})
	b.report.Add(measure.Line{Measure: what + "sorted with CPU", Value: cost.CPU, Unit: "s"})
	b.report.Add(measure.Line{Measure: what + "sorted in memory", Value: cost.PeakMiB(), Unit: "MiB", Bar: 128})
	b.report.Add(measure.Line{Measure: what + "file", Value: float64(info.Size()) / 1e6, Unit: "MB"})
	if err := errors.Join(os.Remove(text), b.lookups(index)); err != nil {
		return err
	}
	return b.matches(index)
}

// lookups looks hashes up in a file of which the system holds nothing, and then again.
func (b *bench) lookups(index string) error {
	l, err := cascade.Open(index)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was only read
	began := time.Now()
	if err := l.Verify(); err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "read whole, and compared", Value: time.Since(began).Seconds(), Unit: "s"})
	if err := forget(index); err != nil {
		return err
	}
	for _, row := range []struct {
		name string
		n    int
	}{{"one look-up, none of the file in memory, P99", 2000}, {"one look-up, all of it in memory, P99", 200_000}} {
		took := make([]time.Duration, row.n)
		for i := range took {
			h := hash(rand.IntN(2 * b.hashes)) // half of them are on it
			began := time.Now()
			if _, err := l.Has(h[:]); err != nil {
				return err
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		b.report.Add(measure.Line{Measure: row.name, Value: milliseconds(traffic.At(took, 0.99)), Unit: "ms", Bar: 1})
		if err := l.Verify(); err != nil { // brings it into memory
			return err
		}
	}
	return nil
}

// forget has the system let go of what it holds of a file.
func forget(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	err = unix.Fdatasync(int(f.Fd()))
	if err == nil {
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	return errors.Join(err, f.Close())
}

// matches answers by the list what is on it.
func (b *bench) matches(index string) error {
	stage := cascade.Stage{Index: index, ReleaseStage: deploy.ReleaseStage{Name: "known", OnError: deploy.OnErrorFail, Reply: json.RawMessage(`{"outputs":[]}`),
		List: &deploy.ReleaseList{Encoding: "text"}}}
	plan, err := b.planned("known", stage, served("large"))
	if err != nil {
		return err
	}
	p, err := child.Start(nil, "child-cascade", plan, "127.0.0.1:1")
	if err != nil {
		return err
	}
	defer p.Kill()
	m, err := child.Start(nil, "child-model")
	if err != nil {
		return err
	}
	defer m.Kill()
	type quantiles struct{ P50, P99 float64 }
	var within, best, bare quantiles
	offer := func(address string, first bool, best *quantiles) error {
		o := traffic.Offer("http://"+address+"/v2/models/m/infer", 500, 2000, nil)
		if o.Lost > 0 {
			return fmt.Errorf("%d of %d were lost: %s", o.Lost, o.Sent, o.First)
		}
		if p99 := milliseconds(traffic.At(o.Took, 0.99)); first || p99 < best.P99 {
			*best = quantiles{milliseconds(traffic.At(o.Took, 0.5)), p99}
		}
		return nil
	}
	for i := range b.rounds {
		if err := errors.Join(offer(p.Line, i == 0, &best), offer(m.Line, i == 0, &bare)); err != nil {
			return err
		}
		var took quantiles
		resp, err := http.Get("http://" + p.Line + "/took")
		if err == nil {
			err = errors.Join(json.NewDecoder(resp.Body).Decode(&took), resp.Body.Close())
		}
		if err != nil {
			return err
		}
		if i == 0 || took.P99 < within.P99 {
			within = took
		}
	}
	b.report.Add(measure.Line{Measure: "match, 500/s, in the process, P99", Value: within.P99, Unit: "ms", Bar: 1})
	b.report.Add(measure.Line{Measure: "match, 500/s, to the client, P50", Value: best.P50, Unit: "ms", Peer: "bare server", Theirs: bare.P50})
	b.report.Add(measure.Line{Measure: "match, 500/s, to the client, P99", Value: best.P99, Unit: "ms", Peer: "bare server", Theirs: bare.P99})
	cpu, err := b.saturated(p)
	if err != nil {
		return err
	}
	peak, err := traffic.Peak(p.Process.Pid)
	b.report.Add(measure.Line{Measure: "match, CPU a request", Value: cpu * 1e6, Unit: "us"})
	b.report.Add(measure.Line{Measure: "memory of the process at most", Value: peak, Unit: "MiB", Bar: 128})
	return err
}

// saturated is what a request costs a process, in seconds of CPU.
func (b *bench) saturated(p *child.Process) (float64, error) {
	before, err := traffic.CPU(p.Process.Pid)
	if err != nil {
		return 0, err
	}
	n, err := traffic.Saturate(p.Line, 32, 3*time.Second)
	if err != nil {
		return 0, err
	}
	after, err := traffic.CPU(p.Process.Pid)
	return (after - before) / float64(max(n, 1)), err
}

// cost compares a cascade of one stage with the stage alone.
func (b *bench) cost() error {
	m, err := child.Start(nil, "child-model")
	if err != nil {
		return err
	}
	defer m.Kill()
	plan, err := b.planned("one", served("one"))
	if err != nil {
		return err
	}
	p, err := child.Start(nil, "child-cascade", plan, m.Line)
	if err != nil {
		return err
	}
	defer p.Kill()
	best := map[string]time.Duration{}
	for range b.rounds {
		for name, address := range map[string]string{"alone": m.Line, "cascade": p.Line} {
			o := traffic.Offer("http://"+address+"/v2/models/m/infer", 500, 1500, nil)
			if o.Lost > 0 {
				return fmt.Errorf("%s: %d of %d were lost: %s", name, o.Lost, o.Sent, o.First)
			}
			p50 := traffic.At(o.Took, 0.5)
			if old, ok := best[name]; !ok || p50 < old {
				best[name] = p50
			}
		}
	}
	cpu, err := b.saturated(p)
	b.report.Add(measure.Line{Measure: "P50 of the model alone, 500/s", Value: milliseconds(best["alone"]), Unit: "ms"})
	b.report.Add(measure.Line{Measure: "added P50 of a cascade of it, 500/s", Value: milliseconds(best["cascade"] - best["alone"]), Unit: "ms", Bar: 0.3})
	b.report.Add(measure.Line{Measure: "CPU of the cascade a request", Value: cpu * 1e6, Unit: "us", Bar: 130})
	return err
}
