package stats

import "math"

// Metric is the name of a metric of one model that two models can be compared by.
type Metric string

// The metrics of comparisons. Less is better for log loss, Brier, ECE and the metrics of regression but R2: see Comparison.Negated.
const (
	Accuracy         Metric = "accuracy"
	BalancedAccuracy Metric = "balanced_accuracy"
	Precision        Metric = "precision"
	Recall           Metric = "recall"
	F1               Metric = "f1"
	Specificity      Metric = "specificity"
	MCC              Metric = "mcc"
	ROCAUC           Metric = "roc_auc"
	PRAUC            Metric = "pr_auc" // average precision
	LogLoss          Metric = "log_loss"
	Brier            Metric = "brier"
	ECE              Metric = "ece" // 15 bins of equal width

	RMSE         Metric = "rmse"
	MAE          Metric = "mae"
	MedianAE     Metric = "median_ae"
	R2           Metric = "r2"
	MAPE         Metric = "mape"
	SMAPE        Metric = "smape"
	MaxError     Metric = "max_error"
	Bias         Metric = "bias"
	QuantileLoss Metric = "quantile_loss"
)

// LessIsBetter says whether a smaller value is the better one. Bias has no better side: compare its absolute value yourself.
func (m Metric) LessIsBetter() bool {
	switch m {
	case LogLoss, Brier, ECE, RMSE, MAE, MedianAE, MAPE, SMAPE, MaxError, QuantileLoss:
		return true
	default:
		return false
	}
}

// ofProbabilities says whether a metric of two classes wants its scores in [0,1].
func (m Metric) ofProbabilities() bool { return m == LogLoss || m == Brier || m == ECE }

// BinaryPair is n rows of a problem with two classes and what two models say of them: A the candidate, B production.
type BinaryPair struct {
	Labels    []int32 // 1 positive, 0 not
	A, B      []float64
	Threshold float64 // a score of at least this is a positive prediction
	Weights   []float64
}

func (p BinaryPair) models() (a, b Binary) {
	return Binary{p.Labels, p.A, p.Weights}, Binary{p.Labels, p.B, p.Weights}
}

func (p BinaryPair) check(probabilities bool) error {
	a, b := p.models()
	if err := a.check(probabilities); err != nil {
		return err
	}
	return b.check(probabilities)
}

// Value is the metric of one model.
func (b Binary) Value(metric Metric, threshold float64) (float64, error) {
	switch metric {
	case ROCAUC:
		return b.ROCAUC()
	case PRAUC:
		return b.AveragePrecision()
	case LogLoss:
		return b.LogLoss()
	case Brier:
		return b.Brier()
	case ECE:
		return b.ECE(eceBins)
	default:
	}
	c, err := b.Counts(threshold)
	if err != nil {
		return 0, err
	}
	return c.Value(metric)
}

const eceBins = 15

// Value is the metric of the counts.
func (c Counts) Value(metric Metric) (float64, error) {
	switch metric {
	case Accuracy:
		return c.Accuracy(), nil
	case BalancedAccuracy:
		return c.BalancedAccuracy(), nil
	case Precision:
		return c.Precision(), nil
	case Recall:
		return c.Recall(), nil
	case F1:
		return c.F1(), nil
	case Specificity:
		return c.Specificity(), nil
	case MCC:
		return c.MCC(), nil
	default:
		return 0, problem(-1, "%q is no metric of two classes", string(metric))
	}
}

// Compare is the paired bootstrap of a metric. Up to 20,000 rows it is the plain one; of more, see summary: it equals the plain one
// within its Monte Carlo error. For accuracy and ROC-AUC, Discordant.Compare and DeLong need no resamples.
func (p BinaryPair) Compare(metric Metric, d Design) (Comparison, error) {
	if err := p.check(metric.ofProbabilities()); err != nil {
		return Comparison{}, err
	}
	a, b := p.models()
	s, values, err := binarySummary([]Binary{a, b}, metric, p.Threshold)
	if err != nil {
		return Comparison{}, err
	}
	return s.bootstrap(Comparison{A: values[0], B: values[1], Diff: values[0] - values[1]}, len(p.Labels), d)
}

// Interval is the bootstrap percentile interval (two-sided, at 2 Level - 1) of a metric of one model.
func (b Binary) Interval(metric Metric, threshold float64, d Design) (Interval, error) {
	if err := b.check(metric.ofProbabilities()); err != nil {
		return Interval{}, err
	}
	s, values, err := binarySummary([]Binary{b}, metric, threshold)
	if err != nil {
		return Interval{}, err
	}
	return s.interval(values[0], len(b.Labels), d)
}

// RegressionPair is n rows of numbers and the predictions of two models: A the candidate, B production.
type RegressionPair struct {
	Actual   []float64
	A, B     []float64
	Quantile float64 // of QuantileLoss, in (0,1)
	Weights  []float64
}

// Value is the metric of one model; quantile is for QuantileLoss.
func (r Regression) Value(metric Metric, quantile float64) (float64, error) {
	switch metric {
	case RMSE:
		return r.RMSE()
	case MAE:
		return r.MAE()
	case MedianAE:
		return r.MedianAE()
	case R2:
		return r.R2()
	case MAPE:
		return r.MAPE()
	case SMAPE:
		return r.SMAPE()
	case MaxError:
		return r.MaxError()
	case Bias:
		return r.Bias()
	case QuantileLoss:
		return r.QuantileLoss(quantile)
	default:
		return 0, problem(-1, "%q is no metric of regression", string(metric))
	}
}

// Compare is the paired bootstrap of a metric, cheap for many rows but for MedianAE and MaxError, which take each resample row by row.
func (p RegressionPair) Compare(metric Metric, d Design) (Comparison, error) {
	models := []Regression{{p.Actual, p.A, p.Weights}, {p.Actual, p.B, p.Weights}}
	s, values, err := regressionValues(models, metric, p.Quantile)
	if err != nil {
		return Comparison{}, err
	}
	if s != nil {
		return s.bootstrap(Comparison{A: values[0], B: values[1], Diff: values[0] - values[1]}, len(p.Actual), d)
	}
	of := []func(weights []float64) float64{models[0].sorted(metric), models[1].sorted(metric)}
	return PairedBootstrap(len(p.Actual), p.Weights, func(w []float64) (float64, float64) { return of[0](w), of[1](w) }, d)
}

// Interval is the bootstrap percentile interval (two-sided, at 2 Level - 1) of a metric of one model.
func (r Regression) Interval(metric Metric, quantile float64, d Design) (Interval, error) {
	s, values, err := regressionValues([]Regression{r}, metric, quantile)
	if err != nil {
		return Interval{}, err
	}
	if s != nil {
		return s.interval(values[0], len(r.Actual), d)
	}
	return Bootstrap(len(r.Actual), r.Weights, r.sorted(metric), d)
}

func regressionValues(models []Regression, metric Metric, quantile float64) (*summary, []float64, error) {
	values := make([]float64, len(models))
	for m, r := range models {
		v, err := r.Value(metric, quantile)
		if err != nil {
			return nil, nil, err
		}
		values[m] = v
	}
	return regressionSummary(models, metric, quantile), values, nil
}

// sorted is MedianAE or MaxError as a function of weights; errors are sorted once.
func (r Regression) sorted(metric Metric) func(weights []float64) float64 {
	errors := r.absoluteErrors()
	order := ascending(errors)
	if metric == MedianAE {
		return func(w []float64) float64 { return medianOf(errors, order, w) }
	}
	return func(w []float64) float64 {
		for at := len(order) - 1; at >= 0; at-- {
			if w[order[at]] > 0 {
				return errors[order[at]]
			}
		}
		return math.NaN()
	}
}

// ClassPair is n rows of a problem with K classes and the predicted classes of two models: A the candidate, B production.
type ClassPair struct {
	Labels  []int32
	A, B    []int32
	Classes int
	Average Average // of Precision, Recall and F1
	Weights []float64
}

// Compare is the paired bootstrap of a metric, cheap for many rows.
func (p ClassPair) Compare(metric Metric, d Design) (Comparison, error) {
	models := [][]int32{p.A, p.B}
	var values [2]float64
	for m, predicted := range models {
		c, err := NewConfusion(p.Labels, predicted, p.Classes, p.Weights)
		if err != nil {
			return Comparison{}, err
		}
		if values[m], err = c.Value(metric, p.Average); err != nil {
			return Comparison{}, err
		}
	}
	s := classSummary(p.Labels, models, p.Classes, p.Weights, func(t classTotals) float64 {
		v, _ := t.value(metric, p.Average) // known already
		return v
	})
	return s.bootstrap(Comparison{A: values[0], B: values[1], Diff: values[0] - values[1]}, len(p.Labels), d)
}

// RankingPair is n rows that queries rank and the scores of two models: A the candidate, B production.
type RankingPair struct {
	Relevance []float64
	A, B      []float64
	Queries   []int32
	K         int  // 0: no cut
	Judged    bool // leave out queries without relevant rows instead of counting 0
}

// Compare is the paired bootstrap of the mean over queries: queries are drawn again, or clusters of queries when the design has
// clusters (of rows; a query must lie in one).
func (p RankingPair) Compare(metric RankingMetric, d Design) (Comparison, error) {
	a, err := Ranking{p.Relevance, p.A, p.Queries}.PerQuery(metric, p.K)
	if err != nil {
		return Comparison{}, err
	}
	b, err := Ranking{p.Relevance, p.B, p.Queries}.PerQuery(metric, p.K)
	if err != nil {
		return Comparison{}, err
	}
	clusters, err := p.clusterOfQueries(a, d.Clusters)
	if err != nil {
		return Comparison{}, err
	}
	var values Values
	for i := range a {
		if math.IsNaN(a[i].Value) {
			if p.Judged {
				continue
			}
			a[i].Value, b[i].Value = 0, 0
		}
		values.A, values.B = append(values.A, a[i].Value), append(values.B, b[i].Value)
		if clusters != nil {
			values.clusters = append(values.clusters, clusters[i])
		}
	}
	d.Clusters, d.Strata = values.clusters, nil
	return values.Bootstrap(d)
}

func (p RankingPair) clusterOfQueries(queries []QueryValue, clusters []int32) ([]int32, error) {
	if clusters == nil {
		return nil, nil
	}
	if err := checkLength("clusters", len(clusters), len(p.Relevance)); err != nil {
		return nil, err
	}
	if p.Queries == nil {
		return clusters[:min(1, len(clusters))], nil
	}
	of := make(map[int32]int32, len(queries))
	for i, q := range p.Queries {
		if c, seen := of[q]; seen && c != clusters[i] {
			return nil, problem(i, "query %d lies in two clusters", q)
		}
		of[q] = clusters[i]
	}
	all := make([]int32, len(queries))
	for i, q := range queries {
		all[i] = of[q.Query]
	}
	return all, nil
}

// Values is a value of each row by two models, of which the means are compared: a loss, a latency, a judge's score.
type Values struct {
	A, B     []float64
	Weights  []float64
	clusters []int32
}

// Bootstrap compares the means by the paired bootstrap, cheap for many rows.
func (v Values) Bootstrap(d Design) (Comparison, error) {
	if err := v.check(); err != nil {
		return Comparison{}, err
	}
	models := [][]float64{v.A, v.B}
	return meanSummary(2, v.Weights, func(m, i int) float64 { return models[m][i] }).bootstrap(v.means(), len(v.A), d)
}

// means is a comparison that has no bounds yet.
func (v Values) means() (c Comparison) {
	c.A = weightedMean(len(v.A), v.Weights, func(i int) float64 { return v.A[i] })
	c.B = weightedMean(len(v.B), v.Weights, func(i int) float64 { return v.B[i] })
	c.Diff = c.A - c.B
	return c
}

func (v Values) check() error {
	n := len(v.A)
	if err := checkNumbers("value", v.A, n); err != nil {
		return err
	}
	if err := checkNumbers("value", v.B, n); err != nil {
		return err
	}
	return checkWeights(v.Weights, n)
}
