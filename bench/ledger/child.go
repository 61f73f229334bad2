package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// child is what the measured processes do.
func child(ctx context.Context, args []string) error {
	switch {
	case args[0] == "child-nothing":
		return nil
	case args[0] == "child-bare" && len(args) == 3:
		return bare(args[1], args[2])
	case args[0] == "child-query" && len(args) == 2:
		return query(ctx, args[1])
	case args[0] == "child-verify" && len(args) == 2:
		return verify(ctx, args[1])
	case args[0] == "child-append" && len(args) == 3:
		return write(ctx, args[1], args[2], 1)
	case args[0] == "child-fill" && len(args) == 3:
		return write(ctx, args[1], args[2], 512)
	}
	return fmt.Errorf("unknown child %q", args)
}

func openLedger(dir string) (*lineage.Ledger, error) {
	return lineage.Open(lineage.Options{Dir: dir, Now: time.Now, By: "bench", Host: "bench", PID: os.Getpid()})
}

// bare appends as many bytes as the ledger would and makes each write durable.
func bare(path, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	line := make([]byte, 2200)
	for i := range line {
		line[i] = 'x'
	}
	for range n {
		if _, err := f.Write(line); err != nil {
			return err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
	}
	return f.Close()
}

type run struct {
	Command  []string           `json:"command"`
	Commit   string             `json:"commit"`
	Data     object.Digest      `json:"data"`
	Duration float64            `json:"duration_s"`
	Env      object.Digest      `json:"env"`
	Metrics  map[string]float64 `json:"metrics"`
	Name     string             `json:"name"`
	Output   object.Digest      `json:"output"`
	Params   map[string]any     `json:"params"`
	State    string             `json:"state"`
}

// randomRun makes a run of 30 parameters and 20 metrics, about 2.2 KB as a record.
func randomRun(r *rand.Rand, i int) lineage.Draft {
	params, metrics := map[string]any{}, map[string]float64{}
	for k := range 15 {
		params[fmt.Sprintf("model.param_%02d", k)] = r.IntN(1 << (k + 1))
		params[fmt.Sprintf("optimizer.setting_%02d", k)] = []string{"adam", "sgd", "cosine", "linear", "warmup"}[r.IntN(5)]
	}
	for k := range 20 {
		metrics[fmt.Sprintf("metric_%02d.validation", k)] = float64(r.IntN(1e6)) / 1e6
	}
	digest := func() (d object.Digest) {
		for i := range d {
			d[i] = byte(r.Uint32())
		}
		return d
	}
	data := object.Sum([]byte(strconv.Itoa(r.IntN(50))))
	return lineage.Define[run]("run.ended/v1").Draft(lineage.Entry[run]{
		Body: run{Command: []string{"python", "train.py", "--config", "conf/base.yaml"}, Commit: fmt.Sprintf("%040x", r.IntN(1000)),
			Data: data, Env: object.Sum([]byte("env")), Duration: float64(r.IntN(1e5)) / 10, Metrics: metrics,
			Name: fmt.Sprintf("brave-run-%d", i), Output: digest(), Params: params, State: "succeeded"},
		In: []lineage.Input{{Role: "data", ID: data}},
	})
}

func write(ctx context.Context, dir, count string, group int) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	// The same few drafts again and again: what is measured is the ledger, not the making of random runs.
	var drafts []lineage.Draft
	for i := range 16 {
		drafts = append(drafts, randomRun(r, i))
	}
	if group > 1 {
		return fill(ctx, l, r, n, group)
	}
	for i := range n {
		if _, err := l.AppendAll(ctx, drafts[i%len(drafts)]); err != nil {
			return err
		}
	}
	return l.Close()
}

func fill(ctx context.Context, l *lineage.Ledger, r *rand.Rand, n, group int) error {
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

func query(ctx context.Context, dir string) error {
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	found := 0
	for r, err := range l.Select(ctx, lineage.Query{
		Nouns: []string{"run"}, Sort: `-metrics["metric_03.validation"]`, Limit: 20,
		Where: `metrics["metric_00.validation"] > 0.5 and params["model.param_03"] == 6 and params["optimizer.setting_02"] == "adam"`,
	}) {
		if err != nil {
			return err
		}
		found += min(1, len(r.Raw))
	}
	fmt.Println(found, "found")
	return nil
}

func verify(ctx context.Context, dir string) error {
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	report, err := l.Verify(ctx, nil)
	if err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("damage found: %v", report.Problems[0])
	}
	fmt.Println(report.Records, "records sound")
	return nil
}
