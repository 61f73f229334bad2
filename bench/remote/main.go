// Command remote measures push, pull and get beside the tools that people use today, in turn in the same minute, and
// prints each cost with its bar.
//
// It hides how a fair comparison is set up: remotes and clones made anew, the same bytes from a seeded generator, the
// lowest of several runs, and an S3 server on this machine for all that would otherwise need a network.
//
// usage: go run ./bench/remote [-mlx FILE] [-rows small,pull,...] [-data DIR] [-scale F] [-peers dvc]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/bench/internal/measure"
	"mlx/bench/internal/workload"
)

// row is a group of measures that share their set-up; all of them can be picked by name.
type row struct {
	name    string
	purpose string
	run     func(*bench) error
}

func rows() []row {
	return []row{
		{"small", "100,000 files: push to a folder, and again", (*bench).smallPush},
		{"pull", "100,000 files: pull into a clone, beside cp -r", (*bench).smallPull},
		{"get", "one file of 1 MB out of 100,000, from S3", (*bench).get},
		{"records", "100,000 records: push, no-op pull, fresh pull", (*bench).records},
		{"csv", "1 GiB of CSV of which 1 % changes: bytes sent", (*bench).csv},
		{"big", "4 GiB of noise: push to and pull from S3, beside one stream", (*bench).big},
	}
}

// bench is what the rows share.
type bench struct {
	mlx    string
	work   string // projects, clones and remotes, removed at the end
	root   string // of the source repository
	cache  workload.Cache
	scale  float64
	runs   int
	port   int // of the S3 server; seven more after it, + 100
	peers  []string
	report *measure.Report
	server *server  // S3, started on first use
	small  *project // the 100,000 files and one of 1 MB, once snapshotted
}

func main() {
	err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) > 0 && strings.HasPrefix(args[0], "child-") {
		return child(context.Background(), args)
	}
	b, names, err := parse(args)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	defer b.stop()
	var failures []error
	for _, r := range rows() {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "# %s: %s\n", r.name, r.purpose)
		if err := r.run(b); err != nil {
			fmt.Fprintf(os.Stderr, "# %s failed: %v\n", r.name, err)
			failures = append(failures, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	fmt.Printf("%d met, %d missed, %d rows failed\n", b.report.Met, b.report.Missed, len(failures))
	return errors.Join(failures...)
}

func parse(args []string) (*bench, []string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, nil, err
	}
	cache = filepath.Join(cache, "mlx-ci")
	b := &bench{}
	var names, peers string
	var known []string
	for _, r := range rows() {
		known = append(known, r.name)
	}
	flags := flag.NewFlagSet("remote", flag.ContinueOnError)
	flags.StringVar(&b.mlx, "mlx", "bin/mlx", "the binary to measure")
	flags.StringVar(&names, "rows", "", "what to measure: "+strings.Join(known, ",")+" (default all)")
	flags.StringVar(&b.cache.Dir, "data", filepath.Join(cache, "bench-data"), "where the workloads are or will be")
	flags.StringVar(&b.work, "work", filepath.Join(cache, "bench-work"), "where projects and remotes are made and removed")
	flags.Float64Var(&b.scale, "scale", 1, "size of the workloads; the bars are for 1")
	flags.IntVar(&b.runs, "runs", 3, "runs of each measure; the lowest counts")
	flags.IntVar(&b.port, "port", 28733, "of the S3 server; seven more, 100 higher, are its own")
	flags.StringVar(&peers, "peers", "dvc", "peers that take long to install or to run: dvc, or nothing")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	b.peers = split(peers)
	picked := split(names)
	for _, name := range picked {
		if !slices.Contains(known, name) {
			return nil, nil, fmt.Errorf("unknown row %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	if b.root, err = os.Getwd(); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(filepath.Join(b.root, "bench", "gen_data.py")); err != nil {
		return nil, nil, fmt.Errorf("run it from the root of the repository: %w", err)
	}
	for _, path := range []*string{&b.mlx, &b.cache.Dir, &b.work} {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, nil, err
		}
	}
	b.work = filepath.Join(b.work, fmt.Sprint(os.Getpid()))
	b.cache.Root = b.root
	b.report = &measure.Report{Out: os.Stdout, NoBars: b.scale != 1}
	return b, picked, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
