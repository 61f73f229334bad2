//go:build linux

// Command run measures what `mlx run` costs beside the command alone: the time of a command that does nothing, output
// that goes through mlx, and mlx beside a command that is quiet.
//
//	go build -o bin/mlx ./cmd/mlx && go run ./bench/run -mlx bin/mlx
//
// Wall time depends on who else uses the machine; the lowest of several is taken, in turn with the command alone.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"mlx/bench/internal/measure"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "flood" {
		flood(os.Args[2:])
		return
	}
	mlx := flag.String("mlx", "bin/mlx", "`program` to measure")
	times := flag.Int("n", 10, "how often each is tried")
	quiet := flag.Duration("quiet", 20*time.Second, "how long the quiet command lasts")
	flag.Parse()
	if err := start(*mlx, *times, *quiet); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// bench is a repository to run in.
type bench struct {
	mlx, self, dir string
	times          int
	report         measure.Report
}

func start(mlx string, times int, quiet time.Duration) error {
	var err error
	b := bench{times: times, report: measure.Report{Out: os.Stdout}}
	if b.mlx, err = filepath.Abs(mlx); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "mlx-bench-run-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for _, words := range [][]string{{"git", "init", "-q"}, {b.mlx, "init"}, {"git", "add", "-A"},
		{"git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one"}} {
		if _, err := measure.Run(measure.Command{Dir: b.dir, Args: words}); err != nil {
			return err
		}
	}
	for _, part := range []func() error{b.nothing, b.paced, b.fast, func() error { return b.quiet(quiet) }} {
		if err := part(); err != nil {
			return err
		}
	}
	fmt.Printf("%d bars met, %d missed\n", b.report.Met, b.report.Missed)
	return nil
}

// flooded is what the command that floods says of itself when it has written everything: how long it took, and how much
// CPU time its parent had used by then. What mlx does after that, keeping the output, is not its business.
type flooded struct{ wall, parent float64 }

// floods runs the flood alone and under mlx in turn, and returns the lowest of each.
func (b *bench) floods(words ...string) (alone, under flooded, err error) {
	file := filepath.Join(b.dir, "flooded")
	for i := range max(2, b.times/3) {
		for _, side := range []struct {
			best *flooded
			args []string
		}{{&alone, nil}, {&under, []string{b.mlx, "run", "-q", "--"}}} {
			args := append(append(append([]string{}, side.args...), b.self, "flood", file), words...)
			if _, err := b.piped(args); err != nil {
				return alone, under, err
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return alone, under, err
			}
			var got flooded
			if _, err := fmt.Sscan(string(text), &got.wall, &got.parent); err != nil {
				return alone, under, err
			}
			if i == 0 || got.wall < side.best.wall {
				side.best.wall = got.wall
			}
			if i == 0 || got.parent < side.best.parent {
				side.best.parent = got.parent
			}
		}
	}
	return alone, under, nil
}

// both runs a command alone and under mlx in turn, and returns the lowest cost of each. CPU and wall time are taken apart.
func (b *bench) both(times int, command ...string) (alone, under measure.Cost, err error) {
	for i := range times {
		for _, side := range []struct {
			best *measure.Cost
			args []string
		}{{&alone, command}, {&under, append([]string{b.mlx, "run", "-q", "--"}, command...)}} {
			cost, err := b.piped(side.args)
			if err != nil {
				return alone, under, err
			}
			if i == 0 || cost.CPU < side.best.CPU {
				side.best.CPU = cost.CPU
			}
			if i == 0 || cost.Wall < side.best.Wall {
				side.best.Wall = cost.Wall
			}
		}
	}
	return alone, under, nil
}

// piped runs a command whose output goes through a real pipe to a reader that drops it.
func (b *bench) piped(args []string) (measure.Cost, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return measure.Cost{}, err
	}
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 1<<20)
		for {
			if _, err := r.Read(buf); err != nil {
				if err == io.EOF {
					err = nil
				}
				done <- err
				return
			}
		}
	}()
	cost, err := measure.Run(measure.Command{Dir: b.dir, Args: args, Out: w})
	w.Close()
	if readErr := <-done; err == nil {
		err = readErr
	}
	r.Close()
	return cost, err
}

func (b *bench) nothing() error {
	alone, under, err := b.both(3*b.times, "true")
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "mlx run -- true, over true: wall", Value: 1000 * (under.Wall - alone.Wall), Unit: "ms", Bar: 40})
	b.report.Add(measure.Line{Measure: "the same: CPU, with git", Value: 1000 * (under.CPU - alone.CPU), Unit: "ms"})
	return nil
}

// paced is a command that writes 100 MB a second for three seconds.
func (b *bench) paced() error {
	alone, under, err := b.floods("300000000", "100000000")
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "100 MB/s of stdout: slower by", Value: 100 * (under.wall/alone.wall - 1), Unit: "%", Bar: 5})
	b.report.Add(measure.Line{Measure: "the same: CPU of mlx meanwhile", Value: 100 * under.parent / under.wall, Unit: "% of a core"})
	return nil
}

// fast is one that writes as fast as it can.
func (b *bench) fast() error {
	const size = 1_000_000_000
	alone, under, err := b.floods(strconv.Itoa(size))
	if err != nil {
		return err
	}
	b.report.Add(measure.Line{Measure: "stdout as fast as it can be written", Value: size / under.wall / 1e6, Unit: "MB/s", Peer: "without mlx",
		Theirs: size / alone.wall / 1e6})
	b.report.Add(measure.Line{Measure: "the same: CPU of mlx a GB", Value: under.parent, Unit: "s"})
	return nil
}

// quiet is a command that writes a line a second: what is measured is mlx itself, while it waits.
func (b *bench) quiet(lasts time.Duration) error {
	cmd := exec.Command(b.mlx, "run", "-q", "--", "sh", "-c", fmt.Sprintf("for i in $(seq %d); do echo $i; sleep 1; done", int(lasts.Seconds())))
	cmd.Dir = b.dir
	if err := cmd.Start(); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // it has started
	before, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return err
	}
	from := time.Now()
	time.Sleep(lasts - 5*time.Second)
	after, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return err
	}
	share := 100 * (after - before).Seconds() / time.Since(from).Seconds()
	b.report.Add(measure.Line{Measure: "mlx beside a quiet command", Value: share, Unit: "% of a core", Bar: 1})
	return cmd.Wait()
}

// cpuOf reads how much CPU time the threads of a process have used, in nanoseconds as the scheduler counts them.
func cpuOf(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var all time.Duration
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, err
		}
		all += time.Duration(ns)
	}
	return all, nil
}

// flood writes SIZE bytes as lines, at most RATE a second if that is said, and into FILE what it cost.
func flood(args []string) {
	size, rate := 0, 0
	if _, err := fmt.Sscan(args[1], &size); err != nil {
		os.Exit(2)
	}
	if len(args) > 2 {
		if _, err := fmt.Sscan(args[2], &rate); err != nil {
			os.Exit(2)
		}
	}
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = 'x'
		if i%80 == 79 {
			block[i] = '\n'
		}
	}
	began := time.Now()
	for done := 0; done < size; done += len(block) {
		if _, err := os.Stdout.Write(block); err != nil {
			os.Exit(int(syscall.EPIPE))
		}
		if rate > 0 {
			due := began.Add(time.Duration(float64(done) / float64(rate) * float64(time.Second)))
			if wait := time.Until(due); wait > time.Millisecond {
				time.Sleep(wait)
			}
		}
	}
	wall := time.Since(began).Seconds()
	cpu, err := cpuOf(os.Getppid())
	if err == nil {
		err = os.WriteFile(args[0], fmt.Appendln(nil, wall, cpu.Seconds()), 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
