package stats

import "math"

// AUC bounds the area under the ROC curve by DeLong's variance (DeLong et al. 1988) with normal quantiles, cut to [0,1]: two-sided at
// level. NaN bounds for fewer than two rows of a class.
func (b Binary) AUC(level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	p := BinaryPair{Labels: b.Labels, A: b.Scores, B: make([]float64, len(b.Scores)), Weights: b.Weights}
	c, err := p.DeLong(Design{})
	if err != nil {
		return Interval{}, err
	}
	half := normalQuantile((1+level)/2) * c.SE
	return Interval{c.A, max(c.A-half, 0), min(c.A+half, 1)}, nil
}

// DeLong compares the areas under the ROC curves of two models on the same rows (DeLong et al. 1988, in O(n log n) as Sun and Xu 2014).
// Clusters sum the placements of their rows first (Obuchowski 1997), with t quantiles of clusters - 1 degrees of freedom. Weights are taken as shares of a population: the variance is
// the linearised one.
func (p BinaryPair) DeLong(d Design) (Comparison, error) {
	n := len(p.Labels)
	a, b := p.models()
	if err := p.check(false); err != nil {
		return Comparison{}, err
	}
	d, err := d.filled(n)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Rows: n, Units: n, Level: d.Level, Method: "DeLong"}
	orderA, orderB := ascending(a.Scores), ascending(b.Scores)
	c.A, c.B = a.area(orderA, ROCAUC), b.area(orderB, ROCAUC)
	c.Diff = c.A - c.B
	if math.IsNaN(c.Diff) {
		return c.cannotTell("only one class"), nil
	}
	// The influence of a row on an area: its placement less the area, over the weight of its class.
	influence := a.placements(orderA, c.A)
	for i, v := range b.placements(orderB, c.B) {
		influence[i] -= v
	}
	return c.fromInfluence(p.Labels, influence, d), nil
}

// placements is the influence of each row: for a positive the share of negatives that it beats, for a negative the share of
// positives that beat it, each less the area, times weight over the weight of the class.
func (b Binary) placements(order []int32, area float64) []float64 {
	below := b.ties(order) // in place: the weight below each tie and half of its own
	var pos, neg accumulator
	for at := len(below) - 1; at >= 0; at-- {
		own := below[at]
		below[at] = tie{pos.value() + own.pos/2, neg.value() + own.neg/2}
		pos.add(own.pos)
		neg.add(own.neg)
	}
	m, k := pos.value(), neg.value()
	influence := make([]float64, len(order))
	b.eachTie(order, func(tie int, i int32) {
		w := weightOf(b.Weights, int(i))
		if b.Labels[i] == 1 {
			influence[i] = w / m * (below[tie].neg/k - area)
		} else {
			influence[i] = w / k * (1 - below[tie].pos/m - area)
		}
	})
	return influence
}

// fromInfluence bounds a difference whose rows have these influences, that sum to zero in each class.
func (c Comparison) fromInfluence(labels []int32, influence []float64, d Design) Comparison {
	if d.Clusters != nil {
		return c.clustered(influence, d)
	}
	var squares, count [2]float64
	for i, v := range influence {
		squares[labels[i]] += v * v
		count[labels[i]]++
	}
	if count[0] < 2 || count[1] < 2 {
		return c.cannotTell("%v rows of a class, at least 2 needed", min(count[0], count[1]))
	}
	variance := squares[0]*count[0]/(count[0]-1) + squares[1]*count[1]/(count[1]-1)
	return c.bound(math.Sqrt(variance), skewness(influence), math.Inf(1), d.Level)
}

// clustered bounds by the sums of influences over clusters.
func (c Comparison) clustered(influence []float64, d Design) Comparison {
	codes, groups := dense(d.Clusters)
	c.Units = groups
	c.Method += ", cluster-robust"
	if groups < MinClusters {
		return c.cannotTell("%d clusters, at least %d needed", groups, MinClusters)
	}
	sums := make([]float64, groups)
	for i, v := range influence {
		sums[codes[i]] += v
	}
	variance := 0.0
	for _, v := range sums {
		variance += v * v
	}
	g := float64(groups)
	return c.bound(math.Sqrt(variance*g/(g-1)), skewness(sums), g-1, d.Level)
}
