package stats

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
)

// ksOneSample is P(D_n >= d) of the one-sample statistic of n rows, by the method that Simard and L'Ecuyer (2011) choose for each
// region, as scipy's kstwo.sf: exact but for large n near the middle, where Pelz and Good's expansion is right to 13 digits or more.
func ksOneSample(n, d float64) float64 {
	t := n * d
	switch {
	case n < 1 || math.IsNaN(d):
		return math.NaN()
	case d >= 1:
		return 0
	case t <= 0.5:
		return 1
	case t <= 1: // Ruben and Gambino: n! (2d - 1/n)^n
		gamma, _ := math.Lgamma(n + 1)
		return 1 - math.Exp(gamma+n*math.Log((2*t-1)/n))
	case t >= n-1:
		return 2 * math.Pow(1-d, n)
	case d >= 0.5 || t*d > 4 && n <= 140 || t*d >= 2.2 && n > 140:
		return min(2*smirnov(n, d), 1)
	case n <= 140 || n <= 100_000 && n*math.Pow(d, 1.5) <= 1.4:
		return max(1-durbin(n, d), 0)
	}
	return max(1-pelzGood(n, d), 0)
}

// smirnov is P(D+_n >= d), the one-sided statistic: d sum over j of C(n,j) (d+j/n)^(j-1) (1-d-j/n)^(n-j) (Birnbaum and Tingey 1951).
func smirnov(n, d float64) float64 {
	if t := n * d * d; t >= 370 {
		return 0
	}
	all, _ := math.Lgamma(n + 1)
	term := func(j float64) float64 {
		low, rest := d+j/n, 1-d-j/n
		if rest <= 0 {
			return 0
		}
		return math.Exp(logBinomial(all, n, j) + (j-1)*math.Log(low) + (n-j)*math.Log(rest))
	}
	return min(d*smirnovSum(term, math.Floor(n*(1-d))), 1)
}

const (
	smirnovEnds = 256 // terms at both ends that are added one by one
	smirnovMany = 20 * smirnovEnds
)

// smirnovSum adds the terms 0..last. Of very many, those in the middle, which change slowly, by the formula of Euler and Maclaurin: the
// integral, half of both ends, and a twelfth of the difference of the slopes there. The integral is taken over parts that grow with the
// distance from either end, as fast as the terms change less.
func smirnovSum(term func(j float64) float64, last float64) float64 {
	var sum accumulator
	if last < smirnovMany {
		for j := 0.0; j <= last; j++ {
			sum.add(term(j))
		}
		return sum.value()
	}
	from, to := float64(smirnovEnds), last-smirnovEnds
	for j := 0.0; j < from; j++ {
		sum.add(term(j))
		sum.add(term(last - j))
	}
	part := func(a, b float64) { sum.add(quad.Fixed(term, a, b, 24, quad.Legendre{}, 1)) }
	for width := from; from < to; width *= 1.5 {
		step := min(width, (to-from)/2)
		part(from, from+step)
		part(to-step, to)
		if from, to = from+step, to-step; to-from < 1 {
			break
		}
	}
	slope := func(j float64) float64 { return (term(j+1) - term(j-1)) / 2 }
	from, to = smirnovEnds, last-smirnovEnds
	sum.add((term(from) + term(to)) / 2)
	sum.add((slope(to) - slope(from)) / 12)
	return sum.value()
}

func logBinomial(logFactorial, n, k float64) float64 {
	a, _ := math.Lgamma(k + 1)
	b, _ := math.Lgamma(n - k + 1)
	return logFactorial - a - b
}

// durbin is P(D_n <= d) by powers of Durbin's matrix (Marsaglia, Tsang and Wang 2003).
func durbin(n, d float64) float64 {
	k := int(math.Ceil(n * d))
	h := float64(k) - n*d
	m := 2*k - 1
	step := durbinMatrix(m, h)
	power, exponent := make([]float64, m*m), 0
	for i := range m {
		power[i*m+i] = 1
	}
	stepExponent := 0
	for left := int(n); left > 0; left /= 2 {
		if left%2 == 1 {
			power, exponent = multiply(power, step, m), exponent+stepExponent
		}
		step, stepExponent = multiply(step, step, m), 2*stepExponent
		if step[(k-1)*m+k-1] > 0x1p400 {
			for i := range step {
				step[i] *= 0x1p-400
			}
			stepExponent += 400
		}
	}
	p := power[(k-1)*m+k-1]
	for i := 1.0; i <= n; i++ {
		if p = p * i / n; p < 0x1p-400 {
			p, exponent = p*0x1p400, exponent-400
		}
	}
	return math.Ldexp(p, exponent)
}

func durbinMatrix(m int, h float64) []float64 {
	a := make([]float64, m*m)
	factorials := make([]float64, m+1) // reciprocals
	factorials[0] = 1
	for i := 1; i <= m; i++ {
		factorials[i] = factorials[i-1] / float64(i)
	}
	for i := range m {
		for j := 1; j < m && j <= i+1; j++ {
			a[i*m+j] = factorials[i-j+1]
		}
	}
	for i := range m {
		edge := (1 - math.Pow(h, float64(i+1))) * factorials[i+1]
		a[i*m], a[(m-1)*m+m-1-i] = edge, edge
	}
	corner := 1 - 2*math.Pow(h, float64(m))
	if 2*h > 1 {
		corner += math.Pow(2*h-1, float64(m))
	}
	a[(m-1)*m] = corner * factorials[m]
	return a
}

func multiply(a, b []float64, m int) []float64 {
	c := make([]float64, m*m)
	for i := range m {
		for k := range m {
			v := a[i*m+k]
			if v == 0 {
				continue
			}
			row := b[k*m : (k+1)*m]
			for j, w := range row {
				c[i*m+j] += v * w
			}
		}
	}
	return c
}

// pelzGood is P(D_n <= d) by the expansion K0 + K1/sqrt n + K2/n + K3/n^1.5 of Pelz and Good (1976), in theta functions.
func pelzGood(n, d float64) float64 {
	z := math.Sqrt(n) * d
	z2 := z * z
	z4, z6 := z2*z2, z2*z2*z2
	pi2 := math.Pi * math.Pi
	var k0, k1, k2, k3 float64
	for k := 1.0; k <= math.Ceil(16*z/math.Pi); k++ {
		m2 := (2*k - 1) * (2*k - 1)
		m4 := m2 * m2
		q := math.Exp(-pi2 * m2 / (8 * z2))
		k0 += q
		k1 += q * (pi2/4*m2 - z2)
		k2 += q * (6*z6 + 2*z4 + (2*z4-5*z2)*pi2/4*m2 + pi2*pi2*(1-2*z2)/16*m4)
		k3 += q * (-30*z6 - 90*z4*z4 + pi2*(135*z4-96*z6)/4*m2 + pi2*pi2*(212*z4-60*z2)/16*m4 + pi2*pi2*pi2*(5-30*z2)/64*m4*m2)
		even := math.Exp(-pi2 * k * k / (2 * z2))
		k2 -= even * k * k * 2 * pi2 * z4
		k3 += even * k * k * (3*z2 - pi2*k*k) * 30 * pi2 * z4
	}
	root := math.Sqrt(2 * math.Pi)
	return root * (k0/z + k1/(6*z4)/math.Sqrt(n) + k2/(72*z4*z2*z)/n + k3/(6480*z6*z4)/(n*math.Sqrt(n)))
}
