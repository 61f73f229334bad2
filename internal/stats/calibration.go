package stats

import (
	"math"
	"slices"
)

// CalibrationBin is one point of a calibration curve.
type CalibrationBin struct {
	Lower, Upper float64 // of the scores: (Lower, Upper]; equal mass: the smallest and the largest score
	Rows         int
	Weight       float64
	Score        float64 // the weighted mean score
	Positive     float64 // the weighted share of positive labels
}

// CalibrationCurve bins scores into equal widths (i/bins, (i+1)/bins]; a score of 0 is in the first bin. Bins without weight are left out.
func (b Binary) CalibrationCurve(bins int) ([]CalibrationBin, error) {
	if err := b.checkBins(bins); err != nil {
		return nil, err
	}
	all := make([]CalibrationBin, bins)
	for i := range all {
		all[i].Lower, all[i].Upper = float64(i)/float64(bins), float64(i+1)/float64(bins)
	}
	for i, s := range b.Scores {
		all[widthBin(s, bins)].add(s, b.Labels[i], weightOf(b.Weights, i))
	}
	return finishBins(all), nil
}

// CalibrationCurveMass bins scores into bins of equal numbers of rows: rows are sorted by score (ties in their order) and cut as
// numpy.array_split does, the first n mod bins having one more. Weights count inside a bin and do not move its edges.
func (b Binary) CalibrationCurveMass(bins int) ([]CalibrationBin, error) {
	if err := b.checkBins(bins); err != nil {
		return nil, err
	}
	order := ascending(b.Scores)
	all := make([]CalibrationBin, bins)
	n := len(order)
	for k, at := 0, 0; k < bins; k++ {
		end := at + n/bins
		if k < n%bins {
			end++
		}
		for _, i := range order[at:end] {
			all[k].add(b.Scores[i], b.Labels[i], weightOf(b.Weights, int(i)))
		}
		if end > at {
			all[k].Lower, all[k].Upper = b.Scores[order[at]], b.Scores[order[end-1]]
		}
		at = end
	}
	return finishBins(all), nil
}

func (b Binary) checkBins(bins int) error {
	if bins < 1 || bins > 1<<20 {
		return problem(-1, "%d bins", bins)
	}
	return b.check(true)
}

// widthBin is the i with s in (i/bins, (i+1)/bins]. The product may round across an edge, so the edges themselves decide.
func widthBin(s float64, bins int) int {
	i := min(max(int(math.Ceil(s*float64(bins)))-1, 0), bins-1)
	if i > 0 && s <= float64(i)/float64(bins) {
		i--
	} else if i+1 < bins && s > float64(i+1)/float64(bins) {
		i++
	}
	return i
}

// ascending is the rows in ascending order of their finite values, equals in their order.
func ascending(values []float64) []int32 {
	type key struct {
		value float64
		row   int32
	}
	keys := make([]key, len(values))
	for i, v := range values {
		keys[i] = key{v, int32(i)}
	}
	slices.SortFunc(keys, func(a, b key) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return int(a.row) - int(b.row)
	})
	order := make([]int32, len(values))
	for at, k := range keys {
		order[at] = k.row
	}
	return order
}

func (c *CalibrationBin) add(score float64, label int32, weight float64) {
	c.Rows++
	c.Weight += weight
	c.Score += weight * score
	c.Positive += weight * float64(label)
}

// finishBins makes means of sums and drops the bins that have none.
func finishBins(all []CalibrationBin) []CalibrationBin {
	kept := all[:0]
	for _, c := range all {
		if c.Weight > 0 {
			c.Score /= c.Weight
			c.Positive /= c.Weight
			kept = append(kept, c)
		}
	}
	return kept
}

// ECE is the expected calibration error, the weighted mean of |share of positives - mean score| over equal width bins of the
// probability of the positive class (Naeini et al. 2015). 15 bins are customary. NaN without rows.
func (b Binary) ECE(bins int) (float64, error) {
	curve, err := b.CalibrationCurve(bins)
	return gap(curve), err
}

// ECEMass is ECE over bins of equal numbers of rows.
func (b Binary) ECEMass(bins int) (float64, error) {
	curve, err := b.CalibrationCurveMass(bins)
	return gap(curve), err
}

func gap(curve []CalibrationBin) float64 {
	var sum, total float64
	for _, c := range curve {
		sum, total = sum+c.Weight*math.Abs(c.Positive-c.Score), total+c.Weight
	}
	return ratio(sum, total)
}

// Decomposition is Murphy's (1973) decomposition: Brier = Reliability - Resolution + Uncertainty, exactly so when all scores of
// a bin are equal. Reliability: how far shares are from scores (lower is better). Resolution: how far shares of bins are from the base rate (higher is better). Uncertainty: the variance of the labels.
type Decomposition struct{ Reliability, Resolution, Uncertainty float64 }

// BrierDecomposition decomposes over equal width bins. With bins of 0 each distinct score is a bin and the sum is exact.
func (b Binary) BrierDecomposition(bins int) (Decomposition, error) {
	var curve []CalibrationBin
	var err error
	if bins == 0 {
		curve, err = b.distinct()
	} else {
		curve, err = b.CalibrationCurve(bins)
	}
	if err != nil {
		return Decomposition{}, err
	}
	var total, positive float64
	for _, c := range curve {
		total, positive = total+c.Weight, positive+c.Weight*c.Positive
	}
	base := ratio(positive, total)
	d := Decomposition{Uncertainty: base * (1 - base)}
	for _, c := range curve {
		d.Reliability += c.Weight / total * (c.Score - c.Positive) * (c.Score - c.Positive)
		d.Resolution += c.Weight / total * (c.Positive - base) * (c.Positive - base)
	}
	if total == 0 {
		d = Decomposition{math.NaN(), math.NaN(), math.NaN()}
	}
	return d, nil
}

func (b Binary) distinct() ([]CalibrationBin, error) {
	if err := b.check(true); err != nil {
		return nil, err
	}
	var all []CalibrationBin
	for _, i := range ascending(b.Scores) {
		s := b.Scores[i]
		if len(all) == 0 || all[len(all)-1].Upper != s {
			all = append(all, CalibrationBin{Lower: s, Upper: s})
		}
		all[len(all)-1].add(s, b.Labels[i], weightOf(b.Weights, int(i)))
	}
	return finishBins(all), nil
}
