//go:build unix

// Command metrics measures what it costs to hold a candidate against production: every metric of two classes with its paired
// bootstrap, beside scikit-learn's metrics in a bootstrap by numpy.
//
//	MLX_BENCH_METRICS=$(.ci/python cmd/mlx/testdata/python/stats.txt) go run ./bench/metrics
//
// The peer takes few resamples and its cost is scaled to as many as mlx takes: the report says so. CPU time is what is judged.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"mlx/bench/internal/measure"
	"mlx/internal/stats"
)

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
}

type options struct {
	python                  string
	rows, resamples, scaled int
	times                   int
	child                   string
}

func start(args []string) error {
	var o options
	flags := flag.NewFlagSet("metrics", flag.ContinueOnError)
	flags.StringVar(&o.python, "python", os.Getenv("MLX_BENCH_METRICS"), "Python with scikit-learn")
	flags.IntVar(&o.rows, "rows", 1_000_000, "rows")
	flags.IntVar(&o.resamples, "resamples", 2000, "resamples of each bootstrap")
	flags.IntVar(&o.scaled, "peer-resamples", 3, "resamples that the peer takes")
	flags.IntVar(&o.times, "times", 3, "runs of mlx, of which the cheapest counts")
	flags.StringVar(&o.child, "child", "", "compute from this file and say nothing else: what is measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.child != "" {
		return o.compute()
	}
	return o.measure()
}

// measure writes the rows, and runs itself and the peer on them.
func (o options) measure() error {
	dir, remove, err := measure.Project("", "metrics")
	if err != nil {
		return err
	}
	defer remove()
	data := filepath.Join(dir, "rows")
	if err := o.write(data); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, err := measure.Lowest(o.times, nil, measure.Command{Args: []string{self, "-child", data, "-rows", strconv.Itoa(o.rows), "-resamples", strconv.Itoa(o.resamples)}})
	if err != nil {
		return err
	}
	var peer measure.Cost
	if o.python != "" {
		if peer, err = o.peer(data); err != nil {
			return err
		}
	}
	report := measure.Report{Out: os.Stdout, NoBars: o.rows != 1_000_000 || o.resamples != 2000}
	name := fmt.Sprintf("%d rows, 12 metrics, %d resamples each: ", o.rows, o.resamples)
	report.Add(measure.Line{Measure: name + "CPU", Value: ours.CPU, Unit: "s", Peer: "scikit-learn (scaled)", Theirs: peer.CPU, Bar: 10})
	report.Add(measure.Line{Measure: name + "peak memory", Value: ours.PeakMiB(), Unit: "MiB", Peer: "scikit-learn",
		Theirs: peer.PeakMiB(), Bar: 256})
	if o.python != "" {
		fmt.Printf("The peer took %d resamples and its CPU is scaled to %d.\n", o.scaled, o.resamples)
	}
	return nil
}

// peer runs with none and with some resamples; the difference is the cost of these.
func (o options) peer(data string) (measure.Cost, error) {
	run := func(resamples int) (measure.Cost, error) {
		return measure.Run(measure.Command{Env: []string{"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1"},
			Args: []string{o.python, measure.Script("bench/metrics/peer.py"), data, strconv.Itoa(o.rows), strconv.Itoa(resamples)}})
	}
	base, err := run(0)
	if err != nil {
		return base, err
	}
	some, err := run(o.scaled)
	some.CPU = base.CPU + (some.CPU-base.CPU)/float64(o.scaled)*float64(o.resamples)
	return some, err
}

// write makes labels (1 in 5 positive) and the scores of two models that share most of what they know: int32 labels, then float64 a, then b.
func (o options) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(1, 2))
	labels, a, b := make([]int32, o.rows), make([]float64, o.rows), make([]float64, o.rows)
	for i := range labels {
		if r.Float64() < 0.2 {
			labels[i] = 1
		}
		base := 1.5*float64(labels[i]) - 1.5 + 0.9*r.NormFloat64()
		a[i] = 1 / (1 + math.Exp(-base-0.4*r.NormFloat64()))
		b[i] = 1 / (1 + math.Exp(-base-0.4*r.NormFloat64()))
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for _, part := range []any{labels, a, b} {
		if err := binary.Write(w, binary.LittleEndian, part); err != nil {
			return err
		}
	}
	return w.Flush()
}

// compute is what is measured: read the rows, compare all metrics.
func (o options) compute() error {
	f, err := os.Open(o.child)
	if err != nil {
		return err
	}
	defer f.Close()
	p := stats.BinaryPair{Labels: make([]int32, o.rows), A: make([]float64, o.rows), B: make([]float64, o.rows), Threshold: 0.5}
	in := bufio.NewReaderSize(f, 1<<20)
	if err := readWords(in, 4, len(p.Labels), func(i int, word []byte) { p.Labels[i] = int32(binary.LittleEndian.Uint32(word)) }); err != nil {
		return err
	}
	for _, part := range [][]float64{p.A, p.B} {
		if err := readWords(in, 8, len(part), func(i int, word []byte) { part[i] = math.Float64frombits(binary.LittleEndian.Uint64(word)) }); err != nil {
			return err
		}
	}
	for _, metric := range []stats.Metric{stats.Accuracy, stats.BalancedAccuracy, stats.Precision, stats.Recall, stats.F1, stats.Specificity,
		stats.MCC, stats.ROCAUC, stats.PRAUC, stats.LogLoss, stats.Brier, stats.ECE} {
		c, err := p.Compare(metric, stats.Design{Resamples: o.resamples, Strata: p.Labels})
		if err != nil {
			return err
		}
		fmt.Printf("%-18s %.6f against %.6f  %+.6f (%+.6f to %+.6f)\n", metric, c.A, c.B, c.Diff, c.Lower, c.Upper)
	}
	return nil
}

// readWords reads n words of size bytes one by one: binary.Read would hold all their bytes beside the numbers.
func readWords(in io.Reader, size, n int, take func(i int, word []byte)) error {
	word := make([]byte, size)
	for i := range n {
		if _, err := io.ReadFull(in, word); err != nil {
			return err
		}
		take(i, word)
	}
	return nil
}
