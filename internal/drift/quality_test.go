package drift

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mlx/internal/gate"
)

// simulated are predictions of days on which true and predicted chances differ by shift.
type simulated struct {
	rows, days int
	shift      float64 // added to the true chance
	spread     float64 // standard deviation of what a day adds
	missing    float64 // share without a label
	seed       uint64
}

// labelled makes the predictions.
func (s simulated) labelled(t testing.TB) *Labelled {
	t.Helper()
	r := rand.New(rand.NewPCG(s.seed, 11))
	var b strings.Builder
	b.WriteString("id,score,label,origin,at\n")
	day := make([]float64, max(s.days, 1))
	for i := range day {
		day[i] = r.NormFloat64() * s.spread
	}
	for i := range s.rows {
		score := 0.02 + 0.5*r.Float64()*r.Float64()
		d := i * len(day) / s.rows
		label := "0"
		if r.Float64() < score+s.shift+day[d] {
			label = "1"
		}
		if r.Float64() < s.missing {
			label = ""
		}
		at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC).AddDate(0, 0, d)
		fmt.Fprintf(&b, "%d,%.6f,%s,%s,%s\n", i, score, label, []string{"EWR", "JFK"}[i%2], at.Format(time.RFC3339))
	}
	p := Predictions{Source: Source{Name: "p.csv", Table: csvTable(t, "p.csv", b.String())}, ID: "id", Score: "score", Label: "label", Time: "at"}
	l, err := p.Labelled(context.Background(), nil, nil, LabelOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func quality(current, reference *Labelled, rules ...gate.Rule) Quality {
	return Quality{Monitor: "m", Rules: rules, ID: "id", Score: "score", Time: "at", Current: current, Reference: reference}
}

func find(t testing.TB, all []gate.Finding, name string) gate.Finding {
	t.Helper()
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no finding %s in %+v", name, all)
	return gate.Finding{}
}

func TestUsualMeasuresAreShown(t *testing.T) {
	found, err := quality(simulated{rows: 4000, days: 20, seed: 1, missing: 0.25}.labelled(t), nil).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"accuracy", "roc_auc", "brier", "ece"} {
		f := find(t, found, name)
		if f.Verdict != gate.Pass || f.Severity != gate.SeverityWarn || f.Value == nil || f.Interval == nil || f.Needs != "no limit" || f.Limit.Min != nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := find(t, found, "accuracy"); !strings.Contains(f.Note, "predictions have no label yet, as often of older as of newer ones") {
		t.Error(f.Note)
	}
	if f := find(t, found, "calibration"); f.Verdict != gate.Pass || f.Severity != gate.SeverityWarn {
		t.Errorf("%+v", f)
	}
}

func TestCalibrationBreaks(t *testing.T) {
	reference := simulated{rows: 8000, days: 40, spread: 0.02, seed: 2}.labelled(t)
	found, err := quality(simulated{rows: 3000, days: 14, spread: 0.02, shift: 0.1, seed: 3}.labelled(t), reference).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f := find(t, found, "calibration")
	if f.Verdict != gate.Fail || f.Severity != gate.SeverityFail || !strings.HasPrefix(f.Shown, "predicted 0.14") || !strings.Contains(f.Shown, "observed 0.2") {
		t.Errorf("%+v", f)
	}
	if f := find(t, found, "reliability"); f.Verdict != gate.Fail {
		t.Errorf("%+v", f)
	}
}

// TestCalibrationSeverity: a change of calibration fails what is judged only where both sides are known well enough.
func TestCalibrationSeverity(t *testing.T) {
	broken := func(days int) *Labelled {
		return simulated{rows: 3000, days: days, spread: 0.01, shift: 0.1, seed: 3}.labelled(t)
	}
	good := func(days int) *Labelled { return simulated{rows: 8000, days: days, spread: 0.01, seed: 2}.labelled(t) }
	few := simulated{rows: 200, days: 14, missing: 0.95, seed: 8}.labelled(t)
	for _, c := range []struct {
		name               string
		current, reference *Labelled
		verdict            gate.Verdict
		severity           gate.Severity
		note               string
	}{
		{"both", broken(14), good(40), gate.Fail, gate.SeverityFail, ""},
		{"no reference", broken(14), nil, gate.Fail, gate.SeverityWarn, "no labelled predictions of the reference"},
		{"two days of reference", broken(14), good(2), gate.Fail, gate.SeverityWarn, "too few groups"},
		{"two days of window", broken(2), good(40), gate.Inconclusive, gate.SeverityWarn, ""},
		{"few labels of the reference", broken(14), few, gate.Fail, gate.SeverityWarn, "the reference has"},
		{"few labels of the window", few, good(40), gate.Inconclusive, gate.SeverityWarn, ""},
	} {
		found, err := quality(c.current, c.reference).Findings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f := find(t, found, "calibration")
		if f.Verdict != c.verdict || f.Severity != c.severity || !strings.Contains(f.Note, c.note) {
			t.Errorf("%s: %s %s %q %q", c.name, f.Verdict, f.Severity, f.Shown, f.Note)
		}
		answer := Answer{Verdict: Stable}
		answer.Add(found...)
		if want := c.severity == gate.SeverityFail; (answer.Verdict == Drift) != want {
			t.Errorf("%s: the answer is %s", c.name, answer.Verdict)
		}
	}
}

// TestCalibrationFalseAlarms: weeks of rows that days hold together, without any change, are told from the reference seldom.
func TestCalibrationFalseAlarms(t *testing.T) {
	alarms, trials := 0, 60
	for i := range trials {
		reference := simulated{rows: 3000, days: 30, spread: 0.03, seed: uint64(1000 + i)}.labelled(t)
		q := quality(simulated{rows: 1000, days: 7, spread: 0.03, seed: uint64(5000 + i)}.labelled(t), reference)
		q.MinRows = 30
		rows, err := q.load(context.Background(), q.Current)
		if err != nil {
			t.Fatal(err)
		}
		found, err := q.calibration(context.Background(), rows)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Verdict == gate.Fail {
				alarms++
				break
			}
		}
	}
	if alarms > 6 { // 3 are expected at most: effect and significance both count
		t.Errorf("%d alarms of %d", alarms, trials)
	}
}

func TestMarginAgainstTheReference(t *testing.T) {
	reference := simulated{rows: 6000, days: 20, seed: 4}.labelled(t)
	margin := func(name string, v float64) gate.Rule {
		return gate.Rule{Kind: "measure", Name: name, Margin: &gate.Bound{Value: v}, Slices: []string{"origin"}}
	}
	same, err := quality(simulated{rows: 6000, days: 20, seed: 5}.labelled(t), reference, margin("brier", 0.02)).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, same, "brier"); f.Verdict != gate.Pass || f.Baseline == nil || f.Difference == nil || *f.Limit.Margin != 0.02 {
		t.Errorf("%+v", f)
	}
	if f := find(t, same, "brier origin=JFK"); f.Slice["origin"] != "JFK" || f.Baseline == nil {
		t.Errorf("%+v", f)
	}
	worse, err := quality(simulated{rows: 6000, days: 20, shift: 0.25, seed: 6}.labelled(t), reference, margin("brier", 0.02)).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, worse, "brier"); f.Verdict != gate.Fail || *f.Difference < 0.05 {
		t.Errorf("%+v", f)
	}
	alone, err := quality(simulated{rows: 600, days: 20, seed: 5}.labelled(t), nil, margin("brier", 0.02)).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, alone, "brier"); f.Verdict != gate.Inconclusive || !strings.Contains(f.Note, "no labelled predictions of the reference") {
		t.Errorf("%+v", f)
	}
}

func TestTooFewLabels(t *testing.T) {
	rule := gate.Rule{Kind: "measure", Name: "accuracy", Min: &gate.Bound{Value: 0.5, Text: "0.5"}}
	found, err := quality(simulated{rows: 200, missing: 0.95, seed: 8}.labelled(t), nil, rule).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, found, "accuracy"); f.Verdict != gate.Inconclusive || f.Needs != "at least 30" || !strings.Contains(f.Note, "200 predictions have no label yet") {
		t.Errorf("%+v", f)
	}
	none, err := quality(simulated{rows: 200, missing: 1, seed: 8}.labelled(t), nil, rule).Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, none, "accuracy"); f.Verdict != gate.Inconclusive || *f.Rows != 0 {
		t.Errorf("%+v", f)
	}
}

func TestNumbersAndClasses(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,score,label\n")
	for i := range 100 {
		fmt.Fprintf(&b, "%d,%d.5,%d\n", i, i, i)
	}
	p := Predictions{Source: Source{Name: "n.csv", Table: csvTable(t, "n.csv", b.String())}, ID: "id", Score: "score", Label: "label"}
	l, err := p.Labelled(context.Background(), nil, nil, LabelOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	found, err := Quality{Monitor: "m", ID: "id", Score: "score", Current: l}.Findings(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if f := find(t, found, "rmse"); math.Abs(*f.Value-0.5) > 1e-12 {
		t.Errorf("%+v", f)
	}
	if len(found) != 2 {
		t.Errorf("%d findings", len(found))
	}

	p = Predictions{Source: Source{Name: "c.csv", Table: csvTable(t, "c.csv", "id,class,label\n"+strings.Repeat("1,cat,cat\n2,dog,owl\n3,owl,owl\n4,cat,dog\n", 10))},
		ID: "id", Class: "class", Label: "label"}
	classes, err := p.Labelled(context.Background(), nil, nil, LabelOptions{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer classes.Close()
	if found, err = (Quality{Monitor: "m", ID: "id", Class: "class", Current: classes}).Findings(context.Background()); err != nil {
		t.Fatal(err)
	}
	if f := find(t, found, "accuracy"); *f.Value != 0.5 {
		t.Errorf("%+v", f)
	}
}
