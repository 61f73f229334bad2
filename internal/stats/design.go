package stats

import (
	"fmt"
	"math"
	"slices"
)

// Design says how far rows depend on each other and how they are drawn again. The zero value: independent rows, bounds at 0.95, 2,000
// resamples of seed 0 by one worker.
type Design struct {
	Clusters  []int32 // the cluster (user, query, day, block of time) of each row, any codes; nil: rows are independent
	Strata    []int32 // bootstrap only: the number of rows with each code is kept; nil: none. Not together with Clusters
	Level     float64 // of each one-sided bound; 0: 0.95
	Resamples int     // 0: 2000, at most 1e6
	Seed      uint64
	Workers   int // goroutines; 0: 1. Results are the same bytes for any number
}

// MinClusters is the number of clusters below which no bounds are given.
const MinClusters = 5

func (d Design) filled(n int) (Design, error) {
	if d.Level == 0 {
		d.Level = 0.95
	}
	if d.Resamples == 0 {
		d.Resamples = 2000
	}
	d.Workers = max(d.Workers, 1)
	switch {
	case d.Level <= 0.5 || d.Level >= 1 || math.IsNaN(d.Level):
		return d, problem(-1, "confidence %v is not between 0.5 and 1", d.Level)
	case d.Resamples < 100 || d.Resamples > 1e6:
		return d, problem(-1, "%d resamples, not 100 to 1000000", d.Resamples)
	case d.Clusters != nil && d.Strata != nil:
		return d, problem(-1, "rows cannot be drawn by clusters and by strata at once")
	case d.Clusters != nil && len(d.Clusters) != n:
		return d, problem(-1, "%d clusters for %d rows", len(d.Clusters), n)
	case d.Strata != nil && len(d.Strata) != n:
		return d, problem(-1, "%d strata for %d rows", len(d.Strata), n)
	case int64(n) > math.MaxInt32:
		return d, problem(-1, "%d rows", n)
	}
	return d, nil
}

// dense renumbers codes 0..groups-1 in ascending order.
func dense(codes []int32) (numbers []int32, groups int) {
	if len(codes) == 0 {
		return nil, 0
	}
	numbers = make([]int32, len(codes))
	low, high := int64(slices.Min(codes)), int64(slices.Max(codes))
	if high-low <= 4*int64(len(codes)) { // a table of all codes between
		table := make([]int32, high-low+1)
		for _, c := range codes {
			table[int64(c)-low] = 1
		}
		for i, seen := range table {
			table[i] = int32(groups)
			groups += int(seen)
		}
		for i, c := range codes {
			numbers[i] = table[int64(c)-low]
		}
		return numbers, groups
	}
	distinct := slices.Clone(codes)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	for i, c := range codes {
		at, _ := slices.BinarySearch(distinct, c)
		numbers[i] = int32(at)
	}
	return numbers, len(distinct)
}

// cannotTell is a comparison whose units are too few for bounds.
func (c Comparison) cannotTell(format string, args ...any) Comparison {
	c.SE, c.Lower, c.Upper, c.Degrees = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	c.Problem = fmt.Sprintf(format, args...)
	return c
}

// bound sets the bounds from the standard error of Diff and its skewness: Diff ± t SE, and the one at the longer tail moved out by
// SE |skewness| (2t²+1)/6, the first term that Student's t lacks for skewed rows (Johnson 1978, Hall 1992). The other one is left,
// so that bounds err to the safe side.
func (c Comparison) bound(se, skewness, degrees, level float64) Comparison {
	c.SE, c.Degrees, c.Level = se, degrees, level
	t := tQuantile(level, degrees)
	c.Lower, c.Upper = c.Diff-t*se, c.Diff+t*se
	return c.skewed(skewness, (2*t*t+1)/6)
}

// maxSkewness is what a correction believes of a skewness that few units estimate badly.
const maxSkewness = 0.25

func (c Comparison) skewed(skewness, factor float64) Comparison {
	skewness = min(max(skewness, -maxSkewness), maxSkewness)
	if skewness < 0 {
		c.Lower += c.SE * skewness * factor
	} else if skewness > 0 {
		c.Upper += c.SE * skewness * factor
	}
	return c
}

// skewness is that of a sum of independent terms with mean zero; 0 for constants.
func skewness(terms []float64) float64 {
	var squares, cubes float64
	for _, v := range terms {
		squares, cubes = squares+v*v, cubes+v*v*v
	}
	if squares == 0 {
		return 0
	}
	return cubes / (squares * math.Sqrt(squares))
}
