package stats

import (
	"math"
	"slices"
)

// Edges of bins are those of numpy.histogram_bin_edges, to the last bit, the first and the last one among them: a value at an edge of two bins
// may fall to either side of it after another rounding.

// SturgesDistinct is how many different values the reference must exceed before Evidently makes bins; up to it each value is a category.
const SturgesDistinct = 20

// SturgesEdges are the edges of Sturges' bins over n values in [low,high]. whole says that all values are integers, whose bins are at
// least one wide. No values, or bounds that are not finite: none.
func SturgesEdges(n int64, low, high float64, whole bool) []float64 {
	if endless(low, high) {
		return doubled(SturgesEdges(n, low/2, high/2, whole))
	}
	width := (high - low) / (math.Log2(float64(n)) + 1)
	if whole && width > 0 && width < 1 {
		width = 1
	}
	return equalEdges(n, low, high, width)
}

// DoaneEdges are the edges of Doane's bins over n values in [low,high] with a skewness, which is NaN for values that do not vary.
func DoaneEdges(n int64, low, high, skewness float64) []float64 {
	if endless(low, high) {
		return doubled(DoaneEdges(n, low/2, high/2, skewness))
	}
	width, rows := 0.0, float64(n)
	if n > 2 && !math.IsNaN(skewness) {
		deviation := math.Sqrt(6 * (rows - 2) / ((rows + 1) * (rows + 3)))
		width = (high - low) / (1 + math.Log2(rows) + math.Log2(1+math.Abs(skewness)/deviation))
	}
	return equalEdges(n, low, high, width)
}

// equalEdges cuts [low,high] into bins of about the width; 0 is one bin. A range without length is widened by a half on either side. Edges that
// are one number, of values so large that no number lies between, are one edge: numpy refuses them.
func equalEdges(n int64, low, high, width float64) []float64 {
	if n < 1 || !(low <= high) || math.IsInf(low, 0) || math.IsInf(high, 0) {
		return nil
	}
	bins := 1.0
	if width > 0 && !math.IsInf(width, 0) {
		bins = math.Ceil((high - low) / width)
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	edges := make([]float64, int(bins)+1)
	step := (high - low) / bins
	for i := range edges {
		edges[i] = float64(float64(i)*step) + low // rounded twice, as numpy does, on every machine
	}
	edges[len(edges)-1] = high
	return slices.Compact(edges)
}

// endless says that the range of two numbers is too large to be one.
func endless(low, high float64) bool {
	return math.IsInf(high-low, 0) && !math.IsInf(low, 0) && !math.IsInf(high, 0)
}

func doubled(edges []float64) []float64 {
	for i := range edges {
		edges[i] *= 2
	}
	return edges
}

// PSIFilled is the population stability index as Evidently 0.7 computes it: a share of zero becomes 1e-4 or, where the smallest other share of
// its side is at most that, a millionth of the smallest. Bins that are empty on both sides are left to the caller: Evidently counts them too.
func PSIFilled(reference, current []float64) (float64, error) {
	p, q, err := shares(reference, current)
	if err != nil || len(p) == 0 || math.IsNaN(p[0]) || math.IsNaN(q[0]) {
		return math.NaN(), err
	}
	fillZeros(p)
	fillZeros(q)
	var sum accumulator
	for i := range p {
		sum.add((p[i] - q[i]) * math.Log(p[i]/q[i]))
	}
	return sum.value(), nil
}

func fillZeros(shares []float64) {
	least := math.Inf(1)
	for _, v := range shares {
		if v > 0 {
			least = min(least, v)
		}
	}
	fill := PSIFloor
	if least <= PSIFloor {
		fill = least / 1e6
	}
	for i, v := range shares {
		if v == 0 {
			shares[i] = fill
		}
	}
}
