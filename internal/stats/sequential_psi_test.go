package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// watched is what rollouts use.
var watched = Mixture{Level: 0.9, Sharpest: 300}

// TestStabilityHoldsAtAllTimes watches the index of two populations as rows come, and counts series whose bound was ever above the truth. The
// index itself is above it nearly always, and so is one that a test of homogeneity of a single look calls no chance.
func TestStabilityHoldsAtAllTimes(t *testing.T) {
	tenths := []float64{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}
	shifted := []float64{.04, .06, .07, .08, .09, .1, .11, .12, .14, .19}
	for _, c := range []struct {
		name               string
		reference, current []float64
		share              float64 // of the rows that are of the current population
		power              bool    // the index of a single look is wrong often
	}{
		{"alike", tenths, tenths, 0.3, false},
		{"shifted", tenths, shifted, 0.3, true},
		{"shifted, one in a hundred", tenths, shifted, 0.01, true},
		{"a bin dies out", tenths, []float64{.001, .11, .111, .111, .111, .111, .111, .111, .111, .112}, 0.3, true},
		{"two words", []float64{.5, .5}, []float64{.65, .35}, 0.3, true},
		{"rare words", []float64{.98, .02}, []float64{.9, .1}, 0.3, true},
		{"many words", words(64, 1), words(64, 1.2), 0.3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			truth := must[float64](t)(PSI(c.reference, c.current, 0))
			const series = 300
			wrong, once := 0, 0
			for s := range series {
				w, o := watchStability(t, uint64(s), c.reference, c.current, c.share, truth)
				wrong += whole(w)
				once += whole(o)
			}
			t.Logf("index %.3f: bound ever above it in %.1f%%, the index of a single look in %.1f%% of series", truth, 100*float64(wrong)/series, 100*float64(once)/series)
			limit := int(0.05*series + 3*math.Sqrt(0.05*0.95*series))
			if wrong > limit {
				t.Errorf("%d of %d series were ever wrong, at most %d may be", wrong, series, limit)
			}
			if c.power && once < limit {
				t.Errorf("the test has no power: a single look is ever wrong in %d of %d", once, series)
			}
		})
	}
}

// words are shares of n words that fall off as a power law.
func words(n int, power float64) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = math.Pow(float64(i+1), -power)
	}
	of := sum(all)
	for i := range all {
		all[i] /= of
	}
	return all
}

func watchStability(t *testing.T, seed uint64, reference, current []float64, share, truth float64) (wrong, once bool) {
	t.Helper()
	const rows = 6000
	random := rand.New(rand.NewPCG(seed, 3))
	draw := func(shares []float64) int {
		u := random.Float64()
		for i, p := range shares[:len(shares)-1] {
			if u -= p; u < 0 {
				return i
			}
		}
		return len(shares) - 1
	}
	p, q := make([]float64, len(reference)), make([]float64, len(current))
	for n := range rows {
		if random.Float64() < share {
			q[draw(current)]++
		} else {
			p[draw(reference)]++
		}
		if n%20 != 0 || n < 40 {
			continue
		}
		r, err := watched.PSISequence(p, q)
		if err != nil {
			t.Fatal(err)
		}
		wrong = wrong || r.Lower > truth
		if index, err := PSI(p, q, PSIFloor); err == nil && index > truth {
			test, err := Chi2Homogeneity(p, q, false)
			once = once || err == nil && test.P < 0.001
		}
	}
	return wrong, once
}

func TestStabilityOfMany(t *testing.T) {
	p, q := []float64{1e6, 2e6, 3e6, 0}, []float64{3e6, 2e6, 1e6, 0}
	truth := must[float64](t)(PSI(p, q, PSIFloor))
	r, err := watched.PSISequence(p, q)
	if err != nil || !near(r.Value, truth, 1e-5) || !(r.Lower > 0.99*truth && r.Upper < 1.01*truth) {
		t.Errorf("of millions: %+v, not %v, %v", r, truth, err)
	}
	for _, none := range [][2][]float64{{{0, 0}, {1, 2}}, {{1, 2}, {0, 0}}, {{}, {}}} {
		r, err := watched.PSISequence(none[0], none[1])
		if err != nil || !math.IsInf(r.Lower, -1) || !math.IsInf(r.Upper, 1) {
			t.Errorf("%v: %+v, %v", none, r, err)
		}
	}
	for _, bad := range [][2][]float64{{{1}, {1, 2}}, {{-1, 2}, {1, 2}}, {{math.NaN()}, {1}}} {
		if _, err := watched.PSISequence(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if _, err := (Mixture{Level: 0.9}).PSISequence(p, q); err == nil {
		t.Error("a plan without units was taken")
	}
}
