//go:build interop

package stats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// A question is a case for testdata/oracle.py with mlx's own answers.
type question struct {
	name    string
	request map[string]any
	ours    map[string]float64
	// loose are names that may differ by more than 1e-12, with how much: there the library itself is less exact.
	loose map[string]float64
}

// TestInteropOracle holds every value against scipy, scikit-learn, statsmodels and fairlearn to 1e-12, relative.
func TestInteropOracle(t *testing.T) {
	python := os.Getenv("MLX_TEST_STATS")
	if python == "" {
		t.Fatal("MLX_TEST_STATS is not set: export MLX_TEST_STATS=$(.ci/python cmd/mlx/testdata/python/stats.txt)")
	}
	all := slices.Concat(binaryQuestions(t), multiQuestions(t), regressionQuestions(t), rankingQuestions(t), fairnessQuestions(t),
		intervalQuestions(t), pairQuestions(t), distanceQuestions(t), sampleQuestions(t))
	requests := make([]map[string]any, len(all))
	for i, q := range all {
		requests[i] = q.request
	}
	in, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, filepath.Join("testdata", "oracle.py"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []map[string]*float64
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(all) {
		t.Fatal(err, len(answers))
	}
	compared := 0
	asked := make(map[string]bool)
	for i, q := range all {
		for name, theirs := range answers[i] {
			ours, known := q.ours[name]
			if !known {
				t.Errorf("%s: mlx has no %s", q.name, name)
				continue
			}
			want := math.NaN()
			if theirs != nil {
				want = *theirs
			}
			tolerance := max(q.loose[name], 1e-12)
			if !near(ours, want, tolerance) {
				t.Errorf("%s: %s is %v, theirs %v", q.name, name, ours, want)
			}
			asked[fmt.Sprint(q.request["kind"], " ", name)] = true
			compared++
		}
		for name := range q.ours {
			if key := fmt.Sprint(q.request["kind"], " ", name); !asked[key] {
				asked[key] = false
			}
		}
	}
	for name, ever := range asked {
		if !ever {
			t.Errorf("nothing to compare %s with", name)
		}
	}
	t.Logf("%d values of %d cases compared", compared, len(all))
}

// score is a probability that knows the label a little.
func score(r *rand.Rand, label int32) float64 {
	return 1 / (1 + math.Exp(-(r.NormFloat64() + 1.5*float64(label) - 0.75)))
}

func binaryQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(1, 1))
	var all []question
	add := func(name string, b Binary, threshold float64, probabilities bool) {
		q := question{name: "binary " + name, ours: map[string]float64{}, request: map[string]any{"kind": "binary", "labels": b.Labels,
			"scores": b.Scores, "threshold": threshold, "probabilities": probabilities}}
		if b.Weights != nil {
			q.request["weights"] = b.Weights
		}
		for _, m := range []Metric{Accuracy, BalancedAccuracy, Precision, Recall, F1, Specificity, MCC, ROCAUC, PRAUC} {
			q.ours[string(m)] = must[float64](t)(b.Value(m, threshold))
		}
		q.ours["pr_auc_trapezoid"] = must[float64](t)(b.PRAUCTrapezoid())
		if probabilities {
			q.ours["log_loss"] = must[float64](t)(b.LogLoss())
			q.ours["brier"] = must[float64](t)(b.Brier())
			q.ours["brier_sklearn"] = q.ours["brier"]
			q.ours["ece15"] = must[float64](t)(b.ECE(15))
			q.ours["ece15_mass"] = must[float64](t)(b.ECEMass(15))
		}
		all = append(all, q)
	}
	for _, n := range []int{1, 2, 3, 17, 400, 5000} {
		for _, share := range []float64{0, 0.01, 0.5, 1} {
			y := codes(n, func() int {
				if r.Float64() < share {
					return 1
				}
				return 0
			})
			at := 0
			s := rows(n, func() float64 { at++; return score(r, y[at-1]) })
			w := rows(n, func() float64 { return r.ExpFloat64() })
			zero := slices.Clone(w)
			for i := 1; i < n; i += 3 {
				zero[i] = 0
			}
			name := fmt.Sprintf("%d rows, %v positive", n, share)
			add(name, Binary{y, s, nil}, 0.5, true)
			add(name+", weights", Binary{y, s, w}, 0.3, true)
			add(name+", ties", Binary{y, rounded(s, 10), nil}, 0.5, true)
			add(name+", ties at the edges of bins", Binary{y, rounded(s, 15), w}, 0.5, true)
			add(name+", some weights zero", Binary{y, rounded(s, 20), zero}, 0.5, true)
			add(name+", constant", Binary{y, rows(n, func() float64 { return 0.25 }), w}, 0.5, true)
			add(name+", perfect", Binary{y, rows(n, func() float64 { at--; return float64(y[n-1-at]) }), nil}, 0.5, false)
			add(name+", logits", Binary{y, rows(n, r.NormFloat64), nil}, 0, false)
			at = 0
			add(name+", certain", Binary{y, rows(n, func() float64 { return float64(r.IntN(2)) }), nil}, 0.5, true)
		}
	}
	return all
}

func multiQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(2, 1))
	var all []question
	for _, n := range []int{3, 40, 1000} {
		for _, k := range []int{3, 4, 12} {
			for _, weighted := range []bool{false, true} {
				m := Multi{Classes: k}
				for range n {
					y := r.IntN(k)
					if r.Float64() < 0.5 {
						y = 0
					}
					row := rows(k, r.ExpFloat64)
					row[y] *= 3
					sum := 0.0
					for _, v := range row {
						sum += v
					}
					for _, v := range row {
						m.Scores = append(m.Scores, v/sum)
					}
					m.Labels = append(m.Labels, int32(y))
				}
				q := question{name: fmt.Sprintf("multi %d rows, %d classes, weights %v", n, k, weighted), ours: map[string]float64{}}
				q.request = map[string]any{"kind": "multi", "labels": m.Labels, "scores": m.Scores, "classes": k}
				if weighted {
					m.Weights = rows(n, r.ExpFloat64)
					q.request["weights"] = m.Weights
				}
				c := must[Confusion](t)(NewConfusion(m.Labels, m.Predicted(), k, m.Weights))
				q.ours["accuracy"], q.ours["balanced_accuracy"], q.ours["mcc"] = c.Accuracy(), c.BalancedAccuracy(), c.MCC()
				for _, average := range []Average{Macro, Micro, Weighted} {
					for zero, v := range map[string]float64{"0": 0, "1": 1, "nan": math.NaN()} {
						q.ours["precision "+string(average)+" "+zero] = c.Precision(average, v)
						q.ours["recall "+string(average)+" "+zero] = c.Recall(average, v)
						q.ours["f1 "+string(average)+" "+zero] = c.F1(average, v)
					}
				}
				for _, average := range []Average{Macro, Weighted} {
					q.ours["ovr "+string(average)] = must[float64](t)(m.ROCAUCOneVsRest(average))
					q.ours["ap "+string(average)] = must[float64](t)(m.AveragePrecision(average))
					if !weighted {
						q.ours["ovo "+string(average)] = must[float64](t)(m.ROCAUCOneVsOne(average))
					}
				}
				q.ours["log_loss"] = must[float64](t)(m.LogLoss())
				q.ours["brier"] = must[float64](t)(m.Brier())
				q.ours["ece15_top"] = must[float64](t)(m.ECETopLabel(15))
				all = append(all, q)
			}
		}
	}
	return all
}

func regressionQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(3, 1))
	var all []question
	for _, n := range []int{1, 2, 5, 6, 500} {
		for kind := range 4 {
			g := Regression{Actual: rows(n, r.NormFloat64)}
			g.Predicted = rows(n, func() float64 { return r.NormFloat64() * 2 })
			q := question{name: fmt.Sprintf("regression %d rows, kind %d", n, kind), ours: map[string]float64{}}
			switch kind {
			case 1:
				g.Weights = rows(n, r.ExpFloat64)
			case 2:
				g.Actual, g.Predicted = rounded(g.Actual, 1), rounded(g.Predicted, 1)
				g.Weights = rows(n, func() float64 { return float64(r.IntN(3)) })
				g.Weights[0] = 1
			case 3:
				g.Predicted = g.Actual
			}
			q.request = map[string]any{"kind": "regression", "actual": g.Actual, "predicted": g.Predicted, "quantile": 0.9}
			if g.Weights != nil {
				q.request["weights"] = g.Weights
			}
			for _, m := range []Metric{RMSE, MAE, MedianAE, R2, MAPE, SMAPE, MaxError, Bias, QuantileLoss} {
				q.ours[string(m)] = must[float64](t)(g.Value(m, 0.9))
			}
			all = append(all, q)
		}
	}
	return all
}

func rankingQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(4, 1))
	var all []question
	for _, n := range []int{2, 30, 600} {
		for _, ties := range []bool{false, true} {
			g := Ranking{
				Relevance: rows(n, func() float64 { return float64(max(r.IntN(6)-2, 0)) }),
				Scores:    rows(n, r.Float64),
				Queries:   codes(n, func() int { return 3 * r.IntN(1+n/8) }),
			}
			if ties {
				g.Scores = rounded(g.Scores, 3)
			}
			q := question{name: fmt.Sprintf("ranking %d rows, ties %v", n, ties), ours: map[string]float64{}, request: map[string]any{"kind": "ranking",
				"relevance": g.Relevance, "scores": g.Scores, "queries": g.Queries, "ties": ties}}
			for _, k := range []int{0, 1, 3, 10} {
				for _, m := range []RankingMetric{NDCG, NDCGExponential} {
					q.ours[fmt.Sprint(m, " ", k)] = must[float64](t)(g.Mean(m, k, false))
				}
			}
			q.ours["map 0"] = must[float64](t)(g.Mean(MAP, 0, false))
			all = append(all, q)
		}
	}
	return all
}

func fairnessQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(5, 1))
	var all []question
	for _, n := range []int{40, 2000} {
		for _, groups := range []int{2, 5} {
			for _, weighted := range []bool{false, true} {
				g := Grouped{Labels: codes(n, func() int { return r.IntN(2) }), Groups: codes(n, func() int { return r.IntN(groups) })}
				at := 0
				g.Predicted = codes(n, func() int {
					at++
					return map[bool]int{true: 1}[r.Float64() < 0.3+0.1*float64(g.Groups[at-1])+0.2*float64(g.Labels[at-1])]
				})
				q := question{name: fmt.Sprintf("fairness %d rows, %d groups, weights %v", n, groups, weighted), ours: map[string]float64{}}
				q.request = map[string]any{"kind": "fairness", "labels": g.Labels, "predicted": g.Predicted, "groups": g.Groups}
				if weighted {
					g.Weights = rows(n, r.ExpFloat64)
					q.request["weights"] = g.Weights
				}
				for _, m := range []FairnessMeasure{DemographicParityDifference, DemographicParityRatio, EqualizedOddsDifference, EqualizedOddsRatio,
					EqualOpportunityDifference, EqualOpportunityRatio, PredictiveParityDifference, PredictiveParityRatio} {
					q.ours[string(m)] = must[float64](t)(g.Fairness(m))
				}
				all = append(all, q)
			}
		}
	}
	return all
}

func intervalQuestions(t *testing.T) []question {
	var all []question
	for _, c := range [][2]float64{{0, 10}, {1, 10}, {10, 10}, {37, 120}, {1, 100000}, {81234, 100000}} {
		for _, level := range []float64{0.9, 0.95, 0.99} {
			q := question{name: fmt.Sprint("proportion ", c, level), ours: map[string]float64{}, loose: map[string]float64{}}
			q.request = map[string]any{"kind": "proportions", "successes": c[0], "n": c[1], "level": level}
			for name, f := range map[string]func(a, b, c float64) (Interval, error){"wald": Wald, "wilson": Wilson, "clopper_pearson": ClopperPearson} {
				v := must[Interval](t)(f(c[0], c[1], level))
				q.ours[name+".lower"], q.ours[name+".upper"] = v.Lower, v.Upper
			}
			all = append(all, q)
		}
	}
	q := question{name: "quantiles", ours: map[string]float64{}}
	p := []float64{1e-6, 0.025, 0.05, 0.4, 0.5, 0.8, 0.95, 0.995}
	q.request = map[string]any{"kind": "quantiles", "p": p}
	for _, v := range p {
		q.ours[fmt.Sprintf("norm %v", shortNumber(v))] = normalQuantile(v)
		for _, df := range []float64{1, 2, 4, 9, 30, 1000} {
			q.ours[fmt.Sprintf("t %v %v", shortNumber(v), df)] = tQuantile(v, df)
		}
	}
	return append(all, q)
}

func shortNumber(v float64) string { return fmt.Sprintf("%g", v) }

func pairQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(6, 1))
	var all []question
	for _, d := range []Discordant{{OnlyA: 0, OnlyB: 0, Both: 10, Neither: 1}, {OnlyA: 3, OnlyB: 3, Both: 50, Neither: 4}, {OnlyA: 1, OnlyB: 12, Both: 80, Neither: 7},
		{OnlyA: 0, OnlyB: 5, Both: 20}, {OnlyA: 300, OnlyB: 340, Both: 9000, Neither: 360}} {
		table := []int{d.Both, d.OnlyA, d.OnlyB, d.Neither}
		m := d.McNemar()
		all = append(all, question{name: fmt.Sprint("mcnemar ", d), request: map[string]any{"kind": "mcnemar", "table": table},
			ours: map[string]float64{"exact": m.Exact, "chi2": m.Chi2, "chi2.p": m.P, "corrected": m.Corrected, "corrected.p": m.PCorr}})
		c := must[Comparison](t)(d.Compare(0.95))
		all = append(all, question{name: fmt.Sprint("tango ", d), request: map[string]any{"kind": "tango", "table": table},
			ours: map[string]float64{"lower": c.Lower, "upper": c.Upper}, loose: map[string]float64{"lower": 1e-6, "upper": 1e-6}}) // a numeric maximum there
	}
	for _, n := range []int{12, 300} {
		for _, steps := range []float64{0, 5} {
			y := codes(n, func() int { return r.IntN(2) })
			p := BinaryPair{Labels: y}
			for _, v := range y {
				p.A, p.B = append(p.A, score(r, v)), append(p.B, score(r, v))
			}
			if steps > 0 {
				p.A, p.B = rounded(p.A, steps), rounded(p.B, steps)
			}
			clusters := codes(n, func() int { return r.IntN(9) })
			c := must[Comparison](t)(p.DeLong(Design{}))
			clustered := must[Comparison](t)(p.DeLong(Design{Clusters: clusters}))
			one := must[Interval](t)(Binary{y, p.A, nil}.AUC(0.9))
			all = append(all, question{name: fmt.Sprintf("delong %d rows, %v steps", n, steps),
				request: map[string]any{"kind": "delong", "labels": y, "a": p.A, "b": p.B, "clusters": clusters},
				ours:    map[string]float64{"diff": c.Diff, "se": c.SE, "se clustered": clustered.SE, "se a": (one.Value - one.Lower) / normalQuantile(0.95)}})
		}
	}
	p := []float64{0.001, 0.8, 0.03, 0.03, 0.0004, 0.2, 1}
	q := question{name: "corrections", request: map[string]any{"kind": "corrections", "p": p}, ours: map[string]float64{}}
	for name, f := range map[string]func([]float64) []float64{"bonferroni": Bonferroni, "holm": Holm, "bh": BenjaminiHochberg} {
		for i, v := range f(p) {
			q.ours[fmt.Sprintf("%s %d", name, i)] = v
		}
	}
	return append(all, q)
}

func distanceQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(7, 1))
	var all []question
	for _, k := range []int{2, 3, 10, 200} {
		for kind := range 3 {
			x, z := rows(k, func() float64 { return float64(5 + r.IntN(100)) }), rows(k, func() float64 { return float64(5 + r.IntN(1000)) })
			switch kind {
			case 1:
				z = slices.Clone(x)
			case 2:
				x[0], z[k-1] = 0, 0
			}
			q := question{name: fmt.Sprint("distance ", k, kind), request: map[string]any{"kind": "distances", "reference": x, "current": z}, ours: map[string]float64{}}
			q.ours["psi"] = must[float64](t)(PSI(x, z, PSIFloor))
			q.ours["kl"] = must[float64](t)(KL(x, z, PSIFloor))
			q.ours["js2"] = must[float64](t)(JensenShannon(x, z, 2))
			q.ours["jse"] = must[float64](t)(JensenShannon(x, z, 0))
			q.ours["tvd"] = must[float64](t)(TVD(x, z))
			q.ours["linf"] = must[float64](t)(LInfinity(x, z))
			q.ours["hellinger"] = must[float64](t)(Hellinger(x, z))
			for name, yates := range map[string]bool{"chi2": false, "chi2_yates": true} {
				c := must[Chi2](t)(Chi2Homogeneity(x, z, yates))
				q.ours[name], q.ours[name+".p"] = c.Statistic, c.P
			}
			all = append(all, q)
		}
	}
	return all
}

func sampleQuestions(t *testing.T) []question {
	r := rand.New(rand.NewPCG(8, 1))
	var all []question
	for _, n := range []int{1, 4, 30, 250, 3000, 40000} {
		for _, m := range []int{1, 7, 30, 400, 5000} {
			for _, shift := range []float64{0, 0.2, 2} {
				x, z := rows(n, r.NormFloat64), rows(m, func() float64 { return r.NormFloat64() + shift })
				if (n+m)%3 == 0 {
					x, z = rounded(x, 4), rounded(z, 4)
				}
				slices.Sort(x)
				slices.Sort(z)
				k := must[KS](t)(KolmogorovSmirnov(x, z))
				q := question{name: fmt.Sprintf("samples %d %d shifted %v", n, m, shift), request: map[string]any{"kind": "samples", "reference": x, "current": z}}
				q.ours = map[string]float64{"ks.d": k.D, "ks.exact": k.Exact, "ks.asymp": k.Asymptotic, "ks.limit": k.Limit}
				q.ours["wasserstein"] = must[float64](t)(Wasserstein(x, z))
				q.ours["wasserstein.normed"] = must[float64](t)(WassersteinNormed(x, z))
				all = append(all, q)
			}
		}
	}
	return all
}
