package stats

import (
	"math"
	"testing"
)

// TestKolmogorovSmirnovOf finds the same as the function that has all values.
func TestKolmogorovSmirnovOf(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {7, 7}, {100, 100}, {100, 130}, {999, 1000}, {1000, 1000}} {
		n, m := size[0], size[1]
		for _, h := range []int{0, 1, 2, 5, n / 10, n / 3, n} {
			d := float64(min(h, n)) / float64(n)
			k, err := KolmogorovSmirnovOf(n, m, d, true)
			if err != nil {
				t.Fatal(err)
			}
			want := ksExact(n, m, d)
			if math.Abs(k.Exact-want) > 1e-11 || want > 0 && want < 1e-8 && math.Abs(k.Exact/want-1) > 1e-9 {
				t.Errorf("%d and %d rows, D %v: exact P %v, want %v", n, m, d, k.Exact, want)
			}
		}
	}
	a, b := []float64{1, 2, 2, 3, 8}, []float64{2, 3, 4, 5}
	want, err := KolmogorovSmirnov(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := KolmogorovSmirnovOf(len(a), len(b), want.D, true); err != nil || got != want {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
	if _, err := KolmogorovSmirnovOf(3, 3, 1.5, false); err == nil {
		t.Error("a gap of 1.5 is accepted")
	}
}

// TestSmirnovSum adds very many terms by an integral as exactly as one by one.
func TestSmirnovSum(t *testing.T) {
	for _, n := range []float64{6000, 50_000, 500_000} {
		for _, z := range []float64{0.3, 1.0, 1.5, 3, 7, 15, 18} {
			d := z / math.Sqrt(n)
			all, _ := math.Lgamma(n + 1)
			var sum accumulator
			for j := 0.0; j <= math.Floor(n*(1-d)); j++ {
				sum.add(math.Exp(logBinomial(all, n, j) + (j-1)*math.Log(d+j/n) + (n-j)*math.Log(1-d-j/n)))
			}
			if got, want := smirnov(n, d), d*sum.value(); math.Abs(got/want-1) > 1e-9 {
				t.Errorf("n %v, z %v: %v, want %v", n, z, got, want)
			}
		}
	}
}
