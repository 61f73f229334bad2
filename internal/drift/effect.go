package drift

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"mlx/internal/stats"
)

// Tests of two samples of independent rows, that keep their level where counts are small: a false alarm in a thousand columns starts at
// the far tail, where the usual approximations are worst. Every p is NaN where nothing can be tested.

// rareRows is the number of rows that has to be expected on either side for an approximation to count.
const rareRows = 5

// chi2P is the p of homogeneity of two rows of counts. Bins of which too few rows are expected on a side count together (see mergeRare): one
// row of a rare value, in the smaller side, would otherwise be significant alone.
func chi2P(of Bins, yates bool) float64 {
	var n, m float64
	sums := make([]float64, len(of.Reference))
	for i := range of.Reference {
		n, m = n+float64(of.Reference[i]), m+float64(of.Current[i])
		sums[i] = float64(of.Reference[i] + of.Current[i])
	}
	if n == 0 || m == 0 {
		return math.NaN()
	}
	place, kept := mergeRare(sums, of.Categories, (n+m)/min(n, m))
	a, b := make([]float64, kept), make([]float64, kept)
	for i, at := range place {
		a[at] += float64(of.Reference[i])
		b[at] += float64(of.Current[i])
	}
	chi2, err := stats.Chi2Homogeneity(a, b, yates)
	if err != nil {
		return math.NaN()
	}
	return chi2.P
}

// mergeRare says which bins count together so that at least 5 rows are expected of each on either side (Cochran), in the order of how many
// rows they have; one is the number of rows of both sides of which one is expected on the smaller side. Those of which not one is expected
// are one bin, with the rarest of the others if even they are too few. Nothing of this depends on which side a row is on: names, where
// there are any, tell bins of the same size apart.
func mergeRare(sums []float64, names []string, one float64) (place []int, kept int) {
	order := make([]int, len(sums))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		if sums[i] == sums[j] && i < len(names) && j < len(names) {
			return strings.Compare(names[i], names[j])
		}
		return cmp.Or(cmp.Compare(sums[j], sums[i]), cmp.Compare(i, j))
	})
	place = make([]int, len(sums))
	open, rare := 0.0, 0.0
	for at, i := range order {
		if sums[i] < one {
			for _, rest := range order[at:] {
				place[rest], rare = kept, rare+sums[rest]
			}
			break
		}
		place[i] = kept
		if open += sums[i]; open >= rareRows*one {
			kept, open = kept+1, 0
		}
	}
	if open+rare >= rareRows*one || kept == 0 {
		kept++
	}
	for i := range place { // too few even together, or none at all
		place[i] = min(place[i], kept-1)
	}
	return place, kept
}

// shareP is the two-sided p of "x of n and y of m are of one share": the pooled z-test, and the hypergeometric distribution where so few
// are expected that z would be wrong. NaN when there is none, or nothing else.
func shareP(x, n, y, m int64) float64 {
	all, both := x+y, n+m
	if n == 0 || m == 0 || all == 0 || all == both {
		return math.NaN()
	}
	share := float64(all) / float64(both)
	if least := min(share, 1-share) * float64(min(n, m)); least < 4*rareRows {
		return hypergeometricP(x, n, y, m)
	}
	z := (float64(x)/float64(n) - float64(y)/float64(m)) / math.Sqrt(share*(1-share)*(1/float64(n)+1/float64(m)))
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

// hypergeometricP is twice the smaller tail of y of all those x+y being among the m of n+m, at most 1.
func hypergeometricP(x, n, y, m int64) float64 {
	all := x + y
	at := func(k int64) float64 { return math.Exp(logChoose(m, k) + logChoose(n, all-k) - logChoose(n+m, all)) }
	low, high := max(0, all-n), min(all, m)
	tail := func(from, end, step int64) float64 {
		sum := 0.0
		for k := from; k != end+step; k += step {
			p := at(k)
			if sum += p; p < sum*1e-17 {
				break
			}
		}
		return sum
	}
	return min(1, 2*min(tail(y, low, -1), tail(y, high, 1)))
}

// choose is the logarithm of how many ways there are to choose k of n.
func logChoose(n, k int64) float64 {
	of := func(v int64) float64 { g, _ := math.Lgamma(float64(v) + 1); return g }
	return of(n) - of(k) - of(n-k)
}

// unseenP is the one-sided p of "so many of the m current rows hold values that the reference does not have" when both are of one
// distribution with rare values. How much of a new sample a first one of n rows has never seen is what Good and Turing say: the share of
// its values that it has once, with the variance of Esty (1983). Where counts are small, each row of such a value is as likely to be on
// either side as rows are. The greater p counts.
func unseenP(unseen, m int64, reference []int64) float64 {
	var n, once, twice int64
	for _, v := range reference {
		n += v
		switch v {
		case 1:
			once++
		case 2:
			twice++
		}
	}
	if n == 0 || m == 0 {
		return math.NaN()
	}
	if unseen == 0 {
		return 1
	}
	share := float64(unseen) / float64(m)
	variance := share*(1-share)/float64(m) + float64(once+2*twice+1)/float64(n)/float64(n)
	z := (share - float64(once)/float64(n)) / math.Sqrt(variance)
	return max(math.Erfc(z/math.Sqrt2)/2, binomialTail(unseen, unseen+once, float64(m)/float64(n+m)))
}

// binomialTail is the probability of at least k of n, each with probability p.
func binomialTail(k, n int64, p float64) float64 {
	if k <= 0 {
		return 1
	}
	sum, mean := 0.0, float64(n)*p
	for i := k; i <= n; i++ {
		at := math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		if sum += at; float64(i) > mean && at < sum*1e-17 {
			break
		}
	}
	return min(1, sum)
}

// adjusted are p-values corrected for their number. NaN stays NaN and is not counted.
func adjusted(p []float64, correction string) []float64 {
	switch correction {
	case "holm":
		return stats.Holm(p)
	case "bonferroni":
		return stats.Bonferroni(p)
	case "none":
		return slices.Clone(p)
	}
	return stats.BenjaminiHochberg(p)
}
