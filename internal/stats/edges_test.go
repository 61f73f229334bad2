package stats

import (
	"math"
	"math/rand/v2"
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

func TestHistogram(t *testing.T) {
	counts, outside := Histogram([]float64{-1, 0, 0, 1, 1.5, 2, 2, 3}, []float64{0, 1, 2})
	if !slices.Equal(counts, []float64{2, 4}) || outside != 2 {
		t.Error(counts, outside)
	}
	if counts, outside = Histogram([]float64{1, 2}, nil); counts != nil || outside != 2 {
		t.Error(counts, outside)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		values := rows(1+r.IntN(300), r.NormFloat64)
		slices.Sort(values)
		skewness := must[float64](t)(Skewness(values))
		edges := DoaneEdges(int64(len(values)), values[0], values[len(values)-1], skewness)
		counts, outside := Histogram(values, edges)
		sum := 0.0
		for _, v := range counts {
			sum += v
		}
		if sum != float64(len(values)) || outside != 0 {
			t.Fatalf("%d values, %v in bins, %v outside", len(values), sum, outside)
		}
		wide, beside := Histogram(append([]float64{-100}, append(values, 100)...), edges)
		if !slices.Equal(wide, counts) || beside != 2 {
			t.Fatal(wide, beside)
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

func TestProportionsZ(t *testing.T) {
	z, p := ProportionsZ(15, 100, 30, 100)
	if !near(z, 2.5400025400038095, 1e-12) || !near(p, 0.011085166380602711, 1e-9) {
		t.Error(z, p)
	}
	for _, c := range [][4]float64{{0, 10, 0, 10}, {10, 10, 10, 10}, {0, 0, 1, 10}} {
		if z, p := ProportionsZ(c[0], c[1], c[2], c[3]); !math.IsNaN(z) || !math.IsNaN(p) {
			t.Error(c, z, p)
		}
	}
}
