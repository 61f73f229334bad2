package stats

import (
	"math"
	"testing"
)

func TestInfluenceIsDerivative(t *testing.T) {
	b := Binary{Labels: []int32{1, 0, 1, 0, 0, 1, 1, 0}, Scores: []float64{.9, .9, .7, .6, .4, .4, .2, .1}, Weights: []float64{1, 2, .5, 1, 3, 1, 2, 1}}
	for _, metric := range []Metric{ROCAUC, PRAUC} {
		got, err := b.Influence(metric)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range b.Weights {
			const step = 1e-6
			at := func(w float64) float64 {
				moved := b
				moved.Weights = append([]float64{}, b.Weights...)
				moved.Weights[i] = w
				v, err := moved.Value(metric, 0)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			if want := w * (at(w+step) - at(w-step)) / (2 * step); math.Abs(got[i]-want) > 1e-8 {
				t.Errorf("%s row %d: %v, derivative %v", metric, i, got[i], want)
			}
		}
	}
	if got, err := (Binary{Labels: []int32{0, 0}, Scores: []float64{1, 2}}).Influence(PRAUC); got != nil || err != nil {
		t.Errorf("an area that is not defined is moved by %v (%v)", got, err)
	}
	if _, err := b.Influence(F1); err == nil {
		t.Error("f1 is no area")
	}
}

func TestTiesFromTheHighest(t *testing.T) {
	b := Binary{Labels: []int32{1, 0, 1, 0}, Scores: []float64{.5, .9, .5, .5}, Weights: []float64{1, 2, 3, 4}}
	var got [][2]float64
	if err := b.Ties(func(pos, neg float64) { got = append(got, [2]float64{pos, neg}) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != [2]float64{0, 2} || got[1] != [2]float64{4, 4} {
		t.Errorf("got %v", got)
	}
}
