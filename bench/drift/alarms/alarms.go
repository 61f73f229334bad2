// Package alarms counts how often tables without drift are flagged, and how often drift is found: the whole way from a file to an answer.
package alarms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mlx/bench/internal/measure"
	"mlx/internal/dataset"
	"mlx/internal/drift"
)

// Options say how much is drawn.
type Options struct {
	Sets    int    // data sets of each case; 1000 for the bars
	Columns int    // 60
	Temp    string // folder for what does not fit into memory
}

// workload is how the two sides of a data set are drawn.
type workload struct {
	name      string
	reference int     // rows of the reference, or days
	current   int     // and of the current side
	day       int     // rows of a day on average, of very different days; 0: rows are independent
	effect    float64 // standard deviation of the effect that a day has on all of its rows, where that of a row is 1
	smaller   float64 // days of the current side have this share of the rows; 0: all
	shift     float64 // by which the first column is moved, standard deviations of a row; 0: there is no drift
}

func workloads() []workload {
	return []workload{
		{name: "independent rows", reference: 1000, current: 500},
		{name: "whole days", reference: 60, current: 7, day: 40, effect: 1},
		{name: "whole days, a third of the rows", reference: 60, current: 7, day: 40, effect: 1, smaller: 1. / 3},
		{name: "independent rows, shift 0.5", reference: 1000, current: 500, shift: 0.5},
		{name: "whole days of 0.5, shift 1.5", reference: 60, current: 7, day: 40, effect: 0.5, shift: 1.5},
	}
}

// Run adds the lines: of tables without drift the share in which any column is flagged, judged by effect and p and by p alone; of tables
// with drift the share in which the column is found.
func Run(ctx context.Context, report *measure.Report, o Options) error {
	for _, w := range workloads() {
		flagged, found, err := w.count(ctx, o)
		if err != nil {
			return err
		}
		if w.shift > 0 {
			report.Add(measure.Line{Measure: "power, " + w.name, Value: share(found[0], o.Sets), Unit: "%", Bar: 80, AtLeast: true})
			continue
		}
		report.Add(measure.Line{Measure: "alarms, " + w.name, Value: share(flagged[0], o.Sets), Unit: "%", Bar: 5})
		report.Add(measure.Line{Measure: "alarms by p alone, " + w.name, Value: share(flagged[1], o.Sets), Unit: "%", Bar: 5})
	}
	return nil
}

func share(n int64, of int) float64 { return 100 * float64(n) / float64(of) }

// count judges all data sets in both ways: by effect and p, and by p alone.
func (w workload) count(ctx context.Context, o Options) (flagged, found [2]int64, err error) {
	var next, any, first [2]atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, runtime.GOMAXPROCS(0))
	for worker := range errs {
		all.Go(func() {
			for set := next[0].Add(1); set <= int64(o.Sets) && errs[worker] == nil; set = next[0].Add(1) {
				for way, answer := range w.judged(ctx, o, uint64(set), &errs[worker]) {
					if answer.Verdict == drift.Drift {
						any[way].Add(1)
					}
					if answer.Columns[0].Verdict == drift.Drift {
						first[way].Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	for _, problem := range errs {
		if problem != nil {
			return flagged, found, problem
		}
	}
	for way := range flagged {
		flagged[way], found[way] = any[way].Load(), first[way].Load()
	}
	return flagged, found, nil
}

// judged are the answers about one data set.
func (w workload) judged(ctx context.Context, o Options, seed uint64, problem *error) []drift.Answer {
	spec := drift.Spec{Seed: int64(seed)}
	if w.day > 0 {
		spec.Cluster = "day"
	}
	spec, err := spec.Complete()
	if err != nil {
		*problem = err
		return nil
	}
	r := rand.New(rand.NewPCG(seed, 60))
	var sides [2]drift.Source
	for i := range sides {
		if sides[i], err = open(ctx, w.csv(r, o.Columns, i == 1), o.Temp); err != nil {
			*problem = err
			return nil
		}
		table := sides[i].Table
		defer func() { *problem = errors.Join(*problem, table.Close()) }()
	}
	compared, err := drift.Compare(ctx, sides[0], sides[1], spec, drift.Options{Temp: o.Temp, Workers: 1})
	if err != nil {
		*problem = err
		return nil
	}
	both := compared.Judge(spec, time.Unix(0, 0))
	spec.Judge = drift.JudgeP
	return []drift.Answer{both, compared.Judge(spec, time.Unix(0, 0))}
}

func open(ctx context.Context, text []byte, temp string) (drift.Source, error) {
	file := dataset.File{Name: "set.csv", Size: int64(len(text)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}
	t, err := dataset.Open(ctx, []dataset.File{file}, dataset.Options{Format: "csv", Temp: temp})
	return drift.Source{Name: "set.csv", Table: t}, err
}

// csv draws one side.
func (w workload) csv(r *rand.Rand, columns int, current bool) []byte {
	groups, size := w.reference, float64(w.day)
	if current {
		groups = w.current
		if w.smaller > 0 {
			size *= w.smaller
		}
	}
	var b []byte
	for i := range columns {
		b = fmt.Appendf(b, "c%02d,", i)
	}
	b = append(b, "day\n"...)
	effects := make([]float64, columns)
	for g := range groups {
		n := 1
		if w.day > 0 {
			n = 1 + int(size*(0.25+1.5*r.Float64()))
			for i := range effects {
				effects[i] = w.effect * r.NormFloat64()
			}
		}
		for range n {
			for i, effect := range effects {
				z := r.NormFloat64() + effect
				if current && i == 0 {
					z += w.shift
				}
				b = append(appendShaped(b, r, i, z), ',')
			}
			b = fmt.Appendf(b, "d%d\n", g)
		}
	}
	return b
}

// appendShaped writes a normal number as the column has it: as it is, with heavy tails, in steps, mostly zero, or as a category; of some
// columns a twentieth is missing.
func appendShaped(b []byte, r *rand.Rand, i int, z float64) []byte {
	if i%3 == 1 && r.Float64() < 0.05 {
		return b
	}
	switch i % 12 {
	case 3, 7, 11:
		return fmt.Appendf(b, "w%02d", min(int(math.Exp(0.8*z+1)), 40))
	case 1, 5:
		z = math.Exp(2 * z)
	case 2, 6:
		z = math.Round(z * 2)
	case 8, 9:
		z = max(0, z-1)
	}
	return strconv.AppendFloat(b, z, 'g', 8, 64)
}
