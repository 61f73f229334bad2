//go:build unix

// Command log measures questions about many runs, each as a whole process, beside a program that reads every record.
//
//	go run ./bench/log              100,000 runs; builds nothing, measures bin/mlx
//	go run ./bench/log -keep DIR    fills DIR once and measures it again later
//
// CPU time is what is judged: wall time depends on who else uses the machine.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mlx/bench/internal/measure"
)

func main() {
	if err := start(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "log:", err)
		os.Exit(1)
	}
}

type options struct {
	mlx   string
	keep  string
	runs  int
	times int
}

func start(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "child-fill" {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return fill(ctx, args[1], n)
	}
	if len(args) == 2 && args[0] == "child-naive" {
		return naive(args[1])
	}
	var o options
	flags := flag.NewFlagSet("log", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the binary to measure")
	flags.StringVar(&o.keep, "keep", "", "project to use again, made if missing (default: a temporary one, removed)")
	flags.IntVar(&o.runs, "n", 100_000, "runs")
	flags.IntVar(&o.times, "times", 11, "runs of each measure; the lowest counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.mlx, err = filepath.Abs(o.mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project(o.keep, "log")
	if err != nil {
		return err
	}
	defer remove()
	o.keep = dir
	if err := measure.Filled(o.mlx, o.keep, o.runs, fmt.Sprintf("%d runs", o.runs)); err != nil {
		return err
	}
	return o.measure()
}

// filtered is the question that the bar is about.
func filtered() []string {
	return []string{"-s", "-metrics.auc", "-w", `params.depth >= 6 and state == "succeeded"`}
}

func (o options) measure() error {
	ids, err := o.list("log", "-k", "run", "-n", "50", "--columns", "id")
	if err != nil {
		return err
	}
	everything := filepath.Join(o.keep, "all.jsonl")
	if err := o.export(everything); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	slow, err := measure.Lowest(1, nil, measure.Command{Args: []string{self, "child-naive", everything}, Out: io.Discard})
	if err != nil {
		return err
	}
	report := &measure.Report{Out: os.Stdout, NoBars: o.runs != 100_000}
	first := ids[0][:12]
	for _, m := range []struct {
		name string
		bar  float64
		peer bool
		args []string
	}{
		{"version: the process alone", 0, false, []string{"version"}},
		{"log: filter, sort, 20 of all, columns", 30, true, slices.Concat([]string{"log", "-k", "run"}, filtered(), []string{"--columns", "id,depth,auc", "-n", "20"})},
		{"log: the same, JSON", 30, true, slices.Concat([]string{"log", "-k", "run"}, filtered(), []string{"-n", "20", "--json"})},
		{"log: the same, a duration, state lost", 30, true, []string{"log", "-k", "run", "-w", `state == "lost"`, "-s", "duration", "-n", "20", "--json"}},
		{"log: newest 20", 30, false, []string{"log", "-k", "run", "-n", "20"}},
		{"log: of a tag", 30, false, []string{"log", "-k", "run", "-w", `tags contains "sweep=7"`, "-n", "20"}},
		{"log: of a stage", 30, false, []string{"log", "-k", "run", "stage:train", "-n", "20"}},
		{"show", 30, false, []string{"show", first}},
		{"diff of 2", 100, false, append([]string{"diff"}, ids[:2]...)},
		{"diff of 50", 100, false, append([]string{"diff"}, ids...)},
		{"diff of 50, JSON", 100, false, slices.Concat([]string{"diff", "--json"}, ids)},
		{"log: every run, CSV", 0, true, []string{"log", "-k", "run", "--format", "csv", "--columns", "id,depth,auc"}},
	} {
		cost, err := measure.Lowest(o.times, nil, o.command(m.args...))
		if err != nil {
			return err
		}
		line := measure.Line{Measure: m.name, Value: cost.CPU * 1000, Unit: "ms", Bar: m.bar}
		if m.peer {
			line.Peer, line.Theirs = "read everything", slow.CPU*1000
		}
		report.Add(line)
		fmt.Printf("  %-44s %.1f ms wall, %.1f MiB peak\n", "", cost.Wall*1000, float64(cost.PeakBytes)/measure.MiB)
	}
	return nil
}

func (o options) command(args ...string) measure.Command {
	return measure.Command{Dir: o.keep, Args: append([]string{o.mlx}, args...), OK: []int{1}, Out: io.Discard}
}

func (o options) list(args ...string) ([]string, error) {
	var out strings.Builder
	c := o.command(args...)
	c.Out = &out
	_, err := measure.Run(c)
	return strings.Fields(out.String()), err
}

// export writes what a program without an index would have to read.
func (o options) export(to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	c := o.command("log", "-k", "run", "--json", "-n", "0")
	c.Out = f
	cost, err := measure.Run(c)
	if err != nil {
		return err
	}
	fmt.Printf("every run as JSON: %.1f s CPU, %.0f MiB peak\n", cost.CPU, float64(cost.PeakBytes)/measure.MiB)
	return f.Close()
}

// naive answers the filtered question by reading every run.
func naive(path string) error {
	type view struct {
		ID      string             `json:"id"`
		State   string             `json:"state"`
		Params  map[string]any     `json:"params"`
		Metrics map[string]float64 `json:"metrics"`
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var found []view
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v view
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return err
		}
		if depth, _ := v.Params["depth"].(float64); depth >= 6 && v.State == "succeeded" {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b view) int {
		if a.Metrics["auc"] > b.Metrics["auc"] {
			return -1
		}
		return 1
	})
	for _, v := range found[:min(20, len(found))] {
		fmt.Println(v.ID, v.Params["depth"], v.Metrics["auc"])
	}
	return lines.Err()
}
