package drift

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// isotonic is a rising function that is nearest to outcomes in the sense of least squares: between its knots it is straight, outside them
// constant, as scikit-learn has it.
type isotonic struct{ x, y []float64 }

// fitIsotonic fits outcomes, 0 or 1, to scores. Scores that are equal count once, with the mean of their outcomes.
func fitIsotonic(scores, actual []float64) isotonic {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(scores[a], scores[b]), cmp.Compare(a, b)) })
	var x, mean, weight []float64
	for _, i := range order {
		if n := len(x); n > 0 && x[n-1] == scores[i] {
			weight[n-1]++
			mean[n-1] += (actual[i] - mean[n-1]) / weight[n-1]
			continue
		}
		x, mean, weight = append(x, scores[i]), append(mean, actual[i]), append(weight, 1)
	}
	return isotonic{x, pooled(mean, weight)}
}

// pooled makes values rise by pooling those that do not (pool adjacent violators).
func pooled(mean, weight []float64) []float64 {
	type block struct {
		mean, weight float64
		n            int
	}
	var blocks []block
	for i, m := range mean {
		blocks = append(blocks, block{m, weight[i], 1})
		for n := len(blocks); n > 1 && blocks[n-2].mean >= blocks[n-1].mean; n = len(blocks) {
			a, b := blocks[n-2], blocks[n-1]
			w := a.weight + b.weight
			blocks[n-2] = block{(a.mean*a.weight + b.mean*b.weight) / w, w, a.n + b.n}
			blocks = blocks[:n-1]
		}
	}
	y := make([]float64, 0, len(mean))
	for _, b := range blocks {
		for range b.n {
			y = append(y, b.mean)
		}
	}
	return y
}

func (f isotonic) at(score float64) float64 {
	n := len(f.x)
	switch {
	case n == 0 || math.IsNaN(score):
		return math.NaN()
	case score <= f.x[0]:
		return f.y[0]
	case score >= f.x[n-1]:
		return f.y[n-1]
	}
	i := sort.SearchFloat64s(f.x, score)
	if f.x[i] == score {
		return f.y[i]
	}
	share := (score - f.x[i-1]) / (f.x[i] - f.x[i-1])
	return f.y[i-1] + share*(f.y[i]-f.y[i-1])
}

func (f isotonic) all(scores []float64) []float64 {
	calibrated := make([]float64, len(scores))
	for i, s := range scores {
		calibrated[i] = f.at(s)
	}
	return calibrated
}

// helpsToCalibrate says whether calibration lowers the expected calibration error (10 bins of equal count) of rows that it was not fitted
// on: each tenth of the rows is calibrated by what the others say.
func helpsToCalibrate(scores, actual []float64) bool {
	const folds = 10
	if len(scores) < 2*folds || constant(actual) {
		return false
	}
	after := make([]float64, len(scores))
	for fold := range folds {
		var s, a []float64
		for i := range scores {
			if i%folds != fold {
				s, a = append(s, scores[i]), append(a, actual[i])
			}
		}
		f := fitIsotonic(s, a)
		for i := fold; i < len(scores); i += folds {
			after[i] = f.at(scores[i])
		}
	}
	return calibrationError(scores, actual) > calibrationError(after, actual)
}

func constant(values []float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return v != values[0] })
}

// calibrationError is the mean distance between score and share over 10 bins of equally many rows.
func calibrationError(scores, actual []float64) float64 {
	const bins = 10
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(scores[a], scores[b]), cmp.Compare(a, b)) })
	sum := 0.0
	for b := range bins {
		gap := 0.0
		for _, i := range order[b*len(order)/bins : (b+1)*len(order)/bins] {
			gap += scores[i] - actual[i]
		}
		sum += math.Abs(gap)
	}
	return sum / float64(len(scores))
}
