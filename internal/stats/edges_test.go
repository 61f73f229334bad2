package stats

import (
	"math"
	"slices"
	"testing"
)

// TestEdges holds edges against numpy.histogram_bin_edges; the interop test does the same on many samples.
func TestEdges(t *testing.T) {
	for _, c := range []struct {
		name        string
		edges, want []float64
	}{
		{"no values", SturgesEdges(0, 0, 1, false), nil},
		{"not a number", SturgesEdges(5, math.NaN(), 1, false), nil},
		{"infinite", DoaneEdges(5, 0, math.Inf(1), 0), nil},
		{"one value", SturgesEdges(1, 3, 3, false), []float64{2.5, 3.5}},
		{"constant", DoaneEdges(9, 3, 3, math.NaN()), []float64{2.5, 3.5}},
		{"sturges of 8", SturgesEdges(8, 0, 1, false), []float64{0, 0.25, 0.5, 0.75, 1}},
		{"sturges of many integers", SturgesEdges(1<<20, 0, 5, true), []float64{0, 1, 2, 3, 4, 5}},
		{"doane of two", DoaneEdges(2, 0, 4, 0), []float64{0, 4}},
		{"doane of 16 that are not skew", DoaneEdges(16, 0, 5, 0), []float64{0, 1, 2, 3, 4, 5}},
		{"no number lies between", SturgesEdges(8, 1<<60, 1<<60+256, true), []float64{1 << 60, 1<<60 + 256}},
		{"the range is no number", SturgesEdges(8, -0x1p1023, 0x1p1023, false),
			[]float64{-0x1p1023, -0x1p1022, 0, 0x1p1022, 0x1p1023}},
	} {
		if !slices.Equal(c.edges, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.edges, c.want)
		}
	}
}

func TestPSIFilled(t *testing.T) {
	for _, c := range []struct {
		name string
		p, q []float64
		want float64
	}{
		{"same", []float64{3, 5}, []float64{6, 10}, 0},
		{"nothing to fill", []float64{50, 50}, []float64{25, 75}, -0.25*math.Log(0.25/0.5) + 0.25*math.Log(0.75/0.5)},
		{"a zero", []float64{100, 0}, []float64{50, 50}, 0.5*math.Log(2) + (1e-4-0.5)*math.Log(1e-4/0.5)},
		{"a zero beside a rare one", []float64{99999, 1, 0}, []float64{99999, 1, 1e5}, (0.99999-0.499995)*math.Log(2) + 5e-6*math.Log(2) + (1e-11-0.5)*math.Log(1e-11/0.5)},
		{"empty", []float64{0, 0}, []float64{1, 1}, math.NaN()},
	} {
		if got := must[float64](t)(PSIFilled(c.p, c.q)); !near(got, c.want, 1e-9) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if _, err := PSIFilled([]float64{1}, []float64{1, 2}); err == nil {
		t.Error("two lengths")
	}
}
