package gate

import (
	"math"

	"mlx/internal/stats"
)

// Defaults of options.
const (
	defaultBins = 15 // of ece and the decomposition of Brier's score
	curveBins   = 10 // of a calibration curve, with equal numbers of rows
	defaultK    = 10
)

func (r Rule) bins(or int) int {
	if r.Bins == 0 {
		return or
	}
	return r.Bins
}

func (r Rule) firstK() int {
	if r.K == 0 {
		return defaultK
	}
	return r.K
}

// average says how several classes become one; of two classes the positive one counts alone unless an average is asked for.
func (c quality) average(g *golden) (stats.Average, bool) {
	switch {
	case c.r.Average == "" && g.binary, c.r.Average == "binary":
		return "", false
	case c.r.Average == "":
		return stats.Macro, true
	}
	return stats.Average(c.r.Average), true
}

// value is the measure of one model on a sample. NaN: it is not defined there.
func (c quality) value(sm *sample, model int) (float64, error) {
	var v float64
	var err error
	switch c.m.kind {
	case ofClasses:
		v, err = c.classValue(sm, model)
	case ofScores:
		v, err = c.scoreValue(sm, model)
	case ofQueries:
		v, err = sm.asRanking(model).Mean(c.ranking(), c.r.firstK(), false)
	case ofNumbers:
		v, err = sm.asRegression(model).Value(stats.Metric(c.m.name), c.r.Quantile)
	case ofRows:
		v = c.meanValue(sm)
	case ofGroups: // see unfairness
	}
	if err != nil {
		return 0, sm.explained(err, c.m)
	}
	return v, nil
}

// meanValue is the weighted mean of an expression.
func (c quality) meanValue(sm *sample) float64 {
	values, sum := sm.g.table.means[c.r.Columns[0]], 0.0
	for i := range sm.n {
		sum += sm.weight(i) * values[sm.row(i)]
	}
	if total := sm.total(); total > 0 {
		return sum / total
	}
	return math.NaN()
}

// ranking is the name that the numerics have for a measure of ranking.
func (c quality) ranking() stats.RankingMetric {
	switch c.m.name {
	case "precision_at_k":
		return stats.PrecisionAtK
	case "recall_at_k":
		return stats.RecallAtK
	}
	return stats.RankingMetric(c.m.name)
}

// matrix counts labels against predicted classes.
func (c quality) matrix(sm *sample, model int) (stats.Confusion, error) {
	return stats.NewConfusion(sm.labels, sm.models[model].predicted, len(sm.g.classes), sm.weights)
}

func (c quality) classValue(sm *sample, model int) (float64, error) {
	m, err := c.matrix(sm, model)
	if err != nil {
		return 0, err
	}
	return c.ofMatrix(sm.g, m)
}

// ofMatrix is a measure of classes from the counts alone.
func (c quality) ofMatrix(g *golden, m stats.Confusion) (float64, error) {
	average, several := c.average(g)
	byClass := c.m.name == "precision" || c.m.name == "recall" || c.m.name == "f1"
	if several && byClass || !g.binary {
		return m.Value(stats.Metric(c.m.name), average)
	}
	return m.Of(1).Value(stats.Metric(c.m.name))
}

func (c quality) scoreValue(sm *sample, model int) (float64, error) {
	if !sm.g.binary {
		return c.multiValue(sm.asMulti(model))
	}
	b := sm.asBinary(model)
	switch c.m.name {
	case "ece":
		return b.ECE(c.r.bins(defaultBins))
	case "calibration":
		curve, err := b.CalibrationCurveMass(c.r.bins(curveBins))
		_, gap := worstBin(curve)
		return gap, err
	case "reliability", "resolution", "uncertainty":
		d, err := b.BrierDecomposition(c.r.bins(defaultBins))
		return map[string]float64{"reliability": d.Reliability, "resolution": d.Resolution, "uncertainty": d.Uncertainty}[c.m.name], err
	}
	return b.Value(stats.Metric(c.m.name), sm.g.threshold())
}

func (c quality) multiValue(m stats.Multi) (float64, error) {
	average := stats.Average(c.r.Average)
	if average == "" {
		average = stats.Macro
	}
	switch c.m.name {
	case "roc_auc":
		if c.r.Stat == "ovo" {
			return m.ROCAUCOneVsOne(average)
		}
		return m.ROCAUCOneVsRest(average)
	case "pr_auc":
		return m.AveragePrecision(average)
	case "log_loss":
		return m.LogLoss()
	case "brier":
		return m.Brier()
	}
	return m.ECETopLabel(c.r.bins(defaultBins))
}

// worstBin is the bin of a calibration curve whose share of positives is farthest from its score, and how far.
func worstBin(curve []stats.CalibrationBin) (at int, gap float64) {
	gap = math.NaN()
	for i, b := range curve {
		if d := math.Abs(b.Positive - b.Score); !(d <= gap) {
			at, gap = i, d
		}
	}
	return at, gap
}

// undefined says why a measure has no value on a sample.
func (c quality) undefined(sm *sample) string {
	switch {
	case sm.n == 0:
		return "no value: no rows"
	case sm.total() == 0:
		return "no value: all weights are 0"
	case (c.m.kind == ofClasses || c.m.kind == ofScores) && sm.oneClass():
		return "no value: all labels are " + quoteText(sm.g.classes[sm.labels[0]])
	case c.m.name == "precision" || c.m.name == "mcc":
		return "no value: no row is predicted " + quoteText(sm.g.classes[1])
	case c.m.name == "r2":
		return "no value: all labels are equal"
	case c.m.kind == ofScores && !sm.g.binary:
		return "no value: a class has no rows"
	}
	return "no value: it is not defined for these rows"
}
