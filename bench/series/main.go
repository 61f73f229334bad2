//go:build unix

// Command series measures what the series of a run cost, through the command itself: CPU seconds of `mlx run` over a command
// that leaves a file of metrics, over the same command without, and of `mlx show --format csv`; bytes a point. Beside it the
// peer: the same points written as JSON lines and read again by the standard library.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"mlx/bench/internal/measure"
)

func main() {
	mlx := flag.String("mlx", "bin/mlx", "the program to measure")
	steps := flag.Int("steps", 100_000, "lines of metrics")
	names := flag.Int("names", 1, "metrics a line")
	flag.Parse()
	if err := bench(*mlx, *steps, *names); err != nil {
		fmt.Fprintln(os.Stderr, "series:", err)
		os.Exit(1)
	}
}

func bench(program string, steps, names int) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	dir, remove, err := measure.Project("", "series")
	if err != nil {
		return err
	}
	defer remove()
	file := filepath.Join(dir, "metrics.jsonl")
	size, err := writeMetrics(file, steps, names)
	if err != nil {
		return err
	}
	project := filepath.Join(dir, "project")
	if err := measure.Init(program, project); err != nil {
		return err
	}
	mlx := func(out io.Writer, args ...string) measure.Command {
		return measure.Command{Dir: project, Args: append([]string{program}, args...), Out: out}
	}
	empty, err := measure.Lowest(5, nil, mlx(nil, "run", "-q", "--", "true"))
	if err != nil {
		return err
	}
	// A link, because copying the file is not what is measured.
	full, err := measure.Lowest(5, nil, mlx(nil, "run", "-q", "--", "sh", "-c", `ln "$0" "$MLX_METRICS"`, file))
	if err != nil {
		return err
	}
	var csv bytes.Buffer
	read, err := measure.Lowest(5, func() error { csv.Reset(); return nil }, mlx(&csv, "show", "@last", "--format", "csv"))
	if err != nil {
		return err
	}
	if lines := bytes.Count(csv.Bytes(), []byte("\n")); lines != steps*names+1 {
		return fmt.Errorf("%d lines came back of %d points", lines, steps*names)
	}
	var shown bytes.Buffer
	if _, err := measure.Run(mlx(&shown, "show", "@last", "--json")); err != nil {
		return err
	}
	var view struct {
		Series struct{ Bytes, Points int64 } `json:"series"`
	}
	if err := json.Unmarshal(shown.Bytes(), &view); err != nil {
		return err
	}
	points := float64(view.Series.Points)
	fmt.Printf("%d steps of %d metrics: %d points, %.1f MB as JSON lines\n", steps, names, view.Series.Points, float64(size)/1e6)
	fmt.Printf("  written  %.3f CPU s, of which an empty run takes %.3f; peak %.0f MB\n", full.CPU, empty.CPU, float64(full.PeakBytes)/1e6)
	fmt.Printf("  read     %.3f CPU s as CSV; peak %.0f MB\n", read.CPU, float64(read.PeakBytes)/1e6)
	fmt.Printf("  kept     %.2f bytes a point\n", float64(view.Series.Bytes)/points)
	return peer(file, points, size)
}

// peer reads the lines again as a script would.
func peer(file string, points float64, size int64) error {
	before := cpu()
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(bufio.NewReader(f))
	for {
		var line map[string]float64
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	fmt.Printf("  peer     %.3f CPU s to read the JSON lines with the standard library; %.2f bytes a point\n", cpu()-before, float64(size)/points)
	return nil
}

func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// writeMetrics writes noisy 32-bit curves over steps that take about 120 ms.
func writeMetrics(file string, steps, names int) (int64, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	now := 1795447679.137
	for i := range steps {
		now += 0.120 + 0.006*rng.NormFloat64()
		b.WriteString(`{"step": ` + strconv.Itoa(i) + `, "time": ` + strconv.FormatFloat(now, 'f', 6, 64))
		for k := range names {
			x := float64(i) / float64(steps)
			loss := float32(2.3*math.Exp(-4*x) + 0.2 + 0.03*rng.NormFloat64())
			b.WriteString(`, "loss` + strconv.Itoa(k) + `": ` + strconv.FormatFloat(float64(loss), 'g', -1, 64))
		}
		b.WriteString("}\n")
	}
	return int64(b.Len()), os.WriteFile(file, b.Bytes(), 0o644)
}
