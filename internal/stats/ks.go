package stats

import (
	"math"
	"slices"
)

// KS is a two-sample Kolmogorov-Smirnov test of "both samples are from one distribution", two-sided.
type KS struct {
	D          float64 // the largest gap of the two distribution functions
	Exact      float64 // the exact P of continuous distributions, for samples of at most 10,000; else NaN
	Asymptotic float64 // scipy's: the exact one-sample distribution of D for round(nm/(n+m)) rows
	Limit      float64 // Kolmogorov's limit at D sqrt(nm/(n+m)), as textbooks, R and Spark
}

// ksExactRows is the largest sample for which the exact P is computed, as scipy's automatic choice.
const ksExactRows = 10_000

// KolmogorovSmirnov tests two sorted samples. All NaN for an empty sample. The exact P costs D x rows of one x rows of the other.
func KolmogorovSmirnov(reference, current []float64) (KS, error) {
	if err := checkSorted(reference, current); err != nil {
		return KS{}, err
	}
	n, m := len(reference), len(current)
	k := KS{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	if n == 0 || m == 0 {
		return k, nil
	}
	k.D = 0
	walkSorted(reference, current, func(_, _, gap float64) { k.D = max(k.D, math.Abs(gap)) })
	effective := float64(n) * float64(m) / float64(n+m)
	k.Limit = kolmogorovSurvival(k.D * math.Sqrt(effective))
	k.Asymptotic = ksOneSample(math.RoundToEven(effective), k.D)
	if max(n, m) <= ksExactRows {
		k.Exact = ksExact(n, m, k.D)
	}
	return k, nil
}

// ksExact is P(D >= d): the share of lattice paths from (0,0) to (n,m) that leave the band, all terms positive (Schröer and Trenkler
// 1995). reached[j] is the chance that a path to (i,j) has left it; outside of the band it is 1.
func ksExact(n, m int, d float64) float64 {
	limit := int(math.Round(d * float64(n) * float64(m))) // in units of 1/(nm)
	if limit == 0 {
		return 1
	}
	reached := slices.Repeat([]float64{1}, m+1)
	low := 0 // the first j of the band
	for i := range n + 1 {
		for low <= m && i*m-low*n >= limit {
			reached[low] = 1
			low++
		}
		for j := low; j <= m; j++ {
			if j*n-i*m >= limit {
				break
			}
			reached[j] = ksStep(reached, i, j)
		}
	}
	return reached[m]
}

func ksStep(reached []float64, i, j int) float64 {
	switch {
	case i == 0 && j == 0:
		return 0
	case i == 0:
		return reached[j-1]
	case j == 0:
		return reached[0]
	}
	return (float64(i)*reached[j] + float64(j)*reached[j-1]) / float64(i+j)
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
