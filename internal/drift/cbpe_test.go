package drift

import (
	"context"
	"math"
	"strings"
	"testing"

	"mlx/internal/gate"
)

// TestIsotonic holds the fit to that of scikit-learn 1.9.1 on the same points.
func TestIsotonic(t *testing.T) {
	f := fitIsotonic([]float64{0.1, 0.2, 0.2, 0.4, 0.5, 0.7, 0.9}, []float64{0, 1, 0, 0, 1, 0, 1})
	for score, want := range map[float64]float64{0: 0, 0.1: 0, 0.15: 1.0 / 6, 0.2: 1.0 / 3, 0.3: 1.0 / 3, 0.45: 5.0 / 12, 0.5: 0.5, 0.8: 0.75, 1: 1} {
		if got := f.at(score); math.Abs(got-want) > 1e-12 {
			t.Errorf("at %v: %v, want %v", score, got, want)
		}
	}
}

func TestExpectedOfCertainOutcomes(t *testing.T) {
	r := scoredRows{score: []float64{0.1, 0.4, 0.35, 0.8}, positive: []bool{false, false, false, true}}
	actual := []float64{0, 0, 1, 1}
	for name, want := range map[string]float64{"accuracy": 0.75, "roc_auc": 0.75, "brier": (0.01 + 0.16 + 0.65*0.65 + 0.04) / 4} {
		if got := r.expected(name, actual); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	ties := scoredRows{score: []float64{0.5, 0.5, 0.5, 0.5}, positive: make([]bool, 4)}
	if got := ties.expected("roc_auc", actual); got != 0.5 {
		t.Errorf("of ties %v", got)
	}
}

// TestEstimatesMeetTheTruth: where scores mean what they meant, the estimate is what the labels later say.
func TestEstimatesMeetTheTruth(t *testing.T) {
	reference := simulated{rows: 20000, shift: 0.1, seed: 21}.labelled(t) // scores are too low by ten points
	current := simulated{rows: 20000, shift: 0.1, seed: 22}.labelled(t)
	q := quality(current, reference)
	window := Predictions{Source: Source{Name: "p.csv", Table: current.Table}, Score: "score"}
	estimated, err := q.Unlabelled(context.Background(), window)
	if err != nil {
		t.Fatal(err)
	}
	really, err := q.Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"accuracy", "roc_auc", "brier"} {
		e, r := find(t, estimated, "estimated "+name), find(t, really, name)
		if d := math.Abs(*e.Value - *r.Value); d > 0.01 {
			t.Errorf("%s is estimated as %v and is %v", name, *e.Value, *r.Value)
		}
		if e.Verdict != gate.Pass || !strings.Contains(e.Note, "calibrated on the reference") {
			t.Errorf("%+v", e)
		}
	}
}

// TestEstimatesFall: predictions of rows that nobody could tell are estimated worse than the reference.
func TestEstimatesFall(t *testing.T) {
	reference := simulated{rows: 8000, seed: 23}.labelled(t)
	unsure := csvTable(t, "u.csv", "score\n"+strings.Repeat("0.45\n0.55\n0.5\n", 500))
	found, err := quality(nil, reference).Unlabelled(context.Background(), Predictions{Source: Source{Name: "u.csv", Table: unsure}, Score: "score"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"estimated accuracy", "estimated brier"} {
		if f := find(t, found, name); f.Verdict != gate.Fail {
			t.Errorf("%+v", f)
		}
	}
	none, err := quality(nil, nil).Unlabelled(context.Background(), Predictions{Source: Source{Name: "u.csv", Table: unsure}, Score: "score"})
	if err != nil || none[0].Verdict != gate.Inconclusive {
		t.Errorf("%+v %v", none, err)
	}
}

// TestEstimatesUnusual: estimates above anything of the reference are flagged, and do not count as drift.
func TestEstimatesUnusual(t *testing.T) {
	reference := simulated{rows: 8000, days: 40, seed: 23}.labelled(t)
	sure := csvTable(t, "s.csv", "score\n"+strings.Repeat("0.02\n0.021\n0.49\n", 500))
	found, err := quality(nil, reference).Unlabelled(t.Context(), Predictions{Source: Source{Name: "s.csv", Table: sure}, Score: "score"})
	if err != nil {
		t.Fatal(err)
	}
	f := find(t, found, "estimated roc_auc")
	if f.Verdict != gate.Fail || f.Severity != gate.SeverityWarn || !strings.HasPrefix(f.Note, "unusual, not worse") || *f.Limit.Min >= *f.Limit.Max {
		t.Errorf("%+v", f)
	}
	a := Answer{Verdict: Stable}
	a.Add(f)
	if a.Verdict != Stable {
		t.Errorf("%+v", a)
	}
}

// TestEstimatesOfDays: where rows of a day are alike, intervals are wider than those of independent rows.
func TestEstimatesOfDays(t *testing.T) {
	reference := simulated{rows: 8000, days: 40, spread: 0.1, seed: 25}.labelled(t)
	window := Predictions{Source: Source{Name: "p.csv", Table: simulated{rows: 2000, seed: 26}.labelled(t).Table}, Score: "score"}
	days := quality(nil, reference)
	rows := days
	rows.Time = ""
	width := func(q Quality, name, note string) float64 {
		found, err := q.Unlabelled(t.Context(), window)
		if err != nil {
			t.Fatal(err)
		}
		f := find(t, found, name)
		if !strings.Contains(f.Note, note) {
			t.Errorf("%s: %s", name, f.Note)
		}
		return f.Interval[1] - f.Interval[0]
	}
	for _, name := range []string{"estimated accuracy", "estimated brier"} {
		if a, b := width(days, name, "40 groups of rows are the units"), width(rows, name, "rows are assumed independent"); a < 1.5*b {
			t.Errorf("%s: %v wide by days, %v by rows", name, a, b)
		}
	}
}
