package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// normalCDF is the probability that a standard normal is at most z.
func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// normalQuantile is the inverse of normalCDF for p in (0,1).
func normalQuantile(p float64) float64 { return mathext.NormalQuantile(p) }

// chi2Survival is the probability that a chi-squared with the degrees of freedom is above x; NaN for 0 degrees.
func chi2Survival(x, degrees float64) float64 {
	switch {
	case math.IsNaN(x) || !(degrees > 0):
		return math.NaN()
	case x <= 0:
		return 1
	case degrees == 1:
		return math.Erfc(math.Sqrt(x / 2))
	}
	return mathext.GammaIncRegComp(degrees/2, x/2)
}

// tSurvival is the probability that Student's t with the degrees of freedom is above t.
func tSurvival(t, degrees float64) float64 {
	switch {
	case math.IsInf(degrees, 1):
		return normalCDF(-t)
	case t < 0:
		return 1 - tSurvival(-t, degrees)
	}
	return mathext.RegIncBeta(degrees/2, 0.5, degrees/(degrees+t*t)) / 2
}

// tQuantile is the t that is not exceeded with probability p in (0,1), for at least one degree of freedom.
func tQuantile(p, degrees float64) float64 {
	switch {
	case degrees > 1e7:
		return normalQuantile(p)
	case p > 0.5:
		return -tQuantile(1-p, degrees)
	}
	return -bisect(0, 1e9, func(t float64) bool { return tSurvival(t, degrees) > p })
}

// betaQuantile is the x whose regularised incomplete beta function is p.
func betaQuantile(p, a, b float64) float64 {
	return bisect(0, 1, func(x float64) bool { return mathext.RegIncBeta(a, b, x) < p })
}

// bisect finds where below turns from true to false, to the last bit.
func bisect(low, high float64, below func(float64) bool) float64 {
	for {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			return middle
		}
		if below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
}

// binomialBelow is P(X < k) for n throws of a coin that falls on q.
func binomialBelow(k, n, q float64) float64 {
	switch {
	case k <= 0:
		return 0
	case k > n:
		return 1
	}
	return mathext.RegIncBeta(n-k+1, k, 1-q)
}
