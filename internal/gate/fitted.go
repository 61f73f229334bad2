package gate

import (
	"math"
	"slices"

	"mlx/internal/object"
)

// maxReport is how long a report may be in the ledger, whose records end at 1 MiB.
const maxReport = 900 << 10

// fitted is the report without what a record has no room for: first plots, then samples of rows, then their places. Numbers, texts and
// verdicts always stay.
func (r Report) fitted() Report {
	for _, drop := range []func(*Finding){
		func(f *Finding) { f.Plot = f.Plot.finite() },
		func(f *Finding) { f.Plot = nil },
		func(f *Finding) {
			if f.Failing != nil {
				f.Failing = &Failing{Count: f.Failing.Count, Rows: f.Failing.Rows}
			}
		},
		func(f *Finding) {
			if f.Failing != nil {
				f.Failing = &Failing{Count: f.Failing.Count}
			}
		},
	} {
		r.Gates = slices.Clone(r.Gates)
		for i := range r.Gates {
			r.Gates[i].Checks = slices.Clone(r.Gates[i].Checks)
			for k := range r.Gates[i].Checks {
				drop(&r.Gates[i].Checks[k])
			}
		}
		if text, err := object.Encode(r); err != nil || len(text) <= maxReport {
			break // what cannot be encoded is refused where it is written
		}
	}
	return r
}

// finite is the plot without points that are no numbers, which a record cannot hold.
func (p *Plot) finite() *Plot {
	if p == nil {
		return nil
	}
	q := *p
	q.Lines = slices.Clone(p.Lines)
	for i, l := range p.Lines {
		kept := PlotLine{Name: l.Name, X: []float64{}, Y: []float64{}}
		for k := range min(len(l.X), len(l.Y)) {
			if sum := l.X[k] + l.Y[k]; !math.IsNaN(sum) && !math.IsInf(sum, 0) {
				kept.X, kept.Y = append(kept.X, l.X[k]+0), append(kept.Y, l.Y[k]+0)
			}
		}
		q.Lines[i] = kept
	}
	return &q
}
