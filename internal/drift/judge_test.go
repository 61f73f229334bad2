package drift

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mlx/internal/gate"
)

func completed(t testing.TB, s Spec) Spec {
	t.Helper()
	done, err := s.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// normals are n numbers, and after them gone missing ones.
func normals(r *rand.Rand, n int, mean, std float64, gone int) sampleOf {
	var s sampleOf
	for range n {
		s.numbers = append(s.numbers, mean+std*r.NormFloat64())
	}
	for range gone {
		s.numbers = append(s.numbers, math.NaN())
	}
	return s
}

func sampleRepeated(of ...any) (s sampleOf) {
	for i := 0; i < len(of); i += 2 {
		for range of[i+1].(int) {
			switch v := of[i].(type) {
			case string:
				s.words = append(s.words, v)
			case float64:
				s.numbers = append(s.numbers, v)
			}
		}
	}
	return s
}

func only(t *testing.T, c *Compared, s Spec) Column {
	t.Helper()
	a := c.Judge(completed(t, s), time.Unix(0, 0))
	if len(a.Columns) != 1 {
		t.Fatalf("%d columns", len(a.Columns))
	}
	return a.Columns[0]
}

func TestColumnsOfNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	zeros := func(zero, other int) sampleOf {
		s := sampleRepeated(0., zero)
		for range other {
			s.numbers = append(s.numbers, 0.1+r.Float64())
		}
		return s
	}
	for _, c := range []struct {
		name      string
		ref, cur  sampleOf
		verdict   Verdict
		direction string
		text      string // beginning
	}{
		{"the same", normals(r, 2000, 0, 1, 0), normals(r, 1000, 0, 1, 0), Stable, "", "median "},
		{"up", normals(r, 2000, 26, 9, 0), normals(r, 1000, 66, 6, 0), Drift, "up", "median 26"},
		{"down", normals(r, 2000, 8, 2, 0), normals(r, 1000, 4, 2, 0), Drift, "down", "median 7.9"},
		{"wider", normals(r, 2000, 0, 1, 0), normals(r, 2000, 0, 3, 0), Drift, "wider", "wider, standard deviation "},
		{"narrower", normals(r, 2000, 0, 1, 0), normals(r, 2000, 0, 0.3, 0), Drift, "narrower", "narrower, standard deviation "},
		{"small shift in many rows", normals(r, 20_000, 0, 1, 0), normals(r, 20_000, 0.1, 1, 0), Stable, "", "median "},
		{"large shift in few rows", normals(r, 2000, 0, 1, 0), normals(r, 29, 3, 1, 0), CannotTell, "", "29 rows, 30 are needed"},
		{"zeros", zeros(1880, 120), zeros(940, 60), Stable, "", "median 0 -> 0, PSI "},
		{"fewer zeros", zeros(1880, 120), zeros(700, 300), Drift, "wider", "wider, standard deviation "},
		{"constant", sampleRepeated(5., 100), sampleRepeated(5., 100), CannotTell, "", "constant: always 5"},
		{"constant before", sampleRepeated(5., 100), sampleRepeated(5., 60, 7., 40), Drift, "wider", "wider"},
		{"another constant", sampleRepeated(5., 100), sampleRepeated(7., 100), Drift, "up", "median 5 -> 7"},
		{"all missing now", normals(r, 200, 0, 1, 0), normals(r, 0, 0, 1, 200), Drift, "up", "missing 0% -> 100%"},
		{"all missing before", normals(r, 0, 0, 1, 200), normals(r, 200, 0, 1, 0), Drift, "down", "missing 100% -> 0%"},
		{"all missing", normals(r, 0, 0, 1, 200), normals(r, 0, 0, 1, 200), CannotTell, "", "all values of the reference are missing"},
		{"few that are there", normals(r, 2000, 0, 1, 0), normals(r, 20, 0, 1, 1), CannotTell, "", "21 rows, 30 are needed"},
		{"more missing", normals(r, 1980, 0, 1, 20), normals(r, 880, 0, 1, 120), Drift, "up", "missing 1% -> 12%"},
		{"a few more missing", normals(r, 1980, 0, 1, 20), normals(r, 970, 0, 1, 30), Stable, "", "median "},
		{"nobody", sampleOf{}, sampleOf{}, CannotTell, "", "0 rows of the reference, 30 are needed"},
	} {
		got := only(t, comparedOf(measuredNumbers(t, "x", c.ref, c.cur)), Spec{})
		if got.Verdict != c.verdict || got.Direction != c.direction || !strings.HasPrefix(got.Text, c.text) {
			t.Errorf("%s: %s %q %q, not %s %q %q", c.name, got.Verdict, got.Direction, got.Text, c.verdict, c.direction, c.text)
		}
		if (got.Why != "") != (got.Verdict == CannotTell) || len(got.Measures) == 0 || got.Measures[0].Method != got.Method {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestColumnsOfCategories(t *testing.T) {
	ids := func(from int) (s sampleOf) {
		for i := range 500 {
			s.words = append(s.words, fmt.Sprint("id", from+i))
		}
		return s
	}
	for _, c := range []struct {
		name     string
		ref, cur sampleOf
		verdict  Verdict
		method   Method
		text     string
	}{
		{"the same", sampleRepeated("AA", 120, "UA", 880), sampleRepeated("AA", 130, "UA", 870), Stable, PSI, "AA 12% -> 13%"},
		{"more", sampleRepeated("AA", 120, "UA", 880), sampleRepeated("AA", 310, "UA", 690), Drift, PSI, "AA 12% -> 31%, PSI 0.23"},
		{"new", sampleRepeated("AA", 500, "UA", 500), sampleRepeated("AA", 490, "UA", 480, "ZZ", 30), Drift, PSI, "ZZ 0% -> 3%, PSI "},
		{"constant", sampleRepeated("AA", 500), sampleRepeated("AA", 490), CannotTell, PSI, "constant: always AA"},
		{"identifiers", ids(0), ids(1000), CannotTell, PSI, "every value is different: it names rows"},
		{"another case", sampleRepeated("AA", 500, "UA", 500), sampleRepeated("aa", 490, "ua", 480), Drift, Unit, "values are written another way: aa for AA, "},
		{"another value", sampleRepeated("AA", 500), sampleRepeated("AA", 400, "UA", 100), Drift, PSI, "UA 0% -> 20%"},
	} {
		got := only(t, comparedOf(measuredWords(t, "x", c.ref, c.cur)), Spec{})
		if got.Verdict != c.verdict || got.Method != c.method || !strings.HasPrefix(got.Text, c.text) {
			t.Errorf("%s: %s %s %q, not %s %s %q", c.name, got.Verdict, got.Method, got.Text, c.verdict, c.method, c.text)
		}
	}
	high := 5.0
	got := only(t, comparedOf(measuredWords(t, "x", sampleRepeated("AA", 500, "UA", 500), sampleRepeated("AA", 490, "UA", 480, "Z\x1b[31m", 30))), Spec{Threshold: &high})
	if got.Verdict != Drift || got.Method != Unseen || got.Text != "new value Z\ufffd[31m, 3% of the rows" {
		t.Errorf("unseen: %s %s %q", got.Verdict, got.Method, got.Text)
	}
}

// TestOneBin: an effect of one bin is 0 whatever happens, and is not told.
func TestOneBin(t *testing.T) {
	m := measuredNumbers(t, "precip", sampleRepeated(0., 940, 1., 60), sampleRepeated(0., 940, 2., 60))
	m.Bins = Bins{Edges: []float64{0}, Reference: []int64{0, 1000}, Current: []int64{0, 1000}}
	m.Distances[PSI] = Effect{0, math.NaN()}
	got := only(t, comparedOf(m), Spec{})
	if got.Verdict != CannotTell || got.Text != "most of the reference is 0: one bin" || got.Value != nil {
		t.Errorf("%s %q %v", got.Verdict, got.Text, got.Value)
	}
	if got := only(t, comparedOf(m), Spec{Methods: map[string]Method{"precip": KS}}); got.Verdict != Stable || got.Method != KS {
		t.Errorf("K-S needs no bins: %s %q", got.Verdict, got.Text)
	}
}

func TestColumnsThatChangedTheirType(t *testing.T) {
	m := measuredNumbers(t, "x", sampleRepeated(1., 50, 2., 50), sampleRepeated(1., 50, 2., 50))
	c := comparedOf(m)
	c.Schema = []SchemaChange{{Column: "x", Now: "x", A: "int", B: "text"}}
	if got := only(t, c, Spec{}); got.Verdict != CannotTell || got.Why != "its type changed from int to text" {
		t.Errorf("%+v", got)
	}
	c.Schema[0].Same = true
	if got := only(t, c, Spec{}); got.Verdict != Stable {
		t.Errorf("compared all the same: %+v", got)
	}
	c.Columns[0].Why = "it cannot be read"
	if got := only(t, c, Spec{}); got.Verdict != CannotTell || got.Why != "it cannot be read" || got.Text != got.Why {
		t.Errorf("told by the comparison: %+v", got)
	}
}

func TestMethodOfAnotherKind(t *testing.T) {
	m := measuredNumbers(t, "x", sampleRepeated(1., 50, 2., 50), sampleRepeated(1., 50, 2., 50))
	if got := only(t, comparedOf(m), Spec{Methods: map[string]Method{"x": Chi2}}); got.Verdict != CannotTell || got.Why != "Cramér's V does not compare numbers" {
		t.Errorf("%s %q", got.Verdict, got.Why)
	}
}

func TestJudgeWords(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	many := measuredNumbers(t, "x", normals(r, 9000, 0, 1, 0), normals(r, 9000, 0.15, 1, 0)) // significant, and small
	few := measuredNumbers(t, "x", normals(r, 40, 0, 1, 0), normals(r, 40, 0, 1, 0))         // an effect by chance
	for _, c := range []struct {
		judge     string
		many, few Verdict
	}{{JudgeBoth, Stable, Stable}, {JudgeEffect, Stable, Drift}, {JudgeP, Drift, Stable}} {
		if got := only(t, comparedOf(many), Spec{Judge: c.judge}); got.Verdict != c.many {
			t.Errorf("%s of many rows: %s %s", c.judge, got.Verdict, got.Text)
		}
		if got := only(t, comparedOf(few), Spec{Judge: c.judge}); got.Verdict != c.few {
			t.Errorf("%s of few rows: %s %s", c.judge, got.Verdict, got.Text)
		}
	}
}

func TestLearntThresholds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := measuredNumbers(t, "x", normals(r, 3000, 0, 1, 0), normals(r, 1000, 0.4, 1, 0))
	m.Learnt = []float64{0.1, 0.2, 0.3, math.NaN()}
	got := only(t, comparedOf(m), Spec{Learn: &Learn{Deviations: 2}})
	if want := 0.2 + 2*math.Sqrt(0.02/3); got.Threshold == nil || !sameNumber(*got.Threshold, want) || got.Verdict != Stable {
		t.Errorf("%+v, not %v", got.Threshold, want)
	}
	m.Learnt = m.Learnt[:2]
	if got := only(t, comparedOf(m), Spec{Learn: &Learn{}}); got.Verdict != CannotTell ||
		got.Why != "no threshold can be learnt: 2 parts of the reference can be compared, 3 are needed" {
		t.Errorf("%+v", got)
	}
}

// TestOneFamily: with many columns a p that would count alone does not.
func TestOneFamily(t *testing.T) {
	var all []Measured
	for i := range 40 {
		m := measuredNumbers(t, fmt.Sprint("c", i), sampleRepeated(1., 50, 2., 50), sampleRepeated(1., 50, 2., 50))
		m.Distances[KS], m.Distances[PSI] = Effect{0.05, 0.9}, Effect{0.05, math.NaN()}
		all = append(all, m)
	}
	all[7].Distances[KS], all[7].Distances[PSI] = Effect{0.3, 0.01}, Effect{0.3, math.NaN()}
	for correction, want := range map[string]Verdict{"bh": Stable, "holm": Stable, "bonferroni": Stable, "none": Drift} {
		a := comparedOf(all...).Judge(completed(t, Spec{Correction: correction}), time.Unix(0, 0))
		if a.Verdict != want || *a.Columns[7].P != 0.01 || correction != "none" && !sameNumber(*a.Columns[7].PAdjusted, 0.4) {
			t.Errorf("%s: %s %v", correction, a.Verdict, *a.Columns[7].PAdjusted)
		}
	}
}

func TestFewClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	side := func(days int, shift float64) (s sampleOf) {
		for day := range days {
			for range 40 {
				s.numbers, s.cluster = append(s.numbers, r.NormFloat64()+shift), append(s.cluster, day)
			}
		}
		return s
	}
	for _, c := range []struct {
		spec     Spec
		ref, cur int
		verdict  Verdict
		text     string
	}{
		{Spec{Time: "at"}, 30, 3, CannotTell, "3 days, 5 are needed"},
		{Spec{Cluster: "user"}, 4, 30, CannotTell, "4 values of user of the reference, 5 are needed"},
		{Spec{Time: "at", Judge: JudgeEffect}, 30, 3, Drift, "median "},
		{Spec{Time: "at"}, 30, 7, Drift, "median "},
	} {
		m := measuredNumbers(t, "x", side(c.ref, 0), side(c.cur, 3))
		if got := only(t, comparedOf(m), c.spec); got.Verdict != c.verdict || !strings.HasPrefix(got.Text, c.text) {
			t.Errorf("%d and %d: %s %q", c.ref, c.cur, got.Verdict, got.Text)
		}
	}
	// 5 days against 5 cannot show one of 60 columns, however far it is.
	var all []Measured
	for i := range 60 {
		shift := 0.0
		if i == 0 {
			shift = 4
		}
		all = append(all, measuredNumbers(t, fmt.Sprint("c", i), side(5, 0), side(5, shift)))
	}
	a := comparedOf(all...).Judge(completed(t, Spec{Time: "at"}), time.Unix(0, 0))
	if got := a.Columns[0]; got.Verdict != CannotTell || got.Why != "5 days and 5 days are too few to show it among 60 columns" {
		t.Errorf("%s %q", got.Verdict, got.Why)
	}
	if a.Grouped != "day" || a.Clusters != [2]int64{5, 5} {
		t.Errorf("%q %v", a.Grouped, a.Clusters)
	}
}

func TestShareRule(t *testing.T) {
	columns := func(drifted, untold, stable int) (all []Column) {
		for v, n := range map[Verdict]int{Drift: drifted, CannotTell: untold, Stable: stable} {
			for range n {
				all = append(all, Column{Verdict: v, Weight: 1, Why: "too few"})
			}
		}
		return all
	}
	heavy := columns(1, 0, 9)
	for i := range heavy {
		if heavy[i].Verdict == Drift {
			heavy[i].Weight = 10
		}
	}
	for _, c := range []struct {
		name    string
		columns []Column
		limit   float64
		want    Verdict
		why     string
	}{
		{"the session of the monitor", columns(2, 1, 9), 0.1, Drift, ""},
		{"none", columns(0, 0, 12), 0, Stable, ""},
		{"none, one not known", columns(0, 1, 11), 0, Stable, ""},
		{"any is too many", columns(1, 0, 11), 0, Drift, ""},
		{"as many as may be", columns(1, 0, 9), 0.1, Stable, ""},
		{"by weight", heavy, 0.1, Drift, ""},
		{"even with all that are not known", columns(0, 4, 6), 0.5, Stable, ""},
		{"most are not known", columns(0, 7, 5), 0, CannotTell, "7 of 12 columns cannot be judged"},
		{"drift is certain though most are not known", columns(2, 9, 1), 0.1, Drift, ""},
		{"either way", columns(1, 4, 7), 0.1, CannotTell, "1 column drifted; with the 4 that cannot be judged it may be more than 10%"},
		{"all too few", columns(0, 12, 0), 0, CannotTell, "too few"},
		{"no column", nil, 0, CannotTell, "there is no column to compare"},
	} {
		j := &judging{Spec: Spec{MaxDrifted: c.limit}, Compared: &Compared{}}
		a := Answer{Columns: c.columns, Verdict: Stable}
		if j.verdict(&a); a.Verdict != c.want || a.Why != c.why {
			t.Errorf("%s: %s %q", c.name, a.Verdict, a.Why)
		}
	}
	j := &judging{Compared: &Compared{}}
	for _, c := range []struct {
		check gate.Finding
		want  Verdict
	}{
		{gate.Finding{Verdict: Drift, Severity: gate.SeverityFail}, Drift},
		{gate.Finding{Verdict: Drift, Severity: gate.SeverityWarn}, Stable},
		{gate.Finding{Verdict: CannotTell, Severity: gate.SeverityFail}, CannotTell},
	} {
		a := Answer{Columns: columns(0, 0, 3), Verdict: Stable, Checks: []gate.Finding{c.check}}
		if j.verdict(&a); a.Verdict != c.want {
			t.Errorf("%+v: %s", c.check, a.Verdict)
		}
	}
}

// TestBadColumnsHideNothing: whatever is wrong with a column, the others are judged as without it, and all can be written as JSON, twice
// the same.
func TestBadColumnsHideNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	good := measuredNumbers(t, "good", normals(r, 500, 0, 1, 0), normals(r, 500, 2, 1, 0))
	nan, inf := math.NaN(), math.Inf(1)
	bad := []Measured{{}, {Column: Column{Name: "empty", Kind: Numbers}}, {Column: Column{Name: "words", Kind: Categories}},
		measuredNumbers(t, "missing", normals(r, 0, 0, 1, 500), normals(r, 0, 0, 1, 500)), measuredNumbers(t, "one", normals(r, 1, 0, 1, 0), normals(r, 500, 0, 1, 0))}
	strange := measuredNumbers(t, "strange", normals(r, 500, 0, 1, 0), normals(r, 500, 0, 1, 0))
	strange.Distances = map[Method]Effect{PSI: {inf, nan}, KS: {nan, nan}}
	strange.Clustered = &Clustered{Reference: [][]uint32{{}}, Current: nil}
	strange.Reference.Median, strange.Current.Median = &inf, &nan
	bad = append(bad, strange)
	c := comparedOf(slices.Concat(bad, []Measured{good})...)
	spec := completed(t, Spec{MaxDrifted: 0.01})
	a := c.Judge(spec, time.Unix(0, 0))
	if a.Verdict != Drift || a.Columns[len(a.Columns)-1].Verdict != Drift {
		t.Errorf("%s: %+v", a.Verdict, a.Columns[len(a.Columns)-1])
	}
	for _, col := range a.Columns[:len(bad)] {
		if col.Verdict != CannotTell || col.Why == "" {
			t.Errorf("%s: %s %q", col.Name, col.Verdict, col.Text)
		}
	}
	first, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(c.Judge(spec, time.Unix(0, 0))); err != nil || string(again) != string(first) {
		t.Errorf("not the same twice: %v", err)
	}
}

func TestNotes(t *testing.T) {
	a := comparedOf().Judge(completed(t, Spec{WeightsOf: "importance of flights@v6"}), time.Unix(0, 0))
	want := []string{"rows are assumed to be independent; with time or cluster they need not be", "columns are weighted by importance of flights@v6"}
	if !slices.Equal(a.Notes, want) || a.Verdict != CannotTell || a.Columns == nil {
		t.Errorf("%q %s", a.Notes, a.Verdict)
	}
	if a = comparedOf().Judge(completed(t, Spec{Time: "at"}), time.Unix(0, 0)); len(a.Notes) > 0 {
		t.Errorf("of nothing that was judged: %q", a.Notes)
	}
	a = comparedOf(Measured{Column: Column{Name: "x", Kind: Numbers}}).Judge(completed(t, Spec{Time: "at"}), time.Unix(0, 0))
	if !slices.Equal(a.Notes, []string{"a profile does not say which rows belong together: they are assumed to be independent"}) {
		t.Errorf("%q", a.Notes)
	}
}
