// Command snapshot measures mlx's snapshots beside the tools that people use today, in turn in the same minute, and
// prints each cost with its bar.
//
// It hides how a fair comparison is set up: the same bytes from a seeded generator, everything read once beforehand,
// stores made anew, the lowest CPU of several runs. Workloads and peers come into a cache outside the repository.
//
// usage: go run ./bench/snapshot [-mlx FILE] [-rows small,status,...] [-data DIR] [-scale F] [-peers dvc,restic]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/bench/internal/measure"
)

// row is a group of measures that share their set-up; all of them can be picked by name.
type row struct {
	name    string
	purpose string
	run     func(*bench) error
}

func rows() []row {
	return []row{
		{"startup", "version, status and log in a small repository", (*bench).startup},
		{"small", "100,000 files: first snapshot, memory, stored", (*bench).smallFirst},
		{"status", "100,000 files: nothing changed", (*bench).smallStatus},
		{"ten", "100,000 files: ten changed", (*bench).smallTen},
		{"checkout", "100,000 files into an empty folder", (*bench).smallCheckout},
		{"table", "1 % of rows changed, and re-sorted, as Parquet and CSV", (*bench).table},
		{"csv", "1 GiB of CSV: first snapshot, growth, verify", (*bench).csv},
		{"big", "4 GiB of noise: first snapshot, growth, verify", (*bench).big},
		{"growth", "10,000, 100,000 and 1,000,000 files: time and memory", (*bench).growth},
	}
}

// bench is what the rows share.
type bench struct {
	mlx    string
	work   string // stores and working copies, removed at the end
	data   string // workloads, kept
	cache  string // tools, kept
	root   string // of the source repository
	scale  float64
	runs   int
	peers  []string
	report *measure.Report
	small  *project // the 100,000 files, once snapshotted
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run() error {
	b, names, err := parse()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
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

func parse() (*bench, []string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil, err
		}
		cache = filepath.Join(home, ".cache")
	}
	cache = filepath.Join(cache, "mlx-ci")
	b := &bench{cache: cache}
	var names, peers string
	var known []string
	for _, r := range rows() {
		known = append(known, r.name)
	}
	flag.StringVar(&b.mlx, "mlx", "bin/mlx", "the binary to measure")
	flag.StringVar(&names, "rows", "", "what to measure: "+strings.Join(known, ",")+" (default all)")
	flag.StringVar(&b.data, "data", filepath.Join(cache, "bench-data"), "where the workloads are or will be")
	flag.StringVar(&b.work, "work", filepath.Join(cache, "bench-work"), "where stores are made and removed")
	flag.Float64Var(&b.scale, "scale", 1, "size of the workloads; the bars are for 1")
	flag.IntVar(&b.runs, "runs", 3, "runs of each short measure; the lowest counts")
	flag.StringVar(&peers, "peers", "dvc,restic,git", "peers to run beside mlx")
	flag.Parse()
	b.peers = split(peers)
	picked := split(names)
	for _, name := range picked {
		if !slices.Contains(known, name) {
			return nil, nil, fmt.Errorf("unknown row %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	var err error
	if b.root, err = os.Getwd(); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(filepath.Join(b.root, "bench", "gen_data.py")); err != nil {
		return nil, nil, fmt.Errorf("run it from the root of the repository: %w", err)
	}
	for _, path := range []*string{&b.mlx, &b.data, &b.work} {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, nil, err
		}
	}
	b.work = filepath.Join(b.work, fmt.Sprint(os.Getpid()))
	b.report = &measure.Report{Out: os.Stdout, NoBars: b.scale != 1}
	return b, picked, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
