package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"mlx/bench/internal/measure"
	"mlx/internal/lineage"
	"mlx/internal/object"
	runs "mlx/internal/run"
)

// records measures a ledger on its way through a remote.
func (b *bench) records() error {
	n := max(1, int(100_000*b.scale))
	p, err := b.newProject("records")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := p.all([]string{self, "child-fill", filepath.Join(p.root, ".git", "mlx", "ledger"), strconv.Itoa(n)}); err != nil {
		return err
	}
	if err := b.start(); err != nil {
		return err
	}
	var push, noop, pull measure.Cost
	var after, t traffic
	for i := range b.runs {
		name := fmt.Sprint("records-", i)
		if err := p.remote(name, b.server.place(name)); err != nil {
			return err
		}
		c, err := p.run(b.mlx, "push", "-q")
		if err != nil {
			return err
		}
		lower(&push, c)
		if _, after, err = p.watched("pull"); err != nil { // looks at the entry of the push once
			return err
		}
		if c, t, err = p.watched("pull"); err != nil {
			return err
		}
		lower(&noop, c)
		q, err := p.clone("pull")
		if err != nil {
			return err
		}
		if c, err = q.run(b.mlx, "pull", "-q"); err != nil {
			return err
		}
		lower(&pull, c)
	}
	what := fmt.Sprintf("records: %d, ", n)
	b.report.Add(measure.Line{Measure: what + "push, CPU", Value: push.CPU, Unit: "s", Bar: 1.5})
	b.report.Add(measure.Line{Measure: what + "push, peak memory", Value: mib(push), Unit: "MiB"})
	b.report.Add(measure.Line{Measure: what + "first pull after a push, requests", Value: float64(after.requests), Unit: "requests"})
	b.report.Add(measure.Line{Measure: what + "no-op pull, requests", Value: float64(t.requests), Unit: "requests", Bar: 1})
	b.report.Add(measure.Line{Measure: what + "no-op pull, CPU", Value: noop.CPU, Unit: "s"})
	b.report.Add(measure.Line{Measure: what + "fresh pull, CPU", Value: pull.CPU, Unit: "s", Bar: 1.5})
	b.report.Add(measure.Line{Measure: what + "fresh pull, peak memory", Value: mib(pull), Unit: "MiB"})
	return nil
}

// group is how many records are appended together.
const group = 512

// fill writes the records of n runs into a ledger.
func fill(ctx context.Context, dir, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	l, err := lineage.Open(lineage.Options{Dir: dir, Now: time.Now, By: "bench", Host: "bench", PID: os.Getpid()})
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, 2))
	for done := 0; done < n; {
		var drafts []lineage.Draft
		for ; len(drafts) < group && done < n; done++ {
			drafts = append(drafts, randomRun(r, done))
		}
		if _, err := l.AppendAll(ctx, drafts...); err != nil {
			return err
		}
	}
	return errors.Join(l.Seal(ctx), l.Close())
}

// randomRun makes a run of 30 parameters and 20 metrics. Its output is one of 50 models that are not in the store.
func randomRun(r *rand.Rand, i int) lineage.Draft {
	params, metrics := map[string]any{}, map[string]any{}
	for k := range 15 {
		params[fmt.Sprintf("model.param_%02d", k)] = float64(r.IntN(1 << (k + 1)))
		params[fmt.Sprintf("optimizer.setting_%02d", k)] = []string{"adam", "sgd", "cosine", "linear", "warmup"}[r.IntN(5)]
	}
	for k := range 20 {
		metrics[fmt.Sprintf("metric_%02d.validation", k)] = float64(r.IntN(1e6)) / 1e6
	}
	data, model := object.Sum([]byte(strconv.Itoa(r.IntN(50)))), object.Sum([]byte("model"+strconv.Itoa(r.IntN(50))))
	first, status := object.Sum([]byte("run"+strconv.Itoa(i))), 0
	began := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
	ended := began.Add(time.Minute)
	return runs.Ended.Draft(lineage.Entry[runs.Body]{
		Body: runs.Body{State: "succeeded", Command: []string{"python", "train.py", "--config", "conf/base.yaml"}, Folder: ".",
			Name: fmt.Sprintf("brave-run-%d", i), StartedAt: began, Code: runs.Code{Commit: fmt.Sprintf("%040x", r.IntN(1000)), Branch: "main"},
			Data: []runs.Data{{Path: "data/flights", Root: data}}, Params: params, Attempt: 1, Worktree: "bench",
			Run: &first, EndedAt: &ended, DurationS: 60, ExitStatus: &status, CPUSeconds: float64(r.IntN(1e5)) / 10, Metrics: metrics,
			Outputs: []runs.Output{{Path: "model.json", Root: model, Digest: model, Kind: "file", Files: 1, Bytes: 25}}},
		In: []lineage.Input{{Role: "data", ID: data}},
	})
}
