package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mlx/internal/dataset"
)

// drifting is rows in the order of their time whose distribution moves: parts of it are no samples of the whole.
func drifting(rng *rand.Rand, rows int, shift float64) ([]string, [][]string) {
	names := []string{"at", "normal", "skewed", "zeros", "many", "capped", "few", "word", "mixed"}
	columns := make([][]string, len(names))
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for i := range rows {
		t := float64(i) / float64(rows)
		x := rng.NormFloat64() + shift + 2*t
		zero := 0.0
		if rng.Float64() < t {
			zero = rng.ExpFloat64()
		}
		mixed := float(x)
		switch rng.IntN(40) {
		case 0:
			mixed = ""
		case 1:
			mixed = "NaN"
		case 2:
			mixed = "inf"
		}
		for k, v := range []string{fmt.Sprintf("2026-01-%02dT00:00:%02dZ", 1+i*28/rows, i%60), float(x), float(math.Exp(2 * x)), float(zero),
			strconv.FormatInt(int64(x*1e15), 10), float(min(x, 1)), strconv.Itoa(int(3 * x)), fmt.Sprintf("w%d", int(4*t)+rng.IntN(3)), mixed} {
			columns[k] = append(columns[k], v)
		}
	}
	return names, columns
}

func profileSource(t *testing.T, s Source, cells int) Source {
	t.Helper()
	p, err := dataset.ProfileOf(t.Context(), s.Table, dataset.ProfileOptions{Cells: cells})
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: s.Name, Profile: p}
}

// merged is the profile of rows that were cut into parts, each kept and read again, merged in some order.
func merged(t *testing.T, rng *rand.Rand, names []string, columns [][]string, parts, cells int) Source {
	t.Helper()
	rows := len(columns[0])
	at := []int{0, rows}
	for range parts - 1 {
		at = append(at, rng.IntN(rows+1))
	}
	slices.Sort(at)
	var all []*dataset.Profile
	for i := 1; i < len(at); i++ {
		if at[i] == at[i-1] {
			continue
		}
		var part [][]string
		for _, c := range columns {
			part = append(part, c[at[i-1]:at[i]])
		}
		p := profileSource(t, tableOf(t, names, part...), cells).Profile
		doc, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if p, err = dataset.DecodeProfile(doc); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, p := range all[1:] {
		if err := all[0].Merge(p, [2]string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	return Source{Name: "merged", Profile: all[0]}
}

// TestProfilesOfParts: what is measured is the same however either side was cut, also where parts differ in distribution.
func TestProfilesOfParts(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 8))
		names, a := drifting(rng, 20_000, 0)
		_, b := drifting(rng, 9_000, 0.1)
		ref, cur := tableOf(t, names, a...), tableOf(t, names, b...)
		cells := []int{0, 3000, 700}[seed]
		want := comparedTables(t, profileSource(t, ref, cells), profileSource(t, cur, cells), Spec{}, Options{})
		if want.Exact != (cells == 0) {
			t.Errorf("%d cells: exact %v, within %g", cells, want.Exact, want.KSError)
		}
		for range 3 {
			x, y := merged(t, rng, names, a, 1+rng.IntN(7), cells), merged(t, rng, names, b, 1+rng.IntN(7), cells)
			sameMeasures(t, want, comparedTables(t, x, y, Spec{}, Options{Workers: 1 + rng.IntN(4)}))
			if cells == 0 {
				sameMeasures(t, want, comparedTables(t, ref, y, Spec{}, Options{}))
			}
		}
	}
}

func sameMeasures(t *testing.T, want, got *Compared) {
	t.Helper()
	if len(want.Columns) != len(got.Columns) || want.Rows != got.Rows || want.Exact != got.Exact {
		t.Fatalf("%d columns of %v rows, want %d of %v", len(got.Columns), got.Rows, len(want.Columns), want.Rows)
	}
	for i := range want.Columns {
		x, y := want.Columns[i], got.Columns[i]
		if fmt.Sprint(x.Distances) != fmt.Sprint(y.Distances) {
			t.Errorf("%s: %v, want %v", x.Name, y.Distances, x.Distances)
		}
		x.Distances, y.Distances = nil, nil // NaN is no equal of itself
		if !reflect.DeepEqual(x, y) {
			t.Errorf("%s: %+v, want %+v", x.Name, y, x)
		}
	}
}

// TestProfilesAreExact holds comparisons of profiles against those of the rows: where all values are counted they are the same, and
// where not, they are within the error that is stated.
func TestProfilesAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 8))
	names, a := drifting(rng, 40_000, 0)
	_, b := drifting(rng, 20_000, 0.1)
	ref, cur := tableOf(t, names, a...), tableOf(t, names, b...)
	exact := comparedTables(t, ref, cur, Spec{}, Options{})
	for _, few := range []bool{false, true} {
		x := merged(t, rng, names, a, 1, 0)
		if few {
			x.Profile = x.Profile.Compact()
		}
		for i, m := range comparedTables(t, x, cur, Spec{}, Options{}).Columns {
			want := exact.Columns[i]
			if m.Unseen != want.Unseen || m.MissingShare != want.MissingShare || *m.Current.Distinct != *want.Current.Distinct {
				t.Errorf("%s: unseen %d, missing %v; want %d, %v", m.Name, m.Unseen, m.MissingShare, want.Unseen, want.MissingShare)
			}
			if off := math.Abs(m.Distances[KS].Value - want.Distances[KS].Value); off > m.KSError+1e-12 || m.KSError > 1.01e-4 || few == (m.KSError == 0) && m.Name == "normal" {
				t.Errorf("%s: D %v, want %v: off by %g, stated %g", m.Name, m.Distances[KS].Value, want.Distances[KS].Value, off, m.KSError)
			}
			if v, w := m.Distances[Wasserstein].Value, want.Distances[Wasserstein].Value; math.Abs(v-w) > 1e-4*w {
				t.Errorf("%s: Wasserstein %v, want %v", m.Name, v, w)
			}
			checkBins(t, &m, i, a, b)
			if v, w := m.Distances[PSI].Value, want.Distances[PSI].Value; math.Abs(v-w) > 0.03*w+1e-4 {
				t.Errorf("%s: PSI %v, by rows %v", m.Name, v, w)
			}
		}
	}
}

// checkBins counts the rows of both sides in the bins that were chosen.
func checkBins(t *testing.T, m *Measured, column int, a, b [][]string) {
	t.Helper()
	if m.Kind != Numbers {
		return
	}
	for side, rows := range [][][]string{a, b} {
		want := make([]int64, len(m.Bins.Edges)+1)
		for _, text := range rows[slices.Index(strings.Split("at normal skewed zeros many capped few word mixed", " "), m.Name)] {
			if v, err := strconv.ParseFloat(text, 64); err == nil && v-v == 0 {
				c := cuts{edges: m.Bins.Edges}
				want[c.bin(v)]++
			}
		}
		if got := [][]int64{m.Bins.Reference, m.Bins.Current}[side]; m.Name != "at" && !slices.Equal(got, want) {
			t.Errorf("%s: bins of side %d hold %v, want %v (edges %v)", m.Name, side, got, want, m.Bins.Edges)
		}
	}
}

// TestProfileOfWindow: of a table that is held against a profile the same rows count as of one that is held against a table.
func TestProfileOfWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 8))
	names, a := drifting(rng, 5000, 0)
	_, b := drifting(rng, 5000, 0.1)
	ref, cur := tableOf(t, names, a...), tableOf(t, names, b...)
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	for _, rows := range []Rows{{}, {Time: "at", From: day(5), To: day(9)}, {Skip: 100, Limit: 700}, {Skip: 4900}, {Time: "at", From: day(20), Skip: 10, Limit: 40},
		{Time: "at", To: day(1)}} {
		cur.Rows = rows
		want := comparedTables(t, ref, cur, Spec{}, Options{})
		got := comparedTables(t, profileSource(t, ref, 0), cur, Spec{}, Options{})
		if got.Rows != want.Rows || len(got.Columns) != len(want.Columns) {
			t.Errorf("%+v: rows %v, want %v", rows, got.Rows, want.Rows)
			continue
		}
		for i, m := range got.Columns {
			if w := want.Columns[i]; !slices.Equal(m.Bins.Current, w.Bins.Current) && m.Kind == Categories || m.Rows != w.Rows || m.MissingShare != w.MissingShare ||
				math.Abs(m.Distances[KS].Value-w.Distances[KS].Value) > 1e-12 {
				t.Errorf("%+v: %s: K-S %v, want %v; rows %d, want %d", rows, m.Name, m.Distances[KS].Value, w.Distances[KS].Value, m.Rows, w.Rows)
			}
		}
	}
	late := csvSource(t, "at,x\n2026-01-01,1\n", dataset.Options{})
	late.Rows = Rows{Time: "x", From: day(1)}
	if _, err := Compare(t.Context(), profileSource(t, ref, 0), late, Spec{}, Options{}); err == nil || !strings.Contains(err.Error(), "not a time or date") {
		t.Errorf("a window of numbers: %v", err)
	}
}
