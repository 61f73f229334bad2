package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// family is one way to compare with the textbook's way to do the same.
type family struct {
	name  string
	quick func(Design) (Comparison, error)
	plain func(weights []float64) (a, b float64)
}

func families(t *testing.T, w world) ([]family, Design) {
	p, d := w.binary(4)
	r := rand.New(rand.NewPCG(5, 5))
	var all []family
	a, b := p.models()
	for _, m := range binaryMetrics {
		all = append(all, family{"binary " + string(m), func(d Design) (Comparison, error) { return p.Compare(m, d) }, func(w []float64) (float64, float64) {
			return must[float64](t)(Binary{a.Labels, a.Scores, w}.Value(m, 0.5)), must[float64](t)(Binary{b.Labels, b.Scores, w}.Value(m, 0.5))
		}})
	}
	g := RegressionPair{Actual: rows(w.n, r.NormFloat64), Weights: p.Weights, Quantile: 0.8}
	for _, y := range g.Actual { // tails as heavy as Student's t with 4 degrees of freedom
		tail := func() float64 { return r.NormFloat64() / math.Sqrt((r.ExpFloat64()+r.ExpFloat64())/2) }
		g.A, g.B = append(g.A, y+0.5*tail()), append(g.B, y+0.5*tail())
	}
	for _, m := range []Metric{RMSE, MAE, MedianAE, R2, SMAPE, Bias, QuantileLoss} {
		all = append(all, family{"regression " + string(m), func(d Design) (Comparison, error) { return g.Compare(m, d) }, func(w []float64) (float64, float64) {
			return must[float64](t)(Regression{g.Actual, g.A, w}.Value(m, 0.8)), must[float64](t)(Regression{g.Actual, g.B, w}.Value(m, 0.8))
		}})
	}
	c := ClassPair{Labels: codes(w.n, func() int { return r.IntN(5) }), Classes: 6, Average: Macro, Weights: p.Weights}
	for _, y := range c.Labels {
		guess := func() int32 {
			if r.Float64() < 0.6 {
				return y
			}
			return int32(r.IntN(5))
		}
		c.A, c.B = append(c.A, guess()), append(c.B, guess())
	}
	for _, m := range []Metric{Accuracy, F1, MCC, BalancedAccuracy} {
		all = append(all, family{"classes " + string(m), func(d Design) (Comparison, error) { return c.Compare(m, d) }, func(w []float64) (float64, float64) {
			value := func(predicted []int32) float64 {
				return must[float64](t)(must[Confusion](t)(NewConfusion(c.Labels, predicted, 6, w)).Value(m, Macro))
			}
			return value(c.A), value(c.B)
		}})
	}
	v := Values{A: g.A, B: g.B, Weights: p.Weights}
	all = append(all, family{"values", v.Bootstrap, func(w []float64) (float64, float64) {
		return weightedMean(len(w), w, func(i int) float64 { return v.A[i] }), weightedMean(len(w), w, func(i int) float64 { return v.B[i] })
	}})
	groups := Grouped{Labels: p.Labels, Predicted: codes(w.n, func() int { return r.IntN(2) }), Scores: p.A, Weights: p.Weights, Groups: codes(w.n, func() int { return 3 * r.IntN(4) })}
	for _, m := range []FairnessMeasure{DemographicParityDifference, EqualizedOddsRatio, PredictiveParityDifference, CalibrationDifference} {
		all = append(all, family{"fairness " + string(m), func(d Design) (Comparison, error) {
			i, err := groups.FairnessInterval(m, d)
			return Comparison{A: i.Value, Diff: i.Value, Lower: i.Lower, Upper: i.Upper, Units: groups.units(d)}, err
		}, func(w []float64) (float64, float64) {
			g := groups
			g.Weights = w
			return must[float64](t)(g.Fairness(m)), 0
		}})
	}
	return all, d
}

func (g Grouped) units(d Design) int {
	if d.Clusters == nil {
		return len(g.Labels)
	}
	_, k := dense(d.Clusters)
	return k
}

// TestFewRowsAreDrawnExactly holds that up to exactUnits each family gives, from the same draws, the bounds of the plain bootstrap.
func TestFewRowsAreDrawnExactly(t *testing.T) {
	t.Parallel()
	for _, w := range []world{{n: 700, positive: 0.3, alike: 0.5}, {n: 700, positive: 0.2, alike: 0.8, steps: 9, weighted: true, clusters: 60}, {n: 700, positive: 0.1, alike: 0.8, stratify: true}} {
		w.resamples = 200
		all, d := families(t, w)
		for _, f := range all {
			got := must[Comparison](t)(f.quick(d))
			base, _ := w.binary(4)
			want := must[Comparison](t)(PairedBootstrap(w.n, base.Weights, f.plain, d))
			if !near(got.Diff, want.Diff, 1e-9) || !near(got.Lower, want.Lower, 1e-9) || !near(got.Upper, want.Upper, 1e-9) || got.Units != want.Units {
				t.Errorf("%s %+v: %v to %v of %v, plainly %v to %v of %v", f.name, w, got.Lower, got.Upper, got.Units, want.Lower, want.Upper, want.Units)
			}
		}
	}
}

// TestManyRowsOfEachFamily holds the shortcut of many rows, as TestBootstrapIsThePlainOne does for two classes.
func TestManyRowsOfEachFamily(t *testing.T) {
	t.Parallel()
	w := world{n: 20_300, positive: 0.3, alike: 0.5, weighted: true, resamples: pairs(200, 2000)}
	all, d := families(t, w)
	base, _ := w.binary(4)
	for _, f := range all[len(binaryMetrics):] {
		got := must[Comparison](t)(f.quick(d))
		d.Seed++
		want := must[Comparison](t)(PairedBootstrap(w.n, base.Weights, f.plain, d))
		if got.SE == 0 { // intervals keep none
			got.SE = want.SE
		}
		sameBootstrap(t, fmt.Sprint(f.name), got, want, w.resamples)
	}
}
