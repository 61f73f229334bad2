package stats

import "math"

// Share is how many of some were successes.
type Share struct{ Successes, Of float64 }

// ShareDifference bounds the difference a - b of two independent shares at one look: each bound of the pair by Clopper and Pearson, put
// together as Newcombe (1998, method 10) and Zou and Donner (2008) do. It holds at small counts, where a standard error is zero. The value is
// two-sided at level. NaN when either has none.
func ShareDifference(a, b Share, level float64) (Interval, error) {
	x, err := ClopperPearson(a.Successes, a.Of, level)
	if err != nil {
		return Interval{}, err
	}
	y, err := ClopperPearson(b.Successes, b.Of, level)
	if err != nil {
		return Interval{}, err
	}
	return recovered(x, y), nil
}

// recovered bounds x - y by the bounds of both (MOVER).
func recovered(x, y Interval) Interval {
	d := x.Value - y.Value
	return Interval{d, d - math.Hypot(x.Value-x.Lower, y.Upper-y.Value), d + math.Hypot(x.Upper-x.Value, y.Value-y.Lower)}
}

// ShareDifferenceSequence bounds the difference a - b of two shares at all times at once: the difference of two BinomialSequences, each of
// which may be wrong in half of the cases that level allows. Exact, and wider than ShareDifference.
func ShareDifferenceSequence(a, b Share, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	each := 1 - (1-level)/2
	x, err := BinomialSequence(a.Successes, a.Of, each)
	if err != nil {
		return Interval{}, err
	}
	y, err := BinomialSequence(b.Successes, b.Of, each)
	if err != nil {
		return Interval{}, err
	}
	return Interval{x.Value - y.Value, x.Lower - y.Upper, x.Upper - y.Lower}, nil
}

// QuantileShares are the shares of n values at which the bounds of their quantile q lie: the quantile itself is not below the value
// at share Lower and not above the one at share Upper, two-sided at level, whatever the distribution (the number of values under it is
// binomial). A share of 0, or above 1, says that so few values do not bound it on that side. NaN for n of 0.
func QuantileShares(q, n, level float64) (Interval, error) {
	if !(q > 0 && q < 1) {
		return Interval{}, problem(-1, "there is no quantile %v", q)
	}
	r := Interval{Value: q}
	if err := checkProportion(0, n, level); err != nil {
		return r, err
	}
	if n == 0 {
		return nanWithout(r, 0), nil
	}
	// The k-th smallest value is below the quantile unless fewer than k are: P(X < k) of a binomial grows with k.
	tail := (1 - level) / 2
	fewer := func(k float64) float64 { return binomialBelow(k, n, q) }
	r.Lower = searchWhole(0, n, func(k float64) bool { return fewer(k) <= tail }) / n
	r.Upper = (searchWhole(0, n, func(k float64) bool { return fewer(k) < 1-tail }) + 1) / n
	return r, nil
}

// searchWhole is the largest whole number from low up to high for which holds does; low if it holds for none. holds turns from true to false once.
func searchWhole(low, high float64, holds func(k float64) bool) float64 {
	for low < high {
		middle := low + math.Ceil((high-low)/2)
		if holds(middle) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}
