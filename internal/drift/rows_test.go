package drift

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mlx/internal/dataset"
)

// daysOf is a table of hourly rows: time, day as a word, a number, a category.
func daysOf(t *testing.T, from string, hours int, seed uint64) Source {
	t.Helper()
	at, err := time.Parse(time.RFC3339, from)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	b.WriteString("at,day,x,word\n")
	for range hours {
		x := strconv.FormatFloat(r.NormFloat64(), 'g', 5, 64)
		if r.IntN(10) == 0 {
			x = ""
		}
		fmt.Fprintf(&b, "%s,%s,%s,w%d\n", at.Format(time.RFC3339), at.Format("Mon 02"), x, r.IntN(4))
		at = at.Add(time.Hour)
	}
	return csvSource(t, b.String(), dataset.Options{})
}

// TestDays counts rows by day in a zone, and by a column that says the same.
func TestDays(t *testing.T) {
	ref, cur := daysOf(t, "2026-03-20T00:00:00Z", 24*10, 1), daysOf(t, "2026-04-20T00:00:00Z", 24*6, 2)
	c := comparedTables(t, ref, cur, Spec{Time: "at"}, Options{Memory: 1})
	if c.Clusters != [2]int64{10, 6} || c.Rows != [2]int64{240, 144} {
		t.Fatalf("clusters %v of rows %v", c.Clusters, c.Rows)
	}
	by := comparedTables(t, ref, cur, Spec{Cluster: "day", Ignore: []string{"at"}}, Options{})
	for _, m := range []*Measured{columnNamed(t, c, "x"), columnNamed(t, by, "x"), columnNamed(t, by, "word")} {
		for side, rows := range [][][]uint32{m.Clustered.Reference, m.Clustered.Current} {
			sums := make([]int64, len(rows[0]))
			for _, row := range rows {
				n := uint32(0)
				for b, v := range row {
					n += v
					sums[b] += int64(v)
				}
				if n != 24 {
					t.Errorf("a day of %s has %d rows", m.Name, n)
				}
			}
			want := [][]int64{m.Full.Reference, m.Full.Current}[side]
			lacks := []int64{m.Reference.Missing, m.Current.Missing}[side]
			if !slices.Equal(sums, append(slices.Clone(want), lacks)) {
				t.Errorf("%s: days add up to %v, want %v and %d", m.Name, sums, want, lacks)
			}
		}
	}
	if slices.ContainsFunc(c.Columns, func(m Measured) bool { return m.Name == "at" }) {
		t.Error("the time column is compared")
	}
	east := comparedTables(t, ref, cur, Spec{Time: "at", TimeZone: "Europe/Berlin"}, Options{})
	if east.Clusters != [2]int64{11, 7} {
		t.Errorf("days in Berlin are %v", east.Clusters)
	}
	if want := 1773964800.0; c.Span[0][0] != want || c.Span[0][1] != want+239*3600 {
		t.Errorf("span %v", c.Span)
	}
}

// TestManyClusters puts clusters into groups of the same size on both sides, and loses no row.
func TestManyUsers(t *testing.T) {
	table := func(users, rows int) Source {
		var b strings.Builder
		b.WriteString("user,x\n")
		for i := range rows {
			fmt.Fprintf(&b, "u%d,%d\n", i%users, i%7)
		}
		return csvSource(t, b.String(), dataset.Options{})
	}
	c := comparedTables(t, table(12_000, 30_000), table(6_000, 20_000), Spec{Cluster: "user"}, Options{})
	m := columnNamed(t, c, "x")
	if c.Clusters != [2]int64{12_000, 6_000} || len(m.Clustered.Reference) != 4_000 || len(m.Clustered.Current) != 2_000 {
		t.Errorf("%v clusters are %d and %d groups", c.Clusters, len(m.Clustered.Reference), len(m.Clustered.Current))
	}
	sum := 0
	for _, row := range m.Clustered.Reference {
		for _, v := range row {
			sum += int(v)
		}
	}
	if sum != 30_000 {
		t.Errorf("%d rows are counted", sum)
	}
}

// TestWindows takes the rows of a time window, and rows by their number.
func TestWindows(t *testing.T) {
	all := daysOf(t, "2026-03-20T00:00:00Z", 24*10, 1)
	part := daysOf(t, "2026-03-20T00:00:00Z", 24*10, 1)
	utc := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	part.Rows = Rows{Time: "at", From: utc("2026-03-22T00:00:00Z"), To: utc("2026-03-24T00:00:00Z")}
	byTime := comparedTables(t, all, part, Spec{}, Options{})
	if byTime.Rows != [2]int64{240, 48} || byTime.Span[1][0] != float64(part.Rows.From.Unix()) || byTime.Span[1][1] != float64(part.Rows.To.Unix()-3600) {
		t.Fatalf("rows %v, span %v", byTime.Rows, byTime.Span)
	}
	byNumber := part
	byNumber.Rows = Rows{Skip: 48, Limit: 48}
	other := comparedTables(t, all, byNumber, Spec{Ignore: []string{"at"}}, Options{})
	for _, name := range []string{"x", "word", "day"} {
		a, b := columnNamed(t, byTime, name), columnNamed(t, other, name)
		if a.Distances[PSI].Value != b.Distances[PSI].Value || a.Current.Missing != b.Current.Missing || !slices.Equal(a.Bins.Current, b.Bins.Current) {
			t.Errorf("%s: by time %v, by number %v", name, a.Bins, b.Bins)
		}
	}
	byNumber.Rows = Rows{Skip: 230, Limit: 48}
	if c := comparedTables(t, all, byNumber, Spec{}, Options{}); c.Rows[1] != 10 {
		t.Errorf("after 230 rows there are %d", c.Rows[1])
	}
	byNumber.Rows = Rows{Skip: 1000}
	if c := comparedTables(t, all, byNumber, Spec{}, Options{}); c.Rows[1] != 0 || columnNamed(t, c, "x").Current.Mean != nil {
		t.Errorf("after 1000 rows there are %d", c.Rows[1])
	}
	wrong := part
	wrong.Rows.Time = "x"
	if _, err := Compare(t.Context(), all, wrong, Spec{}, Options{Temp: t.TempDir()}); err == nil || !strings.Contains(err.Error(), `from column "x": it is`) {
		t.Errorf("a column of numbers is taken for a time: %v", err)
	}
}

// TestNaiveWindow reads times without a zone as a clock on the wall shows them.
func TestNaiveWindow(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	source := csvSource(t, "at,x\n2026-03-07T23:30:00,1\n2026-03-08T00:30:00,2\n2026-03-08T23:30:00,3\n2026-03-09T00:00:00,4\n,5\n", dataset.Options{})
	source.Rows = Rows{Time: "at", From: time.Date(2026, 3, 8, 0, 0, 0, 0, zone), To: time.Date(2026, 3, 9, 0, 0, 0, 0, zone), Zone: zone}
	c := comparedTables(t, source, source, Spec{}, Options{})
	if m := columnNamed(t, c, "x"); c.Rows[0] != 2 || *m.Current.Min != 2 || *m.Current.Max != 3 {
		t.Errorf("%d rows, %v", c.Rows[0], m.Current)
	}
	if want := float64(time.Date(2026, 3, 8, 23, 30, 0, 0, zone).Unix()); c.Span[0][1] != want {
		t.Errorf("the last is at %v, want %v", c.Span[0][1], want)
	}
}

// TestDuplicates counts rows that stood there before, also where they do not fit into memory.
func TestDuplicates(t *testing.T) {
	limit := 0.5
	var b strings.Builder
	b.WriteString("id,x\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "%d,%d\n", i%1000, i%2)
	}
	source := csvSource(t, b.String(), dataset.Options{})
	for _, o := range []Options{{}, {Memory: 1000}} {
		if c := comparedTables(t, source, source, Spec{Duplicates: &limit}, o); c.Duplicates != [2]int64{2000, 2000} {
			t.Errorf("duplicates of whole rows: %v", c.Duplicates)
		}
		if c := comparedTables(t, source, source, Spec{Duplicates: &limit, Key: []string{"x"}}, o); c.Duplicates != [2]int64{2998, 2998} {
			t.Errorf("duplicates of x: %v", c.Duplicates)
		}
	}
	half := source
	half.Rows = Rows{Skip: 500, Limit: 600}
	if c := comparedTables(t, half, source, Spec{Duplicates: &limit}, Options{}); c.Duplicates != [2]int64{0, 2000} {
		t.Errorf("duplicates of some rows: %v", c.Duplicates)
	}
	if c := comparedTables(t, half, source, Spec{}, Options{}); c.Duplicates != [2]int64{-1, -1} {
		t.Errorf("duplicates that nobody asked for: %v", c.Duplicates)
	}
}

// TestLearnt measures chunks of the reference against the rest, as two tables would be.
func TestLearnt(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	const n, chunks = 1000, 4
	x, words := cellsOf(r, n, "normal", 0), make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("w%d", r.IntN(5))
		if i%17 == 0 {
			x[i] = ""
		}
	}
	names := []string{"x", "w"}
	whole := tableOf(t, names, x, words)
	for _, method := range []Method{PSI, KS, Wasserstein, JensenShannon} {
		spec := Spec{Learn: &Learn{Chunks: chunks}, Binning: Width, Bins: 5, Methods: map[string]Method{"x": method}}
		m := columnNamed(t, comparedTables(t, whole, whole, spec, Options{}), "x")
		if len(m.Learnt) != chunks {
			t.Fatalf("%s: %v", method, m.Learnt)
		}
		for k := range chunks {
			from, to := k*n/chunks, (k+1)*n/chunks
			chunk := tableOf(t, names, x[from:to], words[from:to])
			rest := tableOf(t, names, append(slices.Clone(x[:from]), x[to:]...), append(slices.Clone(words[:from]), words[to:]...))
			want := columnNamed(t, comparedTables(t, rest, chunk, Spec{}, Options{}), "x").Distances[method].Value
			if method == KS || method == Wasserstein {
				nearTo(t, string(method), m.Learnt[k], want)
			}
		}
		w := columnNamed(t, comparedTables(t, whole, whole, Spec{Learn: &Learn{Chunks: chunks}, Methods: map[string]Method{"categories": TVD}}, Options{}), "w")
		chunk := tableOf(t, names, x[:250], words[:250])
		rest := tableOf(t, names, x[250:], words[250:])
		nearTo(t, "tvd", w.Learnt[0], columnNamed(t, comparedTables(t, rest, chunk, Spec{}, Options{}), "w").Distances[TVD].Value)
	}
}

// TestLearntByPattern: a pattern counts only for the columns that its method can compare, as where thresholds are applied.
func TestLearntByPattern(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	words := make([]string, 400)
	for i := range words {
		words[i] = fmt.Sprintf("w%d", r.IntN(5))
	}
	whole := tableOf(t, []string{"w"}, words)
	learnt := func(methods map[string]Method) string {
		return fmt.Sprint(columnNamed(t, comparedTables(t, whole, whole, Spec{Learn: &Learn{Chunks: 4}, Methods: methods}, Options{}), "w").Learnt)
	}
	if got, want := learnt(map[string]Method{"*": KS}), learnt(nil); got != want || strings.Contains(got, "NaN") {
		t.Errorf("learnt %s, want %s", got, want)
	}
}

// TestCutNames: of numbers that are names, NaN and infinite ones stay apart from what is missing also where a batch is cut.
func TestCutNames(t *testing.T) {
	cells := slices.Repeat([]string{"1.5", "", "NaN", "inf", "-inf", "2.5", "2.5"}, 20)
	spec := Spec{Categories: []string{"x"}}
	whole := tableOf(t, []string{"x", "y"}, cells, cells)
	some := whole
	some.Rows = Rows{Skip: 7, Limit: 28}
	want := Summary{Rows: 28, Missing: 4, NaN: 4, PlusInf: 4, MinusInf: 4}
	m := columnNamed(t, comparedTables(t, whole, some, spec, Options{}), "x")
	if got := m.Current; got.Rows != want.Rows || got.Missing != want.Missing || got.NaN != want.NaN || got.PlusInf != want.PlusInf || got.MinusInf != want.MinusInf {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !slices.Equal(m.Full.Categories, []string{"2.5", "1.5"}) || !slices.Equal(m.Full.Current, []int64{8, 4}) {
		t.Errorf("%v of %v", m.Full.Current, m.Full.Categories)
	}
	spec.MaxTexts = 1
	if m := columnNamed(t, comparedTables(t, whole, some, spec, Options{}), "x"); m.Current.NaN != 4 || m.Current.Missing != 4 || m.Why == "" {
		t.Errorf("of too many: %+v, %q", m.Current, m.Why)
	}
}
