package stats

import (
	"math"
)

// Counts of two samples over the same bins or categories are two slices of one length; the first is the reference. Distances are NaN when
// either sample is empty and answer an *InputError for different lengths and for numbers that are not finite or below zero.

// shares checks two slices of counts and divides each by its sum.
func shares(reference, current []float64) (p, q []float64, err error) {
	if err := checkLength("current counts", len(current), len(reference)); err != nil {
		return nil, nil, err
	}
	divide := func(counts []float64) ([]float64, error) {
		if err := checkWeights(counts, len(counts)); err != nil {
			return nil, err
		}
		var total accumulator
		for _, v := range counts {
			total.add(v)
		}
		all := make([]float64, len(counts))
		for i, v := range counts {
			all[i] = ratio(v, total.value())
		}
		return all, nil
	}
	if p, err = divide(reference); err != nil {
		return nil, nil, err
	}
	q, err = divide(current)
	return p, q, err
}

func distance(reference, current []float64, of func(p, q float64) float64) (float64, error) {
	p, q, err := shares(reference, current)
	if err != nil || len(p) == 0 {
		return math.NaN(), err
	}
	var sum accumulator
	for i := range p {
		sum.add(of(p[i], q[i]))
	}
	return sum.value(), nil
}

// PSIFloor is the smallest share that PSI and KL divide by.
const PSIFloor = 1e-4

// PSI is the population stability index, the sum of (p-q) ln(p/q), each share at least the floor and not normalised again.
func PSI(reference, current []float64, floor float64) (float64, error) {
	return distance(reference, current, func(p, q float64) float64 {
		p, q = max(p, floor), max(q, floor)
		return (p - q) * math.Log(p/q)
	})
}

// KL is the Kullback-Leibler divergence of reference against current in nats, of shares that are at least the floor and then sum to 1 again.
func KL(reference, current []float64, floor float64) (float64, error) {
	p, q, err := shares(reference, current)
	if err != nil || len(p) == 0 {
		return math.NaN(), err
	}
	for i := range p {
		p[i], q[i] = max(p[i], floor), max(q[i], floor)
	}
	return distance(p, q, func(p, q float64) float64 { return p * math.Log(p/q) })
}

// JensenShannon is the square root of the Jensen-Shannon divergence, as scipy's jensenshannon; base 2 puts it in [0,1], base 0 means e.
func JensenShannon(reference, current []float64, base float64) (float64, error) {
	sum, err := distance(reference, current, func(p, q float64) float64 {
		m := (p + q) / 2
		return xlog(p, m)/2 + xlog(q, m)/2
	})
	if base != 0 {
		sum /= math.Log(base)
	}
	return math.Sqrt(max(sum, 0)), err
}

func xlog(p, m float64) float64 {
	if p == 0 {
		return 0
	}
	return p * math.Log(p/m)
}

// TVD is the total variation distance, half the sum of |p-q|.
func TVD(reference, current []float64) (float64, error) {
	return distance(reference, current, func(p, q float64) float64 { return math.Abs(p-q) / 2 })
}

// Hellinger is the square root of half the sum of (sqrt p - sqrt q)^2.
func Hellinger(reference, current []float64) (float64, error) {
	sum, err := distance(reference, current, func(p, q float64) float64 {
		d := math.Sqrt(p) - math.Sqrt(q)
		return d * d / 2
	})
	return math.Sqrt(sum), err
}

// LInfinity is the largest |p-q|.
func LInfinity(reference, current []float64) (float64, error) {
	worst := 0.0
	sum, err := distance(reference, current, func(p, q float64) float64 {
		worst = max(worst, math.Abs(p-q))
		return p - q
	})
	if math.IsNaN(sum) {
		return sum, err
	}
	return worst, err
}

// Chi2 is a test of homogeneity of two samples over K categories.
type Chi2 struct{ Statistic, Degrees, P float64 }

// Chi2Homogeneity tests the 2xK table of counts (Pearson). Categories that neither sample has are left out. yates subtracts up to 0.5 from each
// deviation when there is one degree of freedom, as scipy's chi2_contingency. NaN for an empty sample; fewer than two categories: 0 degrees, P NaN.
func Chi2Homogeneity(reference, current []float64, yates bool) (Chi2, error) {
	if _, _, err := shares(reference, current); err != nil {
		return Chi2{}, err
	}
	var n, m float64
	c := Chi2{Degrees: -1}
	for i := range reference {
		n, m = n+reference[i], m+current[i]
		if reference[i]+current[i] > 0 {
			c.Degrees++
		}
	}
	if n == 0 || m == 0 {
		return Chi2{math.NaN(), math.NaN(), math.NaN()}, nil
	}
	for i := range reference {
		all := reference[i] + current[i]
		if all == 0 {
			continue
		}
		for _, cell := range [][2]float64{{reference[i], all * n / (n + m)}, {current[i], all * m / (n + m)}} {
			d := math.Abs(cell[0] - cell[1])
			if yates && c.Degrees == 1 {
				d -= min(d, 0.5)
			}
			c.Statistic += d * d / cell[1]
		}
	}
	c.P = chi2Survival(c.Statistic, c.Degrees)
	return c, nil
}

// Wasserstein is the first Wasserstein distance of two sorted samples, the area between their distribution functions. NaN for an empty sample.
func Wasserstein(reference, current []float64) (float64, error) {
	if err := checkSorted(reference, current); err != nil {
		return 0, err
	}
	if len(reference) == 0 || len(current) == 0 {
		return math.NaN(), nil
	}
	var area accumulator
	walkSorted(reference, current, func(value, next, gap float64) {
		area.add(math.Abs(gap) * (next - value))
	})
	return area.value(), nil
}

// WassersteinNormed is Wasserstein over the standard deviation (ddof 0) of the reference or 0.001, whichever is larger, as Evidently.
func WassersteinNormed(reference, current []float64) (float64, error) {
	d, err := Wasserstein(reference, current)
	mean := weightedMean(len(reference), nil, func(i int) float64 { return reference[i] })
	variance := weightedMean(len(reference), nil, func(i int) float64 { return squaredError(reference[i], mean) })
	return d / max(math.Sqrt(variance), 0.001), err
}

func checkSorted(samples ...[]float64) error {
	for _, s := range samples {
		if err := checkNumbers("value", s, len(s)); err != nil {
			return err
		}
		for i := 1; i < len(s); i++ {
			if s[i] < s[i-1] {
				return problem(i, "values are not sorted")
			}
		}
	}
	return nil
}

// walkSorted visits each distinct value with the next one (itself at the end) and the gap of the distribution functions there.
func walkSorted(a, b []float64, visit func(value, next, gap float64)) {
	for i, j := 0, 0; i < len(a) || j < len(b); {
		var v float64
		switch {
		case i == len(a):
			v = b[j]
		case j == len(b):
			v = a[i]
		default:
			v = min(a[i], b[j])
		}
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		next := v
		switch {
		case i < len(a) && j < len(b):
			next = min(a[i], b[j])
		case i < len(a):
			next = a[i]
		case j < len(b):
			next = b[j]
		}
		visit(v, next, float64(i)/float64(len(a))-float64(j)/float64(len(b)))
	}
}
