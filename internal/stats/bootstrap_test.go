package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// number of random rows, of which the tests below make pairs of models.
type world struct {
	n         int
	positive  float64 // share
	alike     float64 // how much of the noise the two models share
	steps     float64 // of rounded scores; 0: none
	weighted  bool
	clusters  int // 0: rows are independent
	stratify  bool
	resamples int
}

func (w world) design(labels []int32) Design {
	d := Design{Resamples: w.resamples, Seed: 7, Workers: 2}
	if w.clusters > 0 {
		r := rand.New(rand.NewPCG(99, 1))
		d.Clusters = codes(w.n, func() int { return r.IntN(w.clusters) })
	}
	if w.stratify {
		d.Strata = labels
	}
	return d
}

func (w world) binary(seed uint64) (BinaryPair, Design) {
	r := rand.New(rand.NewPCG(seed, 2))
	p := BinaryPair{Threshold: 0.5, Labels: codes(w.n, func() int {
		if r.Float64() < w.positive {
			return 1
		}
		return 0
	})}
	d := w.design(p.Labels)
	effect := make([]float64, w.clusters)
	for i := range effect {
		effect[i] = r.NormFloat64() * 0.7
	}
	for i, y := range p.Labels {
		shared, own := math.Sqrt(w.alike), math.Sqrt(1-w.alike)
		base := 1.5*float64(y) - 1 + shared*r.NormFloat64()
		a, b := base+own*r.NormFloat64(), base+own*r.NormFloat64()
		if w.clusters > 0 {
			a += effect[d.Clusters[i]]
		}
		p.A, p.B = append(p.A, 1/(1+math.Exp(-a))), append(p.B, 1/(1+math.Exp(-b)))
		if w.weighted {
			p.Weights = append(p.Weights, r.ExpFloat64())
		}
	}
	if w.steps > 0 {
		p.A, p.B = rounded(p.A, w.steps), rounded(p.B, w.steps)
	}
	return p, d
}

// plainly is the bootstrap as textbooks have it: rows are drawn, and each whole metric is taken of each resample.
func (p BinaryPair) plainly(t *testing.T, metrics []Metric, d Design) []Comparison {
	n := len(p.Labels)
	d = must[Design](t)(d.filled(n))
	a, b := p.models()
	orders := [][]int32{ascending(a.Scores), ascending(b.Scores)}
	values := func(weights []float64, m int) []float64 {
		b := []Binary{a, b}[m]
		b.Weights = weights
		counts := must[Counts](t)(b.Counts(p.Threshold))
		all := make([]float64, len(metrics))
		for k, metric := range metrics {
			switch metric {
			case ROCAUC, PRAUC:
				all[k] = b.area(orders[m], metric)
			case LogLoss, Brier, ECE:
				all[k] = must[float64](t)(b.Value(metric, p.Threshold))
			default:
				all[k] = must[float64](t)(counts.Value(metric))
			}
		}
		return all
	}
	base := p.Weights
	if base == nil {
		base = slices.Repeat([]float64{1}, n)
	}
	diffs := make([][]float64, len(metrics))
	for k := range diffs {
		diffs[k] = make([]float64, d.Resamples)
	}
	s := newSampler(n, d)
	s.each(base, d, func(resample int, weights []float64) {
		ofB := values(weights, 1)
		for k, v := range values(weights, 0) {
			diffs[k][resample] = v - ofB[k]
		}
	})
	all, ofB := make([]Comparison, len(metrics)), values(base, 1)
	for k, v := range values(base, 0) {
		c := Comparison{A: v, B: ofB[k], Diff: v - ofB[k], Units: s.units, Level: d.Level}
		all[k] = c.percentiles(diffs[k], d)
	}
	return all
}

// near holds relative to the larger number; values of at most 1e-12 times a scale of one count as zero.
func near(a, b, tolerance float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) <= 1e-15
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// rows makes n random numbers.
func rows(n int, f func() float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = f()
	}
	return all
}

func codes(n int, f func() int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(f())
	}
	return all
}

func rounded(v []float64, steps float64) []float64 {
	all := make([]float64, len(v))
	for i := range all {
		all[i] = math.Round(v[i]*steps) / steps
	}
	return all
}

// sameBootstrap holds that two bootstraps of the same rows, with different draws, differ by no more than their Monte Carlo error: that of a
// standard error is SE/sqrt(2R), and that of a 5 % quantile about 2.1 SE/sqrt(R). Five of them, for the difference of two.
func sameBootstrap(t *testing.T, name string, got, want Comparison, resamples int) {
	t.Helper()
	root := math.Sqrt(float64(resamples))
	tolerance := 5 * math.Sqrt2
	if !near(got.A, want.A, 1e-12) || !near(got.B, want.B, 1e-12) || got.Units != want.Units {
		t.Errorf("%s: of %v, %v and %d, not %v, %v and %d", name, got.A, got.B, got.Units, want.A, want.B, want.Units)
	}
	if r := got.SE / want.SE; !(math.Abs(r-1) <= tolerance/math.Sqrt2/root) {
		t.Errorf("%s: standard error %.4g, plainly %.4g: ratio %.3f", name, got.SE, want.SE, r)
	}
	for bound, v := range map[string][2]float64{"lower": {got.Lower, want.Lower}, "upper": {got.Upper, want.Upper}} {
		if z := (v[0] - v[1]) / want.SE; !(math.Abs(z) <= tolerance*2.1/root) {
			t.Errorf("%s: %s bound off by %.3f standard errors", name, bound, z)
		}
	}
	t.Logf("%-60s se ratio %.3f, lower %+.3f se, upper %+.3f se", name, got.SE/want.SE, (got.Lower-want.Lower)/want.SE, (got.Upper-want.Upper)/want.SE)
}

// pairs is how often something random is done: few times beside other tests, many times where MLX_TEST_MANY asks for it.
func pairs(few, many int) int {
	if os.Getenv("MLX_TEST_MANY") != "" {
		return many
	}
	return few
}

var binaryMetrics = []Metric{Accuracy, BalancedAccuracy, Precision, Recall, F1, Specificity, MCC, ROCAUC, PRAUC, LogLoss, Brier, ECE}

// TestBootstrapIsThePlainOne holds the shortcut of many rows against drawing all rows.
func TestBootstrapIsThePlainOne(t *testing.T) {
	t.Parallel()
	worlds := []world{
		{n: 20_500, positive: 0.3, alike: 0.5},
		{n: 20_500, positive: 0.01, alike: 0.9, weighted: true},
		{n: 20_500, positive: 0.002, alike: 0.9, stratify: true},
		{n: 20_500, positive: 0.3, alike: 0.9999},
		{n: 20_500, positive: 0.2, alike: 0.5, steps: 20, stratify: true},
		{n: 25_000, positive: 0.3, alike: 0.5, clusters: 5000},
		{n: 40_000, positive: 0.3, alike: 0.5, clusters: 25_000, weighted: true},
		{n: 20_500, positive: 0.3, alike: 0.5, clusters: 12},
	}
	if pairs(0, 1) == 0 {
		worlds = []world{worlds[1], worlds[3], worlds[4], worlds[6]}
	}
	for k, w := range worlds {
		w.resamples = pairs(200, 5000)
		p, d := w.binary(uint64(k))
		other := d
		other.Seed += uint64(len(binaryMetrics)) // that none of the draws below has
		want := p.plainly(t, binaryMetrics, other)
		for m, metric := range binaryMetrics {
			sameBootstrap(t, fmt.Sprintf("%s %+v", metric, w), must[Comparison](t)(p.Compare(metric, d)), want[m], w.resamples)
			d.Seed++
		}
	}
}
