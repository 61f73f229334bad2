package stats

import "math"

// Interval is a value with the bounds of a two-sided confidence interval.
type Interval struct{ Value, Lower, Upper float64 }

func checkProportion(successes, n, level float64) error {
	if !(successes >= 0 && successes <= n) || math.IsInf(n, 0) {
		return problem(-1, "%v of %v is no proportion", successes, n)
	}
	return checkLevel(level)
}

func checkLevel(level float64) error {
	if !(level > 0 && level < 1) {
		return problem(-1, "confidence %v is not between 0 and 1", level)
	}
	return nil
}

// Wald is p ± z sqrt(p(1-p)/n), cut to [0,1]: the textbook's, too short for few rows and empty at 0 and 1. NaN for n of 0.
func Wald(successes, n, level float64) (Interval, error) {
	if err := checkProportion(successes, n, level); err != nil {
		return Interval{}, err
	}
	p := ratio(successes, n)
	half := normalQuantile((1+level)/2) * math.Sqrt(p*(1-p)/n)
	return Interval{p, max(p-half, 0), min(p+half, 1)}, nil
}

// Wilson is the score interval (Wilson 1927), the one to prefer. NaN for n of 0.
func Wilson(successes, n, level float64) (Interval, error) {
	if err := checkProportion(successes, n, level); err != nil {
		return Interval{}, err
	}
	p, z := ratio(successes, n), normalQuantile((1+level)/2)
	center := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	r := Interval{p, max(center-half, 0), min(center+half, 1)}
	if successes == 0 {
		r.Lower = 0
	}
	if successes == n {
		r.Upper = 1
	}
	return nanWithout(r, n), nil
}

// ClopperPearson is the exact interval (Clopper and Pearson 1934): never too short, often too long. NaN for n of 0.
func ClopperPearson(successes, n, level float64) (Interval, error) {
	if err := checkProportion(successes, n, level); err != nil {
		return Interval{}, err
	}
	r := Interval{ratio(successes, n), 0, 1}
	if successes > 0 {
		r.Lower = betaQuantile((1-level)/2, successes, n-successes+1)
	}
	if successes < n {
		r.Upper = betaQuantile((1+level)/2, successes+1, n-successes)
	}
	return nanWithout(r, n), nil
}

func nanWithout(r Interval, n float64) Interval {
	if n == 0 {
		return Interval{math.NaN(), math.NaN(), math.NaN()}
	}
	return r
}
