package main

import (
	"fmt"
	"os"

	"mlx/bench/internal/measure"
)

// growth measures the same commands on ten times as many files, twice. Linear means that the cost of one file stays.
func (b *bench) growth() error {
	var previous, first measure.Cost
	for i, tenth := range []float64{0.1, 1, 10} {
		files := 100_000 * tenth * b.scale
		p, err := b.treeProject(fmt.Sprintf("growth-%d", i), tenth*b.scale)
		if err != nil {
			return err
		}
		if first, err = measure.Run(p.save("mlx")); err != nil {
			return err
		}
		status, err := p.run(b.mlx, "status")
		if err != nil {
			return err
		}
		what := fmt.Sprintf("growth: %.0f files, ", files)
		memory := map[float64]float64{1: 128, 10: 400}[tenth]
		b.report.Add(measure.Line{Measure: what + "first snapshot, CPU", Value: first.CPU, Unit: "s"})
		b.report.Add(measure.Line{Measure: what + "first snapshot, peak memory", Value: mib(first), Unit: "MiB", Bar: memory})
		b.report.Add(measure.Line{Measure: what + "status, CPU", Value: status.CPU, Unit: "s"})
		b.report.Add(measure.Line{Measure: what + "status, peak memory", Value: mib(status), Unit: "MiB", Bar: memory})
		if i > 0 {
			b.report.Add(measure.Line{Measure: what + "CPU, times that of a tenth", Value: first.CPU / previous.CPU, Unit: "x", Bar: 11})
		}
		previous = first
		if err := os.RemoveAll(p.root); err != nil { // a million files are worth their room
			return err
		}
	}
	return nil
}
