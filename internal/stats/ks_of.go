package stats

import "math"

// KolmogorovSmirnovOf is KolmogorovSmirnov of two samples of n and m rows whose largest gap is known to be d, for whoever found it without
// all values at hand. The exact P is computed if asked for, for samples of any size. All NaN for an empty sample.
func KolmogorovSmirnovOf(n, m int, d float64, exact bool) (KS, error) {
	k := KS{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	switch {
	case n < 0 || m < 0:
		return k, problem(-1, "samples of %d and %d rows", n, m)
	case n == 0 || m == 0:
		return k, nil
	case !(d >= 0 && d <= 1):
		return k, problem(-1, "a largest gap of %v", d)
	}
	k.D = d
	effective := float64(n) * float64(m) / float64(n+m)
	k.Limit = kolmogorovSurvival(d * math.Sqrt(effective))
	k.Asymptotic = ksOneSample(math.RoundToEven(effective), d)
	switch {
	case exact && n == m:
		k.Exact = ksExactSame(n, d)
	case exact:
		k.Exact = ksExact(n, m, d)
	}
	return k, nil
}

// ksExactSame is ksExact of samples of one size, by reflection (Gnedenko and Korolyuk 1951): 2 (c(h) - c(2h) + c(3h) - ...) of c(k), the
// number of paths that end k away over that of all. Its terms fall fast, so that it costs nothing.
func ksExactSame(n int, d float64) float64 {
	h := int(math.Round(d * float64(n)))
	if h == 0 {
		return 1
	}
	all, _ := math.Lgamma(float64(n) + 1)
	var sum accumulator
	for k := h; k <= n; k += h {
		a, _ := math.Lgamma(float64(n-k) + 1)
		b, _ := math.Lgamma(float64(n+k) + 1)
		term := 2 * math.Exp(2*all-a-b)
		if term < 1e-320 {
			break
		}
		if k/h%2 == 0 {
			term = -term
		}
		sum.add(term)
	}
	return min(max(sum.value(), 0), 1)
}
