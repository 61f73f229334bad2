package stats

import "math"

// Average says how the values of several classes become one, in the words of scikit-learn.
type Average string

// The averages.
const (
	Macro    Average = "macro"    // the plain mean over classes
	Micro    Average = "micro"    // from the counts of all classes together
	Weighted Average = "weighted" // the mean over classes, weighted by the rows that have the class as label (the support)
)

// Confusion is a weighted confusion matrix of n rows.
type Confusion struct {
	Classes int
	Cells   []float64 // Classes x Classes, row-major: the row is the label, the column the prediction
}

// NewConfusion counts labels against predictions: class codes 0..classes-1, weights nil or one a row.
func NewConfusion(labels, predicted []int32, classes int, weights []float64) (Confusion, error) {
	if classes < 1 || classes > 1<<12 {
		return Confusion{}, problem(-1, "%d classes", classes)
	}
	n := len(labels)
	if err := checkCodes("label", labels, n, classes); err != nil {
		return Confusion{}, err
	}
	if err := checkCodes("prediction", predicted, n, classes); err != nil {
		return Confusion{}, err
	}
	if err := checkWeights(weights, n); err != nil {
		return Confusion{}, err
	}
	c := Confusion{Classes: classes, Cells: make([]float64, classes*classes)}
	for i, y := range labels {
		c.Cells[int(y)*classes+int(predicted[i])] += weightOf(weights, i)
	}
	return c, nil
}

// Counts is one class against the rest: weighted true and false positives and negatives. Rates are NaN when their denominator is zero.
type Counts struct{ TP, FP, FN, TN float64 }

// Of counts one class as positive and the rest as negative.
func (c Confusion) Of(class int) Counts {
	var r Counts
	for i := range c.Classes {
		for j := range c.Classes {
			v := c.Cells[i*c.Classes+j]
			switch {
			case i == class && j == class:
				r.TP += v
			case i == class:
				r.FN += v
			case j == class:
				r.FP += v
			default:
				r.TN += v
			}
		}
	}
	return r
}

// Total is the weight of all rows.
func (c Counts) Total() float64 { return c.TP + c.FP + c.FN + c.TN }

// Accuracy is (TP+TN)/total; NaN without rows.
func (c Counts) Accuracy() float64 { return ratio(c.TP+c.TN, c.Total()) }

// Precision is TP/(TP+FP), also the positive predictive value; NaN when nothing is predicted positive.
func (c Counts) Precision() float64 { return ratio(c.TP, c.TP+c.FP) }

// Recall is TP/(TP+FN), also sensitivity or the true positive rate; NaN without positive labels.
func (c Counts) Recall() float64 { return ratio(c.TP, c.TP+c.FN) }

// Specificity is TN/(TN+FP), the true negative rate; NaN without negative labels.
func (c Counts) Specificity() float64 { return ratio(c.TN, c.TN+c.FP) }

// FalsePositiveRate is FP/(FP+TN); NaN without negative labels.
func (c Counts) FalsePositiveRate() float64 { return ratio(c.FP, c.FP+c.TN) }

// NegativePredictiveValue is TN/(TN+FN); NaN when nothing is predicted negative.
func (c Counts) NegativePredictiveValue() float64 { return ratio(c.TN, c.TN+c.FN) }

// SelectionRate is the share predicted positive, (TP+FP)/total; NaN without rows.
func (c Counts) SelectionRate() float64 { return ratio(c.TP+c.FP, c.Total()) }

// Prevalence is the share of positive labels, (TP+FN)/total; NaN without rows.
func (c Counts) Prevalence() float64 { return ratio(c.TP+c.FN, c.Total()) }

// F1 is 2TP/(2TP+FP+FN), the harmonic mean of precision and recall; NaN when there is neither a positive label nor a positive prediction.
func (c Counts) F1() float64 { return ratio(2*c.TP, 2*c.TP+c.FP+c.FN) }

// BalancedAccuracy is the mean of recall and specificity; of the one that is defined when only one class occurs (as scikit-learn).
func (c Counts) BalancedAccuracy() float64 {
	return meanDefined(c.Recall(), c.Specificity())
}

// MCC is the Matthews correlation coefficient of the two classes; NaN when a row or a column of the table is empty
// (scikit-learn says 0 there).
func (c Counts) MCC() float64 {
	d := math.Sqrt(c.TP+c.FP) * math.Sqrt(c.TP+c.FN) * math.Sqrt(c.TN+c.FP) * math.Sqrt(c.TN+c.FN)
	return ratio(c.TP*c.TN-c.FP*c.FN, d)
}

func meanDefined(values ...float64) float64 {
	sum, n := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return ratio(sum, n)
}

// Total is the weight of all rows.
func (c Confusion) Total() float64 { return sum(c.Cells) }

// Support is the weight of the rows that have the class as label.
func (c Confusion) Support(class int) float64 {
	return sum(c.Cells[class*c.Classes : (class+1)*c.Classes])
}

func sum(values []float64) float64 {
	s := 0.0
	for _, v := range values {
		s += v
	}
	return s
}

// totals are what every metric below needs of the matrix.
func (c Confusion) totals() classTotals {
	t := classTotals{make([]float64, c.Classes), make([]float64, c.Classes), make([]float64, c.Classes)}
	for i := range c.Classes {
		t.right[i] = c.Cells[i*c.Classes+i]
		for j := range c.Classes {
			t.labels[i] += c.Cells[i*c.Classes+j]
			t.predicted[i] += c.Cells[j*c.Classes+i]
		}
	}
	return t
}

// Accuracy is the share of rows on the diagonal; NaN without rows.
func (c Confusion) Accuracy() float64 { return c.totals().accuracy() }

// BalancedAccuracy is the mean recall over the classes that occur as label, as scikit-learn's balanced_accuracy_score.
func (c Confusion) BalancedAccuracy() float64 { return c.totals().balancedAccuracy() }

// Precision averages TP/(TP+FP) over the classes that occur, with weight, as label or prediction. zeroDivision stands for 0/0 in one class, as
// scikit-learn's zero_division: 0 (its default), 1, or NaN, which leaves the class out of the mean.
func (c Confusion) Precision(average Average, zeroDivision float64) float64 {
	return c.totals().average(average, zeroDivision, precisionParts)
}

// Recall averages TP/(TP+FN) as Precision does its ratio.
func (c Confusion) Recall(average Average, zeroDivision float64) float64 {
	return c.totals().average(average, zeroDivision, recallParts)
}

// F1 averages 2TP/(2TP+FP+FN) as Precision does its ratio.
func (c Confusion) F1(average Average, zeroDivision float64) float64 {
	return c.totals().average(average, zeroDivision, f1Parts)
}

// MCC is the Matthews correlation coefficient of K classes, R_K of Gorodkin (2004); NaN when all labels or all predictions are of
// one class (scikit-learn says 0 there).
func (c Confusion) MCC() float64 { return c.totals().mcc() }

// Value is the metric of the matrix: Accuracy, BalancedAccuracy, MCC, and Precision, Recall and F1 by the average with 0/0 = 0.
func (c Confusion) Value(metric Metric, average Average) (float64, error) {
	return c.totals().value(metric, average)
}

// classTotals are the weights of each class as label, as right prediction and as prediction.
type classTotals struct{ labels, right, predicted []float64 }

func precisionParts(_, right, predicted float64) (above, below float64) { return right, predicted }
func recallParts(labels, right, _ float64) (above, below float64)       { return right, labels }
func f1Parts(labels, right, predicted float64) (above, below float64) {
	return 2 * right, labels + predicted
}

func (t classTotals) value(metric Metric, average Average) (float64, error) {
	switch metric {
	case Accuracy:
		return t.accuracy(), nil
	case BalancedAccuracy:
		return t.balancedAccuracy(), nil
	case MCC:
		return t.mcc(), nil
	case Precision:
		return t.average(average, 0, precisionParts), nil
	case Recall:
		return t.average(average, 0, recallParts), nil
	case F1:
		return t.average(average, 0, f1Parts), nil
	default:
		return 0, problem(-1, "%q is no metric of classes", string(metric))
	}
}

func (t classTotals) accuracy() float64 { return ratio(sum(t.right), sum(t.labels)) }

func (t classTotals) balancedAccuracy() float64 {
	recalls, classes := 0.0, 0.0
	for i, n := range t.labels {
		if n > 0 {
			recalls, classes = recalls+t.right[i]/n, classes+1
		}
	}
	return ratio(recalls, classes)
}

func (t classTotals) average(average Average, zeroDivision float64, parts func(labels, right, predicted float64) (above, below float64)) float64 {
	n := sum(t.labels)
	if n == 0 {
		return math.NaN()
	}
	if average == Micro {
		return ratio(parts(n, sum(t.right), sum(t.predicted)))
	}
	var total, weights float64
	for i, labels := range t.labels {
		if labels+t.predicted[i] == 0 {
			continue
		}
		above, below := parts(labels, t.right[i], t.predicted[i])
		v, weight := zeroDivision, 1.0
		if below != 0 {
			v = above / below
		}
		if average == Weighted {
			weight = labels
		}
		if !math.IsNaN(v) {
			total, weights = total+weight*v, weights+weight
		}
	}
	return ratio(total, weights)
}

func (t classTotals) mcc() float64 {
	n, right := sum(t.labels), sum(t.right)
	var cross, labels, predicted float64
	for i, l := range t.labels {
		p := t.predicted[i]
		cross, labels, predicted = cross+l*p, labels+l*l, predicted+p*p
	}
	return ratio(right*n-cross, math.Sqrt(n*n-predicted)*math.Sqrt(n*n-labels))
}
