package stats

import "math"

// Compare compares the means without drawing: the standard error of the (weighted) mean difference with t quantiles, from
// sums over clusters when the design has these.
func (v Values) Compare(d Design) (Comparison, error) {
	n := len(v.A)
	if err := v.check(); err != nil {
		return Comparison{}, err
	}
	d, err := d.filled(n)
	if err != nil {
		return Comparison{}, err
	}
	c := v.means()
	c.Rows, c.Units, c.Level, c.Method = n, n, d.Level, "paired means"
	if math.IsNaN(c.Diff) {
		return c.cannotTell("no rows"), nil
	}
	var total accumulator
	for i := range n {
		total.add(weightOf(v.Weights, i))
	}
	influence := make([]float64, n)
	squares := 0.0
	for i := range n {
		influence[i] = weightOf(v.Weights, i) / total.value() * (v.A[i] - v.B[i] - c.Diff)
		squares += influence[i] * influence[i]
	}
	if d.Clusters != nil {
		return c.clustered(influence, d), nil
	}
	if n < 2 {
		return c.cannotTell("1 row, at least 2 needed"), nil
	}
	return c.bound(math.Sqrt(squares*float64(n)/float64(n-1)), skewness(influence), float64(n-1), d.Level), nil
}
