package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func closeTo(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s is %v, not %v", what, got, want)
	}
}

// Newcombe (1998), table II, method 10, by Wilson's bounds as there: 56 of 70 against 48 of 80 is 0.2 (0.0524 to 0.3339).
func TestBoundsArePutTogetherAsNewcombeDoes(t *testing.T) {
	x, _ := Wilson(56, 70, 0.95)
	y, _ := Wilson(48, 80, 0.95)
	r := recovered(x, y)
	closeTo(t, "lower", r.Lower, 0.0524, 5e-5)
	closeTo(t, "upper", r.Upper, 0.3339, 5e-5)
}

func TestShareDifferenceAtSmallCounts(t *testing.T) {
	r, err := ShareDifference(Share{0, 300}, Share{0, 1e6}, 0.9)
	if err != nil || !(r.Upper < 0.01) {
		t.Errorf("300 answers without an error do not exclude 1 %% at 95 %%: %+v, %v", r, err)
	}
	if r, _ = ShareDifference(Share{0, 290}, Share{0, 1e6}, 0.9); r.Upper < 0.01 {
		t.Errorf("290 do: %+v", r)
	}
	if r, _ = ShareDifference(Share{}, Share{1, 10}, 0.9); !math.IsNaN(r.Value) || !math.IsNaN(r.Upper) {
		t.Errorf("nothing has a difference: %+v", r)
	}
	for _, bad := range []Share{{-1, 3}, {4, 3}, {math.NaN(), 3}, {1, math.Inf(1)}} {
		if _, err := ShareDifference(bad, Share{1, 2}, 0.9); err == nil {
			t.Errorf("%v was taken", bad)
		}
		if _, err := ShareDifferenceSequence(Share{1, 2}, bad, 0.9); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// TestSequencesHoldAtAllTimes watches series after every row and counts those whose bounds were wrong at any time. An interval for one look
// is wrong far more often than it says.
func TestSequencesHoldAtAllTimes(t *testing.T) {
	const series, rows = 400, 3000
	for _, p := range []float64{0.002, 0.05, 0.5} {
		left, once, above := 0, 0, 0
		for s := range series {
			random, k := rand.New(rand.NewPCG(uint64(s), 9)), 0.0
			wrong, wrongOnce, wrongAbove := false, false, false
			for n := 1.0; n <= rows; n++ {
				if random.Float64() < p {
					k++
				}
				mixed := mixtureLog(k, n, jeffreys, jeffreys)
				wrong = wrong || mixed-binomialLog(k, n, p) >= -math.Log(0.05) // what BinomialSequence inverts
				if n < 50 || int(n)%10 == 0 {
					q, err := AboveShare(k, n, p)
					if err != nil {
						t.Fatal(err)
					}
					wrongAbove = wrongAbove || q < 0.05
					r, _ := Wilson(k, n, 0.95)
					wrongOnce = wrongOnce || p < r.Lower || p > r.Upper
				}
			}
			left += whole(wrong)
			once += whole(wrongOnce)
			above += whole(wrongAbove)
		}
		t.Logf("share %v: bounds ever wrong in %.1f%%, one-sided in %.1f%%, an interval for one look in %.1f%% of series",
			p, 100*float64(left)/series, 100*float64(above)/series, 100*float64(once)/series)
		limit := int(0.05*series + 3*math.Sqrt(0.05*0.95*series))
		if left > limit || above > limit {
			t.Errorf("share %v: %d and %d of %d series were ever wrong, at most %d may be", p, left, above, series, limit)
		}
		if once < limit {
			t.Errorf("share %v: the test has no power: Wilson is ever wrong in %d of %d", p, once, series)
		}
	}
}

func whole(b bool) int { return int(number(b)) }

func TestSequenceInvertsTheMixture(t *testing.T) {
	for _, c := range [][2]float64{{0, 300}, {3, 1000}, {500, 1000}, {1000, 1000}, {1, 1}} {
		r, err := BinomialSequence(c[0], c[1], 0.95)
		if err != nil || !(0 <= r.Lower && r.Lower <= r.Value && r.Value <= r.Upper && r.Upper <= 1) {
			t.Fatalf("%v: %+v, %v", c, r, err)
		}
		for _, p := range []float64{r.Lower, r.Upper} {
			if p > 0 && p < 1 {
				closeTo(t, "weight at a bound", mixtureLog(c[0], c[1], jeffreys, jeffreys)-binomialLog(c[0], c[1], p), -math.Log(0.05), 1e-6)
			}
		}
		once, _ := ClopperPearson(c[0], c[1], 0.95)
		if c[0] > 0 && r.Lower > once.Lower+1e-9 || c[0] < c[1] && r.Upper < once.Upper-1e-9 {
			t.Errorf("%v: bounds for all times are within those for one look", c)
		}
	}
	if r, err := BinomialSequence(0, 0, 0.95); err != nil || r.Lower != 0 || r.Upper != 1 {
		t.Errorf("of nothing: %+v, %v", r, err)
	}
}

// TestAboveShareIsTheMixture integrates the mixture over shares above the limit by hand.
func TestAboveShareIsTheMixture(t *testing.T) {
	for _, c := range [][3]float64{{9, 100, 0.03}, {20, 1000, 0.01}, {40, 100, 0.2}} {
		k, n, limit := c[0], c[1], c[2]
		top, bottom := 0.0, 0.0
		const steps = 400_000
		for i := range steps {
			p := limit + (1-limit)*(float64(i)+0.5)/steps
			prior := 1 / math.Sqrt(p*(1-p))
			bottom += prior
			top += prior * math.Exp(binomialLog(k, n, p)-binomialLog(k, n, limit))
		}
		got, err := AboveShare(k, n, limit)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "p", got, min(1, bottom/top), 2e-3*got)
	}
	if p, _ := AboveShare(0, 1e6, 0.01); p != 1 {
		t.Errorf("none of a million is above 1 %% with p %v", p)
	}
	if p, _ := AboveShare(0, 0, 0.01); p != 1 {
		t.Errorf("nothing is above 1 %% with p %v", p)
	}
	if _, err := AboveShare(1, 2, 1); err == nil {
		t.Error("a limit of 1 was taken")
	}
}

func TestMixtureBoundsAndPAgree(t *testing.T) {
	m := Mixture{Level: 0.95, Sharpest: 5000}
	for _, n := range []float64{100, 5000, 100_000} {
		r, err := m.Interval(0.3, 0.1, n)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := m.P(r.Upper-r.Value, 0.1, n) // a difference as large as the bounds are wide has just the p of the level
		closeTo(t, "p at the bound", p, 0.05, 1e-9)
	}
	// Widths are narrowest at the sharpest number, against those of a single look.
	width := func(n float64) float64 {
		r, _ := m.Interval(0, 1, n)
		return r.Upper
	}
	if !(width(5000) < width(2500) && width(5000) < width(10_000)) {
		t.Errorf("widths %v %v %v", width(2500), width(5000), width(10_000))
	}
	closeTo(t, "bounds for all times against 1.96 standard errors", width(5000), 3.0, 0.15)
	if r, err := m.Interval(1, math.NaN(), 10); err != nil || !math.IsInf(r.Upper, 1) {
		t.Errorf("without a standard error: %+v %v", r, err)
	}
	for _, bad := range []Mixture{{0.95, 0}, {1, 10}, {0.9, math.Inf(1)}, {math.NaN(), 1}} {
		if _, err := bad.Interval(1, 1, 1); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestQuantileSharesCover(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	const n, q = 1000.0, 0.99
	r, err := QuantileShares(q, n, 0.95)
	if err != nil || !(r.Lower < q && q < r.Upper && r.Upper <= 1) {
		t.Fatalf("%+v, %v", r, err)
	}
	wrong := 0
	const times = 4000
	for range times {
		below := 0.0
		for range int(n) {
			below += number(random.Float64() < q)
		}
		// The value at share k/n is the k-th smallest; it is under the quantile if at least k are.
		wrong += whole(below < r.Lower*n || below >= r.Upper*n)
	}
	if share := float64(wrong) / times; share > 0.05+3*math.Sqrt(0.05*0.95/times) || share < 0.01 {
		t.Errorf("the bounds of P99 of %v values are wrong in %.1f%%", n, 100*share)
	}
	if r, _ := QuantileShares(0.99, 100, 0.95); r.Upper <= 1 {
		t.Errorf("100 values bound their P99: %+v", r)
	}
	for _, bad := range [][2]float64{{0, 10}, {1, 10}, {0.5, -1}, {math.NaN(), 5}} {
		if _, err := QuantileShares(bad[0], bad[1], 0.95); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// TestAboveShareNeverAccusesTooFew: a share that is not above the limit is no evidence against it, however little is left of the mixture.
func TestAboveShareNeverAccusesTooFew(t *testing.T) {
	for _, limit := range []float64{0.001, 0.01, 0.5, 0.9} {
		for n := 1.0; n < 1e6; n = math.Ceil(n * 1.003) {
			for _, k := range []float64{0, 1, math.Floor(n * limit / 2), math.Floor(n * limit)} {
				if p, err := AboveShare(k, n, limit); k <= n*limit && (err != nil || p != 1) {
					t.Fatalf("%g of %g, at most %g: p %g, %v", k, n, limit, p, err)
				}
			}
		}
	}
}
