package stats

import "math"

// Grouped is n rows of people or things in groups, with the label and the decision of each.
type Grouped struct {
	Labels    []int32   // 1 positive, 0 not
	Predicted []int32   // 1 or 0: the decision
	Scores    []float64 // probabilities, only for CalibrationDifference
	Groups    []int32   // any codes
	Weights   []float64 // nil: one each
}

// FairnessMeasure is the name of a measure of how differently groups are treated. Differences are the largest less the smallest rate of a group, 0 when all are treated
// alike; ratios are the smallest over the largest, 1 when alike.
type FairnessMeasure string

// The measures, in the definitions of fairlearn. A group whose rate is not defined (no positive labels, say) is left
// out; with fewer than two groups left the measure is NaN, and a ratio also when the largest rate is 0 (fairlearn fills in 0 or 1).
const (
	DemographicParityDifference FairnessMeasure = "demographic_parity_difference" // of selection rates
	DemographicParityRatio      FairnessMeasure = "demographic_parity_ratio"
	EqualizedOddsDifference     FairnessMeasure = "equalized_odds_difference" // the larger of the differences of true and of false positive rates
	EqualizedOddsRatio          FairnessMeasure = "equalized_odds_ratio"      // the smaller of the two ratios
	EqualOpportunityDifference  FairnessMeasure = "equal_opportunity_difference"
	EqualOpportunityRatio       FairnessMeasure = "equal_opportunity_ratio"      // of true positive rates
	PredictiveParityDifference  FairnessMeasure = "predictive_parity_difference" // of precisions
	PredictiveParityRatio       FairnessMeasure = "predictive_parity_ratio"      // of precisions
	CalibrationDifference       FairnessMeasure = "calibration_difference"       // of the ECE of groups, 15 bins of equal width
)

// GroupCounts is one group.
type GroupCounts struct {
	Group int32
	Rows  int
	Counts
	ECE float64 // 15 bins of equal width; NaN without scores
}

func (g Grouped) check() error {
	n := len(g.Labels)
	if err := checkCodes("label", g.Labels, n, 2); err != nil {
		return err
	}
	if err := checkCodes("prediction", g.Predicted, n, 2); err != nil {
		return err
	}
	if err := checkLength("groups", len(g.Groups), n); err != nil {
		return err
	}
	if g.Scores != nil {
		if err := checkScores(g.Scores, n, true); err != nil {
			return err
		}
	}
	return checkWeights(g.Weights, n)
}

// ByGroup is each group, in the order of their codes.
func (g Grouped) ByGroup() ([]GroupCounts, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	codes, k := dense(g.Groups)
	return g.byCode(codes, k, g.Weights), nil
}

func (g Grouped) byCode(codes []int32, k int, weights []float64) []GroupCounts {
	all := make([]GroupCounts, k)
	bins := make([]CalibrationBin, k*eceBins)
	for i, code := range codes {
		c, w := &all[code], weightOf(weights, i)
		c.Group, c.Rows = g.Groups[i], c.Rows+1
		c.count(g.Labels[i], g.Predicted[i], w)
		if g.Scores != nil {
			bins[int(code)*eceBins+widthBin(g.Scores[i], eceBins)].add(g.Scores[i], g.Labels[i], w)
		}
	}
	for i := range all {
		all[i].ECE = gap(finishBins(bins[i*eceBins : (i+1)*eceBins]))
	}
	return all
}

func (c *Counts) count(label, predicted int32, w float64) {
	switch {
	case label == 1 && predicted == 1:
		c.TP += w
	case label == 1:
		c.FN += w
	case predicted == 1:
		c.FP += w
	default:
		c.TN += w
	}
}

// Fairness is a measure over all groups.
func (g Grouped) Fairness(measure FairnessMeasure) (float64, error) {
	all, err := g.ByGroup()
	if err != nil {
		return 0, err
	}
	return fairness(all, measure)
}

// FairnessInterval is a measure with its bootstrap percentile interval (two-sided, at 2 Level - 1). Differences are
// never below 0, so an interval of a fair model lies above it: judge its lower bound against the limit, not against 0.
func (g Grouped) FairnessInterval(measure FairnessMeasure, d Design) (Interval, error) {
	value, err := g.Fairness(measure)
	if err != nil {
		return Interval{}, err
	}
	if measure == CalibrationDifference && g.Scores == nil {
		return Interval{}, problem(-1, "calibration needs scores")
	}
	codes, k := dense(g.Groups)
	return g.fairnessSummary(codes, k, measure).interval(value, len(g.Labels), d)
}

func fairness(all []GroupCounts, measure FairnessMeasure) (float64, error) {
	spread := func(rate func(GroupCounts) float64) (difference, ratioOf float64) {
		low, high, n := math.Inf(1), math.Inf(-1), 0
		for _, g := range all {
			if v := rate(g); !math.IsNaN(v) {
				low, high, n = min(low, v), max(high, v), n+1
			}
		}
		if n < 2 {
			return math.NaN(), math.NaN()
		}
		return high - low, ratio(low, high)
	}
	selection, selectionRatio := spread(func(g GroupCounts) float64 { return g.SelectionRate() })
	truePositive, truePositiveRatio := spread(func(g GroupCounts) float64 { return g.Recall() })
	falsePositive, falsePositiveRatio := spread(func(g GroupCounts) float64 { return g.FalsePositiveRate() })
	precision, precisionRatio := spread(func(g GroupCounts) float64 { return g.Precision() })
	switch measure {
	case DemographicParityDifference:
		return selection, nil
	case DemographicParityRatio:
		return selectionRatio, nil
	case EqualizedOddsDifference:
		return max(truePositive, falsePositive), nil
	case EqualizedOddsRatio:
		return min(truePositiveRatio, falsePositiveRatio), nil
	case EqualOpportunityDifference:
		return truePositive, nil
	case EqualOpportunityRatio:
		return truePositiveRatio, nil
	case PredictiveParityDifference:
		return precision, nil
	case PredictiveParityRatio:
		return precisionRatio, nil
	case CalibrationDifference:
		v, _ := spread(func(g GroupCounts) float64 { return g.ECE })
		return v, nil
	}
	return 0, problem(-1, "no measure of fairness is called %q", string(measure))
}
