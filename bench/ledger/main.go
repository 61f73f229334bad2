//go:build linux

// Command ledger measures the ledger against its peers, run in turn beside it: CPU seconds, peak memory, ratios.
//
//	go run ./bench/ledger            everything, on 100,000 records
//	go run ./bench/ledger -n 1000000 growth up to a million
//
// Wall time depends on who else uses the machine; CPU time and the ratios hardly do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := start(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

type options struct {
	dir     string
	records int
	each    int
	only    string
}

func start(ctx context.Context, args []string) error {
	if len(args) > 0 && strings.HasPrefix(args[0], "child-") {
		return child(ctx, args)
	}
	var o options
	flags := flag.NewFlagSet("ledger", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "folder to work in (default: a temporary one, removed)")
	flags.IntVar(&o.records, "n", 100_000, "records of the large ledger and end of the growth curve")
	flags.IntVar(&o.each, "each", 2000, "records that each of 8 writers appends")
	flags.StringVar(&o.only, "only", "", "append, query, growth or sync")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "mlx-bench-ledger-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		o.dir = dir
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, options) error
	}{{"append", appends}, {"query", queries}, {"growth", growth}, {"sync", syncs}} {
		if o.only == "" || o.only == part.name {
			if err := part.run(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}

// cost is what processes used.
type cost struct {
	wall, cpu time.Duration
	memory    int64
	out       string
}

func (c cost) String() string {
	return fmt.Sprintf("%9.3f s cpu %9.3f s wall %7.1f MiB peak", c.cpu.Seconds(), c.wall.Seconds(), float64(c.memory)/(1<<20))
}

// together runs n children at once and adds up what they used; memory is that of the largest.
func together(ctx context.Context, n int, args func(i int) []string) (cost, error) {
	self, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	var sum cost
	var cmds []*exec.Cmd
	var outs []*strings.Builder
	begin := time.Now()
	for i := range n {
		cmd := exec.CommandContext(ctx, self, args(i)...)
		out := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			return cost{}, err
		}
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	var failed error
	for i, cmd := range cmds {
		failed = errors.Join(failed, cmd.Wait())
		sum.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			sum.memory = max(sum.memory, int64(u.Maxrss)*1024)
		}
		sum.out += outs[i].String()
	}
	sum.wall = time.Since(begin)
	return sum, failed
}

func alone(ctx context.Context, args ...string) (cost, error) {
	return together(ctx, 1, func(int) []string { return args })
}

func row(what string, c cost, remark string, args ...any) {
	fmt.Printf("%-46s %s  %s\n", what, c, fmt.Sprintf(remark, args...))
}

const writers = 8

// appends compares appending with the least that any program can do for the same durability: write and fdatasync.
func appends(ctx context.Context, o options) error {
	for _, rec := range []struct{ kind, bytes string }{{"snapshot", "460"}, {"run", "2200"}} {
		if err := appendsOf(ctx, o, rec.kind, rec.bytes); err != nil {
			return err
		}
	}
	return nil
}

func appendsOf(ctx context.Context, o options, kind, bytes string) error {
	n := strconv.Itoa(o.each)
	one, err := alone(ctx, "child-append", filepath.Join(o.dir, "one-"+kind), n, kind)
	if err != nil {
		return err
	}
	row(kind+" of "+bytes+" bytes, 1 process, fsync each", one, "%.3f ms cpu a record (bar 0.150)", one.cpu.Seconds()*1e3/float64(o.each))
	for round := range 3 {
		base := filepath.Join(o.dir, fmt.Sprintf("%s%d", kind, round))
		if err := os.MkdirAll(filepath.Join(base, "bare"), 0o755); err != nil {
			return err
		}
		bare, err := together(ctx, writers, func(i int) []string {
			return []string{"child-bare", filepath.Join(base, "bare", strconv.Itoa(i)), n, bytes}
		})
		if err != nil {
			return err
		}
		own, err := together(ctx, writers, func(int) []string { return []string{"child-append", filepath.Join(base, "ledger"), n, kind} })
		if err != nil {
			return err
		}
		total := float64(writers * o.each)
		row("  8 processes, bare write and fdatasync", bare, "%.0f records/s", total/bare.wall.Seconds())
		row("  8 processes, ledger", own, "%.0f records/s, %.2f of the bare rate (bar 0.80)", total/own.wall.Seconds(), bare.wall.Seconds()/own.wall.Seconds())
	}
	return nil
}

// queries measures whole processes on one large ledger.
func queries(ctx context.Context, o options) error {
	dir := filepath.Join(o.dir, "large")
	made, err := alone(ctx, "child-fill", dir, strconv.Itoa(o.records))
	if err != nil {
		return err
	}
	row(fmt.Sprintf("%d runs x 50 keys, written in groups", o.records), made, "")
	size, err := folderSize(filepath.Join(dir, "packs"))
	if err != nil {
		return err
	}
	fmt.Printf("%-46s %d bytes a record (bar 600)\n", "packed", size/int64(o.records))
	for range 3 {
		nothing, err := alone(ctx, "child-nothing")
		if err != nil {
			return err
		}
		asked, err := alone(ctx, "child-query", dir)
		if err != nil {
			return err
		}
		row("process that does nothing", nothing, "")
		row("filter, sort, limit 20: whole process", asked, "%s (bar 10 ms)", strings.TrimSpace(asked.out))
	}
	if err := os.RemoveAll(filepath.Join(dir, "idx")); err != nil {
		return err
	}
	again, err := alone(ctx, "child-verify", dir)
	if err != nil {
		return err
	}
	row("index built again and all verified", again, "%s (bar 1.3 s cpu)", strings.TrimSpace(again.out))
	return nil
}

// growth shows that time and memory grow no faster than the number of records.
func growth(ctx context.Context, o options) error {
	for n := 1000; n <= o.records; n *= 10 {
		dir := filepath.Join(o.dir, fmt.Sprintf("grow%d", n))
		for _, step := range [][]string{{"child-fill", dir, strconv.Itoa(n)}, {"child-query", dir}, {"child-verify", dir}} {
			c, err := alone(ctx, step...)
			if err != nil {
				return err
			}
			row(fmt.Sprintf("%d records: %s", n, strings.TrimPrefix(step[0], "child-")), c, "%.2f us cpu a record", c.cpu.Seconds()*1e6/float64(n))
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func folderSize(dir string) (total int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
	}
	return total, err
}
