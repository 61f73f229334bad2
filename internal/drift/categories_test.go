package drift

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/dataset"
)

// wordsOf are n words, of which most are the first ones.
func wordsOf(r *rand.Rand, n, different int, prefix string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%d", prefix, min(r.IntN(different), r.IntN(different)))
	}
	return all
}

// TestCategories counts every word, and shows the most frequent ones.
func TestCategories(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	a, b := wordsOf(r, 3000, 80, "w"), wordsOf(r, 2000, 90, "w")
	k, l := slices.Clone(a), slices.Clone(b)
	a[5], b[7], b[8] = "", "", ""
	m := columnNamed(t, comparedTables(t, tableOf(t, []string{"k", "x"}, k, a), tableOf(t, []string{"k", "x"}, l, b), Spec{}, Options{}), "x")
	count := func(cells []string) map[string]int64 {
		n := make(map[string]int64)
		for _, c := range cells {
			if c != "" {
				n[c]++
			}
		}
		return n
	}
	ref, cur := count(a), count(b)
	unseen := int64(0)
	for word, n := range cur {
		if ref[word] == 0 {
			unseen += n
		}
	}
	if m.Unseen != unseen || len(m.New) == 0 || ref[m.New[0]] != 0 {
		t.Errorf("%d rows are unseen, want %d; new are %v", m.Unseen, unseen, m.New)
	}
	for i, word := range m.Full.Categories {
		if m.Full.Reference[i] != ref[word] || m.Full.Current[i] != cur[word] {
			t.Errorf("%s stands there %d and %d times, want %d and %d", word, m.Full.Reference[i], m.Full.Current[i], ref[word], cur[word])
		}
	}
	if n := len(m.Bins.Categories); n < shownCategories || n > 2*shownCategories || !m.Bins.Others || len(m.Bins.Reference) != n+1 {
		t.Errorf("shown are %d", n)
	}
	if sumOfInts(m.Bins.Reference) != 2999 || sumOfInts(m.Bins.Current) != 1998 || *m.Reference.Distinct != int64(len(ref)) {
		t.Errorf("shown are %d and %d rows", sumOfInts(m.Bins.Reference), sumOfInts(m.Bins.Current))
	}
	if m.Reference.Missing != 1 || m.Current.Missing != 2 || m.Kind != Categories {
		t.Errorf("%+v", m.Reference)
	}
}

func sumOfInts(all []int64) (sum int64) {
	for _, n := range all {
		sum += n
	}
	return sum
}

// TestTooManyCategories keeps no words, and still knows what is missing.
func TestTooManyCategories(t *testing.T) {
	few, many, half := make([]string, 300), make([]string, 300), make([]string, 300)
	for i := range many {
		few[i], many[i], half[i] = fmt.Sprint("a", i%3), fmt.Sprint("b", i), fmt.Sprint("c", i%60)
	}
	many[9] = ""
	for name, pair := range map[string][2][]string{"of one side": {few, many}, "of the other": {many, few}, "together": {half, append(slices.Clone(few[:100]), wordsOf(rand.New(rand.NewPCG(1, 2)), 200, 60, "d")...)}} {
		t.Run(name, func(t *testing.T) {
			c := comparedTables(t, tableOf(t, []string{"x", "k"}, pair[0], few), tableOf(t, []string{"x", "k"}, pair[1], few), Spec{MaxTexts: 100}, Options{})
			m := columnNamed(t, c, "x")
			if m.Why != "it has more than 100 different values" || len(m.Full.Categories)+len(m.Bins.Categories) > 0 {
				t.Errorf("why is %q of %v", m.Why, m.Bins)
			}
			if name == "of one side" && m.Current.Missing != 1 {
				t.Errorf("%d are missing", m.Current.Missing)
			}
		})
	}
}

// TestPrivateColumn shows no value of a private column, and measures it.
func TestPrivateColumn(t *testing.T) {
	a, b := []string{"secret1", "secret2", "secret1"}, []string{"secret3", "secret1", "secret1"}
	m := columnNamed(t, comparedTables(t, tableOf(t, []string{"x"}, a), tableOf(t, []string{"x"}, b), Spec{Private: []string{"x"}}, Options{}), "x")
	if shown := fmt.Sprint(m.Bins, m.New, m.Reference.Top, m.Current.Top); strings.Contains(shown, "secret") {
		t.Errorf("shown: %s", shown)
	}
	if m.Unseen != 1 || m.Distances[TVD].Value == 0 {
		t.Errorf("unseen %d, TVD %v", m.Unseen, m.Distances[TVD])
	}
}

// TestLongWords tells long texts apart by more than their beginning, and keeps little of them.
func TestLongWords(t *testing.T) {
	long := strings.Repeat("é", 4000)
	a, b := []string{long + "a", long + "b", "x"}, []string{long + "a", long + "a", "x"}
	m := columnNamed(t, comparedTables(t, tableOf(t, []string{"w"}, a), tableOf(t, []string{"w"}, b), Spec{}, Options{}), "w")
	if *m.Reference.Distinct != 3 || *m.Current.Distinct != 2 {
		t.Errorf("%d and %d different", *m.Reference.Distinct, *m.Current.Distinct)
	}
	for _, word := range m.Full.Categories {
		if len(word) > longestWord {
			t.Errorf("%d bytes are kept", len(word))
		}
	}
}

// TestSchemaChanges names what became of columns.
func TestSchemaChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	const n = 800
	ints, halves, texts := cellsOf(r, n, "ties", 0), make([]string, n), make([]string, n)
	for i := range halves {
		halves[i], texts[i] = ints[i]+".5", "t"+ints[i]
	}
	normal := func() []string { return cellsOf(r, n, "normal", 0) }
	ref := tableOf(t, []string{"grew", "spoke", "temp", "Old", "gone", "kind", "same"}, ints, ints, normal(), ints, cellsOf(r, n, "heavy", 50), texts, normal())
	cur := tableOf(t, []string{"same", "spoke", "grew", "temperature", "old", "new", "sort"}, normal(), texts, halves, normal(), wordsOf(r, n, 9, "o"), cellsOf(r, n, "normal", 90), texts)
	c := comparedTables(t, ref, cur, Spec{}, Options{})
	want := []SchemaChange{
		{Column: "grew", Now: "grew", A: "int", B: "float", Same: true},
		{Column: "spoke", Now: "spoke", A: "int", B: "text"},
		{Column: "temp", Now: "temperature", A: "float", B: "float", Renamed: true},
		{Column: "Old", A: "int"},
		{Column: "gone", A: "float"},
		{Column: "kind", Now: "sort", A: "text", B: "text", Renamed: true},
		{Now: "old", B: "text"},
		{Now: "new", B: "float"},
	}
	for i := range c.Schema { // what a text file says of decimals depends on its digits
		c.Schema[i].A, c.Schema[i].B = decimalIsFloat(c.Schema[i].A), decimalIsFloat(c.Schema[i].B)
	}
	if diff := cmp.Diff(want, c.Schema); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, m := range c.Columns {
		names = append(names, m.Name)
	}
	if !slices.Equal(names, []string{"grew", "same"}) {
		t.Errorf("compared are %v", names)
	}
}

func decimalIsFloat(typ string) string {
	if strings.HasPrefix(typ, "decimal") {
		return "float"
	}
	return typ
}

// TestChoosing takes columns by name and pattern, and names those that nobody has.
func TestChoosing(t *testing.T) {
	cells := []string{"1", "2", "3"}
	table := tableOf(t, []string{"a1", "a2", "b"}, cells, cells, cells)
	for _, c := range []struct {
		spec Spec
		want []string
		err  string
	}{
		{Spec{}, []string{"a1", "a2", "b"}, ""},
		{Spec{Columns: []string{"b", "a1"}}, []string{"a1", "b"}, ""},
		{Spec{Columns: []string{"a*"}, Ignore: []string{"a2"}}, []string{"a1"}, ""},
		{Spec{Cluster: "b"}, []string{"a1", "a2"}, ""},
		{Spec{Columns: []string{"a3"}}, nil, `cannot compare column "a3": t.csv has no such column`},
		{Spec{Ignore: []string{"z*"}}, nil, `cannot compare columns like "z*": t.csv has none`},
		{Spec{Columns: []string{"a["}}, nil, `it is no pattern`},
		{Spec{Methods: map[string]Method{"a3": KS}}, nil, `cannot compare column "a3": t.csv has no such column`},
		{Spec{Thresholds: map[string]float64{"c*": 1}}, nil, `cannot compare columns like "c*": t.csv has none`},
		{Spec{Weights: map[string]float64{"c": 1}}, nil, `cannot compare column "c": t.csv has no such column`},
		{Spec{Weights: map[string]float64{"c": 1}, WeightsOf: "importance of m@v1"}, []string{"a1", "a2", "b"}, ""},
		{Spec{Methods: map[string]Method{"a*": KS, "numbers": JensenShannon, "categories": Chi2}}, []string{"a1", "a2", "b"}, ""},
		{Spec{Methods: map[string]Method{"b": Chi2}}, nil, `cannot compare column b by chi2: its values are numbers`},
		{Spec{Methods: map[string]Method{"b": Chi2}, Ignore: []string{"b"}}, []string{"a1", "a2"}, ""},
		{Spec{Methods: map[string]Method{"b": Chi2}, Categories: []string{"b"}}, []string{"a1", "a2", "b"}, ""},
		{Spec{Cluster: "user"}, nil, `cannot read column "user"`},
		{Spec{Time: "a1"}, nil, `cannot take the time of a row from column "a1": it is int, not a time or date`},
		{Spec{Time: "a1", TimeZone: "Mars/Olympus"}, nil, `cannot tell days in time zone "Mars/Olympus"`},
	} {
		got, err := Compare(t.Context(), table, table, c.spec, Options{Temp: t.TempDir()})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%+v: %v, want %s", c.spec, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range got.Columns {
			names = append(names, m.Name)
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%+v compares %v, want %v", c.spec, names, c.want)
		}
	}
	m := columnNamed(t, comparedTables(t, table, table, Spec{Categories: []string{"b"}}, Options{}), "b")
	if m.Kind != Categories || !slices.Equal(m.Bins.Categories, []string{"1", "2", "3"}) {
		t.Errorf("b is %s: %v", m.Kind, m.Bins)
	}
}

// TestAtoms gives values that fill a bin one of their own.
func TestAtoms(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	mostly := cellsOf(r, 5000, "zero", 0)
	m := columnNamed(t, comparedTables(t, tableOf(t, []string{"x"}, mostly), tableOf(t, []string{"x"}, mostly), Spec{}, Options{}), "x")
	if len(m.Bins.Edges) < 2 || m.Bins.Edges[0] != 0 || !m.Bins.Atoms[1] || m.Bins.Reference[0] != 0 || m.Bins.Reference[1] < 4000 || m.Bins.Reference[2] == 0 {
		t.Errorf("mostly zero: %+v", m.Bins)
	}
	days := make([]string, 700)
	for i := range days {
		days[i] = fmt.Sprint(i % 7)
	}
	m = columnNamed(t, comparedTables(t, tableOf(t, []string{"x"}, days), tableOf(t, []string{"x"}, days), Spec{}, Options{}), "x")
	atoms := 0
	for i, atom := range m.Bins.Atoms {
		if atom {
			atoms++
			if m.Bins.Reference[i] != 100 {
				t.Errorf("bin %d has %d rows", i, m.Bins.Reference[i])
			}
		}
	}
	if atoms != 7 {
		t.Errorf("of 7 values %d are bins: %+v", atoms, m.Bins)
	}
	smooth := tableOf(t, []string{"x"}, cellsOf(r, 3000, "normal", 0))
	a, b := comparedTables(t, smooth, smooth, Spec{}, Options{}), comparedTables(t, smooth, smooth, Spec{Binning: Quantile}, Options{})
	if diff := cmp.Diff(a.Columns[0].Bins, b.Columns[0].Bins); diff != "" {
		t.Error("without atoms bins are no deciles:", diff)
	}
	// a spike among other values: bins below, the spike, bins above; none without rows but at the ends
	for trial := range 200 {
		cells := cellsOf(r, 50+trial*5, []string{"normal", "ties", "zero", "heavy"}[trial%4], 0)
		for i := range cells {
			if r.Float64() < float64(trial%10)/12 {
				cells[i] = []string{"0", "0.5"}[r.IntN(2)]
			}
		}
		m := columnNamed(t, comparedTables(t, tableOf(t, []string{"x"}, cells), tableOf(t, []string{"x"}, cells), Spec{}, Options{}), "x")
		if !slices.IsSorted(m.Bins.Edges) || len(slices.Compact(slices.Clone(m.Bins.Edges))) != len(m.Bins.Edges) || len(m.Bins.Edges) > 40 {
			t.Fatalf("edges %v", m.Bins.Edges)
		}
		if sumOfInts(m.Bins.Reference) != int64(len(cells)) {
			t.Fatalf("%d of %d values are in bins", sumOfInts(m.Bins.Reference), len(cells))
		}
	}
}

// TestEmptyTables measures nothing of tables without rows, and fails for none.
func TestEmptyTables(t *testing.T) {
	some := csvSource(t, "x,w\n1,a\n2,b\n,\n", dataset.Options{})
	none := csvSource(t, "x,w\n", dataset.Options{})
	gaps := csvSource(t, "x,w\n,\n,\n", dataset.Options{})
	for _, pair := range [][2]Source{{some, none}, {none, some}, {none, none}, {some, gaps}, {gaps, some}, {gaps, gaps}} {
		for _, spec := range []Spec{{}, {Binning: Sturges}, {Binning: Doane, NullBin: true}, {Cluster: "w"}, {Learn: &Learn{Chunks: 3}}} {
			c := comparedTables(t, pair[0], pair[1], spec, Options{})
			for _, m := range c.Columns {
				if e := m.Distances[KS]; m.Kind == Numbers && e.Value == e.Value {
					t.Errorf("K-S of nothing is %v", e.Value)
				}
			}
		}
	}
}
