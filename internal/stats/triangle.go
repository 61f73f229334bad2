package stats

import "math"

// triangle is the lower half of a symmetric matrix, or a lower triangular one: row i has i+1 entries.
type triangle struct {
	n     int
	cells []float64
}

func newTriangle(n int) triangle { return triangle{n, make([]float64, n*(n+1)/2)} }

func (t triangle) at(i int) []float64 {
	start := i * (i + 1) / 2
	return t.cells[start : start+i+1]
}

// cholesky replaces a covariance by the lower triangular L with L L' equal to it. Sums that follow from earlier ones, as a count does from its
// parts, leave a pivot of rounding errors: their own columns are zero.
func (t triangle) cholesky() {
	for i := range t.n {
		row := t.at(i)
		whole := row[i]
		for j := range i {
			other := t.at(j)
			pivot := other[j]
			if pivot == 0 {
				row[j] = 0
				continue
			}
			row[j] = (row[j] - dot(row[:j], other[:j])) / pivot
		}
		pivot := whole - dot(row[:i], row[:i])
		if pivot <= 1e-10*whole {
			row[i] = 0
			continue
		}
		row[i] = math.Sqrt(pivot)
	}
}

// multiply adds t v to to.
func (t triangle) multiply(v, to []float64) {
	for i := range t.n {
		to[i] += dot(t.at(i), v)
	}
}

// dot runs four sums at once, that the processor can overlap; the order is fixed, so are the bytes.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	for len(a) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return s0 + s1 + (s2 + s3)
}
