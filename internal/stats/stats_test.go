package stats

import (
	"errors"
	"math"
	"reflect"
	"testing"
)

func close1(t *testing.T, name string, got, want, tolerance float64) {
	t.Helper()
	if !near(got, want, tolerance) {
		t.Errorf("%s is %v, not %v", name, got, want)
	}
}

// TestPublished holds values that papers and manuals print.
func TestPublished(t *testing.T) {
	b := Binary{Labels: []int32{0, 0, 1, 1}, Scores: []float64{0.1, 0.4, 0.35, 0.8}} // scikit-learn's manual
	close1(t, "ROC-AUC", must[float64](t)(b.ROCAUC()), 0.75, 1e-15)
	close1(t, "average precision", must[float64](t)(b.AveragePrecision()), 5.0/6, 1e-15)
	loss := Binary{Labels: []int32{1, 0, 0, 1}, Scores: []float64{0.9, 0.1, 0.2, 0.65}}
	close1(t, "log loss", must[float64](t)(loss.LogLoss()), 0.21616187468057912, 1e-15)
	r := Regression{Actual: []float64{3, -0.5, 2, 7}, Predicted: []float64{2.5, 0, 2, 8}}
	close1(t, "R2", must[float64](t)(r.R2()), 0.9486081370449679, 1e-15)
	close1(t, "MAE", must[float64](t)(r.MAE()), 0.5, 1e-15)
	close1(t, "MAPE", must[float64](t)(r.MAPE()), 0.3273809523809524, 1e-15)
	g := Ranking{Relevance: []float64{10, 0, 0, 1, 5}, Scores: []float64{.1, .2, .3, 4, 70}}
	close1(t, "NDCG", must[float64](t)(g.Mean(NDCG, 0, false)), 0.6956940443813076, 1e-14)
	// Agresti, Categorical Data Analysis: approval of the prime minister.
	m := Discordant{Both: 794, OnlyA: 150, OnlyB: 86, Neither: 570}.McNemar()
	close1(t, "McNemar", m.Chi2, 64.0*64/236, 1e-15)
	w := must[Interval](t)(Wilson(81, 263, 0.95)) // Newcombe 1998, table I
	close1(t, "Wilson lower", math.Round(w.Lower*1e4)/1e4, 0.2553, 0)
	close1(t, "Wilson upper", math.Round(w.Upper*1e4)/1e4, 0.3662, 0)
	x := must[Interval](t)(ClopperPearson(81, 263, 0.95))
	close1(t, "Clopper-Pearson lower", math.Round(x.Lower*1e4)/1e4, 0.2527, 0)
	close1(t, "Clopper-Pearson upper", math.Round(x.Upper*1e4)/1e4, 0.3676, 0)
	if n := RowsNeeded(math.Sqrt(0.05/1000), 1000, 0.01, 0.95); n != 3092 { // about 6.2 x 5 % / (1 point)^2
		t.Errorf("%d rows needed", n)
	}
}

// TestTies holds rankings of tied rows against the mean over all orders, taken one by one.
func TestTies(t *testing.T) {
	relevance, scores := []float64{0, 2, 1, 0, 3, 0}, []float64{1, 1, 1, 1, 0.5, 0.5}
	for _, metric := range []RankingMetric{NDCG, NDCGExponential, MAP, MRR, PrecisionAtK, RecallAtK} {
		for k := range 7 {
			got := must[float64](t)(Ranking{Relevance: relevance, Scores: scores}.Mean(metric, k, false))
			sum, orders := 0.0, 0
			permute(4, func(a []int) {
				permute(2, func(b []int) {
					broken := make([]float64, 6)
					for i, v := range a {
						broken[i] = 1 + float64(v)
					}
					broken[4], broken[5] = float64(b[0])/4, float64(b[1])/4
					sum += must[float64](t)(Ranking{Relevance: relevance, Scores: broken}.Mean(metric, k, false))
					orders++
				})
			})
			close1(t, string(metric), got, sum/float64(orders), 1e-12)
		}
	}
}

func permute(n int, visit func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var from func(int)
	from = func(k int) {
		if k == n {
			visit(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			from(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	from(0)
}

// TestUndefined holds that what is not defined is NaN, and what is wrong an error with its row.
func TestUndefined(t *testing.T) {
	empty := Binary{Labels: []int32{}, Scores: []float64{}}
	one := Binary{Labels: []int32{1, 1}, Scores: []float64{0.2, 0.9}}
	weightless := Binary{Labels: []int32{0, 1}, Scores: []float64{0.2, 0.9}, Weights: []float64{0, 0}}
	for _, metric := range binaryMetrics {
		for name, b := range map[string]Binary{"no rows": empty, "no weight": weightless} {
			if v := must[float64](t)(b.Value(metric, 0.5)); !math.IsNaN(v) {
				t.Errorf("%s of %s is %v", metric, name, v)
			}
		}
		if v := must[float64](t)(one.Value(metric, 0.5)); math.IsNaN(v) != (metric == ROCAUC || metric == Specificity || metric == MCC) {
			t.Errorf("%s of one class is %v", metric, v)
		}
	}
	for _, b := range []Binary{
		{Labels: []int32{0, 1}, Scores: []float64{0.5, math.NaN()}},
		{Labels: []int32{0, 2}, Scores: []float64{0.5, 0.5}},
		{Labels: []int32{0, 1}, Scores: []float64{0.5, math.Inf(1)}},
		{Labels: []int32{0, 1}, Scores: []float64{0.5, 0.5}, Weights: []float64{1, -1}},
	} {
		for _, metric := range binaryMetrics {
			_, err := b.Value(metric, 0.5)
			if input := new(InputError); !errors.As(err, &input) || input.Row != 1 {
				t.Errorf("%s: %v", metric, err)
			}
		}
	}
	if _, err := (Binary{Labels: []int32{0}, Scores: []float64{1.5}}).LogLoss(); err == nil {
		t.Error("1.5 is taken as a probability")
	}
	c := must[Comparison](t)(BinaryPair{Labels: []int32{0, 1, 0, 1}, A: make([]float64, 4), B: make([]float64, 4)}.Compare(F1, Design{Clusters: []int32{1, 1, 2, 3}}))
	if c.Problem == "" || c.Decide(0.1).Verdict != Inconclusive || c.Units != 3 {
		t.Errorf("3 clusters: %+v", c)
	}
}

// TestWorkersAndSeeds holds that the number of workers changes no bit and the seed does.
func TestWorkersAndSeeds(t *testing.T) {
	t.Parallel()
	for _, w := range []world{{n: 900, positive: 0.3, alike: 0.5}, {n: 20_100, positive: 0.3, alike: 0.5}} {
		w.resamples = 300
		p, d := w.binary(3)
		for _, metric := range []Metric{F1, PRAUC, ECE} {
			d.Workers, d.Seed = 1, 5
			one := must[Comparison](t)(p.Compare(metric, d))
			d.Workers = 7
			if many := must[Comparison](t)(p.Compare(metric, d)); many != one {
				t.Errorf("%s: %+v with 7 workers, %+v with one", metric, many, one)
			}
			d.Seed = 6
			if other := must[Comparison](t)(p.Compare(metric, d)); other.Lower == one.Lower {
				t.Errorf("%s: the same bounds for two seeds", metric)
			}
		}
	}
}

// TestDecide is every verdict.
func TestDecide(t *testing.T) {
	for _, c := range []struct {
		lower, upper float64
		want         Verdict
	}{{-0.01, 0.02, Pass}, {0.01, 0.02, Pass}, {-0.05, -0.021, Fail}, {-0.05, 0.01, Inconclusive}, {-0.02, 0.01, Inconclusive}, {math.NaN(), math.NaN(), Inconclusive}} {
		if got := Decide(c.lower, c.upper, 0.02); got != c.want {
			t.Errorf("%v to %v: %s", c.lower, c.upper, got)
		}
	}
	loss := Comparison{A: 0.3, B: 0.2, Diff: 0.1, Lower: 0.05, Upper: 0.2}.Negated()
	if loss.Diff != -0.1 || loss.Lower != -0.2 || loss.Upper != -0.05 {
		t.Errorf("%+v", loss)
	}
	same, err := Discordant{Both: 60, Neither: 4}.Compare(0.95)
	if err != nil || same.Diff != 0 || !(same.Lower < -0.02 && same.Lower > -0.06) || same.Decide(0.01).Verdict != Inconclusive {
		t.Errorf("64 rows without a discordant one: %+v %v", same, err)
	}
}

// TestMurphy holds that the decomposition adds up where each score is a bin.
func TestMurphy(t *testing.T) {
	p, _ := world{n: 500, positive: 0.4, alike: 0.5, steps: 20, weighted: true}.binary(1)
	b := Binary{p.Labels, p.A, p.Weights}
	d := must[Decomposition](t)(b.BrierDecomposition(0))
	close1(t, "Brier", d.Reliability-d.Resolution+d.Uncertainty, must[float64](t)(b.Brier()), 1e-12)
}

// TestMoments holds the draws of the shortcut against what they stand for.
func TestMoments(t *testing.T) {
	r, p := newRandom(1, 2), newPoisson()
	var mean, square, normal, normal2 float64
	const n = 1_000_000
	for range n {
		k, z := p.draw(r), r.normal()
		mean, square, normal, normal2 = mean+k/n, square+(k-1)*(k-1)/n, normal+z/n, normal2+z*z/n
	}
	for name, v := range map[string]float64{"Poisson mean": mean - 1, "Poisson variance": square - 1, "normal mean": normal, "normal variance": normal2 - 1} {
		if math.Abs(v) > 0.01 {
			t.Errorf("%s is off by %v", name, v)
		}
	}
	covariance := triangle{3, []float64{4, 2, 5, 6, 7, 13}} // the third is the sum of the first two
	covariance.cholesky()
	if want := []float64{2, 1, 2, 3, 2, 0}; !reflect.DeepEqual(covariance.cells, want) {
		t.Errorf("%v", covariance.cells)
	}
}
