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
	}
	return false
}

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
	}
	return 0, problem(-1, "%q is no metric of two classes", string(metric))
}

// Compare is the paired bootstrap of a metric; see PairedBootstrap.
func (p BinaryPair) Compare(metric Metric, d Design) (Comparison, error) {
	a, b := p.models()
	if _, err := a.Value(metric, p.Threshold); err != nil {
		return Comparison{}, err
	}
	if _, err := b.Value(metric, p.Threshold); err != nil {
		return Comparison{}, err
	}
	return PairedBootstrap(len(p.Labels), p.Weights, func(w []float64) (float64, float64) {
		a, b := a, b
		a.Weights, b.Weights = w, w
		x, _ := a.Value(metric, p.Threshold) // checked above
		y, _ := b.Value(metric, p.Threshold)
		return x, y
	}, d)
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
	}
	return 0, problem(-1, "%q is no metric of regression", string(metric))
}

// Compare is the paired bootstrap of a metric; see PairedBootstrap.
func (p RegressionPair) Compare(metric Metric, d Design) (Comparison, error) {
	a, b := Regression{p.Actual, p.A, p.Weights}, Regression{p.Actual, p.B, p.Weights}
	if _, err := a.Value(metric, p.Quantile); err != nil {
		return Comparison{}, err
	}
	if _, err := b.Value(metric, p.Quantile); err != nil {
		return Comparison{}, err
	}
	return PairedBootstrap(len(p.Actual), p.Weights, func(w []float64) (float64, float64) {
		a, b := a, b
		a.Weights, b.Weights = w, w
		x, _ := a.Value(metric, p.Quantile) // checked above
		y, _ := b.Value(metric, p.Quantile)
		return x, y
	}, d)
}

// ClassPair is n rows of a problem with K classes and the predicted classes of two models: A the candidate, B production.
type ClassPair struct {
	Labels  []int32
	A, B    []int32
	Classes int
	Average Average // of Precision, Recall and F1
	Weights []float64
}

// Value is the metric of the matrix: Accuracy, BalancedAccuracy, MCC, and Precision, Recall and F1 by the average with 0/0 = 0.
func (c Confusion) Value(metric Metric, average Average) (float64, error) {
	switch metric {
	case Accuracy:
		return c.Accuracy(), nil
	case BalancedAccuracy:
		return c.BalancedAccuracy(), nil
	case MCC:
		return c.MCC(), nil
	case Precision:
		return c.Precision(average, 0), nil
	case Recall:
		return c.Recall(average, 0), nil
	case F1:
		return c.F1(average, 0), nil
	}
	return 0, problem(-1, "%q is no metric of classes", string(metric))
}

// Compare is the paired bootstrap of a metric; see PairedBootstrap.
func (p ClassPair) Compare(metric Metric, d Design) (Comparison, error) {
	value := func(predicted []int32, w []float64) (float64, error) {
		c, err := NewConfusion(p.Labels, predicted, p.Classes, w)
		if err != nil {
			return 0, err
		}
		return c.Value(metric, p.Average)
	}
	for _, predicted := range [][]int32{p.A, p.B} {
		if _, err := value(predicted, p.Weights); err != nil {
			return Comparison{}, err
		}
	}
	return PairedBootstrap(len(p.Labels), p.Weights, func(w []float64) (float64, float64) {
		x, _ := value(p.A, w) // checked above
		y, _ := value(p.B, w)
		return x, y
	}, d)
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

// Bootstrap compares the means by the paired bootstrap.
func (v Values) Bootstrap(d Design) (Comparison, error) {
	n := len(v.A)
	if err := checkNumbers("value", v.A, n); err != nil {
		return Comparison{}, err
	}
	if err := checkNumbers("value", v.B, n); err != nil {
		return Comparison{}, err
	}
	return PairedBootstrap(n, v.Weights, func(w []float64) (float64, float64) {
		return weightedMean(n, w, func(i int) float64 { return v.A[i] }), weightedMean(n, w, func(i int) float64 { return v.B[i] })
	}, d)
}
