// Package stats hides the numerics of model quality and of comparison: how each metric, interval, test and distance is computed,
// and which shortcuts make a bootstrap of a million rows cheap.
//
// Inputs are plain slices, one entry a row, that are never written to. Weights of nil mean one for each row; a weight is finite and not negative.
// Every function that takes rows answers an *InputError for slices of different lengths, NaN or infinite numbers, labels out of
// range and negative weights: these are mistakes of the caller, never values. A value that is not defined, such as the precision of a model that
// predicts no positive, is NaN and the docstring says when; nothing is filled in. No rows at all, or weights that
// are all zero, make every metric NaN without an error.
package stats

import (
	"fmt"
	"math"
)

// InputError says which row of the input cannot be used.
type InputError struct {
	Row     int    // counted from 0; -1 when no single row is at fault
	Problem string // e.g. "score is NaN"
}

func (e *InputError) Error() string {
	if e.Row < 0 {
		return e.Problem
	}
	return fmt.Sprintf("row %d: %s", e.Row, e.Problem)
}

func problem(row int, format string, args ...any) error {
	return &InputError{Row: row, Problem: fmt.Sprintf(format, args...)}
}

// checkLength holds that a slice has n entries.
func checkLength(name string, got, n int) error {
	if got != n {
		return problem(-1, "%d %s for %d rows", got, name, n)
	}
	return nil
}

// checkNumbers holds that there are n numbers and that each is finite.
func checkNumbers(name string, values []float64, n int) error {
	if err := checkLength(name+"s", len(values), n); err != nil {
		return err
	}
	for i, v := range values {
		if v-v != 0 { // NaN and infinities
			return problem(i, "%s is %v", name, v)
		}
	}
	return nil
}

// checkWeights holds that weights are nil or n finite numbers of at least zero.
func checkWeights(weights []float64, n int) error {
	if weights == nil {
		return nil
	}
	if err := checkNumbers("weight", weights, n); err != nil {
		return err
	}
	for i, w := range weights {
		if w < 0 {
			return problem(i, "weight is %v", w)
		}
	}
	return nil
}

// checkCodes holds that there are n codes in 0..classes-1.
func checkCodes(name string, codes []int32, n, classes int) error {
	if err := checkLength(name+"s", len(codes), n); err != nil {
		return err
	}
	for i, c := range codes {
		if c < 0 || int(c) >= classes {
			return problem(i, "%s is %d, not 0 to %d", name, c, classes-1)
		}
	}
	return nil
}

func weightOf(weights []float64, i int) float64 {
	if weights == nil {
		return 1
	}
	return weights[i]
}

// ratio is a/b, and NaN for 0/0 and for any division by zero: a share of nothing is not defined.
func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// weightedMean is the mean of f over n rows; NaN without weight. The sum is compensated, so that a million rows lose no digits.
func weightedMean(n int, weights []float64, f func(i int) float64) float64 {
	var sum, total accumulator
	for i := range n {
		w := weightOf(weights, i)
		if w == 0 {
			continue
		}
		sum.add(w * f(i))
		total.add(w)
	}
	return ratio(sum.value(), total.value())
}

// accumulator adds numbers with Neumaier's compensation.
type accumulator struct{ sum, lost float64 }

func (a *accumulator) add(v float64) {
	t := a.sum + v
	if math.Abs(a.sum) >= math.Abs(v) {
		a.lost += (a.sum - t) + v
	} else {
		a.lost += (v - t) + a.sum
	}
	a.sum = t
}

func (a *accumulator) value() float64 { return a.sum + a.lost }
