package stats

import (
	"cmp"
	"math"
	"slices"
)

// Bonferroni returns p-values adjusted for their number: min(1, p m). NaN stays NaN and is not counted, as in R's p.adjust.
func Bonferroni(p []float64) []float64 {
	return adjust(p, func(sorted []float64) {
		for i := range sorted {
			sorted[i] = min(1, sorted[i]*float64(len(sorted)))
		}
	})
}

// Holm returns p-values adjusted by Holm's (1979) step-down, which controls the chance of any false rejection. NaN as Bonferroni.
func Holm(p []float64) []float64 {
	return adjust(p, func(sorted []float64) {
		worst := 0.0
		for i := range sorted {
			worst = max(worst, sorted[i]*float64(len(sorted)-i))
			sorted[i] = min(1, worst)
		}
	})
}

// BenjaminiHochberg returns p-values adjusted by the step-up of Benjamini and Hochberg (1995), which controls the share of false
// rejections. NaN as Bonferroni.
func BenjaminiHochberg(p []float64) []float64 {
	return adjust(p, func(sorted []float64) {
		best := 1.0
		for i := len(sorted) - 1; i >= 0; i-- {
			best = min(best, sorted[i]*float64(len(sorted))/float64(i+1))
			sorted[i] = best
		}
	})
}

// adjust gives the numbers in ascending order to rule and puts its answers back into their places.
func adjust(p []float64, rule func(sorted []float64)) []float64 {
	var order []int32
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(i, j int32) int { return cmp.Compare(p[i], p[j]) })
	sorted := make([]float64, len(order))
	for at, i := range order {
		sorted[at] = p[i]
	}
	rule(sorted)
	all := slices.Clone(p)
	for at, i := range order {
		all[i] = sorted[at]
	}
	return all
}
