package gate

import "math"

// maxPoints bounds one line of a plot.
const maxPoints = 200

// plot is the curve behind a measure, of the candidate and, when it is compared, of production. Nil: the measure has none.
func (c quality) plot(sm *sample) (*Plot, error) {
	if !sm.g.binary || c.m.kind != ofScores || sm.oneClass() || sm.total() == 0 {
		return nil, nil
	}
	p := &Plot{Kind: c.m.name, Guide: &[4]float64{0, 0, 1, 1}}
	var line func(sm *sample, model int) (x, y []float64, err error)
	switch c.m.name {
	case "roc_auc":
		p.Kind, p.XLabel, p.YLabel, line = "roc", "false positive rate", "true positive rate", rocLine
	case "pr_auc":
		p.Kind, p.XLabel, p.YLabel, p.Guide, line = "pr", "recall", "precision", nil, precisionLine
	case "ece", "calibration", "reliability":
		p.Kind, p.XLabel, p.YLabel, line = "calibration", "score", "share of positives", c.calibrationLine
	default:
		return nil, nil
	}
	for k, name := range []string{"candidate", "production"} {
		if k == len(sm.models) || k == 1 && c.r.Margin == nil {
			break
		}
		x, y, err := line(sm, k)
		if err != nil {
			return nil, sm.explained(err, c.m)
		}
		p.Lines = append(p.Lines, PlotLine{Name: name, X: x, Y: y})
	}
	return p, nil
}

// calibrationLine is the share of positives over the score, in the bins of the measure.
func (c quality) calibrationLine(sm *sample, model int) (x, y []float64, err error) {
	bins := sm.asBinary(model).CalibrationCurve
	or := defaultBins
	if c.m.name == "calibration" {
		bins, or = sm.asBinary(model).CalibrationCurveMass, curveBins
	}
	curve, err := bins(min(c.r.bins(or), maxPoints))
	for _, bin := range curve {
		x, y = append(x, drawn(bin.Score)), append(y, drawn(bin.Positive))
	}
	return x, y, err
}

func rocLine(sm *sample, model int) (x, y []float64, err error) {
	points, last, err := sm.scorePoints(model)
	for _, p := range append([][2]float64{{}}, points...) {
		x, y = append(x, drawn(p[0]/last[0])), append(y, drawn(p[1]/last[1]))
	}
	return x, y, err
}

func precisionLine(sm *sample, model int) (x, y []float64, err error) {
	points, last, err := sm.scorePoints(model)
	for _, p := range points {
		if p[0]+p[1] > 0 {
			x, y = append(x, drawn(p[1]/last[1])), append(y, drawn(p[1]/(p[0]+p[1])))
		}
	}
	return x, y, err
}

// scorePoints are the weights of negatives and of positives at or above a score, from the highest score to the lowest: at most maxPoints
// less one, spread evenly along both axes, with the first and the last among them.
func (sm *sample) scorePoints(model int) (points [][2]float64, last [2]float64, err error) {
	for i, y := range sm.labels {
		last[y] += sm.weight(i)
	}
	along := func(p [2]float64) float64 { return p[0]/last[0] + p[1]/last[1] }
	const apart = 2.0 / (maxPoints - 3)
	reached, p := math.Inf(-1), [2]float64{}
	err = sm.asBinary(model).Ties(func(pos, neg float64) {
		p[0], p[1] = p[0]+neg, p[1]+pos
		if at := along(p); at >= reached+apart || at > 2-1e-9 && reached < at {
			points, reached = append(points, p), at
		}
	})
	return points, last, err
}

// drawn rounds to what a picture shows.
func drawn(v float64) float64 { return math.Round(v*1e4) / 1e4 }
