//go:build unix

// Command rowdiff measures how fast the rows of two Parquet tables of 10 columns are compared by key, beside pandas.
//
//	MLX_BENCH_ROWDIFF=$(.ci/python bench/rowdiff/requirements.txt) go run ./bench/rowdiff                  10 million rows
//	MLX_BENCH_ROWDIFF=$(.ci/python bench/rowdiff/requirements.txt) go run ./bench/rowdiff -rows 1000000    a quick look
//
// One row in a hundred has another value. Once both tables are sorted by the key, once the second is in another order.
// CPU time and peak memory are judged: wall time depends on who else uses the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/bench/internal/measure"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rowdiff:", err)
		os.Exit(1)
	}
}

// fullRows is the size that the bars are for.
const fullRows = 10_000_000

type options struct {
	mlx, python string
	rows, times int
	keep        string
	peer        bool
}

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("rowdiff", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the mlx to measure")
	flags.StringVar(&o.python, "python", os.Getenv("MLX_BENCH_ROWDIFF"), "Python with pyarrow and pandas")
	flags.IntVar(&o.rows, "rows", fullRows, "rows of each table")
	flags.IntVar(&o.times, "times", 2, "runs of each, of which the cheapest counts")
	flags.StringVar(&o.keep, "keep", "", "folder that keeps the tables for the next time")
	flags.BoolVar(&o.peer, "peer", true, "measure pandas as well; at 10 million rows it needs some 8 GiB")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.python == "" {
		return fmt.Errorf("no Python: export MLX_BENCH_ROWDIFF=$(.ci/python bench/rowdiff/requirements.txt)")
	}
	var err error
	if o.mlx, err = filepath.Abs(o.mlx); err != nil {
		return err
	}
	dir, remove, err := o.tables()
	if err != nil {
		return err
	}
	defer remove()
	return o.all(dir)
}

// tables makes the Parquet files, or finds them.
func (o options) tables() (dir string, remove func(), err error) {
	if o.keep != "" {
		o.keep = filepath.Join(o.keep, strconv.Itoa(o.rows))
		if err := os.MkdirAll(o.keep, 0o777); err != nil {
			return "", nil, err
		}
	}
	if dir, remove, err = measure.Project(o.keep, "rowdiff"); err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "c.parquet")); err == nil {
		return dir, remove, nil
	}
	_, err = measure.Run(measure.Command{Args: []string{o.python, "bench/rowdiff/make.py", dir, strconv.Itoa(o.rows)}, Out: os.Stderr})
	if err != nil {
		remove()
		return "", nil, err
	}
	return dir, remove, nil
}

func (o options) all(dir string) error {
	report := &measure.Report{Out: os.Stdout, NoBars: o.rows != fullRows}
	for _, second := range []struct{ file, words string }{{"b.parquet", "sorted by the key"}, {"c.parquet", "in any order"}} {
		var own, theirs strings.Builder
		command := measure.Command{Dir: dir, OK: []int{1}, Out: &own,
			Args: []string{o.mlx, "diff", "a.parquet", second.file, "--rows", "--key", "id"}}
		cost, err := measure.Lowest(o.times, func() error { own.Reset(); return nil }, command)
		if err != nil {
			return err
		}
		var peer measure.Cost
		if o.peer {
			script := measure.Script("bench/rowdiff/peer.py")
			peer, err = measure.Run(measure.Command{Dir: dir, Out: &theirs, Args: []string{o.python, script, "a.parquet", second.file}})
			if err != nil {
				return err
			}
			if err := agree(own.String(), theirs.String()); err != nil {
				return err
			}
		}
		report.Add(measure.Line{Measure: second.words + ", CPU", Value: cost.CPU, Unit: "s", Peer: "pandas", Theirs: peer.CPU, Bar: 20})
		report.Add(measure.Line{Measure: second.words + ", memory", Value: cost.PeakMiB(), Unit: "MiB", Peer: "pandas",
			Theirs: peer.PeakMiB(), Bar: 256})
	}
	if report.Missed > 0 {
		return fmt.Errorf("%d bars are missed", report.Missed)
	}
	return nil
}

// agree says whether both programs count the same rows added, removed and changed.
func agree(own, theirs string) error {
	count := make(map[string]string)
	for line := range strings.Lines(own) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); f[0] == "rows" && len(f) > 2 {
			count[f[1]] = strings.Trim(f[2]+f[len(f)-1], "\t")
			if f[1] == "changed" {
				count[f[1]] = f[2]
			}
		}
	}
	got := count["added"] + " " + count["removed"] + " " + count["changed"]
	if want := strings.TrimSpace(theirs); got != want {
		return fmt.Errorf("mlx counts %q rows added, removed and changed, pandas %q", got, want)
	}
	return nil
}
