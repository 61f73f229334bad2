package stats

import "math"

// Regression is n rows of numbers and their predictions. Errors are predicted - actual.
type Regression struct {
	Actual    []float64
	Predicted []float64
	Weights   []float64 // nil: one each
}

func (r Regression) check() error {
	n := len(r.Actual)
	if err := checkNumbers("label", r.Actual, n); err != nil {
		return err
	}
	if err := checkNumbers("prediction", r.Predicted, n); err != nil {
		return err
	}
	return checkWeights(r.Weights, n)
}

func (r Regression) mean(f func(actual, predicted float64) float64) (float64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	return weightedMean(len(r.Actual), r.Weights, func(i int) float64 { return f(r.Actual[i], r.Predicted[i]) }), nil
}

func squaredError(y, p float64) float64  { return (p - y) * (p - y) }
func absoluteError(y, p float64) float64 { return math.Abs(p - y) }
func signedError(y, p float64) float64   { return p - y }

// MSE is the mean squared error.
func (r Regression) MSE() (float64, error) { return r.mean(squaredError) }

// RMSE is the square root of the mean squared error.
func (r Regression) RMSE() (float64, error) {
	v, err := r.MSE()
	return math.Sqrt(v), err
}

// MAE is the mean absolute error.
func (r Regression) MAE() (float64, error) { return r.mean(absoluteError) }

// Bias is the mean error, predicted - actual: above zero for predictions that are too high.
func (r Regression) Bias() (float64, error) {
	return r.mean(signedError)
}

// MAPE is the mean of |p-y|/max(|y|, 2^-52), a share and not percent, as scikit-learn: huge when an actual value is zero.
func (r Regression) MAPE() (float64, error) { return r.mean(percentageError) }

func percentageError(y, p float64) float64 { return math.Abs(p-y) / max(math.Abs(y), epsilon) }

// SMAPE is the mean of 2|p-y|/(|y|+|p|), in [0,2]; a row where both are zero counts 0 (Makridakis 1993).
func (r Regression) SMAPE() (float64, error) { return r.mean(symmetricError) }

func symmetricError(y, p float64) float64 {
	if y == 0 && p == 0 {
		return 0
	}
	return 2 * math.Abs(p-y) / (math.Abs(y) + math.Abs(p))
}

// QuantileLoss is the mean pinball loss for a quantile in (0,1): q(y-p) when the prediction is low, (1-q)(p-y) when it is high, as
// scikit-learn's mean_pinball_loss.
func (r Regression) QuantileLoss(quantile float64) (float64, error) {
	if !(quantile > 0 && quantile < 1) {
		return 0, problem(-1, "quantile %v is not between 0 and 1", quantile)
	}
	return r.mean(pinball(quantile))
}

func pinball(q float64) func(y, p float64) float64 {
	return func(y, p float64) float64 { return max(q*(y-p), (q-1)*(y-p)) }
}

// R2 is 1 - sum of squared errors / sum of squares around the weighted mean, the coefficient of determination. NaN for fewer than two
// rows and when all actual values are equal (scikit-learn then says 1 or 0).
func (r Regression) R2() (float64, error) {
	mse, err := r.MSE()
	if err != nil {
		return 0, err
	}
	center := weightedMean(len(r.Actual), r.Weights, func(i int) float64 { return r.Actual[i] })
	variance := weightedMean(len(r.Actual), r.Weights, func(i int) float64 { return squaredError(r.Actual[i], center) })
	if len(r.Actual) < 2 {
		return math.NaN(), nil
	}
	return 1 - ratio(mse, variance), nil
}

// MaxError is the largest absolute error among the rows with weight; NaN without.
func (r Regression) MaxError() (float64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	worst := math.NaN()
	for i, y := range r.Actual {
		if e := absoluteError(y, r.Predicted[i]); weightOf(r.Weights, i) > 0 && !(e <= worst) {
			worst = e
		}
	}
	return worst, nil
}

// MedianAE is the median absolute error. Without weights the mean of the two middle values of an even number; with weights the
// mean of the lower and the upper weighted median, as scikit-learn since 1.8.
func (r Regression) MedianAE() (float64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	errors := r.absoluteErrors()
	return medianOf(errors, ascending(errors), r.Weights), nil
}

func (r Regression) absoluteErrors() []float64 {
	errors := make([]float64, len(r.Actual))
	for i, y := range r.Actual {
		errors[i] = absoluteError(y, r.Predicted[i])
	}
	return errors
}

func medianOf(values []float64, order []int32, weights []float64) float64 {
	total := 0.0
	for i := range values {
		total += weightOf(weights, i)
	}
	if total == 0 {
		return math.NaN()
	}
	sum, lower := 0.0, math.NaN()
	for _, i := range order {
		w := weightOf(weights, int(i))
		if w == 0 {
			continue
		}
		if !math.IsNaN(lower) {
			return (lower + values[i]) / 2
		}
		sum += w
		if sum > total/2 {
			return values[i]
		}
		if sum == total/2 {
			lower = values[i]
		}
	}
	return lower
}
