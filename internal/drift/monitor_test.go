package drift

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

func testLedger(t *testing.T) *lineage.Ledger {
	t.Helper()
	now := time.Date(2026, time.November, 16, 3, 15, 0, 0, time.UTC)
	l, err := lineage.Open(lineage.Options{Dir: t.TempDir(), Now: func() time.Time { return now }, By: "ana", Host: "h", PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestAnswersAreKept(t *testing.T) {
	l := testLedger(t)
	from := time.Date(2026, time.November, 9, 0, 0, 0, 0, zone(t, "America/New_York"))
	to := from.AddDate(0, 0, 7)
	a := Answer{Monitor: "m", Verdict: Stable, Window: Window{From: &from, To: &to, Rows: 7}, Inputs: object.Sum([]byte("a")),
		Reference: gate.Ref{Kind: "path", ID: object.Sum([]byte("r"))}, Current: gate.Ref{Kind: "path", ID: object.Sum([]byte("c"))}, Columns: []Column{}}
	first, err := a.Keep(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	found, ok, err := Find(t.Context(), l, a.Inputs)
	if err != nil || !ok || found.ID != first.ID || found.Window.From.Format(time.DateOnly) != "2026-11-09" {
		t.Fatalf("found %+v, %v, %v", found, ok, err)
	}
	if _, ok, err := Find(t.Context(), l, object.Sum([]byte("b"))); ok || err != nil {
		t.Fatalf("found what is not there: %v", err)
	}
	b := a
	b.Inputs, b.Window.Rows = object.Sum([]byte("b")), 8
	second, err := b.Keep(t.Context(), l, first.ID)
	if err != nil {
		t.Fatal(err)
	}
	other := a
	other.Monitor = "m2"
	if _, err := other.Keep(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	all, err := Of(t.Context(), l, "m", 10)
	if err != nil || len(all) != 1 || all[0].ID != second.ID {
		t.Errorf("the answers of m are %+v, %v", all, err)
	}
}

func TestBasis(t *testing.T) {
	ref := func(text string) gate.Ref { return gate.Ref{Kind: "path", ID: object.Sum([]byte(text)), Name: text} }
	digest := func(b Basis) object.Digest {
		t.Helper()
		d, err := b.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	base := Basis{Monitor: "m", Reference: ref("r"), Current: []gate.Ref{ref("a"), ref("b")}, Window: "w"}
	renamed := base
	renamed.Reference.Name, renamed.Current = "other", []gate.Ref{{Kind: "path", ID: ref("a").ID, Name: "x"}, ref("b")}
	if digest(base) != digest(renamed) {
		t.Error("a name is part of it")
	}
	for name, change := range map[string]func(*Basis){
		"monitor": func(b *Basis) { b.Monitor = "n" }, "config": func(b *Basis) { b.Config = object.Sum(nil) }, "reference": func(b *Basis) { b.Reference = ref("s") },
		"current": func(b *Basis) { b.Current = b.Current[:1] }, "others": func(b *Basis) { b.Others = []gate.Ref{ref("l")} },
		"window": func(b *Basis) { b.Window = "v" }, "as of": func(b *Basis) { b.AsOf = "now" }, "meaning": func(b *Basis) { b.Meaning[1] = object.Sum(nil) },
	} {
		other := base
		if change(&other); digest(other) == digest(base) {
			t.Errorf("%s is no part of it", name)
		}
	}
}

func TestRepeats(t *testing.T) {
	v := 0.25
	a := Answer{Verdict: Drift, Window: Window{Rows: 9}, Columns: []Column{{Name: "x", Value: &v}}, Current: gate.Ref{ID: object.Sum([]byte("c"))}}
	b := a
	b.Current.ID, b.Inputs, b.Notes = object.Sum([]byte("d")), object.Sum([]byte("i")), []string{"a note"}
	if !a.Repeats(b) {
		t.Error("other bytes that say the same are news")
	}
	w := 0.26
	b.Columns = []Column{{Name: "x", Value: &w}}
	if a.Repeats(b) {
		t.Error("another value is no news")
	}
}

func TestLongAnswersFit(t *testing.T) {
	many := Answer{Verdict: Drift, Columns: make([]Column, 6000)}
	for i := range many.Columns {
		c := &many.Columns[i]
		c.Name, c.Verdict, c.Text = "column_"+strconv.Itoa(i), Stable, strings.Repeat("x", 60)
		if i%1000 == 999 {
			c.Verdict = Drift
		}
		for k := range 30 {
			c.Bins.Categories, c.Bins.Reference, c.Bins.Current = append(c.Bins.Categories, strconv.Itoa(k)), append(c.Bins.Reference, 1), append(c.Bins.Current, 2)
		}
	}
	l := testLedger(t)
	kept, err := many.Keep(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	body, err := Checked.Decode(kept.Record)
	if err != nil {
		t.Fatal(err)
	}
	drifted := 0
	for _, c := range body.Columns {
		if c.Verdict == Drift {
			drifted++
		}
	}
	if drifted != 6 || len(body.Columns) == 6000 || !strings.Contains(strings.Join(body.Notes, " "), "columns are left out of the record") {
		t.Errorf("%d columns are kept, %d of 6 that drifted: %q", len(body.Columns), drifted, body.Notes)
	}
	some := Answer{Columns: many.Columns[:2000]}
	if fits := some.fitted(); len(fits.Columns) != 2000 || len(fits.Columns[0].Bins.Categories) != 0 || len(fits.Columns[999].Bins.Categories) != 30 {
		t.Error("of two thousand columns those that drifted do not keep their bins")
	}
}

func TestPatterns(t *testing.T) {
	d := Day{2026, time.March, 7}
	for pattern, want := range map[string]string{
		"in/{date}.csv": "in/2026-03-07.csv", "s3://b/{year}/{month}/{day}/*.parquet": "s3://b/2026/03/07/*.parquet", "x/{dates}.csv": "x/{dates}.csv",
	} {
		if got := OnDay(pattern, d); got != want {
			t.Errorf("%s is %s", pattern, got)
		}
	}
	if !ByDay("a/{month}") || ByDay("a/{x}") || WholeDays("a/{month}") || !WholeDays("a/{date}") {
		t.Error("which patterns are of days")
	}
	for word, want := range map[string][3]int{"-365d": {0, 365, 1}, "-1y": {1, 0, 1}, "-0d": {}, "365d": {}, "-1w": {}, "-99999999d": {}, "-1y ": {}, "-500y": {}} {
		years, days, ok := Season(word)
		if got := [3]int{years, days, 0}; ok && [3]int{years, days, 1} != want || !ok && got != want {
			t.Errorf("%q is %d years and %d days, %v", word, years, days, ok)
		}
	}
	for name, ok := range map[string]bool{"": true, "Europe/Berlin": true, "Europe/Berln": false, "Local": false, "../../etc/passwd": false} {
		if _, err := Zone(name); (err == nil) != ok {
			t.Errorf("zone %q: %v", name, err)
		}
	}
}

func TestImportances(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       map[string]float64
		wrong      string
	}{
		{"a.json", `{"a": 3, "b": 1}`, map[string]float64{"a": 1.5, "b": 0.5}, ""},
		{"a.json", `[{"feature": "a", "importance": 3}, {"feature": "b", "importance": 1}]`, map[string]float64{"a": 1.5, "b": 0.5}, ""},
		{"a.json", `{"feature": ["a", "b"], "importance": [3, 1]}`, map[string]float64{"a": 1.5, "b": 0.5}, ""},
		{"a.csv", "rank,feature,gain\n1,a,3\n2,b,1\n", map[string]float64{"a": 1.5, "b": 0.5}, ""},
		{"a.csv", "x,y\na,3\nb,-1\n", map[string]float64{"a": 2, "b": 0}, ""},
		{"a.csv", "x,y\na,lots\n", nil, `line 2: "lots" is no number`},
		{"a.csv", "x,y\na,NaN\n", nil, `the importance of "a" is no number`},
		{"a.csv", "x\na\n", nil, "it needs a column of names and one of numbers"},
		{"a.csv", "", nil, "it has no header"},
		{"a.json", `{"a": 0}`, nil, "no column in it has an importance above zero"},
		{"a.json", `{"a": "x"}`, nil, `the importance of "a" is no number`},
		{"a.json", `[{"feature": "a"}]`, nil, "record 1 has no feature and importance"},
		{"a.json", `[{"feature": "a", "importance": 3}, {"feature": "a", "importance": 1}]`, nil, `it names "a" twice`},
		{"a.json", `{"feature": ["a"], "importance": [3, 1]}`, nil, "its two lists are not of one length"},
		{"a.json", `7`, nil, "it is neither an object nor a list of records in JSON"},
	} {
		got, err := Importances(c.name, []byte(c.text))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.text, diff)
		}
		if (err == nil) != (c.wrong == "") || err != nil && err.Error() != c.wrong {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if !IsImportances("out/feature_importance_v2.json") || IsImportances("importance.json") || IsImportances("feature_importance.png") {
		t.Error("which files are importances")
	}
}

func FuzzImportances(f *testing.F) {
	f.Add("a.json", []byte(`{"feature": ["a"], "importance": [1]}`))
	f.Add("a.csv", []byte("feature,importance\na,1\n"))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		all, err := Importances(name, text)
		if err != nil {
			return
		}
		sum := 0.0
		for column, w := range all {
			if !(w >= 0) {
				t.Fatalf("%q weighs %v", column, w)
			}
			sum += w
		}
		if n := float64(len(all)); sum < n*0.999 || sum > n*1.001 {
			t.Fatalf("%v columns weigh %v", n, sum)
		}
	})
}
