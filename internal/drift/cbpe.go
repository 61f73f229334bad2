package drift

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/gate"
	"mlx/internal/stats"
)

// Unlabelled estimates accuracy, ROC-AUC and Brier score of all predictions of the window without their outcomes: confidence-based
// performance estimation, as NannyML has it. A score, calibrated on the reference, is the chance that the outcome is positive; so it is
// known how many of the predictions are expected to be right. That holds as long as scores mean what they meant: what the model never
// learnt, such as a season, it does not see.
//
// The threshold is learnt: the mean of what ten chunks of the reference really had, less three standard deviations. What is certainly as far
// on the other side only warns: scores that are surer than any of the reference are unusual, as NannyML says, but no decay.
func (q Quality) Unlabelled(ctx context.Context, window Predictions) ([]gate.Finding, error) {
	names := []string{"accuracy", "roc_auc", "brier"}
	if q.MinRows == 0 {
		q.MinRows = MinLabelled
	}
	if q.Reference == nil || q.Reference.Labelled < q.MinRows*cbpeChunks {
		return q.noEstimates(names, q.noReference(), "at least "+thousands(q.MinRows*cbpeChunks)), nil
	}
	then, err := q.load(ctx, q.Reference)
	if err != nil {
		return nil, err
	}
	if then.task != ofTwo || then.score == nil {
		return nil, q.unsound("unlabelled: only scores of two classes, between 0 and 1, tell how good they are")
	}
	now, err := q.scored(ctx, window, then.positive)
	if err != nil {
		return nil, err
	}
	if n := int64(len(now.score)); n < q.MinRows {
		return q.noEstimates(names, counted(n, "prediction"), "at least "+thousands(q.MinRows)), nil
	}
	e := newEstimator(then)
	var all []gate.Finding
	for _, name := range names {
		all = append(all, e.finding(name, now, q))
	}
	return all, nil
}

// noEstimates are the findings when nothing can be estimated.
func (q Quality) noEstimates(names []string, shown, needs string) []gate.Finding {
	all := make([]gate.Finding, len(names))
	for i, name := range names {
		all[i] = gate.Finding{Name: "estimated " + name, Subject: "measure", Verdict: gate.Inconclusive, Severity: gate.SeverityFail, At: q.At,
			Shown: shown, Needs: needs}
	}
	return all
}

// cbpeChunks and cbpeDeviations are how thresholds are learnt.
const (
	cbpeChunks     = 10
	cbpeDeviations = 3
)

// scoredRows are predictions without outcomes.
type scoredRows struct {
	score    []float64
	positive []bool // the predicted class
}

// scored reads the scores of all predictions that count.
func (q Quality) scored(ctx context.Context, p Predictions, positive string) (scoredRows, error) {
	var all scoredRows
	if p.Score == "" || strings.ContainsRune(p.Score, '*') {
		return all, q.unsound("unlabelled: %s has no column of scores", p.Name)
	}
	if err := p.Table.Settle(ctx); err != nil {
		return all, err
	}
	read := []string{p.Score}
	if p.Class != "" {
		read = append(read, p.Class)
	}
	err := p.eachRow(ctx, read, func(b *dataset.Batch, i int, row int64) error {
		s := b.Columns[0].Number(i)
		if !(s >= 0 && s <= 1) {
			return q.unsound("unlabelled: the score in row %d of %s is no number between 0 and 1", row+1, p.Name)
		}
		all.score = append(all.score, s)
		if p.Class != "" {
			all.positive = append(all.positive, strings.EqualFold(string(cellText(nil, &b.Columns[1], i)), positive))
		}
		return nil
	})
	if err == nil && p.Class == "" {
		all.decide(q)
	}
	return all, err
}

func (r *scoredRows) decide(q Quality) {
	threshold := 0.5
	if q.Threshold != nil {
		threshold = *q.Threshold
	}
	r.positive = make([]bool, len(r.score))
	for i, s := range r.score {
		r.positive[i] = s >= threshold
	}
}

// estimator knows what scores meant in the reference.
type estimator struct {
	calibration *isotonic // nil: scores are as good as they are
	thresholds  map[string][2]float64
	spread      map[string]func(n float64) float64 // standard error of a value over n rows
	note        string                             // what the standard errors rest on
}

func newEstimator(then *labelledRows) *estimator {
	reference := scoredRows{score: then.score, positive: make([]bool, len(then.score))}
	for i, right := range then.right {
		reference.positive[i] = right == (then.actual[i] == 1)
	}
	e := &estimator{thresholds: map[string][2]float64{}}
	if helpsToCalibrate(then.score, then.actual) {
		f := fitIsotonic(then.score, then.actual)
		e.calibration = &f
	}
	e.learn(reference, then)
	e.errors(reference, then)
	return e
}

// learn takes the thresholds from chunks of the reference, in the order of time where it is known.
func (e *estimator) learn(r scoredRows, then *labelledRows) {
	order := make([]int, len(r.score))
	for i := range order {
		order[i] = i
	}
	if then.time != nil {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(then.time[a], then.time[b]) })
	}
	values := map[string][]float64{}
	for k := range cbpeChunks {
		var part scoredRows
		var actual []float64
		for _, i := range order[k*len(order)/cbpeChunks : (k+1)*len(order)/cbpeChunks] {
			part.score, part.positive = append(part.score, r.score[i]), append(part.positive, r.positive[i])
			actual = append(actual, then.actual[i])
		}
		for _, name := range []string{"accuracy", "roc_auc", "brier"} {
			if v := part.expected(name, actual); isFinite(v) { // of certain outcomes what is expected is what was
				values[name] = append(values[name], v)
			}
		}
	}
	for name, v := range values {
		mean, std := meanAndSpread(v)
		e.thresholds[name] = [2]float64{mean - cbpeDeviations*std, mean + cbpeDeviations*std}
	}
}

func meanAndSpread(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		std += (v - mean) * (v - mean) / float64(len(values))
	}
	return mean, math.Sqrt(std)
}

// errors learns how much values vary by chance. Where the rows of the reference belong to groups, such as days, those are its units: a
// window is taken to have groups of that size.
func (e *estimator) errors(r scoredRows, then *labelledRows) {
	actual := then.actual
	right, squared := make([]float64, len(actual)), make([]float64, len(actual))
	labels := make([]int32, len(actual))
	for i, y := range actual {
		if r.positive[i] == (y == 1) {
			right[i] = 1
		}
		squared[i] = (r.score[i] - y) * (r.score[i] - y)
		labels[i] = int32(y)
	}
	binary := stats.Binary{Labels: labels, Scores: r.score}
	if then.clusters != nil && e.clustered(right, squared, binary, then.clusters) {
		return
	}
	_, ofRight := meanAndSpread(right)
	_, ofSquared := meanAndSpread(squared)
	byRoot := func(std float64) func(float64) float64 { return func(n float64) float64 { return std / math.Sqrt(n) } }
	e.note = "rows are assumed independent"
	e.spread = map[string]func(float64) float64{"accuracy": byRoot(ofRight), "brier": byRoot(ofSquared), "roc_auc": byRoot(math.NaN())}
	if auc, err := binary.AUC(0.95); err == nil {
		e.spread["roc_auc"] = byRoot((auc.Upper - auc.Lower) / 2 / twoSided(0.95) * math.Sqrt(float64(len(actual))))
	}
}

// clustered takes the standard errors from groups of rows; false: there are too few of them.
func (e *estimator) clustered(right, squared []float64, binary stats.Binary, clusters []int32) bool {
	accuracy, known, note, err := meanOf(right, clusters)
	brier, also, _, other := meanOf(squared, clusters)
	if err != nil || other != nil || !known || !also {
		return false
	}
	auc, err := binary.AUCOverClusters(clusters, 0.95)
	se := auc.SE
	if err != nil || auc.Problem != "" {
		se = math.NaN()
	}
	of := float64(len(right))
	scaled := func(se float64) func(float64) float64 { return func(n float64) float64 { return se * math.Sqrt(of/n) } }
	e.note = note + " in the reference"
	e.spread = map[string]func(float64) float64{"accuracy": scaled(accuracy.se), "brier": scaled(brier.se), "roc_auc": scaled(se)}
	return true
}

// expected is a value when each row is positive with a chance.
func (r scoredRows) expected(name string, chance []float64) float64 {
	n := float64(len(r.score))
	sum := 0.0
	switch name {
	case "accuracy":
		for i, p := range chance {
			if r.positive[i] {
				sum += p
			} else {
				sum += 1 - p
			}
		}
		return sum / n
	case "brier":
		for i, p := range chance {
			s := r.score[i]
			sum += p*(1-s)*(1-s) + (1-p)*s*s
		}
		return sum / n
	}
	return r.expectedAUC(chance)
}

// expectedAUC is the area below the curve of expected rates. Rows with one score are one step of it.
func (r scoredRows) expectedAUC(chance []float64) float64 {
	order := make([]int, len(r.score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(r.score[b], r.score[a]), cmp.Compare(a, b)) })
	var tp, fp, area float64
	for i := 0; i < len(order); {
		before, from := tp, fp
		score := r.score[order[i]]
		for ; i < len(order) && r.score[order[i]] == score; i++ {
			tp += chance[order[i]]
			fp += 1 - chance[order[i]]
		}
		area += (fp - from) * (tp + before) / 2
	}
	return area / (tp * fp)
}

// estimate is the expected value of predictions without outcomes, and its standard error.
func (e *estimator) estimate(name string, r scoredRows) (value, se float64) {
	chance := r.score
	if e.calibration != nil {
		chance = e.calibration.all(r.score)
	}
	return r.expected(name, chance), e.spread[name](float64(len(r.score)))
}

func (e *estimator) finding(name string, r scoredRows, q Quality) gate.Finding {
	n := int64(len(r.score))
	f := gate.Finding{Name: "estimated " + name, Subject: "measure", Severity: gate.SeverityFail, At: q.At, Rows: &n,
		Note: "without labels: as long as scores mean what they meant in the reference"}
	f.Note = joined(f.Note, e.note)
	if e.calibration != nil {
		f.Note = joined(f.Note, "scores are calibrated on the reference first")
	}
	value, se := e.estimate(name, r)
	bounds, known := e.thresholds[name]
	if !isFinite(value) || !isFinite(se) || !known {
		f.Verdict, f.Shown, f.Needs = gate.Inconclusive, "no value", "both classes in the reference"
		return f
	}
	reach := twoSided(q.level()) * se
	low, high := value-reach, value+reach
	f.Value, f.Interval = &value, &[2]float64{low, high}
	f.Shown = fixed(value, 3) + " (" + confidenceOf(q.level()) + ": " + fixed(low, 3) + " to " + fixed(high, 3) + ")"
	limit, inside, certain := bounds[0], value >= bounds[0], high < bounds[0]
	unusual := low > bounds[1]
	f.Limit.Min, f.Needs = &limit, "at least "+fixed(limit, 3)+", learnt from the reference"
	if lessIsBetter(name) {
		limit, inside, certain = bounds[1], value <= bounds[1], low > bounds[1]
		unusual = high < bounds[0]
		f.Limit, f.Needs = gate.Limit{Max: &limit}, "at most "+fixed(limit, 3)+", learnt from the reference"
	}
	switch {
	case inside && unusual:
		f.Verdict, f.Severity = gate.Fail, gate.SeverityWarn
		f.Limit.Min, f.Limit.Max = &bounds[0], &bounds[1]
		f.Needs = fixed(bounds[0], 3) + " to " + fixed(bounds[1], 3) + ", learnt from the reference"
		f.Note = joined("unusual, not worse: scores are surer than any of the reference were", f.Note)
	case inside:
		f.Verdict = gate.Pass
	case certain:
		f.Verdict = gate.Fail
	default:
		f.Verdict = gate.Inconclusive
		f.Note = joined(f.Note, "the interval reaches across the limit")
	}
	return f
}
