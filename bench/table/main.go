//go:build unix

// Command table measures how fast all columns of a table are read, as CSV, JSON lines and Parquet, beside pandas.
//
//	MLX_BENCH_TABLE=$(.ci/python bench/table/requirements.txt) go run ./bench/table
//
// CPU time is what is judged: wall time depends on who else uses the machine. That both cores are busy shows in CPU seconds above the
// wall time on a machine that is quiet.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/bench/internal/measure"
)

// barRows is the size that the bars are for: 1 GB of CSV.
const barRows = 7_000_000

func main() {
	err := start(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

type options struct {
	python  string
	rows    int
	lines   int
	times   int
	workers int
	keep    string
	parts   string
}

func start(args []string) error {
	if len(args) > 0 && args[0] == "child-read" {
		return readTable(args[1:])
	}
	var o options
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.StringVar(&o.python, "python", os.Getenv("MLX_BENCH_TABLE"), "Python with pandas; without one only mlx is measured, and no Parquet")
	flags.IntVar(&o.rows, "n", barRows, "rows of the CSV and the Parquet file; the bars are for 7,000,000")
	flags.IntVar(&o.lines, "lines", 1_000_000, "rows of the JSON lines")
	flags.IntVar(&o.times, "times", 3, "runs of each, of which the cheapest counts")
	flags.IntVar(&o.workers, "workers", 0, "goroutines that decode; 0: one for each core")
	flags.StringVar(&o.keep, "dir", "", "folder in which the files are made and kept; empty: a temporary one")
	flags.StringVar(&o.parts, "rows", "csv,jsonl,parquet", "formats to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, remove, err := measure.Project(o.keep, "table")
	if err != nil {
		return err
	}
	defer remove()
	report := &measure.Report{Out: os.Stdout, NoBars: o.rows != barRows}
	for format := range strings.SplitSeq(o.parts, ",") {
		if format == "parquet" && o.python == "" {
			continue
		}
		if err := o.measure(report, dir, format); err != nil {
			return err
		}
	}
	if report.Missed > 0 {
		return fmt.Errorf("%d of %d bars missed", report.Missed, report.Missed+report.Met)
	}
	return nil
}

// measure makes the file of a format and reads it with mlx and with pandas.
func (o options) measure(report *measure.Report, dir, format string) error {
	rows := o.rows
	if format == "jsonl" {
		rows = o.lines
	}
	path := filepath.Join(dir, fmt.Sprintf("rows-%d.%s", rows, format))
	if err := o.make(path, rows, format); err != nil {
		return err
	}
	if err := measure.Warm(path); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, err := o.read(rows, []string{self, "child-read", path, strconv.Itoa(o.workers)})
	if err != nil {
		return err
	}
	var theirs measure.Cost
	if o.python != "" {
		if theirs, err = o.read(rows, []string{o.python, measure.Script("bench/table/peer.py"), format, path}); err != nil {
			return err
		}
	}
	size, err := measure.SizeOf(path)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s, %.0f MB, %.1fM rows", format, float64(size.Bytes)/1e6, float64(rows)/1e6)
	speed, memory := 0.0, 0.0
	if format == "csv" {
		speed, memory = 2, 64
	}
	per := func(c measure.Cost) float64 { return float64(rows) / 1e6 / max(c.CPU, 1e-9) }
	report.Add(measure.Line{Measure: what + ": CPU", Value: ours.CPU, Unit: "s", Peer: peerName(theirs), Theirs: theirs.CPU})
	report.Add(measure.Line{Measure: what + ": rows a CPU s", Value: per(ours), Unit: "M", Peer: peerName(theirs), Theirs: per(theirs), Bar: speed, AtLeast: true})
	report.Add(measure.Line{Measure: what + ": peak memory", Value: ours.PeakMiB(), Unit: "MiB", Peer: peerName(theirs), Theirs: theirs.PeakMiB(), Bar: memory})
	report.Add(measure.Line{Measure: what + ": cores busy", Value: ours.CPU / ours.Wall, Unit: "x", Peer: peerName(theirs), Theirs: theirs.CPU / max(theirs.Wall, 1e-9)})
	return nil
}

func peerName(c measure.Cost) string {
	if c.CPU == 0 {
		return ""
	}
	return "pandas"
}

// read runs a program that reads a table and prints first how many rows it has.
func (o options) read(rows int, args []string) (measure.Cost, error) {
	var out bytes.Buffer
	cost, err := measure.Lowest(o.times, func() error { out.Reset(); return nil }, measure.Command{Args: args, Out: &out})
	if err != nil {
		return cost, err
	}
	if first := strings.Fields(out.String()); len(first) == 0 || first[0] != strconv.Itoa(rows) {
		return cost, fmt.Errorf("%s read %q of %d rows", args[0], out.String(), rows)
	}
	return cost, nil
}

// make writes the file unless it is there already.
func (o options) make(path string, rows int, format string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if format != "parquet" {
		return write(path, rows, format == "jsonl")
	}
	source := strings.TrimSuffix(path, "parquet") + "csv"
	if err := o.make(source, rows, "csv"); err != nil {
		return err
	}
	_, err := measure.Run(measure.Command{Args: []string{o.python, measure.Script("bench/table/peer.py"), "write", source, path}})
	return err
}
