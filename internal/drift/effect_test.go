package drift

import (
	"math"
	"math/rand/v2"
	"testing"

	"mlx/internal/stats"
)

// sameNumber says whether two numbers agree to 9 digits.
func sameNumber(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) }

// TestTests compares with scipy 1.17: chi2_contingency, norm, hypergeom and binom.
func TestTests(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"chi2", chi2P(Bins{Reference: []int64{100, 50, 850}, Current: []int64{120, 70, 810}}, false), 0.04699635250308479},
		{"z", shareP(100, 1000, 130, 1000), 0.03548845046647471},
		{"hypergeometric", shareP(3, 50, 9, 40), 0.047601467097380175},
		{"hypergeometric, far", shareP(9, 1_000_000, 1, 1000), 0.0198905275877028},
		{"binomial", binomialTail(10, 12, 0.3), 0.00020637625499999988},
		{"none missing", shareP(0, 50, 0, 40), math.NaN()},
		{"all missing", shareP(50, 50, 40, 40), math.NaN()},
		{"one category", chi2P(Bins{Reference: []int64{10, 0}, Current: []int64{20, 0}}, false), math.NaN()},
		{"an empty side", chi2P(Bins{Reference: []int64{10, 4}, Current: []int64{0, 0}}, false), math.NaN()},
		{"nothing unseen", unseenP(0, 100, []int64{50, 50}), 1},
	} {
		if !sameNumber(c.got, c.want) && !(math.IsNaN(c.got) && math.IsNaN(c.want)) {
			t.Errorf("%s: %v, not %v", c.name, c.got, c.want)
		}
	}
}

// TestRareValues draws two samples of very different size from one distribution with a long tail: each p must be as rare as it says, far
// out, where a table of a thousand columns is judged. Pearson's chi-square alone is not.
func TestRareValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const sets, categories, n, m, at = 2000, 400, 4000, 200, 0.005
	draw := func(k int) []int64 {
		counts := make([]int64, categories)
		for range k {
			counts[min(int(math.Exp(r.ExpFloat64()*1.5)), categories)-1]++
		}
		return counts
	}
	var chi2, unseen, missing, pearson int
	for range sets {
		a, b := draw(n), draw(m)
		if chi2P(Bins{Reference: a, Current: b}, false) <= at {
			chi2++
		}
		c, err := stats.Chi2Homogeneity(floated(a), floated(b), false)
		if err != nil {
			t.Fatal(err)
		}
		if c.P <= at {
			pearson++
		}
		gone := int64(0)
		for i, v := range b {
			if a[i] == 0 {
				gone += v
			}
		}
		if unseenP(gone, m, a) <= at {
			unseen++
		}
		if rareBoth, rareNow := a[100]+a[101]+a[102]+a[103], b[100]+b[101]+b[102]+b[103]; shareP(rareBoth, n, rareNow, m) <= at {
			missing++
		}
	}
	most := int(sets*at + 3*math.Sqrt(sets*at))
	for name, k := range map[string]int{"chi2": chi2, "unseen": unseen, "missing": missing} {
		if k > most {
			t.Errorf("%s: %d of %d sets at %v, at most %d expected", name, k, sets, at, most)
		}
	}
	if pearson <= most {
		t.Errorf("Pearson's chi-square: %d of %d: the case is too easy to show anything", pearson, sets)
	}
}

func floated(counts []int64) []float64 {
	all := make([]float64, len(counts))
	for i, n := range counts {
		all[i] = float64(n)
	}
	return all
}

// TestUnseenIsFound: a new value of 3% is no accident, one of a distribution in which each value is new is.
func TestUnseenIsFound(t *testing.T) {
	if p := unseenP(30, 1000, []int64{5000, 3000, 2000}); p > 1e-6 {
		t.Errorf("a new value: p %v", p)
	}
	once := make([]int64, 1000)
	for i := range once {
		once[i] = 1
	}
	if p := unseenP(1000, 1000, once); p < 0.1 {
		t.Errorf("identifiers: p %v", p)
	}
}

// TestMergeRare: every bin has a place, and of each that is left 5 rows are expected, unless it is the only one.
func TestMergeRare(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 300 {
		sums := make([]float64, 1+r.IntN(40))
		all := 0.0
		for i := range sums {
			sums[i] = math.Floor(math.Exp(r.Float64()*8)) - 1
			all += sums[i]
		}
		one := 1 + 20*r.Float64()
		place, kept := mergeRare(sums, nil, one)
		merged := make([]float64, kept)
		for i, at := range place {
			merged[at] += sums[i]
		}
		for _, v := range merged {
			if v < 5*one && kept > 1 {
				t.Fatalf("%v of %v at %v: %v", merged, sums, one, v)
			}
			all -= v
		}
		if len(place) != len(sums) || all != 0 {
			t.Fatalf("%v became %v", sums, merged)
		}
	}
	place, kept := mergeRare([]float64{20, 20, 20, 20, 1, 1}, []string{"d", "c", "b", "a", "e", "f"}, 8)
	if kept != 2 || place[2] != 0 || place[3] != 0 || place[0] != 1 || place[1] != 1 || place[4] != 1 || place[5] != 1 {
		t.Errorf("%v %d", place, kept)
	}
}
