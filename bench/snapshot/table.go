package main

import (
	"path/filepath"

	"mlx/bench/internal/measure"
)

// table compares the growth of the store by a changed or re-sorted table with a patch that zstd makes of the two files.
func (b *bench) table() error {
	source, err := b.tables()
	if err != nil {
		return err
	}
	for _, form := range []string{"parquet", "csv"} {
		bar := map[string]float64{"parquet": 1.25}[form] // there is none for CSV
		for _, version := range []string{"changed", "sorted"} {
			p, err := b.newProject("table-"+form+"-"+version, "data/table")
			if err != nil {
				return err
			}
			one, two := filepath.Join(source, "one."+form), filepath.Join(source, version+"."+form)
			if _, err := p.put(one); err != nil {
				return err
			}
			if _, err := measure.Run(p.save("mlx")); err != nil {
				return err
			}
			before, err := p.store()
			if err != nil {
				return err
			}
			size, err := p.put(two)
			if err != nil {
				return err
			}
			cost, err := measure.Run(p.save("mlx"))
			if err != nil {
				return err
			}
			after, err := p.store()
			if err != nil {
				return err
			}
			patch, theirs, err := p.patch(one, two)
			if err != nil {
				return err
			}
			growth := float64(after.Bytes-before.Bytes) / megabyte
			what := version + " " + form
			b.report.Add(measure.Line{Measure: what + ", growth", Value: growth, Unit: "MB", Peer: "zstd patch", Theirs: patch})
			b.report.Add(measure.Line{Measure: what + ", growth, times zstd's patch", Value: growth / patch, Unit: "x", Bar: bar})
			b.report.Add(measure.Line{Measure: what + ", growth, share of the file", Value: growth * megabyte / float64(size), Unit: "x"})
			b.report.Add(measure.Line{Measure: what + ", CPU", Value: cost.CPU, Unit: "s", Peer: "zstd patch", Theirs: theirs.CPU})
		}
	}
	return nil
}

// patch returns the size in MB, and the cost, of what zstd needs to make two out of one.
func (p *project) patch(one, two string) (float64, measure.Cost, error) {
	out := p.path("patch")
	cost, err := p.run("zstd", "-q", "-f", "--long=27", "--patch-from="+one, two, "-o", out)
	if err != nil {
		return 0, cost, err
	}
	size, err := measure.SizeOf(out)
	return float64(size.Bytes) / megabyte, cost, err
}
