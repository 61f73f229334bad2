package stats

import "math"

// binarySummary is the summary of a metric of one model or of the difference of two, with the value of each; rows are checked.
func binarySummary(models []Binary, metric Metric, threshold float64) (summary, []float64, error) {
	if metric == ROCAUC || metric == PRAUC {
		orders := make([][]int32, len(models))
		for m, b := range models {
			orders[m] = ascending(b.Scores)
		}
		s, values := rankSummary(models, orders, metric)
		return s, values, nil
	}
	values := make([]float64, len(models))
	for m, b := range models {
		v, err := b.Value(metric, threshold)
		if err != nil {
			return summary{}, nil, err
		}
		values[m] = v
	}
	switch metric {
	case LogLoss:
		return lossSummary(models, logLoss), values, nil
	case Brier:
		return lossSummary(models, brier), values, nil
	case ECE:
		return eceSummary(models), values, nil
	default:
		return countsSummary(models, metric, threshold), values, nil
	}
}

func lossSummary(models []Binary, loss func(label int32, p float64) float64) summary {
	return meanSummary(len(models), models[0].Weights, func(m, i int) float64 { return loss(models[m].Labels[i], models[m].Scores[i]) })
}

// meanSummary is of weighted means: their sums, and last that of the weights.
func meanSummary(models int, weights []float64, of func(model, row int) float64) summary {
	return summary{size: models + 1, row: func(i int, add func(int, float64)) {
		w := weightOf(weights, i)
		for m := range models {
			add(m, w*of(m, i))
		}
		add(models, w)
	}, value: func(sums []float64) float64 {
		return difference(sums, func(sums []float64, m int) float64 { return ratio(sums[m], sums[models]) }, models)
	}}
}

// eceSummary sums label less score in each bin; the absolute values come afterwards.
func eceSummary(models []Binary) summary {
	last := eceBins * len(models)
	return summary{size: last + 1, row: func(i int, add func(int, float64)) {
		w := weightOf(models[0].Weights, i)
		for m, b := range models {
			add(m*eceBins+widthBin(b.Scores[i], eceBins), w*(float64(b.Labels[i])-b.Scores[i]))
		}
		add(last, w)
	}, value: func(sums []float64) float64 {
		return difference(sums, func(sums []float64, m int) float64 {
			sum := 0.0
			for _, v := range sums[m*eceBins : (m+1)*eceBins] {
				sum += math.Abs(v)
			}
			return ratio(sum, sums[last])
		}, len(models))
	}}
}

// countsSummary sums cells of label and decisions: of two models the eight that label, a and b make.
func countsSummary(models []Binary, metric Metric, threshold float64) summary {
	of := func(sums []float64, m int) float64 {
		var c Counts
		for cell, w := range sums {
			c.count(int32(cell>>len(models)), int32(cell>>m&1), w)
		}
		v, _ := c.Value(metric) // known already
		return v
	}
	return summary{size: 2 << len(models), row: func(i int, add func(int, float64)) {
		cell := int(models[0].Labels[i]) << len(models)
		for m, b := range models {
			if b.Scores[i] >= threshold {
				cell |= 1 << m
			}
		}
		add(cell, weightOf(models[0].Weights, i))
	}, value: func(sums []float64) float64 { return difference(sums, of, len(models)) }}
}

// regressionSummary is nil for metrics that are no function of sums.
func regressionSummary(models []Regression, metric Metric, quantile float64) *summary {
	y, weights := models[0].Actual, models[0].Weights
	mean := func(loss func(y, p float64) float64) *summary {
		s := meanSummary(len(models), weights, func(m, i int) float64 { return loss(y[i], models[m].Predicted[i]) })
		return &s
	}
	switch metric {
	case MAE:
		return mean(absoluteError)
	case MAPE:
		return mean(percentageError)
	case SMAPE:
		return mean(symmetricError)
	case Bias:
		return mean(signedError)
	case QuantileLoss:
		return mean(pinball(quantile))
	case RMSE:
		s := mean(squaredError)
		s.value = func(sums []float64) float64 {
			return difference(sums, func(sums []float64, m int) float64 { return math.Sqrt(ratio(sums[m], sums[len(models)])) }, len(models))
		}
		return s
	case R2:
		return r2Summary(models)
	default:
		return nil
	}
}

// r2Summary sums squared errors, weights, and labels around their mean, so that the variance cancels little.
func r2Summary(models []Regression) *summary {
	y, weights, k := models[0].Actual, models[0].Weights, len(models)
	center := weightedMean(len(y), weights, func(i int) float64 { return y[i] })
	return &summary{size: k + 3, row: func(i int, add func(int, float64)) {
		w, d := weightOf(weights, i), y[i]-center
		for m := range models {
			add(m, w*squaredError(y[i], models[m].Predicted[i]))
		}
		add(k, w)
		add(k+1, w*d)
		add(k+2, w*d*d)
	}, value: func(sums []float64) float64 {
		around := sums[k+2] - ratio(sums[k+1]*sums[k+1], sums[k])
		return difference(sums, func(sums []float64, m int) float64 { return 1 - ratio(sums[m], around) }, k)
	}}
}

// classSummary sums for each class its labels, and for each model its predictions and how many of them are right.
func classSummary(labels []int32, models [][]int32, classes int, weights []float64, value func(classTotals) float64) summary {
	at := func(m int) (right, predicted int) { return classes * (1 + 2*m), classes * (2 + 2*m) }
	return summary{size: classes * (1 + 2*len(models)), row: func(i int, add func(int, float64)) {
		w := weightOf(weights, i)
		add(int(labels[i]), w)
		for m, p := range models {
			right, predicted := at(m)
			add(predicted+int(p[i]), w)
			if p[i] == labels[i] {
				add(right+int(p[i]), w)
			}
		}
	}, value: func(sums []float64) float64 {
		return difference(sums, func(sums []float64, m int) float64 {
			right, predicted := at(m)
			return value(classTotals{sums[:classes], sums[right : right+classes], sums[predicted : predicted+classes]})
		}, len(models))
	}}
}

// fairnessSummary sums the cells of each group, or for calibration the gaps of its bins and its weight.
func (g Grouped) fairnessSummary(codes []int32, groups int, measure FairnessMeasure) summary {
	each := 4
	if measure == CalibrationDifference {
		each = eceBins + 1
	}
	scratch := func() []GroupCounts { return make([]GroupCounts, groups) }
	return summary{size: groups * each, row: func(i int, add func(int, float64)) {
		w, first := weightOf(g.Weights, i), int(codes[i])*each
		if measure == CalibrationDifference {
			add(first+widthBin(g.Scores[i], eceBins), w*(float64(g.Labels[i])-g.Scores[i]))
			add(first+eceBins, w)
			return
		}
		add(first+int(2*g.Labels[i]+g.Predicted[i]), w)
	}, value: func(sums []float64) float64 {
		all := scratch()
		for k := range all {
			part := sums[k*each : (k+1)*each]
			if measure != CalibrationDifference {
				all[k].Counts = Counts{TN: part[0], FP: part[1], FN: part[2], TP: part[3]}
				continue
			}
			for _, v := range part[:eceBins] {
				all[k].ECE += math.Abs(v)
			}
			all[k].ECE = ratio(all[k].ECE, part[eceBins])
		}
		v, _ := fairness(all, measure) // known already
		return v
	}}
}
