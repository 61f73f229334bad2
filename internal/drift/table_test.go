package drift

import (
	"math"
	"slices"
	"testing"
	"time"

	"mlx/internal/gate"
)

func moment(t *testing.T, text string) float64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return float64(at.Unix())
}

func TestTableChecks(t *testing.T) {
	fifth, none, nan := 0.2, 0.0, math.NaN()
	week := [2]float64{moment(t, "2026-11-02T05:00:00Z"), moment(t, "2026-11-09T04:59:00Z")} // seven days of New York
	year := [2]float64{moment(t, "2025-11-01T04:00:00Z"), moment(t, "2026-11-01T03:59:00Z")}
	zoned := Spec{Time: "at", TimeZone: "America/New_York"}
	with := func(s Spec, change func(*Spec)) Spec { change(&s); return s }
	asOf := time.Date(2026, 11, 10, 5, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		spec     Spec
		compared Compared
		want     gate.Finding
	}{
		{"volume", with(zoned, func(s *Spec) { s.Volume = &fifth }), Compared{Rows: [2]int64{365_000, 6650}, Span: [2][2]float64{year, week}},
			gate.Finding{Verdict: Stable, Shown: "950 rows a day, 1,000 in the reference"}},
		{"less volume", with(zoned, func(s *Spec) { s.Volume = &fifth }), Compared{Rows: [2]int64{365_000, 5600}, Span: [2][2]float64{year, week}},
			gate.Finding{Verdict: Drift, Shown: "800 rows a day, 1,000 in the reference"}},
		{"more volume", Spec{Volume: &fifth}, Compared{Rows: [2]int64{1000, 1200}}, gate.Finding{Verdict: Drift, Shown: "1,200 rows, 1,000 in the reference"}},
		{"no volume", Spec{Volume: &fifth}, Compared{Rows: [2]int64{1000, 0}}, gate.Finding{Verdict: Drift, Shown: "0 rows, 1,000 in the reference"}},
		{"volume of nobody knows what", with(zoned, func(s *Spec) { s.Volume = &fifth }), Compared{Rows: [2]int64{10, 10}, Span: [2][2]float64{{nan, nan}, week}},
			gate.Finding{Verdict: CannotTell, Shown: "unknown"}},
		{"duplicates", Spec{Duplicates: &fifth}, Compared{Rows: [2]int64{10, 1000}, Duplicates: [2]int64{0, 250}}, gate.Finding{Verdict: Drift, Shown: "250 of 1,000 rows stood there before"}},
		{"few duplicates", Spec{Duplicates: &fifth}, Compared{Rows: [2]int64{10, 1000}, Duplicates: [2]int64{-1, 150}}, gate.Finding{Verdict: Stable, Shown: "150 of 1,000 rows stood there before"}},
		{"no duplicates", Spec{Duplicates: &none}, Compared{Rows: [2]int64{10, 1000}}, gate.Finding{Verdict: Stable, Shown: "0 of 1,000 rows stood there before"}},
		{"one duplicate", Spec{Duplicates: &none}, Compared{Rows: [2]int64{10, 1000}, Duplicates: [2]int64{0, 1}}, gate.Finding{Verdict: Drift, Shown: "1 of 1,000 rows stood there before"}},
		{"duplicates not counted", Spec{Duplicates: &none}, Compared{Rows: [2]int64{10, 10}, Duplicates: [2]int64{-1, -1}}, gate.Finding{Verdict: CannotTell, Shown: "unknown"}},
		{"fresh", Spec{Freshness: 2 * 86_400}, Compared{Rows: [2]int64{10, 10}, Span: [2][2]float64{year, week}}, gate.Finding{Verdict: Stable, Shown: "the newest row is 1 d old"}},
		{"stale", Spec{Freshness: 3600}, Compared{Rows: [2]int64{10, 10}, Span: [2][2]float64{year, week}}, gate.Finding{Verdict: Drift, Shown: "the newest row is 1 d old"}},
		{"of the future", Spec{Freshness: 3600}, Compared{Rows: [2]int64{10, 10}, Span: [2][2]float64{year, {0, moment(t, "2026-11-10T08:00:00Z")}}},
			gate.Finding{Verdict: Stable, Shown: "the newest row is of the future, by 3 h"}},
		{"nothing", Spec{Freshness: 3600}, Compared{Span: [2][2]float64{year, {nan, nan}}}, gate.Finding{Verdict: Drift, Shown: "no row at all"}},
		{"no times", Spec{Freshness: 3600}, Compared{Rows: [2]int64{10, 10}, Span: [2][2]float64{{nan, nan}, {nan, nan}}}, gate.Finding{Verdict: CannotTell, Shown: "unknown"}},
		{"schema", Spec{}, Compared{}, gate.Finding{Verdict: Stable, Shown: "the same"}},
		{"changed schema", Spec{}, Compared{Schema: []SchemaChange{{Column: "a", A: "int"}, {Now: "b", B: "int"}, {Column: "c", Now: "c", A: "int", B: "float", Same: true},
			{Column: "d", Now: "D", A: "int", B: "int", Renamed: true}, {Column: "e", Now: "f", A: "int", B: "int", Renamed: true}}},
			gate.Finding{Verdict: Drift, Shown: "a is gone; b is new; c was int and is float; d is written D; e is now called f"}},
		{"harmless types", Spec{}, Compared{Schema: []SchemaChange{{Column: "c", Now: "c", A: "float", B: "int", Same: true}, {Column: "d", Now: "d", A: "text", B: "null", Same: true}}},
			gate.Finding{Verdict: Stable, Shown: "the same"}},
	} {
		c.spec.Schema = map[bool]string{true: SchemaFail, false: SchemaIgnore}[c.want.Shown == "the same" || len(c.compared.Schema) > 0]
		a := c.compared.Judge(completed(t, c.spec), asOf)
		if len(a.Checks) != 1 {
			t.Errorf("%s: %d checks", c.name, len(a.Checks))
			continue
		}
		got := a.Checks[0]
		if got.Verdict != c.want.Verdict || got.Shown != c.want.Shown || got.Severity != gate.SeverityFail || got.Needs == "" || (got.Verdict == CannotTell) != (got.Note != "") {
			t.Errorf("%s: %+v, not %s %q", c.name, got, c.want.Verdict, c.want.Shown)
		}
		if want := c.want.Verdict; want == Drift && a.Verdict != Drift || want != Drift && a.Verdict == Drift {
			t.Errorf("%s: the table is %s", c.name, a.Verdict)
		}
	}
}

func TestSchemaSeverity(t *testing.T) {
	c := Compared{Schema: []SchemaChange{{Column: "a", A: "int"}}}
	a := c.Judge(completed(t, Spec{Schema: SchemaWarn}), time.Unix(0, 0))
	if len(a.Checks) != 1 || a.Checks[0].Severity != gate.SeverityWarn || a.Verdict == Drift {
		t.Errorf("%+v", a)
	}
	if a := c.Judge(completed(t, Spec{Schema: SchemaIgnore}), time.Unix(0, 0)); len(a.Checks) != 0 {
		t.Errorf("%+v", a.Checks)
	}
}

// TestGaps counts days in the zone, also over the change of the clock: 1 November 2026 has 25 hours in New York.
func TestGaps(t *testing.T) {
	for _, c := range []struct {
		first, last string
		days        int64
		want        string
	}{
		{"2026-10-30T04:00:00Z", "2026-11-03T04:59:00Z", 4, ""},
		{"2026-10-30T04:00:00Z", "2026-11-03T05:00:00Z", 4, "1 of the 5 days from the first row to the last has no rows"},
		{"2026-03-05T05:00:00Z", "2026-03-12T03:59:00Z", 5, "2 of the 7 days from the first row to the last have no rows"},
	} {
		in := Compared{Clusters: [2]int64{30, c.days}, Span: [2][2]float64{{0, 0}, {moment(t, c.first), moment(t, c.last)}}}
		a := in.Judge(completed(t, Spec{Time: "at", TimeZone: "America/New_York"}), time.Unix(0, 0))
		if got := slices.Contains(a.Notes, c.want); got != (c.want != "") || c.want == "" && len(a.Notes) != 0 {
			t.Errorf("%s: %q", c.first, a.Notes)
		}
	}
}
