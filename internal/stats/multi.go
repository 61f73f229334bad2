package stats

import "math"

// Multi is n rows of a problem with K classes: a label 0..K-1 and K probabilities a row.
type Multi struct {
	Labels  []int32
	Scores  []float64 // n x Classes, row-major
	Classes int
	Weights []float64 // nil: one each
}

func (m Multi) check(probabilities bool) error {
	n := len(m.Labels)
	if m.Classes < 2 || m.Classes > 1<<12 {
		return problem(-1, "%d classes", m.Classes)
	}
	if err := checkCodes("label", m.Labels, n, m.Classes); err != nil {
		return err
	}
	if err := checkLength("scores", len(m.Scores), n*m.Classes); err != nil {
		return err
	}
	for i, s := range m.Scores {
		if s-s != 0 || probabilities && (s < 0 || s > 1) {
			return problem(i/m.Classes, "score of class %d is %v", i%m.Classes, s)
		}
	}
	return checkWeights(m.Weights, n)
}

func (m Multi) row(i int) []float64 { return m.Scores[i*m.Classes : (i+1)*m.Classes] }

// Predicted is the class with the highest score of each row, the first of equals (numpy's argmax).
func (m Multi) Predicted() []int32 {
	all := make([]int32, len(m.Labels))
	for i := range all {
		all[i], _ = top(m.row(i))
	}
	return all
}

func top(row []float64) (class int32, score float64) {
	score = row[0]
	for j, s := range row {
		if s > score {
			class, score = int32(j), s
		}
	}
	return class, score
}

// class is one class against the rest.
func (m Multi) class(k int) Binary {
	b := Binary{Labels: make([]int32, len(m.Labels)), Scores: make([]float64, len(m.Labels)), Weights: m.Weights}
	for i, y := range m.Labels {
		if int(y) == k {
			b.Labels[i] = 1
		}
		b.Scores[i] = m.Scores[i*m.Classes+k]
	}
	return b
}

// ROCAUCOneVsRest averages the areas of each class against the rest (macro: plainly; weighted: by support), as scikit-learn's
// roc_auc_score(multi_class="ovr"). NaN when a class has all rows, and for macro when one has none.
func (m Multi) ROCAUCOneVsRest(average Average) (float64, error) {
	return m.oneVsRest(average, ROCAUC)
}

// AveragePrecision averages the average precision of each class against the rest (macro or weighted by support). NaN when a
// class has no rows.
func (m Multi) AveragePrecision(average Average) (float64, error) {
	return m.oneVsRest(average, PRAUC)
}

func (m Multi) oneVsRest(average Average, metric Metric) (float64, error) {
	if err := m.check(false); err != nil {
		return 0, err
	}
	var sum, total float64
	for k := range m.Classes {
		b, weight := m.class(k), 1.0
		if average == Weighted {
			weight = 0
			for i, y := range b.Labels {
				weight += float64(y) * weightOf(m.Weights, i)
			}
		}
		if weight > 0 {
			sum, total = sum+weight*b.area(ascending(b.Scores), metric), total+weight
		}
	}
	return ratio(sum, total), nil
}

// ROCAUCOneVsOne is the mean over pairs of classes of the areas that each of the two scores has on the rows of the pair (Hand and
// Till 2001), as scikit-learn's roc_auc_score(multi_class="ovo"): macro counts pairs plainly, weighted by the rows of a pair. Weights of rows are an error, as there. Classes without rows take no part;
// NaN for fewer than two.
func (m Multi) ROCAUCOneVsOne(average Average) (float64, error) {
	if err := m.check(false); err != nil {
		return 0, err
	}
	if m.Weights != nil {
		return 0, problem(-1, "one-vs-one is not defined for weighted rows")
	}
	var sum, total float64
	for j := range m.Classes {
		for k := range j {
			v, rows := m.pair(j, k)
			weight := 1.0
			if math.IsNaN(v) {
				continue // a class without rows
			}
			if average == Weighted {
				weight = rows
			}
			sum, total = sum+weight*v, total+weight
		}
	}
	return ratio(sum, total), nil
}

func (m Multi) pair(j, k int) (auc, rows float64) {
	var a, b Binary
	for i, y := range m.Labels {
		if int(y) != j && int(y) != k {
			continue
		}
		isJ := int32(0)
		if int(y) == j {
			isJ = 1
		}
		a.Labels, a.Scores = append(a.Labels, isJ), append(a.Scores, m.Scores[i*m.Classes+j])
		b.Labels, b.Scores = append(b.Labels, 1-isJ), append(b.Scores, m.Scores[i*m.Classes+k])
	}
	return (a.area(ascending(a.Scores), ROCAUC) + b.area(ascending(b.Scores), ROCAUC)) / 2, float64(len(a.Labels))
}

// LogLoss is the mean of -ln(probability of the true label). Probabilities are clipped as in Binary.LogLoss and are not normalised: rows
// that do not sum to 1 within 1e-6 are an error.
func (m Multi) LogLoss() (float64, error) {
	if err := m.checkSums(); err != nil {
		return 0, err
	}
	return weightedMean(len(m.Labels), m.Weights, func(i int) float64 {
		return logLoss(1, m.row(i)[m.Labels[i]])
	}), nil
}

// Brier is the mean over rows of the sum over classes of (probability - indicator)^2, in [0,2]: Brier's own (1950) definition. For two
// classes it is twice Binary.Brier.
func (m Multi) Brier() (float64, error) {
	if err := m.checkSums(); err != nil {
		return 0, err
	}
	return weightedMean(len(m.Labels), m.Weights, func(i int) float64 {
		sum := 0.0
		for k, p := range m.row(i) {
			if k == int(m.Labels[i]) {
				p--
			}
			sum += p * p
		}
		return sum
	}), nil
}

func (m Multi) checkSums() error {
	if err := m.check(true); err != nil {
		return err
	}
	for i := range m.Labels {
		sum := 0.0
		for _, p := range m.row(i) {
			sum += p
		}
		if math.Abs(sum-1) > 1e-6 {
			return problem(i, "probabilities sum to %v", sum)
		}
	}
	return nil
}

// ECETopLabel is the expected calibration error of the top label: bins of equal width over the highest probability of each row, and
// whether that class is the label (Guo et al. 2017).
func (m Multi) ECETopLabel(bins int) (float64, error) {
	if err := m.check(true); err != nil {
		return 0, err
	}
	b := Binary{Labels: make([]int32, len(m.Labels)), Scores: make([]float64, len(m.Labels)), Weights: m.Weights}
	for i, y := range m.Labels {
		class, score := top(m.row(i))
		if b.Scores[i] = score; class == y {
			b.Labels[i] = 1
		}
	}
	return b.ECE(bins)
}
