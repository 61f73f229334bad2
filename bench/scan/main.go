//go:build unix

// Command scan measures how fast models are looked through, beside picklescan and modelscan.
//
//	MLX_BENCH_SCAN=$(.ci/python bench/scan/requirements.txt) go run ./bench/scan     measures bin/mlx
//
// CPU time is what is judged: wall time depends on who else uses the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"mlx/bench/internal/measure"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
		os.Exit(1)
	}
}

type options struct {
	mlx, python string
	trees, mib  int
	times       int
}

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("scan", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the mlx to measure")
	flags.StringVar(&o.python, "python", os.Getenv("MLX_BENCH_SCAN"), "Python with the peers")
	flags.IntVar(&o.trees, "trees", 100, "trees of the forest")
	flags.IntVar(&o.mib, "mib", 256, "MiB of the array")
	flags.IntVar(&o.times, "times", 3, "runs of each, of which the cheapest counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.python == "" {
		return fmt.Errorf("no Python: export MLX_BENCH_SCAN=$(.ci/python bench/scan/requirements.txt)")
	}
	mlx, err := filepath.Abs(o.mlx)
	if err != nil {
		return err
	}
	o.mlx = mlx
	dir, remove, err := measure.Project("", "scan")
	if err != nil {
		return err
	}
	defer remove()
	return o.all(dir)
}

// all makes the models, snapshots them so that mlx has to store nothing new, and measures each file by every program.
func (o options) all(dir string) error {
	if err := measure.Init(o.mlx, dir); err != nil {
		return err
	}
	for _, args := range [][]string{{o.python, measure.Script("bench/scan/make.py"), "models", fmt.Sprint(o.trees), fmt.Sprint(o.mib)}, {o.mlx, "snapshot", "-q", "models"}} {
		if _, err := measure.Run(measure.Command{Dir: dir, Args: args}); err != nil {
			return err
		}
	}
	bin := filepath.Dir(o.python)
	report := measure.Report{Out: os.Stdout, NoBars: true}
	files, err := filepath.Glob(filepath.Join(dir, "models", "*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		name := filepath.Base(file)
		ours, err := measure.Lowest(o.times, nil, measure.Command{Dir: dir, Args: []string{o.mlx, "model", "scan", "snapshot:models:" + name}})
		if err != nil {
			return err
		}
		for _, peer := range [][]string{{filepath.Join(bin, "picklescan"), "-p", file}, {filepath.Join(bin, "modelscan"), "-p", file}} {
			theirs, err := measure.Lowest(o.times, nil, measure.Command{Dir: dir, Args: peer, OK: []int{1, 2, 3}})
			if err != nil {
				return err
			}
			of := fmt.Sprintf("%s, %.0f MB", name, float64(info.Size())/1e6)
			who := fmt.Sprintf("%s (%d)", filepath.Base(peer[0]), theirs.Status)
			report.Add(measure.Line{Measure: of + ": CPU", Value: ours.CPU, Unit: "s", Peer: who, Theirs: theirs.CPU})
			report.Add(measure.Line{Measure: of + ": peak memory", Value: ours.PeakMiB(), Unit: "MiB", Peer: who, Theirs: theirs.PeakMiB()})
		}
	}
	return nil
}
