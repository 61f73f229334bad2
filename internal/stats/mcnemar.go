package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Discordant is what two models do on the same rows: the rows that only a, only b, both and neither get right.
type Discordant struct{ OnlyA, OnlyB, Both, Neither int }

// NewDiscordant counts rows by whether each model is right. The slices are of one length.
func NewDiscordant(rightA, rightB []bool) (Discordant, error) {
	if err := checkLength("answers of b", len(rightB), len(rightA)); err != nil {
		return Discordant{}, err
	}
	var d Discordant
	for i, a := range rightA {
		switch b := rightB[i]; {
		case a && b:
			d.Both++
		case a:
			d.OnlyA++
		case b:
			d.OnlyB++
		default:
			d.Neither++
		}
	}
	return d, nil
}

// Rows is how many there are.
func (d Discordant) Rows() int { return d.OnlyA + d.OnlyB + d.Both + d.Neither }

// McNemar is a test that two models are right equally often.
type McNemar struct {
	Exact     float64 // two-sided p of the binomial of OnlyA in OnlyA+OnlyB at 1/2; 1 without discordant rows
	Chi2      float64 // (a-b)^2/(a+b); NaN without discordant rows, and so its p
	P         float64 // of Chi2 at 1 degree of freedom
	Corrected float64 // (|a-b|-1)^2/(a+b), Edwards' correction, also when a = b (as statsmodels and R)
	PCorr     float64 // of Corrected
}

// McNemar tests (McNemar 1947), as statsmodels' mcnemar with exact=True, and exact=False with and without correction.
func (d Discordant) McNemar() McNemar {
	a, b := float64(d.OnlyA), float64(d.OnlyB)
	m := McNemar{Exact: 1, Chi2: ratio((a-b)*(a-b), a+b)}
	if a != b { // P(X <= k) of a binomial at 1/2 is an incomplete beta
		m.Exact = min(1, 2*binomialHalf(min(a, b), a+b))
	}
	m.P = chi2Survival(m.Chi2, 1)
	c := math.Abs(a-b) - 1
	m.Corrected = ratio(c*c, a+b)
	m.PCorr = chi2Survival(m.Corrected, 1)
	return m
}

// binomialHalf is P(X <= k) for n throws of a fair coin.
func binomialHalf(k, n float64) float64 {
	if k >= n {
		return 1
	}
	return mathext.RegIncBeta(n-k, k+1, 0.5)
}

// Compare bounds the difference of accuracies by inverting Tango's (1998) score test of paired proportions: never empty, also when no row is discordant.
func (d Discordant) Compare(level float64) (Comparison, error) {
	if err := checkLevel(level); err != nil {
		return Comparison{}, err
	}
	n := float64(d.Rows())
	c := Comparison{Rows: d.Rows(), Units: d.Rows(), Level: level, Degrees: math.Inf(1), Method: "paired proportions, score interval (Tango)"}
	c.A, c.B = ratio(float64(d.OnlyA+d.Both), n), ratio(float64(d.OnlyB+d.Both), n)
	c.Diff = ratio(float64(d.OnlyA-d.OnlyB), n)
	if n == 0 {
		return c.cannotTell("no rows"), nil
	}
	c.SE = math.Sqrt((float64(d.OnlyA+d.OnlyB) - n*c.Diff*c.Diff) / n / n)
	z := normalQuantile(level)
	c.Lower = bisect(-1, c.Diff, func(x float64) bool { return d.tango(x) > z })
	c.Upper = bisect(c.Diff, 1, func(x float64) bool { return d.tango(x) > -z })
	return c, nil
}

// tango is the score statistic of "the difference is x".
func (d Discordant) tango(x float64) float64 {
	n, b, c := float64(d.Rows()), float64(d.OnlyA), float64(d.OnlyB)
	// The likeliest share of OnlyB rows given the difference solves a quadratic.
	p := -b - c + (2*n-b+c)*x
	q := (math.Sqrt(max(p*p+8*n*c*x*(1-x), 0)) - p) / (4 * n)
	variance := n * (2*q + x*(1-x))
	if over := b - c - n*x; over != 0 || variance > 0 {
		return over / math.Sqrt(max(variance, 0))
	}
	return 0
}
