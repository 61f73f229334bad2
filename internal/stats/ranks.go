package stats

import "math"

// A curve is an area that depends only on the weight of positives and of negatives at each rank, from the highest score down.
type curve struct {
	// area takes the histogram; mixed says of a bin that it holds several scores, whose rows are then spread evenly over it.
	area func(pos, neg []float64, mixed []bool) float64
	// influence is the derivative of the area by the weight of each row, times that weight.
	influence func(b Binary, order []int32, area float64) []float64
}

func curveOf(metric Metric) curve {
	if metric == ROCAUC {
		return curve{rocArea, Binary.placements}
	}
	return curve{precisionArea, Binary.precisionInfluence}
}

func rocArea(pos, neg []float64, _ []bool) float64 {
	var won, above, below float64
	for i, p := range pos {
		won += neg[i] * (above + p/2)
		above += p
		below += neg[i]
	}
	return ratio(won, above*below)
}

func precisionArea(pos, neg []float64, mixed []bool) float64 {
	var sum, above, all float64
	for i, p := range pos {
		here := p + neg[i]
		switch {
		case p == 0:
		case !mixed[i]:
			sum += p * (above + p) / (all + here)
		case all == 0:
			sum += p * p / here
		default: // the mean precision while the bin fills up: the integral of (above + x p)/(all + x here) over x in 0..1
			share := p / here
			sum += p * (share + (above-all*share)/here*math.Log1p(here/all))
		}
		above += p
		all += here
	}
	return ratio(sum, above)
}

// precisionInfluence is that of the average precision, for rows in ascending order of scores. A positive adds its own precision and raises that of all positives
// not above it; a negative lowers these.
func (b Binary) precisionInfluence(order []int32, area float64) []float64 {
	ties := b.ties(order)
	gain, loss := make([]float64, len(ties)), make([]float64, len(ties))
	pos, all := 0.0, 0.0
	for i, t := range ties {
		pos += t.pos
		if all += t.pos + t.neg; all > 0 {
			gain[i], loss[i] = pos/all, t.pos/(all*all)*pos
		}
	}
	total := pos
	raise, lower := 0.0, 0.0
	for i := len(ties) - 1; i >= 0; i-- {
		if gain[i] > 0 {
			raise += loss[i] / gain[i] * (1 - gain[i]) // p (N-T)/N^2
		}
		lower += loss[i]
		gain[i], loss[i] = gain[i]+raise-area, lower
	}
	influence := make([]float64, len(order))
	b.eachTie(order, func(tie int, i int32) {
		v := gain[tie]
		if b.Labels[i] == 0 {
			v = -loss[tie]
		}
		influence[i] = weightOf(b.Weights, int(i)) * v / total
	})
	return influence
}

// Influence is how much each row moves the area under a curve, ROCAUC or PRAUC: the derivative of the area by the row's weight, times that
// weight. Nil when the area is not defined.
func (b Binary) Influence(metric Metric) ([]float64, error) {
	if metric != ROCAUC && metric != PRAUC {
		return nil, problem(-1, "%q is no area under a curve", string(metric))
	}
	if err := b.check(false); err != nil {
		return nil, err
	}
	order := ascending(b.Scores)
	area := b.area(order, metric)
	if math.IsNaN(area) {
		return nil, nil
	}
	return curveOf(metric).influence(b, order, area), nil
}

// axis is the bins of one model's ranks.
type axis struct {
	bin   []int32 // of each row
	mixed []bool  // of each bin, see curve
}

// fewPositives have bins of their own, each followed by one of the negatives down to the next: areas of these bins are exact.
const fewPositives = 130

// newAxis makes a bin of each score, or coarse bins. These are exact for fewPositives; of more they grow with their rank, each taking as
// many rows as 1/8 of those above it.
func (b Binary) newAxis(order []int32, coarse bool) axis {
	a := axis{bin: make([]int32, len(order))}
	ties := b.ties(order)
	positives := 0
	for _, y := range b.Labels {
		positives += int(y)
	}
	exact := positives <= fewPositives
	rank, edge, last := 0, 0, -1
	b.eachTie(order, func(tie int, i int32) {
		if tie != last {
			own := exact && (ties[tie].pos > 0 || tie == 0 || ties[tie-1].pos > 0)
			switch {
			case !coarse || own || !exact && rank >= edge:
				a.mixed = append(a.mixed, false)
				edge = max(rank+1, rank*9/8)
			default:
				a.mixed[len(a.mixed)-1] = !exact
			}
			last = tie
		}
		a.bin[i] = int32(len(a.mixed) - 1)
		rank++
	})
	return a
}

// rankSummary bootstraps an area of one model or the difference of two. Up to exactUnits rows have bins of single scores, and each resample is the exact area. Of more rows bins are
// coarse and one more sum carries, row by row, what they miss to first order: the influence of the row on the true area less
// that on the binned one. What remains is the second-order part inside bins.
func rankSummary(models []Binary, orders [][]int32, metric Metric) (summary, []float64) {
	n := len(models[0].Labels)
	shape := curveOf(metric)
	coarse := n > exactUnits
	axes, values := make([]axis, len(models)), make([]float64, len(models))
	first := make([]int, len(models)+1) // of the sums of each model: positives, then negatives
	for m, b := range models {
		axes[m] = b.newAxis(orders[m], coarse)
		values[m] = b.area(orders[m], metric)
		first[m+1] = first[m] + 2*len(axes[m].mixed)
	}
	size := first[len(models)]
	binned := func(sums []float64, m int) float64 {
		k := len(axes[m].mixed)
		return shape.area(sums[first[m]:first[m]+k], sums[first[m]+k:first[m+1]], axes[m].mixed)
	}
	place := func(m, i int) int {
		return first[m] + int(axes[m].bin[i]) + int(1-models[m].Labels[i])*len(axes[m].mixed)
	}
	s := summary{size: size, row: func(i int, add func(int, float64)) {
		for m := range models {
			add(place(m, i), weightOf(models[m].Weights, i))
		}
	}, value: func(sums []float64) float64 { return difference(sums, binned, len(models)) }}
	if !coarse {
		return s, values
	}
	whole := make([]float64, size)
	for i := range n {
		s.row(i, func(at int, v float64) { whole[at] += v })
	}
	missed := make([]float64, n)
	for m, b := range models {
		sign := 1.0 - 2*float64(m)
		slope := slopes(whole[first[m]:first[m+1]], func(part []float64) float64 {
			return shape.area(part[:len(part)/2], part[len(part)/2:], axes[m].mixed)
		})
		for i, v := range shape.influence(b, orders[m], values[m]) {
			missed[i] += sign * (v - weightOf(b.Weights, i)*slope[place(m, i)-first[m]])
		}
	}
	offset := -s.value(whole)
	for m, v := range values {
		offset += v * (1 - 2*float64(m))
	}
	coarseRow, coarseValue := s.row, s.value
	s.size++
	s.row = func(i int, add func(int, float64)) {
		coarseRow(i, add)
		add(size, missed[i])
	}
	s.value = func(sums []float64) float64 { return coarseValue(sums) + sums[size] + offset }
	return s, values
}

// difference is the value of one model, or of the first less the second.
func difference(sums []float64, value func(sums []float64, model int) float64, models int) float64 {
	v := value(sums, 0)
	if models == 2 {
		v -= value(sums, 1)
	}
	return v
}

// slopes is the derivative of f by each number, by central differences of 1e-4 of it.
func slopes(at []float64, f func([]float64) float64) []float64 {
	all := make([]float64, len(at))
	for i, v := range at {
		if v == 0 {
			continue
		}
		step := v * 1e-4
		at[i] = v + step
		high := f(at)
		at[i] = v - step
		all[i] = (high - f(at)) / (2 * step)
		at[i] = v
	}
	return all
}
