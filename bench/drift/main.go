//go:build unix

// Command drift measures what it costs to compare two tables, beside Evidently, NannyML and polars.
//
//	MLX_BENCH_DRIFT=$(.ci/python bench/drift/requirements.txt) go run ./bench/drift -mlx bin/mlx
//	... -rows parquet,small -peers polars     some rows, and some peers
//
// They do not do the same work: Evidently also prepares plots, NannyML computes one method of ten chunks, polars PSI alone. mlx computes every
// method, exactly. CPU time and peak memory are judged: wall time depends on who else uses the machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mlx/bench/drift/alarms"
	"mlx/bench/internal/measure"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "drift:", err)
		os.Exit(1)
	}
}

// row is one pair of tables. A bar of 0 is none.
type row struct {
	name          string
	rows, columns int
	format        string
	cpu           float64 // bar, in seconds
	memory        float64 // bar, in MiB
	wall          float64 // bar, in milliseconds
	peers         []string
}

func rows() []row {
	return []row{
		{name: "parquet", rows: 1_000_000, columns: 20, format: "parquet", cpu: 1.4, memory: 128, peers: []string{"evidently", "nannyml", "polars"}},
		{name: "csv", rows: 1_000_000, columns: 20, format: "csv", cpu: 5, memory: 128, peers: []string{"evidently", "polars"}},
		{name: "wide", rows: 100_000, columns: 1000, format: "parquet", cpu: 10},
		{name: "half as wide", rows: 100_000, columns: 500, format: "parquet"},
		{name: "small", rows: 1000, columns: 20, format: "csv", wall: 30, peers: []string{"evidently"}},
	}
}

type options struct {
	mlx, python string
	times       int
	sets, flow  int // data sets for alarms, and rows of the stream
	keep        string
	only, peers string
}

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("drift", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the mlx to measure")
	flags.StringVar(&o.python, "python", os.Getenv("MLX_BENCH_DRIFT"), "Python with the peers")
	flags.IntVar(&o.times, "times", 3, "runs of each, of which the cheapest counts")
	flags.StringVar(&o.keep, "keep", "", "folder that keeps the tables for the next time")
	flags.StringVar(&o.only, "rows", "parquet,csv,wide,half as wide,small,alarms,stream", "rows to measure")
	flags.IntVar(&o.sets, "sets", 20, "data sets of each case of alarms; the bars are for 1000")
	flags.IntVar(&o.flow, "stream", 10_000_000, "rows of the stream; the bar is for 1000000000")
	flags.StringVar(&o.peers, "peers", "evidently,nannyml,polars", "peers to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.mlx, err = filepath.Abs(o.mlx); err != nil {
		return err
	}
	report := &measure.Report{Out: os.Stdout}
	if err := o.pairs(report); err != nil {
		return err
	}
	if err := o.others(report); err != nil {
		return err
	}
	if report.Missed > 0 {
		return fmt.Errorf("%d bars are missed", report.Missed)
	}
	return nil
}

// wants says whether a row is measured.
func (o options) wants(name string) bool { return slices.Contains(strings.Split(o.only, ","), name) }

// others measures what is compared with no peer: false alarms, and a stream of generated rows.
func (o options) others(report *measure.Report) error {
	if o.wants("alarms") {
		temp, err := os.MkdirTemp("", "drift-alarms-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		few := *report
		few.NoBars = o.sets < 200 // a share of fewer says little
		err = alarms.Run(context.Background(), &few, alarms.Options{Sets: o.sets, Columns: 60, Temp: temp})
		report.Met, report.Missed = few.Met, few.Missed
		if err != nil {
			return err
		}
	}
	if !o.wants("stream") {
		return nil
	}
	cost, err := measure.Run(measure.Command{Out: os.Stdout, Err: os.Stderr, OK: []int{1},
		Args: []string{"go", "run", "./bench/drift/stream", "-mlx", o.mlx, "-rows", strconv.Itoa(o.flow), "-reference", strconv.Itoa(max(o.flow/10, 1000))}})
	report.Missed += cost.Status
	return err
}

// pairs compares tables that exist, beside the peers.
func (o options) pairs(report *measure.Report) error {
	wanted := slices.DeleteFunc(rows(), func(r row) bool { return !o.wants(r.name) })
	if len(wanted) == 0 {
		return nil
	}
	if o.python == "" {
		return fmt.Errorf("no Python: export MLX_BENCH_DRIFT=$(.ci/python bench/drift/requirements.txt)")
	}
	dir, remove, err := measure.Project(o.keep, "drift")
	if err != nil {
		return err
	}
	defer remove()
	if err := measure.Init(o.mlx, dir); err != nil {
		return err
	}
	for _, r := range wanted {
		if err := o.measure(report, r, dir); err != nil {
			return err
		}
	}
	return nil
}

// tables makes the tables of a row, or finds them.
func (o options) tables(r row, dir string) (ref, cur string, err error) {
	folder := filepath.Join(dir, fmt.Sprintf("%dx%d", r.rows, r.columns))
	ref, cur = filepath.Join(folder, "ref."+r.format), filepath.Join(folder, "cur."+r.format)
	if _, err := os.Stat(cur); err == nil {
		return ref, cur, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", "", err
	}
	_, err = measure.Run(measure.Command{Out: os.Stderr,
		Args: []string{o.python, "bench/drift/make.py", folder, strconv.Itoa(r.rows), strconv.Itoa(r.columns)}})
	return ref, cur, err
}

// own runs mlx: the run that took least counts, of CPU time, or of wall time where that is what is judged. It also returns all wall times
// in order.
func (o options) own(r row, c measure.Command) (best measure.Cost, walls []float64, err error) {
	times := o.times
	if r.wall > 0 {
		times = max(times, 20)
	}
	for i := range times {
		cost, err := measure.Run(c)
		if err != nil {
			return best, nil, err
		}
		walls = append(walls, cost.Wall)
		if i == 0 || r.wall == 0 && cost.CPU < best.CPU || r.wall > 0 && cost.Wall < best.Wall {
			best = cost
		}
	}
	slices.Sort(walls)
	return best, walls, nil
}

func (o options) measure(report *measure.Report, r row, dir string) error {
	ref, cur, err := o.tables(r, dir)
	if err != nil {
		return err
	}
	// status 3 is "cannot tell" and 1 is drift: either is an answer. --fresh: the answer that is on record is not asked for
	own, walls, err := o.own(r, measure.Command{Dir: dir, OK: []int{1, 3},
		Args: []string{o.mlx, "drift", "check", "--fresh", "--reference", ref, "--current", cur}})
	if err != nil {
		return err
	}
	if r.wall > 0 {
		report.Add(measure.Line{Measure: r.name + ", start to answer, best", Value: own.Wall * 1000, Unit: "ms", Bar: r.wall})
		report.Add(measure.Line{Measure: r.name + ", start to answer, median", Value: walls[len(walls)/2] * 1000, Unit: "ms"})
	} else {
		report.Add(measure.Line{Measure: r.name + ", CPU", Value: own.CPU, Unit: "s", Bar: r.cpu})
		report.Add(measure.Line{Measure: r.name + ", memory", Value: own.PeakMiB(), Unit: "MiB", Bar: r.memory})
	}
	for _, peer := range r.peers {
		if !slices.Contains(strings.Split(o.peers, ","), peer) {
			continue
		}
		theirs, err := measure.Run(measure.Command{Dir: dir, Args: []string{o.python, measure.Script("bench/drift/peer.py"), peer, ref, cur}})
		if err != nil {
			return err
		}
		if r.wall > 0 {
			report.Add(measure.Line{Measure: r.name + " beside " + peer, Value: own.Wall * 1000, Unit: "ms", Peer: peer, Theirs: theirs.Wall * 1000})
			continue
		}
		report.Add(measure.Line{Measure: r.name + ", CPU beside " + peer, Value: own.CPU, Unit: "s", Peer: peer, Theirs: theirs.CPU})
		report.Add(measure.Line{Measure: r.name + ", memory beside " + peer, Value: own.PeakMiB(), Unit: "MiB", Peer: peer, Theirs: theirs.PeakMiB()})
	}
	return nil
}
