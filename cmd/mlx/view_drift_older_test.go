package main

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/object"
)

// flightsOn is the answer of session d for the window that ends so many days earlier.
func flightsOn(days int) driftTold {
	d := flightsTold()
	from, to := d.Answer.Window.From.AddDate(0, 0, -days), d.Answer.Window.To.AddDate(0, 0, -days)
	d.Answer.Window.From, d.Answer.Window.To = &from, &to
	return d
}

func TestDriftTextOfOlderWindows(t *testing.T) {
	stable, untold := flightsOn(2), flightsOn(3)
	stable.Answer.Verdict, stable.Answer.Columns = drift.Stable, []drift.Column{stableColumn("carrier")}
	untold.Answer.Verdict, untold.Answer.Why = drift.CannotTell, "4 days, 5 are needed"
	told := []driftTold{untold, stable, flightsOn(1), flightsTold()}
	want := `CANNOT TELL  flights-daily  2026-11-13 to 2026-11-19  4 days, 5 are needed
no drift  flights-daily  2026-11-14 to 2026-11-20  0 of 1 column
DRIFT  flights-daily  2026-11-15 to 2026-11-21  2 of 12 columns: dewp, temp
DRIFT  flights-daily  2026-11-16 to 2026-11-22  6,642 rows against
`
	for _, width := range []int{80, 100} {
		got := shownDrift(t, width, driftNews, told...)
		if !strings.HasPrefix(got, strings.TrimSuffix(want, "\n")) {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, got, want)
		}
	}
	for line := range strings.Lines(shownDrift(t, 64, driftNews, told...)) {
		if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 64 {
			t.Errorf("64 columns: %q is wider", line)
		}
	}
	if got := shownDrift(t, 100, driftColumns, told...); strings.Count(got, "cannot tell  precip") != 3 {
		t.Errorf("-v does not tell every window:\n%s", got)
	}
	if got := shownDrift(t, -1, driftNews, told...); strings.Count(got, "\ndrift\t") != 2 || !strings.Contains(got, "2026-11-22T05:00:00Z\t6642\t2 of 12 columns: dewp, temp\t"+told[2].Record.Hex()+"\n") {
		t.Errorf("pipe:\n%s", got)
	}
}

func TestDriftTextOfColumnsThatCannotBeTold(t *testing.T) {
	column := func(name, why string) drift.Column {
		return drift.Column{Name: name, Verdict: drift.CannotTell, Method: drift.PSI, Weight: 1, Why: why}
	}
	days := func(n int) (all []drift.Column) {
		for _, name := range strings.Split("abcdefgh", "")[:n] {
			all = append(all, column(name, "4 days, 5 are needed"))
		}
		return all
	}
	for name, c := range map[string]struct {
		columns []drift.Column
		want    string // "" : told one by one
	}{
		"all":                 {days(3), "  cannot tell  3 columns: 4 days, 5 are needed\n"},
		"many among others":   {append(days(6), stableColumn("s")), "  cannot tell  6 columns: 4 days, 5 are needed\n  no drift     1 other: s\n"},
		"many, and another":   {append(days(6), column("id", "names rows")), "  cannot tell  id  names rows\n  cannot tell  6 columns: 4 days, 5 are needed\n"},
		"few among others":    {append(days(5), column("x", "constant")), ""},
		"one":                 {days(1), ""},
		"as many as is a few": {append(days(5), stableColumn("s")), "  cannot tell  5 columns: 4 days, 5 are needed\n"},
	} {
		d := flightsTold()
		d.Answer.Verdict, d.Answer.Columns = drift.CannotTell, c.columns
		got := shownDrift(t, 100, driftNews, d)
		if c.want == "" && strings.Contains(got, "columns: 4 days") || !strings.Contains(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
		if got := shownDrift(t, 100, driftColumns, d); strings.Contains(got, "columns: 4 days") {
			t.Errorf("%s, -v:\n%s", name, got)
		}
	}
}

func TestDriftTextOfUnits(t *testing.T) {
	c := driftedColumn("temp", "looks like °C read as °F, median 36 -> 8", 8.2)
	c.Method, c.Measures = drift.Unit, slices.Insert(c.Measures, 0, drift.Measure{Method: drift.Unit, Value: c.Value, Threshold: c.Threshold, Verdict: drift.Drift})
	d := flightsTold()
	d.Answer.Columns = []drift.Column{c}
	if got := shownDrift(t, 100, driftNews, d); !strings.Contains(got, "looks like °C read as °F, median 36 -> 8  PSI 8.2") {
		t.Errorf("%s", got)
	}
	if page := driftViewOf([]driftTold{d}).markdown(); strings.Contains(string(page), "unit 8.2") {
		t.Errorf("%s", page)
	}
}

func TestDriftTextOfQuality(t *testing.T) {
	check := func(name, subject string, v gate.Verdict, note string) gate.Finding {
		return gate.Finding{Name: name, Subject: subject, Verdict: v, Severity: gate.SeverityFail, Shown: "0.7", Needs: "at least 0.6", Note: note}
	}
	const note = "there are no labelled predictions of the reference"
	d := flightsTold()
	d.Answer.Checks = []gate.Finding{check("schema", "schema", drift.Stable, ""), check("roc_auc", "measure", drift.Stable, ""),
		check("brier", "measure", drift.CannotTell, note), check("ece", "measure", drift.CannotTell, note)}
	for _, width := range []int{80, -1} {
		got := shownDrift(t, width, driftNews, d)
		if !strings.Contains(got, "roc_auc") || strings.Contains(got, "schema") || strings.Count(got, note) > 1 || width > 0 && !strings.Contains(got, note) {
			t.Errorf("%s", got)
		}
	}
	if d.Answer.Checks[2].Note != note {
		t.Error("the answer itself has changed")
	}
}

func TestDriftTextOfWhatRunsAlready(t *testing.T) {
	cause, run := object.Sum([]byte("cause")), object.Sum([]byte("run"))
	begun := actionView{What: "repro train", State: drift.ActionSucceeded, Run: ptr(run.Hex()), Cause: cause.Hex(), Text: "started run x: repro train, because temp drifted"}
	d := flightsTold()
	for name, c := range map[string]struct {
		change func(a *actionView)
		want   string
	}{
		"an earlier window": {func(*actionView) {}, "retraining is " + run.Short() + " (succeeded), started for " + cause.Short() + "\n"},
		"at work": {func(a *actionView) {
			a.State, a.Until = drift.ActionStarted, time.Date(2026, 12, 7, 8, 0, 0, 0, time.UTC)
		},
			"retraining is " + run.Short() + " (at work), started for " + cause.Short() + "; not again before 2026-12-07\n"},
		"the cooldown is over": {func(a *actionView) { a.Until = d.Answer.AsOf.Add(-time.Hour) }, "started for " + cause.Short() + "\n"},
		"a webhook":            {func(a *actionView) { a.What, a.Run = "webhook example.org", nil }, "webhook example.org (succeeded), started for " + cause.Short() + "\n"},
		"now":                  {func(a *actionView) { a.New = true }, begun.Text + "\n"},
		"this window":          {func(a *actionView) { a.Cause = d.Record.Hex() }, begun.Text + "\n"},
		"refused":              {func(a *actionView) { a.State, a.Run = drift.ActionCooldown, nil }, begun.Text + "\n"},
	} {
		a := begun
		c.change(&a)
		d.Actions = []actionView{a}
		if got := shownDrift(t, 120, driftNews, d); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s:\n%s\nwant %s", name, got, c.want)
		}
	}
}
