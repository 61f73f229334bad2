package gate

import (
	"math"
	"slices"
	"sort"

	"mlx/internal/stats"
)

// influence is how much each row moves a measure: the derivative of the value by the row's weight, times that weight. Its sum is zero, and
// the sum of its squares the variance of the value, over rows or over clusters. Nil: the measure has none that is known.
func (c quality) influence(sm *sample, model int, value float64) ([]float64, error) {
	switch {
	case c.m.name == "accuracy":
		right := c.loss(sm, model)
		return sm.meanInfluence(func(i int) float64 { return right(i) - value }), nil
	case c.m.kind == ofClasses:
		return c.matrixInfluence(sm, model)
	case c.m.kind == ofQueries:
		return c.queryInfluence(sm, model, value)
	case c.m.kind == ofNumbers:
		return c.numberInfluence(sm, model, value), nil
	case c.m.kind == ofRows:
		values := sm.g.table.means[c.r.Columns[0]]
		return sm.meanInfluence(func(i int) float64 { return values[sm.row(i)] - value }), nil
	case c.m.kind != ofScores:
		return nil, nil
	case !sm.g.binary:
		return c.multiInfluence(sm, model, value)
	}
	switch c.m.name {
	case "log_loss", "brier":
		loss := c.loss(sm, model)
		return sm.meanInfluence(func(i int) float64 { return loss(i) - value }), nil
	case "roc_auc", "pr_auc":
		return sm.asBinary(model).Influence(stats.Metric(c.m.name))
	}
	return c.binInfluence(sm, model, value)
}

// meanInfluence is that of a mean whose deviation in row i is given.
func (sm *sample) meanInfluence(deviation func(i int) float64) []float64 {
	all, total := make([]float64, sm.n), sm.total()
	for i := range all {
		all[i] = sm.weight(i) / total * deviation(i)
	}
	return all
}

// loss is what a measure is the mean of; nil when it is no mean.
func (c quality) loss(sm *sample, model int) func(i int) float64 {
	a := sm.models[model]
	switch c.m.name {
	case "accuracy":
		return func(i int) float64 {
			if a.predicted[i] == sm.labels[i] {
				return 1
			}
			return 0
		}
	case "log_loss":
		return func(i int) float64 {
			const least = 0x1p-52
			p := a.scores[i*a.width]
			if a.width > 1 {
				p = a.scores[i*a.width+int(sm.labels[i])]
			} else if sm.labels[i] == 0 {
				p = 1 - p
			}
			return -math.Log(min(max(p, least), 1-least))
		}
	case "brier":
		return func(i int) float64 {
			if a.width == 1 {
				d := a.scores[i] - float64(sm.labels[i])
				return d * d
			}
			sum := 0.0
			for k, p := range a.scores[i*a.width : (i+1)*a.width] {
				if k == int(sm.labels[i]) {
					p--
				}
				sum += p * p
			}
			return sum
		}
	}
	return c.distance(sm, model)
}

// distance is the loss of a prediction that is a number.
func (c quality) distance(sm *sample, model int) func(i int) float64 {
	y, p := sm.actual, sm.models[model].scores
	q := c.r.Quantile
	switch c.m.name {
	case "rmse":
		return func(i int) float64 { return (p[i] - y[i]) * (p[i] - y[i]) } // of its square
	case "mae":
		return func(i int) float64 { return math.Abs(p[i] - y[i]) }
	case "bias":
		return func(i int) float64 { return p[i] - y[i] }
	case "mape":
		return func(i int) float64 { return math.Abs(p[i]-y[i]) / max(math.Abs(y[i]), 0x1p-52) }
	case "smape":
		return func(i int) float64 {
			if y[i] == 0 && p[i] == 0 {
				return 0
			}
			return 2 * math.Abs(p[i]-y[i]) / (math.Abs(y[i]) + math.Abs(p[i]))
		}
	case "quantile_loss":
		return func(i int) float64 { return max(q*(y[i]-p[i]), (q-1)*(y[i]-p[i])) }
	}
	return nil
}

func (c quality) numberInfluence(sm *sample, model int, value float64) []float64 {
	loss := c.loss(sm, model)
	switch {
	case c.m.name == "rmse" && value > 0:
		return sm.meanInfluence(func(i int) float64 { return (loss(i) - value*value) / (2 * value) })
	case c.m.name == "r2":
		return c.r2Influence(sm, model, value)
	case loss != nil:
		return sm.meanInfluence(func(i int) float64 { return loss(i) - value })
	}
	return nil
}

func (c quality) r2Influence(sm *sample, model int, value float64) []float64 {
	y, p := sm.actual, sm.models[model].scores
	total, center, variance := sm.total(), 0.0, 0.0
	for i := range y {
		center += sm.weight(i) / total * y[i]
	}
	for i := range y {
		variance += sm.weight(i) / total * (y[i] - center) * (y[i] - center)
	}
	if variance == 0 {
		return nil
	}
	return sm.meanInfluence(func(i int) float64 {
		e, d := p[i]-y[i], y[i]-center
		return (1-value)*(d*d)/variance - e*e/variance
	})
}

// queryInfluence parts that of each query, whose value counts as one of the mean, evenly among its rows.
func (c quality) queryInfluence(sm *sample, model int, value float64) ([]float64, error) {
	per, err := sm.asRanking(model).PerQuery(c.ranking(), c.r.firstK())
	if err != nil {
		return nil, err
	}
	rows, of := map[int32]float64{}, make(map[int32]float64, len(per))
	for _, q := range sm.queries {
		rows[q]++
	}
	for _, q := range per {
		if math.IsNaN(q.Value) {
			q.Value = 0 // no row of it is relevant
		}
		of[q.Query] = (q.Value - value) / float64(len(per)) / rows[q.Query]
	}
	all := make([]float64, sm.n)
	for i, q := range sm.queries {
		all[i] = of[q]
	}
	return all, nil
}

// maxMatrix is the number of classes up to which a matrix of counts is derived cell by cell.
const maxMatrix = 40

// matrixInfluence derives a measure by the count of each cell.
func (c quality) matrixInfluence(sm *sample, model int) ([]float64, error) {
	m, err := c.matrix(sm, model)
	if err != nil || m.Classes > maxMatrix || m.Total() == 0 {
		return nil, err
	}
	step := 1e-5 * m.Total()
	slopes := make([]float64, len(m.Cells))
	for i, count := range m.Cells {
		if count == 0 {
			continue
		}
		at := func(v float64) float64 {
			moved := m
			moved.Cells = slices.Clone(m.Cells)
			moved.Cells[i] = v
			f, _ := c.ofMatrix(sm.g, moved) // the name was used before
			return f
		}
		below := max(count-step, 0)
		slopes[i] = (at(count+step) - at(below)) / (count + step - below)
	}
	all, predicted := make([]float64, sm.n), sm.models[model].predicted
	for i := range all {
		all[i] = sm.weight(i) * slopes[int(sm.labels[i])*m.Classes+int(predicted[i])]
	}
	return all, nil
}

// binInfluence is that of measures of calibration, the bins as they are.
func (c quality) binInfluence(sm *sample, model int, value float64) ([]float64, error) {
	b := sm.asBinary(model)
	var curve []stats.CalibrationBin
	var err error
	if c.m.name == "calibration" {
		curve, err = b.CalibrationCurveMass(c.r.bins(curveBins))
	} else {
		curve, err = b.CalibrationCurve(c.r.bins(defaultBins))
	}
	if err != nil || len(curve) == 0 {
		return nil, err
	}
	worst, _ := worstBin(curve)
	total, base := sm.total(), 0.0
	for _, bin := range curve {
		base += bin.Weight / total * bin.Positive
	}
	return sm.meanInfluence(func(i int) float64 {
		y, s := float64(b.Labels[i]), b.Scores[i]
		at := min(sort.Search(len(curve), func(k int) bool { return curve[k].Upper >= s }), len(curve)-1)
		bin := curve[at]
		gap, lift := bin.Score-bin.Positive, bin.Positive-base
		switch c.m.name {
		case "ece":
			return math.Copysign(1, gap)*(s-y) - value
		case "calibration":
			if at != worst {
				return 0
			}
			return total / bin.Weight * math.Copysign(1, gap) * ((s - bin.Score) - (y - bin.Positive))
		case "reliability":
			return gap*gap + 2*gap*((s-bin.Score)-(y-bin.Positive)) - value
		case "resolution":
			return lift*lift + 2*lift*(y-bin.Positive) - value
		}
		return (1 - 2*base) * (y - base)
	}), nil
}

// multiInfluence is that of measures of the scores of several classes.
func (c quality) multiInfluence(sm *sample, model int, value float64) ([]float64, error) {
	if loss := c.loss(sm, model); loss != nil {
		return sm.meanInfluence(func(i int) float64 { return loss(i) - value }), nil
	}
	if c.m.name == "ece" || c.r.Stat == "ovo" {
		return nil, nil
	}
	a := sm.models[model]
	all := make([]float64, sm.n)
	one, scores := make([]int32, sm.n), make([]float64, sm.n)
	for k := range a.width {
		support := 0.0
		for i, y := range sm.labels {
			one[i] = 0
			if int(y) == k {
				one[i], support = 1, support+sm.weight(i)
			}
			scores[i] = a.scores[i*a.width+k]
		}
		moved, err := stats.Binary{Labels: one, Scores: scores, Weights: sm.weights}.Influence(stats.Metric(c.m.name))
		if err != nil {
			return nil, err
		}
		share := 1 / float64(a.width)
		if c.r.Average == "weighted" {
			share = support / sm.total()
		}
		for i, v := range moved {
			all[i] += share * v
		}
	}
	return all, nil
}
