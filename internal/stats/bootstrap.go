package stats

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// Bootstrap is the percentile interval (two-sided, at 2 Level - 1) of any statistic that is a function of the rows' weights. base is the rows' own weights, nil
// for one each, and rows are counted by n. The statistic is called by several goroutines and must not keep or change its argument. Resamples in which it is NaN are
// left out; when more than one in ten are, the bounds are NaN.
func Bootstrap(n int, base []float64, statistic func(weights []float64) float64, d Design) (Interval, error) {
	c, err := PairedBootstrap(n, base, func(w []float64) (float64, float64) { return statistic(w), 0 }, d)
	return Interval{c.Diff, c.Lower, c.Upper}, err
}

// PairedBootstrap compares two values that are functions of the same rows' weights: in each resample rows are drawn with replacement (within strata, or whole clusters) and
// both values are taken at base weight x times drawn. Bounds are percentiles of the differences, widened for few units by t
// quantiles and moved out at the longer tail of a skewed statistic. It costs Resamples calls of the statistic: for many rows the named metrics of BinaryPair and others are far cheaper.
func PairedBootstrap(n int, base []float64, statistic func(weights []float64) (a, b float64), d Design) (Comparison, error) {
	d, err := d.filled(n)
	if err != nil {
		return Comparison{}, err
	}
	if err := checkWeights(base, n); err != nil {
		return Comparison{}, err
	}
	if base == nil {
		base = slices.Repeat([]float64{1}, n)
	}
	c := Comparison{Rows: n, Units: n, Level: d.Level, Method: fmt.Sprintf("paired bootstrap, %d resamples", d.Resamples)}
	c.A, c.B = statistic(base)
	c.Diff = c.A - c.B
	s := newSampler(n, d)
	c.Units = s.units
	if c.Units < MinClusters {
		return c.cannotTell("%d %s, at least %d needed", c.Units, s.unit, MinClusters), nil
	}
	diffs := make([]float64, d.Resamples)
	s.each(base, d, func(resample int, weights []float64) {
		a, b := statistic(weights)
		diffs[resample] = a - b
	})
	return c.percentiles(diffs, d), nil
}

// each visits the weights of every resample, on the design's goroutines; they must not be kept.
func (s sampler) each(base []float64, d Design, visit func(resample int, weights []float64)) {
	d.spread(func(next func() (int, bool)) {
		weights, times := make([]float64, len(base)), make([]int32, s.units)
		for r, ok := next(); ok; r, ok = next() {
			s.weigh(r, base, weights, times)
			visit(r, weights)
		}
	})
}

// spread runs work on the design's goroutines; each asks next for the numbers of resamples.
func (d Design) spread(work func(next func() (resample int, ok bool))) {
	var all sync.WaitGroup
	for w := range d.Workers {
		all.Go(func() {
			r := w - d.Workers
			work(func() (int, bool) {
				r += d.Workers
				return r, r < d.Resamples
			})
		})
	}
	all.Wait()
}

// percentiles sets the bounds to quantiles of the differences of resamples.
func (c Comparison) percentiles(diffs []float64, d Design) Comparison {
	kept := slices.DeleteFunc(diffs, math.IsNaN)
	if math.IsNaN(c.Diff) {
		return c.cannotTell("the metric is not defined on these rows")
	}
	if 10*len(kept) < 9*d.Resamples {
		return c.cannotTell("the metric is not defined in %d of %d resamples", d.Resamples-len(kept), d.Resamples)
	}
	slices.Sort(kept)
	mean := 0.0
	for _, v := range kept {
		mean += v / float64(len(kept))
	}
	squares, cubes := 0.0, 0.0
	for _, v := range kept {
		d := v - mean
		squares, cubes = squares+d*d, cubes+d*d*d
	}
	// Percentiles of few units are too narrow by sqrt(1-1/units) and by normal instead of t quantiles (Hesterberg 2015).
	c.Degrees = float64(c.Units - 1)
	widen := tQuantile(c.Level, c.Degrees) / normalQuantile(c.Level) * math.Sqrt(float64(c.Units)/float64(c.Units-1))
	c.SE = math.Sqrt(squares/float64(len(kept)-1)) * math.Sqrt(float64(c.Units)/float64(c.Units-1))
	c.Lower = c.Diff + widen*(quantileSorted(kept, 1-c.Level)-c.Diff)
	c.Upper = c.Diff + widen*(quantileSorted(kept, c.Level)-c.Diff)
	if squares == 0 {
		return c
	}
	// Percentiles follow the skewness of the statistic, its bounds must go against it: the two differ by SE skewness (z²+2)/6 (Hall 1992).
	z := normalQuantile(c.Level)
	return c.skewed(cubes/squares*math.Sqrt(float64(len(kept))/squares), (z*z+2)/6)
}

// quantileSorted interpolates linearly, as numpy's default.
func quantileSorted(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// sampler draws rows or clusters with replacement.
type sampler struct {
	seed    uint64
	units   int
	unit    string
	cluster []int32   // the unit of each row; nil: the row itself
	strata  [][]int32 // units of each stratum; nil: all are one
}

func newSampler(n int, d Design) sampler {
	s := sampler{seed: d.Seed, units: n, unit: "rows"}
	if d.Clusters != nil {
		s.cluster, s.units = dense(d.Clusters)
		s.unit = "clusters"
	}
	if d.Strata != nil {
		codes, groups := dense(d.Strata)
		s.strata = make([][]int32, groups)
		for i, c := range codes {
			s.strata[c] = append(s.strata[c], int32(i))
		}
	}
	return s
}

// weigh sets weights to base x the times that each row is drawn in a resample.
func (s sampler) weigh(resample int, base, weights []float64, times []int32) {
	clear(times)
	random := newRandom(s.seed, uint64(resample))
	if s.strata == nil {
		for range s.units {
			times[random.below(uint32(s.units))]++
		}
	}
	for _, units := range s.strata {
		for range units {
			times[units[random.below(uint32(len(units)))]]++
		}
	}
	for i := range weights {
		unit := i
		if s.cluster != nil {
			unit = int(s.cluster[i])
		}
		weights[i] = base[i] * float64(times[unit])
	}
}
