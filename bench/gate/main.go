//go:build unix

// Command gate measures what judging a table costs, beside Great Expectations and DuckDB.
//
//	MLX_BENCH_GATE=$(.ci/python bench/gate/requirements.txt) go run ./bench/gate     measures bin/mlx
//
// CPU time is what is judged: wall time depends on who else uses the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/workload"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
}

type options struct {
	mlx, python, folder string
	rows, times         int
	alone               bool
}

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("gate", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the mlx to measure")
	flags.StringVar(&o.python, "python", os.Getenv("MLX_BENCH_GATE"), "Python with the peers")
	flags.StringVar(&o.folder, "folder", "", "where tables are kept for the next time; a temporary folder when empty")
	flags.IntVar(&o.rows, "rows", 10_000_000, "rows of the table of ten columns")
	flags.IntVar(&o.times, "times", 3, "runs of each, of which the cheapest counts")
	flags.BoolVar(&o.alone, "alone", false, "without the peers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.python == "" {
		return fmt.Errorf("no Python: export MLX_BENCH_GATE=$(.ci/python bench/gate/requirements.txt)")
	}
	var err error
	if o.mlx, err = filepath.Abs(o.mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project("", "gate")
	if err != nil {
		return err
	}
	defer remove()
	if o.folder == "" {
		o.folder = dir
	}
	report := measure.Report{Out: os.Stdout, NoBars: o.rows != 10_000_000}
	if err := o.judge(&report, dir, "20 checks", o.rows); err != nil {
		return err
	}
	return o.judge(&report, dir, "start", 1000)
}

// judge measures 20 checks over a table of so many rows.
func (o options) judge(report *measure.Report, dir, what string, rows int) error {
	project := filepath.Join(dir, what)
	table := filepath.Join(o.folder, fmt.Sprintf("table-%d.parquet", rows))
	if _, err := os.Stat(table); err != nil {
		if _, err := measure.Run(measure.Command{Dir: o.folder, Args: []string{o.python, measure.Script("bench/gate/peers.py"), "table", fmt.Sprint(rows), table}}); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(project, 0o755); err != nil {
		return err
	}
	config, err := os.ReadFile("bench/gate/mlx.yaml")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(project, "mlx.yaml"), config, 0o644); err != nil {
		return err
	}
	if err := workload.Place(table, filepath.Join(project, "table.parquet")); err != nil {
		return err
	}
	if err := measure.Init(o.mlx, project); err != nil {
		return err
	}
	ours, err := measure.Lowest(o.times, nil, measure.Command{Dir: project, Args: []string{o.mlx, "gate", "checks20", "--for", "table.parquet", "--fresh"}})
	if err != nil {
		return err
	}
	of := fmt.Sprintf("%s, %d rows", what, rows)
	bars := []float64{2, 128, 0}
	if what == "start" {
		bars = []float64{0, 0, 30}
	}
	peers := []string{"gx", "duckdb"}
	if o.alone {
		peers = []string{""}
	}
	for _, peer := range peers {
		theirs := measure.Cost{}
		if peer != "" {
			if theirs, err = measure.Lowest(1, nil, measure.Command{Dir: project, Args: []string{o.python, measure.Script("bench/gate/peers.py"), peer, table}}); err != nil {
				return err
			}
		}
		report.Add(measure.Line{Measure: of + ": CPU", Value: ours.CPU, Unit: "s", Peer: peer, Theirs: theirs.CPU, Bar: bars[0]})
		report.Add(measure.Line{Measure: of + ": peak memory", Value: ours.PeakMiB(), Unit: "MiB", Peer: peer, Theirs: theirs.PeakMiB(), Bar: bars[1]})
		report.Add(measure.Line{Measure: of + ": wall", Value: ours.Wall * 1000, Unit: "ms", Peer: peer, Theirs: theirs.Wall * 1000, Bar: bars[2]})
	}
	return nil
}
