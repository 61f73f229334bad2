package gate

import (
	"math"

	"mlx/internal/stats"
)

// maxPoints bounds one line of a plot.
const maxPoints = 200

// plot is the curve behind a measure, of the candidate and, when it is compared, of production. Nil: the measure has none.
func (c quality) plot(sm *sample) (*Plot, error) {
	if !sm.g.binary || c.m.kind != ofScores || sm.oneClass() || sm.total() == 0 {
		return nil, nil
	}
	p := &Plot{Kind: c.m.name, Guide: &[4]float64{0, 0, 1, 1}}
	var line func(b stats.Binary) (x, y []float64, err error)
	switch c.m.name {
	case "roc_auc":
		p.Kind, p.XLabel, p.YLabel, line = "roc", "false positive rate", "true positive rate", rocLine
	case "pr_auc":
		p.Kind, p.XLabel, p.YLabel, p.Guide, line = "pr", "recall", "precision", nil, precisionLine
	case "ece", "calibration", "reliability", "brier", "log_loss":
		p.Kind, p.XLabel, p.YLabel, line = "calibration", "score", "share of positives", c.calibrationLine
	default:
		return nil, nil
	}
	for k, name := range []string{"candidate", "production"} {
		if k == len(sm.models) || k == 1 && c.r.Margin == nil {
			break
		}
		x, y, err := line(sm.asBinary(k))
		if err != nil {
			return nil, sm.explained(err, c.m)
		}
		p.Lines = append(p.Lines, PlotLine{Name: name, X: x, Y: y})
	}
	return p, nil
}

// calibrationLine is the share of positives over the score, in bins of equal numbers of rows.
func (c quality) calibrationLine(b stats.Binary) (x, y []float64, err error) {
	curve, err := b.CalibrationCurveMass(min(c.r.bins(curveBins), maxPoints))
	for _, bin := range curve {
		x, y = append(x, drawn(bin.Score)), append(y, drawn(bin.Positive))
	}
	return x, y, err
}

func rocLine(b stats.Binary) (x, y []float64, err error) {
	points := scorePoints(b)
	last := points[len(points)-1]
	for _, p := range thinned(points) {
		x, y = append(x, drawn(p[0]/last[0])), append(y, drawn(p[1]/last[1]))
	}
	return x, y, nil
}

func precisionLine(b stats.Binary) (x, y []float64, err error) {
	points := scorePoints(b)[1:]
	last := points[len(points)-1]
	for _, p := range thinned(points) {
		if p[0]+p[1] > 0 {
			x, y = append(x, drawn(p[1]/last[1])), append(y, drawn(p[1]/(p[0]+p[1])))
		}
	}
	return x, y, nil
}

// scorePoints are the weights of negatives and of positives above each score, from nothing to all.
func scorePoints(b stats.Binary) [][2]float64 {
	points := [][2]float64{{}}
	scoreTies(b.Labels, b.Scores, b.Weights, func(_ []int32, above, within [2]float64) {
		points = append(points, [2]float64{above[0] + within[0], above[1] + within[1]})
	})
	return points
}

// thinned keeps the first, the last and points spread evenly along both axes between.
func thinned(points [][2]float64) [][2]float64 {
	if len(points) <= maxPoints {
		return points
	}
	last := points[len(points)-1]
	along := func(p [2]float64) float64 { return p[0]/last[0] + p[1]/last[1] }
	kept := points[:1:1]
	for _, p := range points[1 : len(points)-1] {
		if along(p) >= along(kept[len(kept)-1])+2.0/(maxPoints-2) {
			kept = append(kept, p)
		}
	}
	return append(kept, last)
}

// drawn rounds to what a picture shows.
func drawn(v float64) float64 { return math.Round(v*1e4) / 1e4 }
