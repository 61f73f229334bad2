package stats

import "math"

// KS is a two-sample Kolmogorov-Smirnov test.
type KS struct {
	D     float64 // the largest gap of the two distribution functions
	Limit float64 // P of the Kolmogorov limit at D sqrt(nm/(n+m)), as textbooks, R and Spark
}

// KolmogorovSmirnov tests two sorted samples. NaN for an empty sample.
func KolmogorovSmirnov(reference, current []float64) (KS, error) {
	if err := checkSorted(reference, current); err != nil {
		return KS{}, err
	}
	n, m := float64(len(reference)), float64(len(current))
	if n == 0 || m == 0 {
		return KS{math.NaN(), math.NaN()}, nil
	}
	var k KS
	walkSorted(reference, current, func(_, _, gap float64) { k.D = max(k.D, math.Abs(gap)) })
	k.Limit = kolmogorovSurvival(k.D * math.Sqrt(n*m/(n+m)))
	return k, nil
}

// kolmogorovSurvival is P(K > x) of the Kolmogorov distribution, by the series that converges fast on each side.
func kolmogorovSurvival(x float64) float64 {
	if x <= 0 {
		return 1
	}
	sum := 0.0
	if x < 0.82 {
		for k := 1.0; k < 40; k += 2 {
			sum += math.Exp(-k * k * math.Pi * math.Pi / (8 * x * x))
		}
		return 1 - math.Sqrt(2*math.Pi)/x*sum
	}
	sign := 1.0
	for k := 1.0; k < 40; k++ {
		sum += sign * math.Exp(-2*k*k*x*x)
		sign = -sign
	}
	return 2 * sum
}
