//go:build linux

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
	case args[0] == "child-bare" && len(args) == 4:
		return bare(args[1], args[2], args[3])
	case args[0] == "child-query" && len(args) == 2:
		return query(ctx, args[1])
	case args[0] == "child-verify" && len(args) == 2:
		return verify(ctx, args[1])
	case args[0] == "child-export" && len(args) == 3:
		return exportAll(ctx, args[1], args[2])
	case args[0] == "child-import" && len(args) == 3:
		return importAll(ctx, args[1], args[2])
	case args[0] == "child-append" && len(args) == 4:
		return appendEach(ctx, args[1], args[2], args[3])
	case args[0] == "child-fill" && len(args) == 3:
		return fill(ctx, args[1], args[2])
	}
	return fmt.Errorf("unknown child %q", args)
}

func openLedger(dir string) (*lineage.Ledger, error) {
	return lineage.Open(lineage.Options{Dir: dir, Now: time.Now, By: "bench", Host: "bench", PID: os.Getpid()})
}

// bare appends as many bytes as the ledger would and makes each write durable.
func bare(path, count, size string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	bytes, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	line := make([]byte, bytes)
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

type saved struct {
	Bytes   int64         `json:"bytes"`
	Files   int           `json:"files"`
	Kind    string        `json:"kind"`
	Message string        `json:"message"`
	Path    string        `json:"path"`
	Pointer string        `json:"pointer"`
	Root    object.Digest `json:"root"`
	Stored  int64         `json:"bytes_stored"`
}

func snapshot(i int) lineage.Draft {
	return lineage.Define[saved]("snapshot.saved/v1").Draft(lineage.Entry[saved]{Body: saved{
		Bytes: int64(i) * 7_400_000, Files: i, Kind: "directory", Message: "January to March", Path: "data/flights",
		Pointer: "data/flights.mlx", Root: object.Sum([]byte(strconv.Itoa(i))), Stored: int64(i) * 1_900_000,
	}})
}

// appendEach appends records one by one. The same few drafts come again and again: what is measured is the ledger, not the
// making of random runs.
func appendEach(ctx context.Context, dir, count, kind string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	var drafts []lineage.Draft
	for i := range 16 {
		if kind == "run" {
			drafts = append(drafts, randomRun(r, i))
		} else {
			drafts = append(drafts, snapshot(i))
		}
	}
	for i := range n {
		if _, err := l.AppendAll(ctx, drafts[i%len(drafts)]); err != nil {
			return err
		}
	}
	return l.Close()
}

const group = 512

func fill(ctx context.Context, dir, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	l, err := openLedger(dir)
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
