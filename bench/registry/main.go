//go:build unix

// Command registry measures questions about many registered models, each as a whole process.
//
//	go run ./bench/registry              5,000 models of 20 versions; builds nothing, measures bin/mlx
//	go run ./bench/registry -keep DIR    fills DIR once and measures it again later
//
// CPU time is what is judged: wall time depends on who else uses the machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"mlx/bench/internal/measure"
)

func main() {
	if err := start(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

type options struct {
	mlx    string
	keep   string
	models int
	times  int
}

// full is how many models the bars are for.
const full = 5000

func start(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == "child-fill" {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return fill(ctx, args[1], n)
	}
	var o options
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	flags.StringVar(&o.mlx, "mlx", "bin/mlx", "the binary to measure")
	flags.StringVar(&o.keep, "keep", "", "project to use again, made if missing (default: a temporary one, removed)")
	flags.IntVar(&o.models, "n", full, "models")
	flags.IntVar(&o.times, "times", 7, "runs of each measure; the lowest counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if o.mlx, err = filepath.Abs(o.mlx); err != nil {
		return err
	}
	dir, remove, err := measure.Project(o.keep, "registry")
	if err != nil {
		return err
	}
	defer remove()
	o.keep = dir
	if err := measure.Filled(o.mlx, o.keep, o.models, fmt.Sprintf("%d models of %d versions", o.models, versions)); err != nil {
		return err
	}
	return o.measure()
}

func (o options) measure() error {
	report := &measure.Report{Out: os.Stdout, NoBars: o.models != full}
	some := nameOf(o.models / 2)
	back := func() error {
		_, err := measure.Run(o.command("promote", some+"@v18", "production"))
		return err
	}
	aliasBack := func() error {
		_, err := measure.Run(o.command("model", "alias", some+"@v18", "best"))
		return err
	}
	for _, m := range []struct {
		name   string
		bar    float64
		before func() error
		args   []string
	}{
		{"version: the process alone", 0, nil, []string{"version"}},
		{"show: a model with its versions", 30, nil, []string{"show", "model:" + some}},
		{"show: a name alone", 30, nil, []string{"show", some}},
		{"show: a version by its stage", 30, nil, []string{"show", some + "@production"}},
		{"show: as it was, JSON", 30, nil, []string{"show", some + "@production", "--at", "2099-01-01", "--json"}},
		{"stage: promote, another is archived", 30, back, []string{"promote", some + "@v19", "production"}},
		{"alias: moved", 30, aliasBack, []string{"model", "alias", some + "@v19", "best"}},
		{"history: log of a model", 30, nil, []string{"log", "model:" + some}},
		{"history: log of a model, JSON", 30, nil, []string{"log", "model:" + some, "--json"}},
		{"lineage of a version", 0, nil, []string{"lineage", some + "@v19"}},
		{"log: newest 20 moves", 30, nil, []string{"log", "-k", "stage", "-n", "20"}},
		{"status", 0, nil, []string{"status"}},
		{"model list: every model", 0, nil, []string{"model", "list"}},
		{"model list --stage production, JSON", 0, nil, []string{"model", "list", "--stage", "production", "--json"}},
	} {
		cost, err := measure.Lowest(o.times, m.before, o.command(m.args...))
		if err != nil {
			return err
		}
		report.Add(measure.Line{Measure: m.name, Value: cost.CPU * 1000, Unit: "ms", Bar: m.bar})
		fmt.Printf("  %-44s %.1f ms wall, %.1f MiB peak\n", "", cost.Wall*1000, float64(cost.PeakBytes)/measure.MiB)
	}
	return nil
}

func (o options) command(args ...string) measure.Command {
	return measure.Command{Dir: o.keep, Args: append([]string{o.mlx}, args...), OK: []int{1}, Out: io.Discard}
}
