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

// Skewness is the mean of ((v - mean) / std)^3, std with divisor n. NaN for no values and for values that do not vary.
func Skewness(values []float64) (float64, error) {
	if err := checkNumbers("value", values, len(values)); err != nil {
		return 0, err
	}
	n := len(values)
	mean := weightedMean(n, nil, func(i int) float64 { return values[i] })
	std := math.Sqrt(weightedMean(n, nil, func(i int) float64 { return squaredError(values[i], mean) }))
	if std == 0 {
		return math.NaN(), nil
	}
	return weightedMean(n, nil, func(i int) float64 {
		z := (values[i] - mean) / std
		return z * z * z
	}), nil
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

// Histogram counts sorted values in the bins [e,e') of edges; the last bin holds its upper edge too. outside is how many lie in none.
func Histogram(sorted, edges []float64) (counts []float64, outside float64) {
	if len(edges) < 2 {
		return nil, float64(len(sorted))
	}
	counts = make([]float64, len(edges)-1)
	before, _ := slices.BinarySearch(sorted, edges[0])
	first := before
	for i := range counts {
		edge := edges[i+1]
		if i == len(counts)-1 {
			edge = math.Nextafter(edge, math.Inf(1))
		}
		next, _ := slices.BinarySearch(sorted, edge)
		counts[i] = float64(next - before)
		before = next
	}
	return counts, float64(len(sorted) - before + first)
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

// ProportionsZ is the pooled z test of two proportions, a of n against b of m, two-sided: z of the second less the first. NaN for an empty sample
// and where both shares are 0 or both 1.
func ProportionsZ(a, n, b, m float64) (z, p float64) {
	pooled := (a + b) / (n + m)
	z = ratio(b/m-a/n, math.Sqrt(pooled*(1-pooled)*(1/n+1/m)))
	return z, math.Erfc(math.Abs(z) / math.Sqrt2)
}
