package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// What is watched continuously may be looked at as often as one likes and stopped whenever one likes: the bounds in this file hold at all
// times at once, and not only at one that was chosen before.

// jeffreys is the prior Beta(1/2, 1/2) that a share of which nothing is known is mixed over.
const jeffreys = 0.5

// BinomialSequence bounds a share at all times at once: with probability level the true share is within the bounds after every n. The
// bounds are those shares that the mixture of Robbins (1970) over Beta(1/2, 1/2) does not outweigh 1/(1-level) to one. They are exact,
// also for few and rare successes. Whole numbers; [0,1] for n of 0.
func BinomialSequence(successes, n, level float64) (Interval, error) {
	if err := checkProportion(successes, n, level); err != nil {
		return Interval{}, err
	}
	r := Interval{ratio(successes, n), 0, 1}
	if n == 0 {
		return r, nil
	}
	limit := -math.Log(1 - level)
	mixed := mixtureLog(successes, n, jeffreys, jeffreys)
	outweighed := func(p float64) bool { return mixed-binomialLog(successes, n, p) >= limit }
	if successes > 0 {
		r.Lower = bisect(0, r.Value, outweighed)
	}
	if successes < n {
		r.Upper = bisect(r.Value, 1, func(p float64) bool { return !outweighed(p) })
	}
	return r, nil
}

// mixtureLog is the logarithm of how likely this order of successes is, over shares that are spread as Beta(a, b).
func mixtureLog(successes, n, a, b float64) float64 {
	return mathext.Lbeta(a+successes, b+n-successes) - mathext.Lbeta(a, b)
}

// binomialLog is the logarithm of how likely this order of successes is at one share.
func binomialLog(successes, n, p float64) float64 {
	log := 0.0
	if successes > 0 {
		log += successes * math.Log(p)
	}
	if successes < n {
		log += (n - successes) * math.Log1p(-p)
	}
	return log
}

// AboveShare is an always-valid p of "the share is at most limit": small when successes are too many, and below any a with at most the
// probability a at any time of a series that is watched continuously. It is one over the weight of a mixture over the shares above the limit
// alone, a supermartingale wherever the share is not above it. Exact. 1 for n of 0.
func AboveShare(successes, n, limit float64) (float64, error) {
	if err := checkProportion(successes, n, 0.5); err != nil {
		return 0, err
	}
	if !(limit > 0 && limit < 1) {
		return 0, problem(-1, "share %v is not between 0 and 1", limit)
	}
	// What was seen is least unlikely at successes/n: no share above the limit explains it better than the limit does. Said here, since what
	// is left of the mixture is then too little for a float64, and math.Log is wrong for subnormal numbers on amd64.
	if successes <= n*limit {
		return 1, nil
	}
	// The mixture is Beta(1/2, 1/2) cut at the limit; what is left of it before and after the rows is by what both are divided.
	above := func(k, of float64) float64 { return mathext.RegIncBeta(jeffreys+of-k, jeffreys+k, 1-limit) }
	log := mixtureLog(successes, n, jeffreys, jeffreys) + math.Log(above(successes, n)) - math.Log(above(0, 0)) - binomialLog(successes, n, limit)
	if math.IsNaN(log) || log <= 0 {
		return 1, nil
	}
	return math.Exp(-log), nil
}

// Mixture is the normal mixture of a sequential test of a difference whose estimate is nearly normal: the mSPRT of Johari, Pekelis and
// Walsh (2015), which for an estimated variance is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
// (2021). It holds from the first look on when that is not taken too early.
type Mixture struct {
	Level float64 // confidence
	// Sharpest is the number of units at which the bounds are narrowest against those of a test of a fixed number. It is chosen before
	// looking: at other numbers the bounds are valid too, and wider.
	Sharpest float64
}

// weight is the variance that is mixed over against that of the estimate, after n units. Its factor makes the bounds narrowest at
// n = Sharpest (the choice of rho of Waudby-Smith et al. 2021).
func (m Mixture) weight(n float64) float64 {
	a := -2 * math.Log(1-m.Level)
	return (a + math.Log(1+a)) * n / m.Sharpest
}

func (m Mixture) check(n float64) error {
	if err := checkLevel(m.Level); err != nil {
		return err
	}
	if !(m.Sharpest > 0) || math.IsInf(m.Sharpest, 0) || !(n >= 0) {
		return problem(-1, "%v units of %v are no plan", n, m.Sharpest)
	}
	return nil
}

// Interval bounds a difference that was estimated with a standard error from n units. Unbounded for n of 0 and a standard error that is not
// known.
func (m Mixture) Interval(difference, se, n float64) (Interval, error) {
	if err := m.check(n); err != nil {
		return Interval{}, err
	}
	if n == 0 || math.IsNaN(se) {
		return Interval{difference, math.Inf(-1), math.Inf(1)}, nil
	}
	g := m.weight(n)
	half := se * math.Sqrt((1+1/g)*(math.Log1p(g)-2*math.Log(1-m.Level)))
	return Interval{difference, difference - half, difference + half}, nil
}

// PSISequence bounds the population stability index of two populations from counts of a sample of each, of n and m rows. Its units are
// nm/(n+m), which are rows of the smaller sample when the other one is far larger.
//
// Its estimate is that of shares to which half a row is added in each bin, so that an empty one says little (Krichevsky and Trofimov 1981),
// less what chance adds to it in the second order (Yurdakul and Naranjo 2020 give it for equal populations: (B-1)(1/n+1/m) in B bins); its
// standard error is that of the delta method. Bins that are empty on both sides do not count. Unbounded when either sample is empty.
func (m Mixture) PSISequence(reference, current []float64) (Interval, error) {
	if _, _, err := shares(reference, current); err != nil {
		return Interval{}, err
	}
	var bins [2][]float64
	for i, n := range reference {
		if n > 0 || current[i] > 0 {
			bins[0], bins[1] = append(bins[0], n+jeffreys), append(bins[1], current[i]+jeffreys)
		}
	}
	rows, now := sum(reference), sum(current)
	p, q, err := shares(bins[0], bins[1])
	if err != nil || rows == 0 || now == 0 {
		return Interval{math.NaN(), math.Inf(-1), math.Inf(1)}, err
	}
	x, y := stabilityOf(p, q), stabilityOf(q, p)
	return m.Interval(x.index+y.index-x.bias/rows-y.bias/now, math.Sqrt(x.variance/rows+y.variance/now), rows*now/(rows+now))
}

// stability is the part that one side has in a stability index, and what sampling that side does to the whole of it, times the rows of the sample.
type stability struct{ index, bias, variance float64 }

// stabilityOf is the part of the shares p, when the other side is q: their Kullback-Leibler divergence, which is also the mean of the first
// derivative of the index by each share, the variance of that derivative, and half the second one times the variance of the share.
func stabilityOf(p, q []float64) stability {
	var mean, square, bias accumulator
	for i := range p {
		slope := math.Log(p[i]/q[i]) + 1 - q[i]/p[i]
		mean.add(p[i] * slope)
		square.add(p[i] * slope * slope)
		bias.add((1 + q[i]/p[i]) * (1 - p[i]) / 2)
	}
	return stability{mean.value(), bias.value(), square.value() - mean.value()*mean.value()}
}

// P is the always-valid p of "there is no difference", of this time alone.
func (m Mixture) P(difference, se, n float64) (float64, error) {
	if err := m.check(n); err != nil {
		return 0, err
	}
	if n == 0 || math.IsNaN(se) || difference == 0 {
		return 1, nil
	}
	g, z := m.weight(n), difference/se
	return min(1, math.Exp(math.Log1p(g)/2-z*z*g/(2*(1+g)))), nil
}
