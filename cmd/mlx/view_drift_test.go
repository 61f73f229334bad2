package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mlx/internal/cli"
	"mlx/internal/drift"
	"mlx/internal/gate"
	"mlx/internal/object"
)

func ptr[T any](v T) *T { return &v }

// driftedColumn is a column that moved.
func driftedColumn(name, said string, psi float64) drift.Column {
	return drift.Column{
		Name: name, Kind: drift.Numbers, Verdict: drift.Drift, Method: drift.PSI, Value: &psi, Threshold: ptr(0.25), P: ptr(1e-30), PAdjusted: ptr(1e-29),
		Direction: "up", Weight: 1, Rows: 6642, MissingShare: 0.01, Text: said + ", PSI " + effectWord(psi, nil),
		Reference: drift.Summary{Rows: 26000, Type: "float", Median: ptr(26.0)}, Current: drift.Summary{Rows: 6642, Missing: 66, Type: "float", Median: ptr(66.0)},
		Bins: drift.Bins{Edges: []float64{10, 20, 30}, Atoms: []bool{false, true, false, false}, Reference: []int64{5, 10, 20, 5}, Current: []int64{0, 1, 2, 40}},
		Measures: []drift.Measure{{Method: drift.PSI, Value: &psi, Threshold: ptr(0.25), PAdjusted: ptr(1e-29), Verdict: drift.Drift},
			{Method: drift.KS, Value: ptr(0.61), P: ptr(0.012)}, {Method: drift.Missing, Value: ptr(0.01), Threshold: ptr(0.05), P: ptr(0.3), Verdict: drift.Stable}},
	}
}

func stableColumn(name string) drift.Column {
	return drift.Column{Name: name, Kind: drift.Categories, Verdict: drift.Stable, Method: drift.PSI, Value: ptr(0.004), Threshold: ptr(0.25), P: ptr(0.4),
		Weight: 1, Rows: 6642, Text: "as before, PSI 0.004",
		Bins: drift.Bins{Categories: []string{"EWR", "JFK"}, Reference: []int64{10, 20}, Current: []int64{12, 19}}}
}

// flightsAnswer is the night of session d.
func flightsAnswer() drift.Answer {
	zone := time.FixedZone("", -5*3600)
	from, to := time.Date(2026, 11, 16, 0, 0, 0, 0, zone), time.Date(2026, 11, 23, 0, 0, 0, 0, zone)
	r := drift.Answer{
		Monitor: "flights-daily", Verdict: drift.Drift, Window: drift.Window{From: &from, To: &to, Rows: 6642}, AsOf: to.Add(3 * time.Hour),
		Reference: gate.Ref{Kind: "snapshot", ID: object.Sum([]byte("ref")), Name: "training data of flights@v6"},
		Current:   gate.Ref{Kind: "table", ID: object.Sum([]byte("cur")), Name: "data/incoming/{date}.csv"},
		Config:    object.Sum([]byte("config")), Inputs: object.Sum([]byte("inputs")),
		ReferenceN: 26000, DriftedShare: ptr(2.0 / 12), LimitShare: 0.1, Grouped: "day", Clusters: [2]int64{90, 7}, MlxVersion: "test",
	}
	for _, name := range []string{"carrier", "dest", "origin"} {
		r.Columns = append(r.Columns, stableColumn(name))
	}
	r.Columns = append(r.Columns, driftedColumn("temp", "median 36 -> 79 F", 7.9), driftedColumn("dewp", "median 26 -> 66 F", 8.2),
		drift.Column{Name: "precip", Kind: drift.Numbers, Verdict: drift.CannotTell, Method: drift.PSI, Weight: 1, Rows: 6642, Why: "94% of the reference is zero: one bin"})
	for _, name := range []string{"distance", "dep_hour", "humid", "wind_speed", "visib", "pressure"} {
		r.Columns = append(r.Columns, stableColumn(name))
	}
	return r
}

func flightsTold() driftTold {
	return driftTold{Record: object.Sum([]byte("record")), At: time.Date(2026, 11, 23, 8, 15, 2, 0, time.UTC), Answer: flightsAnswer(), New: true}
}

// shown renders as a terminal of a width does, or a pipe with width -1.
func shownDrift(t *testing.T, width int, detail driftDetail, told ...driftTold) string {
	t.Helper()
	var out bytes.Buffer
	s := cli.Streams{Out: &out, OutTTY: width >= 0, Width: max(width, 0)}
	if err := s.Emit(nil, func(text *cli.Text) { driftViewOf(told).text(text, detail) }); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDriftText(t *testing.T) {
	d := flightsTold()
	d.Actions = []actionView{{What: "repro train", State: drift.ActionSucceeded, Run: ptr(strings.Repeat("4ad0917be2c6", 5) + "0000"),
		Text: "started run 4ad0917be2c6: repro train, because dewp and temp drifted"}}
	want := `DRIFT  flights-daily  2026-11-16 to 2026-11-22  6,642 rows against training data of flights@v6
  drift        dewp        median 26 -> 66 F  PSI 8.2  p < 1e-9
  drift        temp        median 36 -> 79 F  PSI 7.9  p < 1e-9
  cannot tell  precip      94% of the reference is zero: one bin
  no drift     9 others: carrier, dest, origin, distance, dep_hour, ...
2 of 12 columns (17%), limit 10%; rows of one day counted as one cluster
started run 4ad0917be2c6: repro train, because dewp and temp drifted
`
	if got := shownDrift(t, 100, driftNews, d); got != want {
		t.Errorf("100 columns:\n%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(shownDrift(t, 60, driftNews, d)) {
		if len(strings.TrimRight(line, "\n")) > 60 {
			t.Errorf("60 columns: %q is wider", line)
		}
	}
	d.New = false
	want = "DRIFT  flights-daily  2026-11-16 to 2026-11-22  as reported in " + d.Record.Short() + "; retraining is 4ad0917be2c6\n"
	if got := shownDrift(t, 120, driftNews, d); got != want {
		t.Errorf("again:\n%s\nwant\n%s", got, want)
	}
}

// TestDriftOfTwoTablesAgain: nobody has to look for what was said of two tables before.
func TestDriftOfTwoTablesAgain(t *testing.T) {
	d := flightsTold()
	d.Answer.Monitor = ""
	first := shownDrift(t, 100, driftNews, d)
	d.New = false
	if again := shownDrift(t, 100, driftNews, d); again != first {
		t.Errorf("again:\n%s\nwant\n%s", again, first)
	}
}

func TestDriftTextInOneLine(t *testing.T) {
	d := flightsTold()
	d.Answer.Verdict, d.Answer.Columns = drift.Stable, []drift.Column{stableColumn("carrier"), stableColumn("dest")}
	if got, want := shownDrift(t, 100, driftNews, d), "no drift  flights-daily  2026-11-16 to 2026-11-22  6,642 rows  0 of 2 columns\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := shownDrift(t, -1, driftNews, d), "no drift\tflights-daily\t2026-11-16T05:00:00Z\t2026-11-23T05:00:00Z\t6642\t0\t2\n"; got != want {
		t.Errorf("pipe: got %q, want %q", got, want)
	}
}

func TestDriftTextForPrograms(t *testing.T) {
	got := shownDrift(t, -1, driftNews, flightsTold())
	for _, want := range []string{
		"DRIFT\tflights-daily\t2026-11-16T05:00:00Z\t2026-11-23T05:00:00Z\t6642\ttraining data of flights@v6\t" + object.Sum([]byte("record")).Hex() + "\n",
		"drift\tdewp\tpsi\t8.2\t0.25\t1e-29\tmedian 26 -> 66 F, PSI 8.2\n",
		"cannot tell\tprecip\tpsi\t\t\t\t94% of the reference is zero: one bin\n", "others\t9\n", "share\t2\t12\t0.16666666666666666\t0.1\tday\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
}

func TestDriftTextWhole(t *testing.T) {
	got := shownDrift(t, 100, driftAll, flightsTold())
	for _, want := range []string{"K-S 0.61 p 0.012; missing 0% -> 1% p 0.3", "no drift     carrier", "PSI 0.004  p 0.4"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestDriftChecksReadAsThoseOfGates(t *testing.T) {
	d := flightsTold()
	d.Answer.Checks = []gate.Finding{{Name: "volume", Subject: "measure", Verdict: gate.Fail, Severity: gate.SeverityFail, Shown: "12 rows a day", Needs: "within 50% of 900"},
		{Name: "schema", Subject: "schema", Verdict: gate.Pass, Severity: gate.SeverityFail, Shown: "as before", Needs: "the same"}}
	if got := shownDrift(t, 100, driftNews, d); !strings.Contains(got, "  fail  volume  12 rows a day  within 50% of 900\n") || strings.Contains(got, "as before") {
		t.Errorf("the check is missing, or the passed one is there:\n%s", got)
	}
}

func TestHostileNamesStayText(t *testing.T) {
	d := flightsTold()
	evil := "\x1b[2Ja\n\u202e<script>alert(1)</script>|`x`@all,=1+1"
	d.Answer.Monitor, d.Answer.Reference.Name = evil, evil
	d.Answer.Columns = []drift.Column{driftedColumn(evil, evil+" -> b", 3)}
	d.Answer.Columns[0].Bins = drift.Bins{Categories: []string{evil, "</style>"}, Reference: []int64{1, 2}, Current: []int64{2, 1}}
	d.Answer.Columns[0].Reference.Top = evil
	d.Answer.Notes = []string{evil}
	d.Answer.Checks = []gate.Finding{{Name: evil, Verdict: gate.Fail, Shown: evil, Needs: evil, Note: evil}}
	for _, width := range []int{-1, 60, 100} {
		if got := shownDrift(t, width, driftAll, d); strings.ContainsAny(got, "\x1b\u202e") {
			t.Errorf("width %d: a control character got through: %q", width, got)
		}
	}
	for _, form := range driftForms() {
		text, err := driftViewOf([]driftTold{d}).render(form)
		if err != nil {
			t.Errorf("%s: %v", form, err)
		}
		got := string(text)
		if form != "json" && form != "gitlab" && strings.ContainsAny(got, "\x1b\u202e") && form != "csv" && form != "prometheus" && form != "openmetrics" {
			t.Errorf("%s: a control character got through", form)
		}
		if (form == "html" || form == "markdown" || form == "junit") && strings.Contains(got, "<script") {
			t.Errorf("%s: markup got through", form)
		}
	}
}

func TestDriftDocument(t *testing.T) {
	d := flightsTold()
	d.Answer.Columns[0].Value = nil
	text, err := json.Marshal(driftViewOf([]driftTold{d}))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	one := doc["monitors"].([]any)[0].(map[string]any)
	for _, field := range []string{"id", "monitor", "verdict", "window", "reference", "new", "drifted_share", "limit_share", "columns", "action"} {
		if _, ok := one[field]; !ok {
			t.Errorf("no field %q: fields are never left out", field)
		}
	}
	for _, field := range []string{"name", "verdict", "method", "value", "threshold", "p", "p_adjusted", "direction", "rows", "missing_share", "reference_missing_share", "text"} {
		if _, ok := one["columns"].([]any)[0].(map[string]any)[field]; !ok {
			t.Errorf("a column has no field %q", field)
		}
	}
	if doc["verdict"] != "fail" || one["action"] != nil {
		t.Errorf("verdict %v, action %v", doc["verdict"], one["action"])
	}
}

func TestWindowWords(t *testing.T) {
	day := func(d, h int) *time.Time { return ptr(time.Date(2026, 3, d, h, 0, 0, 0, time.UTC)) }
	for _, c := range []struct {
		w    drift.Window
		want string
	}{
		{drift.Window{From: day(1, 0), To: day(8, 0)}, "2026-03-01 to 2026-03-07"},
		{drift.Window{From: day(1, 0), To: day(2, 0)}, "2026-03-01"},
		{drift.Window{From: day(1, 0), To: day(1, 6)}, "2026-03-01 00:00 to 2026-03-01 06:00"},
		{drift.Window{Rows: 10}, ""},
	} {
		if got := windowWords(c.w); got != c.want {
			t.Errorf("windowWords = %q, want %q", got, c.want)
		}
	}
}

func TestEffectWordShowsTheSideOfTheThreshold(t *testing.T) {
	for v, want := range map[float64]string{8.2: "8.2", 0.41: "0.41", 0.2496: "0.2496", 0.2549: "0.255", 0.25: "0.25", 123.4: "123", 0: "0"} {
		if got := effectWord(v, ptr(0.25)); got != want {
			t.Errorf("effectWord(%v) = %q, want %q", v, got, want)
		}
	}
}
