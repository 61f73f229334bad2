package deploy

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"mlx/internal/gate"
	"mlx/internal/stats"
)

// The predictions are compared over tenths of those of stable.
const (
	outputBins  = 10
	usualMaxPSI = 0.2
)

// judgePSI judges how far the predictions of the candidate are from those of stable, which answered other requests. An index of few predictions
// is above any limit now and then: it fails when its bound for all times is.
func judgePSI(rule Rule, c, b Outputs) gate.Finding {
	limit := usualMaxPSI
	if rule.Max != nil {
		limit = *rule.Max
	}
	now, reference := binned(c, b), binned(b, b)
	rows, rowsOfStable := int64(total(now)), int64(total(reference))
	f := gate.Finding{Verdict: gate.Inconclusive, Rows: &rows, Needs: "limit " + number(limit)}
	need := max(rule.MinSamples, enough)
	if rows == 0 || rowsOfStable == 0 {
		f.Shown, f.RowsNeeded = "no predictions", &need
		return f
	}
	psi, err := stats.PSI(reference, now, stats.PSIFloor)
	if err != nil {
		f.Shown = err.Error()
		return f
	}
	f.Value, f.Shown = finite(psi), "PSI "+digits(psi)
	sequence := stats.Mixture{Level: 2*level - 1, Sharpest: enough}
	if bounds, err := sequence.PSISequence(reference, now); err == nil {
		f.Interval = finitePair([2]float64{max(bounds.Lower, 0), bounds.Upper})
	}
	switch {
	case f.Interval != nil && f.Interval[0] > limit:
		f.Verdict = gate.Fail
	case min(rows, rowsOfStable) < need:
		f.RowsNeeded = &need
		f.Note = f.Shown + fmt.Sprintf(" of %s predictions, %s are needed", group(min(rows, rowsOfStable)), group(need))
	case psi <= limit:
		f.Verdict = gate.Pass
	}
	if psi > limit && f.Verdict == gate.Inconclusive && f.Interval != nil {
		f.Shown += " (95%: from " + digits(f.Interval[0]) + ")"
	}
	return f
}

func total(counts []float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// binned counts outputs in bins of about a tenth each of the numbers of a reference, and in one bin for each of its words.
func binned(o, reference Outputs) []float64 {
	var bins []float64
	for _, side := range []struct{ of, by Histogram }{{o.Low, reference.Low}, {o.High, reference.High}} {
		below := 0.0
		for _, edge := range edges(side.by) {
			now := side.of.Below(edge)
			bins = append(bins, now-below)
			below = now
		}
		bins = append(bins, float64(side.of.Count())-below)
	}
	known := slices.Sorted(maps.Keys(reference.Words))
	other := 0.0
	for word, n := range o.Words {
		if _, ok := reference.Words[word]; !ok {
			other += float64(n)
		}
	}
	for _, word := range known {
		bins = append(bins, float64(o.Words[word]))
	}
	return append(bins, other)
}

// edges cut a histogram into tenths, at bounds of its buckets so that no bucket is split; values that repeat leave fewer.
func edges(h Histogram) []float64 {
	var all []float64
	if h.Count() == 0 {
		return nil
	}
	for i := 1; i < outputBins; i++ {
		v := h.Quantile(float64(i) / outputBins)
		low, high := bucketRange(Bucket(int64(math.Floor(v))))
		edge := high
		if v <= low {
			edge = low
		}
		if n := len(all); edge > 0 && (n == 0 || edge > all[n-1]) {
			all = append(all, edge)
		}
	}
	return all
}
