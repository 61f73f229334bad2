package drift

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/gate"
)

// sourceOf opens a text as a table; the name says its format.
func sourceOf(t *testing.T, name, text string) Source {
	t.Helper()
	f, err := dataset.FromFS(fstest.MapFS{name: {Data: []byte(text)}}, name, name)
	if err != nil {
		t.Fatal(err)
	}
	table, err := dataset.Open(t.Context(), []dataset.File{f}, dataset.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	return Source{Name: name, Table: table}
}

// madeSource is a CSV of n rows that row writes.
func madeSource(t *testing.T, header string, n int, row func(i int) string) Source {
	t.Helper()
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range n {
		b.WriteString(row(i) + "\n")
	}
	return sourceOf(t, "a.csv", b.String())
}

// normalRows are columns a, b, … of standard normals, of which the first two have a correlation.
func normalRows(t *testing.T, r *rand.Rand, n, columns int, correlation float64) Source {
	t.Helper()
	names := make([]string, columns)
	for i := range names {
		names[i] = string(rune('a' + i))
	}
	return madeSource(t, strings.Join(names, ","), n, func(int) string {
		all := make([]string, columns)
		first := r.NormFloat64()
		for c := range all {
			v := r.NormFloat64()
			switch c {
			case 0:
				v = first
			case 1:
				v = correlation*first + math.Sqrt(1-correlation*correlation)*v
			}
			all[c] = fmt.Sprintf("%.6g", v)
		}
		return strings.Join(all, ",")
	})
}

func classified(t *testing.T, ref, cur Source, spec Spec) *gate.Finding {
	t.Helper()
	if spec.Classifier == nil {
		spec.Classifier = &Classifier{}
	}
	f, err := Classify(t.Context(), ref, cur, spec, Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestClassifierFlippedCorrelation finds what no column shows by itself, and names the two columns.
func TestClassifierFlippedCorrelation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	told := regexp.MustCompile(`^AUC 0\.\d+, 0\.\d+ to 0\.\d+, told by (a \d+%, b \d+%|b \d+%, a \d+%)$`)
	for _, c := range []struct {
		rows, columns int
		correlation   float64
	}{{10_000, 20, 0.8}, {2_000, 20, 0.9}, {1_000, 2, 0.8}} {
		ref, cur := normalRows(t, r, c.rows, c.columns, c.correlation), normalRows(t, r, c.rows, c.columns, -c.correlation)
		start := time.Now()
		f := classified(t, ref, cur, Spec{})
		t.Logf("%v: %s; %s; %v", c, f.Shown, f.Note, time.Since(start))
		if f.Verdict != gate.Fail || !told.MatchString(f.Shown) {
			t.Errorf("%v: %s: %s; %s", c, f.Verdict, f.Shown, f.Note)
		}
	}
}

// TestClassifierFalseAlarms counts on data without drift how often the lower bound is above a half: it should be level at most.
func TestClassifierFalseAlarms(t *testing.T) {
	t.Parallel()
	const sets = 100
	r := rand.New(rand.NewPCG(12, 1))
	for _, rows := range []int{40, 300} {
		half, limit, mean := 0, 0, 0.0
		for seed := range sets {
			ref, cur := normalRows(t, r, rows, 6, 0.5), normalRows(t, r, rows, 6, 0.5)
			f := classified(t, ref, cur, Spec{Seed: int64(seed)})
			mean += *f.Value / sets
			if f.Interval[0] > 0.5 {
				half++
			}
			if f.Verdict == gate.Fail {
				limit++
			}
		}
		t.Logf("%d rows: AUC %.3f, above a half %d, alarms %d of %d", rows, mean, half, limit, sets)
		if half > 11 || limit > 0 || math.Abs(mean-0.5) > 0.03 {
			t.Errorf("%d rows: AUC %.3f, above a half %d, alarms %d of %d", rows, mean, half, limit, sets)
		}
	}
}

// dayRows is a table of days of which each has its own level.
func dayRows(t *testing.T, r *rand.Rand, first, n int) Source {
	t.Helper()
	level, rows := 0.0, 40
	return madeSource(t, "day,temp,pressure,origin", n*rows, func(i int) string {
		if i%rows == 0 {
			level = r.NormFloat64() * 2
		}
		day := time.Date(2013, 1, 1+first+i/rows, i%24, 0, 0, 0, time.UTC)
		return fmt.Sprintf("%s,%.4f,%.4f,%c", day.Format(time.RFC3339), level+r.NormFloat64(), -level+r.NormFloat64(), 'A'+rune(r.IntN(3)))
	})
}

// TestClassifierOfDays: rows of a day are alike, so a week is seven rows and not thousands.
func TestClassifierOfDays(t *testing.T) {
	t.Parallel()
	const sets = 24
	r := rand.New(rand.NewPCG(3, 1))
	grouped, single := 0, 0
	for range sets {
		ref, cur := dayRows(t, r, 0, 40), dayRows(t, r, 40, 8)
		f := classified(t, ref, cur, Spec{Time: "day", Classifier: &Classifier{MaxAUC: 0.5}})
		if f.Verdict == gate.Fail {
			grouped++
		}
		if !strings.Contains(f.Note, "of 40 and 8 days") {
			t.Fatal(f.Note)
		}
		if f = classified(t, ref, cur, Spec{Classifier: &Classifier{MaxAUC: 0.5}}); f.Verdict == gate.Fail {
			single++
		}
	}
	t.Logf("alarms of %d: %d by day, %d when rows are taken as independent", sets, grouped, single)
	if grouped > 4 || single < sets*3/4 {
		t.Errorf("alarms of %d: %d by day, %d when rows are taken as independent", sets, grouped, single)
	}
}

func TestClassifierCannotTell(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	some := func(n int) Source { return normalRows(t, r, n, 2, 0) }
	profile := some(100)
	profile.Table, profile.Profile = nil, &dataset.Profile{}
	for _, c := range []struct {
		name     string
		ref, cur Source
		spec     Spec
		want     string
	}{
		{"few rows", some(100), some(29), Spec{MinRows: 30}, "the window has 29 rows, at least 30 needed"},
		{"no rows", some(0), some(100), Spec{}, "the reference has 0 rows, at least 10 needed"},
		{"a profile", profile, some(100), Spec{}, "a profile has no rows to learn from"},
		{"no column", some(100), some(100), Spec{Ignore: []string{"?"}}, "no column to tell the sides apart by"},
		{"few days", dayRows(t, r, 0, 40), dayRows(t, r, 40, 4), Spec{Time: "day"}, "a side has 4 days, at least 5 needed"},
		{"few clusters", dayRows(t, r, 0, 9), dayRows(t, r, 40, 9), Spec{Cluster: "origin"}, `a side has 3 values of "origin", at least 5 needed`},
		{"another type", some(100), madeSource(t, "a,b", 100, func(int) string { return "x,y" }), Spec{}, "no column to tell the sides apart by"},
	} {
		f := classified(t, c.ref, c.cur, c.spec)
		if f.Verdict != gate.Inconclusive || f.Shown != "unknown" || f.Note != c.want {
			t.Errorf("%s: %s: %s", c.name, f.Verdict, f.Note)
		}
	}
	if f, err := Classify(t.Context(), some(50), some(50), Spec{}, Options{}); f != nil || err != nil {
		t.Error(f, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Classify(ctx, some(50), some(50), Spec{Classifier: &Classifier{}}, Options{}); err == nil {
		t.Error("cancelled, and it answered")
	}
}

// TestClassifierCategories: names and missing values are told apart, jointly; a name of each row tells nothing.
func TestClassifierCategories(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	id := 0
	side := func(flip bool) Source {
		return madeSource(t, "id,carrier,delay,code", 1500, func(int) string {
			id++
			carrier, late := r.IntN(4), r.IntN(2) == 1
			delay := ""
			if late == (carrier < 2) != flip {
				delay = fmt.Sprintf("%.3f", r.NormFloat64())
			}
			return fmt.Sprintf("row-%d,%s,%s,%d", id, []string{"AA", "UA", "DL", "WN"}[carrier], delay, map[bool]int{true: 7, false: 9}[late])
		})
	}
	f := classified(t, side(false), side(true), Spec{Categories: []string{"code"}})
	if f.Verdict != gate.Fail || *f.Value < 0.95 {
		t.Error(f.Shown, f.Note)
	}
	if f = classified(t, side(false), side(false), Spec{}); f.Verdict != gate.Pass {
		t.Error(f.Shown, f.Note)
	}
}

// TestClassifierIsTheSame whatever the number of workers and the format.
func TestClassifierIsTheSame(t *testing.T) {
	var csv, lines [2]strings.Builder
	r := rand.New(rand.NewPCG(6, 1))
	for side := range csv {
		csv[side].WriteString("x,name\n")
		for range 3000 {
			x, name := fmt.Sprintf("%.5f", r.NormFloat64()+float64(side)/3), string(rune('a'+r.IntN(5)))
			fmt.Fprintf(&csv[side], "%s,%s\n", x, name)
			fmt.Fprintf(&lines[side], "{\"x\":%s,\"name\":%q}\n", x, name)
		}
	}
	spec := Spec{Classifier: &Classifier{Rows: 500}}
	var all []string
	for _, workers := range []int{0, 1, 3, 8} {
		for format, texts := range map[string]*[2]strings.Builder{"a.csv": &csv, "a.jsonl": &lines} {
			f, err := Classify(t.Context(), sourceOf(t, format, texts[0].String()), sourceOf(t, format, texts[1].String()), spec, Options{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintln(*f.Value, *f.Interval, *f.Rows, f.Note))
		}
	}
	for _, one := range all {
		if one != all[0] || !strings.Contains(one, " 1000 ") {
			t.Error(one, all[0])
		}
	}
}
