package drift

import (
	"math"
)

// Whether two sets of whole clusters, such as days, are of one distribution is told by exchanging clusters between the sides: rows of a
// cluster stay together, so nothing is assumed about how alike they are.
//
// A cluster counts by its shares of the bins, with a weight between "all clusters the same" and "all rows the same" that the data choose
// (see clusterWeights). The statistic is the squared difference of the mean shares over the variance that it has by the weights. So the
// false-alarm rate is kept also when clusters of the two sides are of very different size, which a plain difference would not do: an
// exchange would put large ones where small ones are. Variances are not estimated from each side alone: seven days would be too few for
// that, and most of the power would be lost. Bins of numbers are added up from below, which is the statistic of Anderson and Darling; a
// category is compared alone, weighted as chi-square does.
const (
	fewestClusters = 5      // of either side; below nothing is told
	mostClusters   = 128    // of the smaller side that are exchanged one by one: more are put together at random, on both sides alike
	enoughExtreme  = 20     // permutations at least as extreme as the data, after which a p is known well enough (Besag and Clifford 1991)
	fewestTries    = 19_999 // permutations at least, while fewer than enoughExtreme are extreme
	mostTries      = 99_999
)

// permutation is how clusters are exchanged. The same seed exchanges them the same way for every column.
type permutation struct {
	seed  uint64
	tries int
}

// newPermutation has enough permutations for a p that counts among so many.
func newPermutation(seed int64, tests int, level float64) permutation {
	tries := 4 * float64(tests) / level
	return permutation{seed: uint64(seed), tries: int(min(max(tries, fewestTries), mostTries))}
}

// clusterP is the p of two sets of clusters, rows of counts over bins; ordered bins are those of numbers. NaN when all rows are in one bin,
// or a side has fewer than 5 clusters with rows.
func (p permutation) clusterP(reference, current [][]uint32, ordered bool) float64 {
	reference, current = p.grouped(reference, current)
	if !ordered {
		reference, current = withoutRare(reference, current)
	}
	t := newClusterTable(reference, current, ordered)
	if t == nil || t.valid[0] < fewestClusters || t.valid[1] < fewestClusters {
		return math.NaN()
	}
	return p.run(len(t.rows), len(reference), len(current), t.statistic)
}

// unseenP is the p of values in the current side that the reference does not have, by the same exchange: the greater one of the share of
// rows and of the number of clusters that hold any. In small clusters shares are coarser, in large ones there is more of everything.
func (p permutation) unseenP(reference, current [][]uint32) float64 {
	reference, current = p.grouped(reference, current)
	if len(reference) < fewestClusters || len(current) < fewestClusters {
		return math.NaN()
	}
	t := newUnseenTable(reference, current)
	byRows := p.run(len(t.rows), len(reference), len(current), t.share)
	if !(byRows < 0.2) {
		return byRows
	}
	return max(byRows, p.run(len(t.rows), len(reference), len(current), t.clusters))
}

// run exchanges n+m clusters, of which the first n are the reference, and compares the statistic of each exchange with that of the data.
// The statistic is told the clusters of the smaller side, and whether this is the reference.
func (p permutation) run(all, n, m int, statistic func(chosen []int32, reference bool) float64) float64 {
	order := make([]int32, all)
	for i := range order {
		order[i] = int32(i)
	}
	small, isReference := order[n:], false
	if n < m {
		small, isReference = order[:n], true
	}
	k := len(small)
	bound := statistic(small, isReference)
	if math.IsNaN(bound) {
		return math.NaN()
	}
	bound -= math.Abs(bound) * 1e-9 // the same clusters in another order are the same to the last digits only
	r := clusterRandom(splitMix(p.seed) + 0x9e3779b97f4a7c15)
	extreme := 0
	for try := 1; try <= p.tries; try++ {
		for i := range k {
			j := i + int(r.below(uint32(all-i)))
			order[i], order[j] = order[j], order[i]
		}
		if v := statistic(order[:k], isReference); v >= bound || math.IsNaN(v) {
			if extreme++; extreme == enoughExtreme {
				return cautious(extreme, try)
			}
		}
	}
	return cautious(extreme+1, p.tries+1)
}

// cautious is the share of n permutations that are extreme, and the standard error that it has as an estimate: what chance there is in
// the permutations is not to raise alarms.
func cautious(extreme, n int) float64 {
	return min(1, (float64(extreme)+math.Sqrt(float64(extreme-1)))/float64(n))
}

// least is the smallest p that exchanging n and m clusters can give.
func (p permutation) least(n, m int64) float64 {
	ways := math.Exp(min(logChoose(n+m, min(n, m)), 700))
	if n == m {
		ways /= 2 // the sides are alike
	}
	return max(1/ways, 1/float64(p.tries+1))
}

// grouped puts clusters together at random when there are more than have to be told apart: as many on both sides, so that what was
// exchangeable still is.
func (p permutation) grouped(reference, current [][]uint32) ([][]uint32, [][]uint32) {
	size := min(len(reference), len(current)) / mostClusters * 2
	if size < 2 {
		return reference, current
	}
	r := clusterRandom(splitMix(p.seed) + 0x2545f4914f6cdd1d)
	together := func(rows [][]uint32) [][]uint32 {
		order := make([]int32, len(rows))
		for i := range order {
			order[i] = int32(i)
		}
		for i := len(order) - 1; i > 0; i-- {
			j := r.below(uint32(i + 1))
			order[i], order[j] = order[j], order[i]
		}
		sums := make([][]uint32, len(rows)/size)
		for i, at := range order {
			g := i % len(sums)
			if sums[g] == nil {
				sums[g] = make([]uint32, len(rows[at]))
			}
			for b, v := range rows[at] {
				sums[g][b] += v
			}
		}
		return sums
	}
	return together(reference), together(current)
}

// clusterRandom is SplitMix64 (Steele, Lea and Flood 2014).
type clusterRandom uint64

func splitMix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number under n, each equally likely to within n/2^32.
func (s *clusterRandom) below(n uint32) uint32 {
	*s += 0x9e3779b97f4a7c15
	return uint32((splitMix(uint64(*s)) >> 32) * uint64(n) >> 32)
}
