//go:build unix

// Stream measures drift by profile: rows that are generated flow through mlx profile on stdin, and the profile is compared with that of a
// reference. What is found is held against what the generator counted.
//
//	go run ./bench/drift/stream -mlx bin/mlx -rows 100000000
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"mlx/bench/internal/measure"
	"mlx/internal/dataset"
	"mlx/internal/drift"
)

func main() {
	mlx := flag.String("mlx", "bin/mlx", "the program to measure")
	rows := flag.Int("rows", 100_000_000, "rows of the current side")
	reference := flag.Int("reference", 10_000_000, "rows of the reference")
	flag.Parse()
	report := &measure.Report{Out: os.Stdout}
	if err := run(*mlx, *reference, *rows, report); err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(2)
	}
	if report.Missed > 0 {
		os.Exit(1)
	}
}

func run(mlx string, reference, rows int, report *measure.Report) error {
	mlx, err := filepath.Abs(mlx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "drift-stream-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := tableOfTwenty(mlx, dir, report); err != nil {
		return err
	}
	ref, cur := newGenerator(1, reference, 0), newGenerator(2, rows, 0.03)
	if _, err := profile(mlx, dir, "ref.prof", schemaOfTwo, ref.write); err != nil {
		return err
	}
	cost, err := profile(mlx, dir, "cur.prof", schemaOfTwo, cur.write)
	if err != nil {
		return err
	}
	report.Add(measure.Line{Measure: fmt.Sprintf("profile of %d rows x 2 from a pipe, CPU", rows), Value: cost.CPU, Unit: "s"})
	report.Add(measure.Line{Measure: "its memory", Value: cost.PeakMiB(), Unit: "MiB", Bar: 128})
	return compare(dir, ref, cur, report)
}

// profile feeds rows to mlx profile and returns what it took.
func profile(mlx, dir, name, schema string, write func(io.Writer) error) (measure.Cost, error) {
	if err := os.WriteFile(filepath.Join(dir, "schema.yaml"), []byte(schema), 0o600); err != nil {
		return measure.Cost{}, err
	}
	cmd := exec.Command(mlx, "profile", "-", "--schema", "schema.yaml", "-o", name)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return measure.Cost{}, err
	}
	if err := cmd.Start(); err != nil {
		return measure.Cost{}, err
	}
	err = write(in)
	in.Close()
	if waited := cmd.Wait(); waited != nil {
		return measure.Cost{}, fmt.Errorf("mlx profile: %w: %s", waited, said.String())
	}
	state := cmd.ProcessState
	cost := measure.Cost{CPU: (state.UserTime() + state.SystemTime()).Seconds()}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		cost.PeakBytes = usage.Maxrss << 10
	}
	return cost, err
}

// compare holds the answer of the profiles against the counts of the generator.
func compare(dir string, ref, cur *generator, report *measure.Report) error {
	var sides [2]drift.Source
	for i, name := range []string{"ref.prof", "cur.prof"} {
		doc, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		p, err := dataset.DecodeProfile(doc)
		if err != nil {
			return err
		}
		sides[i] = drift.Source{Name: name, Profile: p}
	}
	c, err := drift.Compare(context.Background(), sides[0], sides[1], drift.Spec{}, drift.Options{})
	if err != nil {
		return err
	}
	for _, m := range c.Columns {
		a, b := ref.counts[m.Name], cur.counts[m.Name]
		psi := psiAt(m.Bins.Edges, a, b)
		report.Add(measure.Line{Measure: m.Name + ": PSI", Value: m.Distances[drift.PSI].Value, Peer: "by the rows", Theirs: psi})
		report.Add(measure.Line{Measure: m.Name + ": PSI is off by", Value: math.Abs(psi - m.Distances[drift.PSI].Value), Bar: 1e-12})
		d := largestGap(a, b)
		report.Add(measure.Line{Measure: m.Name + ": K-S", Value: m.Distances[drift.KS].Value, Peer: "by the rows", Theirs: d})
		report.Add(measure.Line{Measure: m.Name + ": K-S is off by", Value: math.Abs(d - m.Distances[drift.KS].Value), Bar: max(m.KSError, 1e-15)})
		report.Add(measure.Line{Measure: m.Name + ": stated error of K-S", Value: m.KSError, Bar: 1e-4})
	}
	return nil
}

// psiAt is the PSI of counts between edges.
func psiAt(edges []float64, a, b *counted) float64 {
	x, y := a.between(edges), b.between(edges)
	sum := 0.0
	for i := range x {
		p, q := max(float64(x[i])/float64(a.n), 1e-4), max(float64(y[i])/float64(b.n), 1e-4)
		sum += (p - q) * math.Log(p/q)
	}
	return sum
}

func largestGap(a, b *counted) float64 {
	var i, j int64
	worst := 0.0
	for k := range a.of {
		i, j = i+int64(a.of[k]), j+int64(b.of[k])
		worst = max(worst, math.Abs(float64(i)/float64(a.n)-float64(j)/float64(b.n)))
	}
	return worst
}
