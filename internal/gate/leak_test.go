package gate

import (
	"strings"
	"testing"

	"mlx/internal/fault"
)

const leakTrain = `id,user,at,x,y,seen
1,a,2013-01-01T03:00:00Z,1,2,2013-01-01T02:00:00Z
2,b,2013-01-02T12:00:00Z,3,4,2013-01-02T11:00:00Z
3,b,2013-01-31T23:30:00Z,5,6,2013-01-31T22:00:00Z
`

const leakTestRows = `id,user,at,x,y,seen
4,b,2013-01-01T04:00:00Z,1,2,2013-01-01T03:00:00Z
5,c,2013-02-01T04:30:00Z,3,9,2013-02-01T05:00:00Z
3,d,2013-02-02T12:00:00Z,7,8,2013-02-02T11:00:00Z
`

func judgeLeak(t *testing.T, spec Spec, m Meaning, r Rule) ([]Finding, error) {
	t.Helper()
	r.Kind, r.At = "measure", fault.Position{File: "mlx.yaml", Line: 7}
	spec.Name, spec.Rules = "leak", []Rule{r}
	checks, err := (&session{spec: spec}).compile()
	if err != nil {
		return nil, err
	}
	world := dataWorld{"train.csv": leakTrain, "test.csv": leakTestRows}.world(t)
	world.Meaning = func(string) (Meaning, bool) { return m, true }
	return checks[0].Check(t.Context(), Subject{World: world, Table: "test.csv"})
}

func TestLeakage(t *testing.T) {
	zone := Meaning{Time: "at", TimeZone: "America/New_York"}
	declared := Meaning{Time: "at", PredictedAt: "-2h", Columns: map[string]ColumnMeaning{
		"x": {AvailableAt: "-1d"}, "y": {AvailableAt: "3h"}, "z": {AvailableAt: "-2h"}, "w": {AvailableAt: "-30m"}, "seen": {AvailableAt: "seen"}}}
	for _, tc := range []struct {
		name    string
		spec    Spec
		meaning Meaning
		rule    Rule
		verdict Verdict
		text    string
		note    string
	}{
		{"key", Spec{Train: "train.csv"}, Meaning{Key: []string{"id"}}, Rule{Name: "shared_rows"}, Fail, "1 of 3 rows is in train.csv: row 3  none in train.csv", "rows are the same by id"},
		{"features", Spec{Train: "train.csv", Features: []string{"x", "y"}}, Meaning{}, Rule{Name: "shared_rows"}, Fail, "1 of 3 rows is in train.csv: row 1  none in train.csv", "rows are the same by all features (x and y)"},
		{"all columns", Spec{Train: "train.csv"}, Meaning{}, Rule{Name: "shared_rows"}, Pass, "3 rows  none in train.csv", ""},
		{"share", Spec{Train: "train.csv"}, Meaning{Key: []string{"id"}}, Rule{Name: "shared_rows", Max: bounded("50%")}, Pass, "1 of 3 rows is in train.csv: row 3 (33.3%)  at most 50%", ""},
		{"groups", Spec{Train: "train.csv"}, Meaning{}, Rule{Name: "shared_groups", Columns: []string{"user"}}, Fail, "1 value of user in both: 1 of 3 rows is of a group in train.csv: row 1  no user in train.csv", ""},
		{"days in UTC", Spec{Train: "train.csv", Time: "at"}, Meaning{}, Rule{Name: "shared_days"}, Fail, "1 day of 3 in both, with 1 of 3 rows: 2013-01-01  no day in both", "days begin in UTC"},
		{"days at home", Spec{Train: "train.csv"}, zone, Rule{Name: "shared_days"}, Fail, "2 days of 3 in both, with 2 of 3 rows: 2012-12-31, 2013-01-31  no day in both", "days begin in America/New_York"},
		{"overlap", Spec{Train: "train.csv"}, zone, Rule{Name: "time_overlap"}, Fail, "training ends 2013-01-31T18:30:00-05:00, the test begins 2012-12-31T23:00:00-05:00  training ends before", ""},
		{"too late", Spec{Features: []string{"x", "y", "z", "w", "q"}}, declared, Rule{Name: "available_at"}, Fail, "2 of 5 features are known too late: y (5h), w (1h 30m)  known when the prediction is made (-2h)", "nothing says when q is known"},
		{"in time", Spec{Features: []string{"x", "z"}}, declared, Rule{Name: "available_at"}, Pass, "2 features known in time  known when the prediction is made (-2h)", ""},
		{"a column of times", Spec{Features: []string{"seen"}}, declared, Rule{Name: "available_at"}, Fail, "1 of 1 feature is known too late: seen (up to 2h 30m, in 3 rows)  known when the prediction is made (-2h)", ""},
		{"silent", Spec{Features: []string{"q"}}, declared, Rule{Name: "available_at"}, Inconclusive, "none of 1 feature says when it is known  known when the prediction is made (-2h)", "nothing says when q is known"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := judgeLeak(t, tc.spec, tc.meaning, tc.rule)
			if err != nil || len(found) != 1 {
				t.Fatalf("findings %v, error %v", found, err)
			}
			if f := found[0]; f.Verdict != tc.verdict || f.Text() != tc.text || tc.note != "" && f.Note != tc.note {
				t.Errorf("%s %q note %q\nwant %s %q note %q", f.Verdict, f.Text(), f.Note, tc.verdict, tc.text, tc.note)
			}
		})
	}
}

// A day that nanoseconds of 64 bits cannot count, such as one that stands for "for ever", is as late as it says.
func TestOverlapOfFarDays(t *testing.T) {
	for _, tc := range []struct {
		train, test string
		verdict     Verdict
		text        string
	}{
		{"at\n2019-01-01\n9999-12-31\n", "at\n2020-01-01\n", Fail, "training ends 9999-12-31T00:00:00Z, the test begins 2020-01-01T00:00:00Z  training ends before"},
		{"at\n2019-01-01\n", "at\n2020-01-01\n9999-12-31\n", Pass, "training ends 2019-01-01T00:00:00Z, the test begins 2020-01-01T00:00:00Z  training ends before"},
		{"at\n0001-01-01\n1001-01-01\n", "at\n9999-12-31\n", Pass, "training ends 1001-01-01T00:00:00Z, the test begins 9999-12-31T00:00:00Z  training ends before"},
	} {
		rule := Rule{Kind: "measure", Name: "time_overlap", Columns: []string{"at"}}
		checks, err := (&session{spec: Spec{Name: "leak", Train: "train.csv", Rules: []Rule{rule}}}).compile()
		if err != nil {
			t.Fatal(err)
		}
		found, err := checks[0].Check(t.Context(), Subject{World: dataWorld{"train.csv": tc.train, "test.csv": tc.test}.world(t), Table: "test.csv"})
		if err != nil || len(found) != 1 || found[0].Verdict != tc.verdict || found[0].Text() != tc.text {
			t.Errorf("%v, error %v\nwant %s %q", found, err, tc.verdict, tc.text)
		}
	}
}

func TestLeakageTroubles(t *testing.T) {
	late := Meaning{Columns: map[string]ColumnMeaning{"x": {AvailableAt: "3h"}}}
	for _, tc := range []struct {
		name    string
		spec    Spec
		meaning Meaning
		rule    Rule
		text    string
	}{
		{"no training", Spec{}, Meaning{}, Rule{Name: "shared_rows"}, "cannot judge leak: nothing says what the model was trained on (mlx.yaml line 7)"},
		{"no group", Spec{Train: "train.csv"}, Meaning{}, Rule{Name: "shared_groups"}, "cannot judge leak: nothing says what a group is (mlx.yaml line 7)"},
		{"no time", Spec{Train: "train.csv"}, Meaning{}, Rule{Name: "shared_days"}, "cannot judge leak: nothing says when a row happened (mlx.yaml line 7)"},
		{"no times", Spec{Train: "train.csv", Time: "x"}, Meaning{}, Rule{Name: "shared_days"}, `cannot judge leak: column "x" is int and holds no times (mlx.yaml line 7)`},
		{"no features", Spec{}, late, Rule{Name: "available_at"}, "cannot judge leak: nothing says which columns the model reads (mlx.yaml line 7)"},
		{"no moment", Spec{Features: []string{"x"}}, late, Rule{Name: "available_at"}, "cannot judge leak: nothing says when a prediction is made (mlx.yaml line 7)"},
		{"no zone", Spec{Train: "train.csv", Time: "at", TimeZone: "Mars/Phobos"}, Meaning{}, Rule{Name: "shared_days"}, `cannot judge leak: time zone "Mars/Phobos" is not known (mlx.yaml line 7)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := judgeLeak(t, tc.spec, tc.meaning, tc.rule)
			if err == nil || err.Error() != tc.text {
				t.Errorf("findings %v, error %v\nwant %s", found, err, tc.text)
			}
		})
	}
}

func TestLeakNames(t *testing.T) {
	for text, want := range map[string]string{"a\nb\n": "a b", "# features\n- a\n\n- b c\n": "a b c", `["a", "b"]`: "a b", "[1": "", "": ""} {
		names, ok := leakNames([]byte(text))
		if got := strings.Join(names, " "); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
	}
}
