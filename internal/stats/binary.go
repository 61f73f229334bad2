package stats

import "math"

// Binary is n rows of a problem with two classes. Labels are 1 for the positive class and 0 for the other. Scores are any finite
// numbers that are higher for more likely positives; LogLoss, Brier and calibration want probabilities in [0,1].
type Binary struct {
	Labels  []int32
	Scores  []float64
	Weights []float64 // nil: one each
}

func (b Binary) check(probabilities bool) error {
	n := len(b.Labels)
	if err := checkCodes("label", b.Labels, n, 2); err != nil {
		return err
	}
	if err := checkScores(b.Scores, n, probabilities); err != nil {
		return err
	}
	return checkWeights(b.Weights, n)
}

func checkScores(scores []float64, n int, probabilities bool) error {
	if err := checkNumbers("score", scores, n); err != nil {
		return err
	}
	for i, s := range scores {
		if probabilities && (s < 0 || s > 1) {
			return problem(i, "score is %v, not a probability", s)
		}
	}
	return nil
}

// Counts predicts positive where the score is at least the threshold, and counts.
func (b Binary) Counts(threshold float64) (Counts, error) {
	if err := b.check(false); err != nil {
		return Counts{}, err
	}
	var c Counts
	for i, y := range b.Labels {
		decision := int32(0)
		if b.Scores[i] >= threshold {
			decision = 1
		}
		c.count(y, decision, weightOf(b.Weights, i))
	}
	return c, nil
}

// tie is the rows that share one score: the weight of positives and of negatives.
type tie struct{ pos, neg float64 }

// eachTie visits rows from the highest score down, with the number of their score among the distinct ones; order is ascending.
func (b Binary) eachTie(order []int32, visit func(tie int, row int32)) {
	tie := -1
	last := math.NaN()
	for at := len(order) - 1; at >= 0; at-- {
		i := order[at]
		if s := b.Scores[i]; s != last {
			tie, last = tie+1, s
		}
		visit(tie, i)
	}
}

// ties returns the groups of equal scores from the highest score down.
func (b Binary) ties(order []int32) []tie {
	groups := 0
	b.eachTie(order, func(tie int, _ int32) { groups = tie + 1 })
	all := make([]tie, groups)
	b.eachTie(order, func(tie int, i int32) {
		if b.Labels[i] == 1 {
			all[tie].pos += weightOf(b.Weights, int(i))
		} else {
			all[tie].neg += weightOf(b.Weights, int(i))
		}
	})
	return all
}

// Ties visits the distinct scores from the highest down: the weight of positives and of negatives that have each.
func (b Binary) Ties(visit func(pos, neg float64)) error {
	if err := b.check(false); err != nil {
		return err
	}
	for _, t := range b.ties(ascending(b.Scores)) {
		visit(t.pos, t.neg)
	}
	return nil
}

// area is ROCAUC or PRAUC of checked rows.
func (b Binary) area(order []int32, metric Metric) float64 {
	if metric == ROCAUC {
		return rocAUC(b.ties(order))
	}
	return averagePrecision(b.ties(order))
}

// ROCAUC is the area under the ROC curve: the weighted share of pairs of a positive and a negative in which the positive scores higher, a
// tie counting half (Mann-Whitney). NaN when only one class has weight. Constant scores give 0.5.
func (b Binary) ROCAUC() (float64, error) {
	if err := b.check(false); err != nil {
		return 0, err
	}
	return b.area(ascending(b.Scores), ROCAUC), nil
}

func rocAUC(ties []tie) float64 {
	var won, pos, neg accumulator
	for _, t := range ties {
		won.add(t.neg * (pos.value() + t.pos/2))
		pos.add(t.pos)
		neg.add(t.neg)
	}
	return ratio(won.value(), pos.value()*neg.value())
}

// AveragePrecision is the area under the precision-recall curve as a step function: the sum of (R_i - R_{i-1}) P_i over the
// thresholds from the highest score down, as scikit-learn's average_precision_score. Rows of one score enter together. NaN without positives (scikit-learn says 0).
func (b Binary) AveragePrecision() (float64, error) {
	if err := b.check(false); err != nil {
		return 0, err
	}
	return b.area(ascending(b.Scores), PRAUC), nil
}

func averagePrecision(ties []tie) float64 {
	var sum, pos, all accumulator
	for _, t := range ties {
		pos.add(t.pos)
		all.add(t.pos + t.neg)
		if t.pos > 0 {
			sum.add(t.pos * pos.value() / all.value())
		}
	}
	return ratio(sum.value(), pos.value())
}

// PRAUCTrapezoid is the area under the precision-recall curve by the trapezoid rule, from (recall 0, precision 1), as
// scikit-learn's auc(precision_recall_curve). It is too good where thresholds are few (Davis and Goadrich 2006); AveragePrecision is the one to trust. NaN without positives.
func (b Binary) PRAUCTrapezoid() (float64, error) {
	if err := b.check(false); err != nil {
		return 0, err
	}
	var sum, pos, all accumulator
	last := 1.0
	for _, t := range b.ties(ascending(b.Scores)) {
		pos.add(t.pos)
		all.add(t.pos + t.neg)
		if all.value() == 0 {
			continue
		}
		precision := pos.value() / all.value()
		sum.add(t.pos * (precision + last) / 2)
		last = precision
	}
	return ratio(sum.value(), pos.value()), nil
}

// LogLoss is the mean of -ln(probability of the true label), natural logarithm. Probabilities are clipped to [eps, 1-eps] with the
// machine epsilon 2^-52, as scikit-learn's log_loss since 1.5.
func (b Binary) LogLoss() (float64, error) {
	if err := b.check(true); err != nil {
		return 0, err
	}
	return weightedMean(len(b.Labels), b.Weights, func(i int) float64 { return logLoss(b.Labels[i], b.Scores[i]) }), nil
}

const epsilon = 0x1p-52

func logLoss(label int32, p float64) float64 {
	if label == 0 {
		p = 1 - p
	}
	return -math.Log(min(max(p, epsilon), 1-epsilon))
}

// Brier is the mean of (probability - label)^2, in [0,1].
func (b Binary) Brier() (float64, error) {
	if err := b.check(true); err != nil {
		return 0, err
	}
	return weightedMean(len(b.Labels), b.Weights, func(i int) float64 { return brier(b.Labels[i], b.Scores[i]) }), nil
}

func brier(label int32, p float64) float64 {
	d := p - float64(label)
	return d * d
}
