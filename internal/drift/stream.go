package drift

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
)

// Stream is a detector that follows predictions row by row, in the order of their time. What it finds is a fold over the rows and nothing
// else: the labelled rows of the reference, where there are any, then those of the window. So it keeps no state between checks, and the
// same rows give the same answer.
type Stream struct {
	Method string  // ddm, adwin, page_hinkley
	Of     string  // error, absolute_error, squared_error, score; empty: error
	Delta  float64 // of adwin (0: 0.002) and page_hinkley (0: 0.005)
	Lambda float64 // of page_hinkley; 0: 50
	Warmup int     // rows before anything is told; 0: 30
}

// detector is a change detector.
type detector interface {
	// add takes the next value and says whether a change was found with it, and whether upwards. The detector then begins anew, or with
	// what is left of its window, as its inventors have it.
	add(x float64) (change, up bool)
	// warned says whether the newest values are suspicious.
	warned() bool
}

// detector makes the detector of a stream, and says whether a fall of the values counts as much as a rise.
func (s Stream) detector(both bool) detector {
	warmup := cmp.Or(s.Warmup, 30)
	switch s.Method {
	case "adwin":
		return newADWIN(cmp.Or(s.Delta, 0.002), warmup)
	case "page_hinkley":
		return &pageHinkley{delta: cmp.Or(s.Delta, 0.005), lambda: cmp.Or(s.Lambda, 50), warmup: warmup, both: both}
	}
	return &ddm{warmup: warmup}
}

// check refuses what makes no sense for any predictions.
func (s Stream) check(monitor string, at fault.Position) error {
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Usage, "cannot judge "+monitor+": stream: "+format, args...).In(at)
	}
	switch {
	case !slices.Contains([]string{"ddm", "adwin", "page_hinkley"}, s.Method):
		return wrong("there is no detector %q: ddm, adwin or page_hinkley", s.Method)
	case !slices.Contains([]string{"", "error", "absolute_error", "squared_error", "score"}, s.Of):
		return wrong("there is nothing called %q to follow: error, absolute_error, squared_error or score", s.Of)
	case s.Method == "ddm" && cmp.Or(s.Of, "error") != "error":
		return wrong("ddm follows only whether predictions are wrong: of: error")
	case s.Delta < 0 || s.Lambda < 0 || s.Warmup < 0 || s.Method == "adwin" && s.Delta >= 1:
		return wrong("delta, lambda and warmup are not below 0, and delta of adwin is below 1")
	}
	return nil
}

// streamed is a change that a detector found, by the number of the value in the stream.
type streamed struct {
	found, began  int
	up            bool
	before, after float64 // mean of the values from the change before to this one, and from its beginning to where it was found
}

// follow feeds values to the detector and returns all changes, and whether it warns at the end.
func (s Stream) follow(values []float64, both bool) (changes []streamed, warned bool) {
	d := s.detector(both)
	from := 0
	for i, x := range values {
		if change, up := d.add(x); change {
			c := streamed{found: i, up: up, began: from + likeliestSplit(values[from:i+1])}
			c.before, c.after = meanOver(values[from:c.began]), meanOver(values[c.began:i+1])
			changes, from = append(changes, c), c.began
		}
	}
	return changes, d.warned()
}

// likeliestSplit is where values fall into two parts whose means explain most of their variance: detectors tell that there was a change, and
// are poor at telling where it began.
func likeliestSplit(values []float64) int {
	total := 0.0
	for _, v := range values {
		total += v
	}
	best, at, sum := -1.0, len(values)-1, 0.0
	for i, v := range values[:len(values)-1] {
		sum += v
		n0, n1 := float64(i+1), float64(len(values)-i-1)
		d := sum/n0 - (total-sum)/n1
		if between := n0 * n1 * d * d; between > best {
			best, at = between, i+1
		}
	}
	return at
}

func meanOver(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Stream follows the labelled rows of the window.
func (q Quality) Stream(ctx context.Context, s Stream) (gate.Finding, error) {
	s.Of = cmp.Or(s.Of, "error")
	f := gate.Finding{Name: s.Method + " of " + s.Of, Subject: "stream", Severity: gate.SeverityFail, At: q.At, Needs: "no change"}
	if err := s.check(q.Monitor, q.At); err != nil {
		return f, err
	}
	values, places, at, err := q.sequence(ctx, s, q.Current)
	if err != nil {
		return f, err
	}
	n := int64(len(values))
	f.Rows = &n
	warmup := cmp.Or(s.Warmup, 30)
	if len(values) < warmup {
		f.Verdict, f.Shown, f.Needs = gate.Inconclusive, counted(n, "labelled prediction"), "at least "+thousands(int64(warmup))
		return f, nil
	}
	var before []float64
	if q.Reference != nil {
		if before, _, _, err = q.sequence(ctx, s, q.Reference); err != nil {
			return f, err
		}
	}
	both := s.Of == "score" || s.Of == "error" && slices.ContainsFunc(values, func(v float64) bool { return v != 0 && v != 1 })
	changes, warned := s.follow(slices.Concat(before, values), both)
	f.Verdict, f.Shown = gate.Pass, "no change"
	better := 0
	for _, c := range changes {
		if c.found < len(before) {
			continue
		}
		if !both && !c.up {
			better++
			continue
		}
		f.Verdict = gate.Fail
		f.Shown = "a change at " + placed(c.found-len(before), places, at)
		if c.began < c.found {
			f.Shown += ", begun about " + placed(max(c.began-len(before), 0), places, at)
		}
		f.Shown += ": mean " + number(c.before) + " -> " + number(c.after)
		if isFinite(c.after) && isFinite(c.before) {
			f.Value, f.Baseline = &c.after, &c.before
		}
		break
	}
	if better > 0 {
		f.Note = joined(f.Note, counted(int64(better), "change")+" for the better")
	}
	if warned {
		f.Note = joined(f.Note, "the newest rows are at the level of a warning")
	}
	if cluster, day, _ := q.grouping(q.Current); cluster != "" || day != "" {
		f.Note = joined(f.Note, "a detector takes rows for independent: those of one "+cmp.Or(cluster, "day")+" are not")
	}
	if len(before) > 0 {
		f.Note = joined(f.Note, "follows "+counted(int64(len(before)), "row")+" of the reference first")
	}
	return f, nil
}

// placed says where a row of the window stands.
func placed(i int, places []int64, at []float64) string {
	text := "row " + thousands(places[i])
	if at != nil && isFinite(at[i]) {
		text += " of " + timeOf(at[i]).Format(time.RFC3339)
	}
	return text
}

// sequence is what a detector follows, in the order of time where it is known, else of the table.
func (q Quality) sequence(ctx context.Context, s Stream, l *Labelled) (values []float64, places []int64, at []float64, err error) {
	rows, err := q.load(ctx, l)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(rows.actual) == 0 {
		return nil, nil, nil, nil
	}
	of, err := rows.followed(q, s)
	if err != nil {
		return nil, nil, nil, err
	}
	order := make([]int, len(of))
	for i := range order {
		order[i] = i
	}
	if rows.time != nil {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rows.time[a], rows.time[b]) })
	}
	for _, i := range order {
		if math.IsNaN(of[i]) {
			return nil, nil, nil, q.unsound("stream: there is no %s in row %d of %s", s.Of, rows.places[i], l.Name)
		}
		values, places = append(values, of[i]), append(places, rows.places[i])
		if rows.time != nil {
			at = append(at, rows.time[i])
		}
	}
	return values, places, at, nil
}

// followed is the value of each row.
func (r *labelledRows) followed(q Quality, s Stream) ([]float64, error) {
	switch {
	case s.Of == "score" && r.score == nil, s.Of != "score" && s.Of != "error" && (r.score == nil || r.task == ofClasses):
		return nil, q.unsound("stream: the predictions have no scores of which %s could be known", s.Of)
	case s.Method == "ddm" && r.task == ofNumbers:
		return nil, q.unsound("stream: ddm follows whether classes are wrong, and these predictions are numbers")
	case s.Of == "error" && r.task != ofNumbers && r.right == nil:
		return nil, q.unsound("stream: the predictions have neither a class nor a score")
	}
	values := make([]float64, len(r.actual))
	for i := range values {
		switch {
		case s.Of == "score":
			values[i] = r.score[i]
		case s.Of == "error" && r.task != ofNumbers:
			if !r.right[i] {
				values[i] = 1
			}
		default:
			values[i] = r.score[i] - r.actual[i]
		}
		switch s.Of {
		case "absolute_error":
			values[i] = math.Abs(values[i])
		case "squared_error":
			values[i] *= values[i]
		}
	}
	return values, nil
}
