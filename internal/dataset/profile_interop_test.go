//go:build interop

package dataset

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// pandasColumn is what testdata/profile.py says of a column.
type pandasColumn struct {
	CSV, Parquet                        string
	Missing, NaN, Values, Distinct      int64
	PlusInf                             int64 `json:"plus_inf"`
	MinusInf                            int64 `json:"minus_inf"`
	Zeros, Negatives, Shortest, Longest int64
	Low, High, Mean, Std                *float64
	PandasMean                          float64 `json:"pandas_mean"`
	Length                              float64
	First, Last                         string
	Quantiles                           []float64
	Counts                              map[string]int64 // of values that stand there twice or more often
	sorted                              []float64        // the values, of a column of numbers
}

// TestProfileOfPandas holds profiles of one table as CSV and as Parquet against pandas and numpy: equal where a profile is exact, else
// within the bound that it states.
func TestProfileOfPandas(t *testing.T) {
	python := os.Getenv("MLX_TEST_PROFILE")
	if python == "" {
		t.Fatal("MLX_TEST_PROFILE is not set: export MLX_TEST_PROFILE=$(.ci/python internal/dataset/testdata/profile.txt)")
	}
	for _, rows := range []int{40, 3000, 150_000} {
		dir := t.TempDir()
		if out, err := exec.Command(python, "testdata/profile.py", dir, strconv.Itoa(rows)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		doc, err := os.ReadFile(filepath.Join(dir, "want.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want struct {
			Quantiles []float64
			Columns   map[string]*pandasColumn
		}
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatal(err)
		}
		for name, c := range want.Columns {
			c.sorted = pandasValues(t, filepath.Join(dir, name+".f64"))
		}
		for _, form := range []string{"csv", "parquet"} {
			t.Run(fmt.Sprint(rows, " rows of ", form), func(t *testing.T) {
				p := pandasProfile(t, dir, "t."+form)
				if p.Rows() != int64(rows) || len(p.Schema()) != len(want.Columns) {
					t.Fatalf("%d rows of %v", p.Rows(), p.Schema())
				}
				sketched := 0
				for _, c := range p.Columns() {
					t.Run(c.Name, func(t *testing.T) { comparePandas(t, c, want.Columns[c.Name], form, want.Quantiles) })
					if !c.DistinctExact {
						sketched++
					}
				}
				if (sketched >= 5) != (rows > 100_000) {
					t.Errorf("%d columns have too many values to count them all", sketched)
				}
			})
		}
	}
}

func pandasValues(t *testing.T, file string) []float64 {
	t.Helper()
	raw, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float64, len(raw)/8)
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
	}
	return values
}

func pandasProfile(t *testing.T, dir, name string) *Profile {
	t.Helper()
	f, err := FromFS(os.DirFS(dir), name, name)
	if err != nil {
		t.Fatal(err)
	}
	table, err := Open(t.Context(), []File{f}, Options{Workers: 3, Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if err := table.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := ProfileOf(t.Context(), table, ProfileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func comparePandas(t *testing.T, c *ProfileColumn, want *pandasColumn, form string, quantiles []float64) {
	kind := want.CSV
	if form == "parquet" {
		kind = want.Parquet
	}
	if c.Type.String() != kind {
		t.Fatalf("type %v, want %s", c.Type, kind)
	}
	for _, n := range []struct {
		what      string
		got, want int64
	}{
		{"missing", c.Missing, want.Missing}, {"NaN", c.NaN, want.NaN}, {"inf", c.PlusInf, want.PlusInf}, {"-inf", c.MinusInf, want.MinusInf},
		{"values", c.Count, want.Values}, {"shortest", c.Shortest, want.Shortest}, {"longest", c.Longest, want.Longest},
	} {
		if n.got != n.want {
			t.Errorf("%s: %d, want %d", n.what, n.got, n.want)
		}
	}
	off := math.Abs(float64(c.Distinct - want.Distinct))
	if c.DistinctExact && off != 0 || off > 4*DistinctError*float64(want.Distinct) {
		t.Errorf("%d distinct, want %d", c.Distinct, want.Distinct)
	}
	if c.UniqueCertain && c.Unique != (want.Values > 0 && want.Distinct == want.Values) {
		t.Errorf("unique is %v of %d distinct in %d", c.Unique, want.Distinct, want.Values)
	}
	compareTops(t, c, want)
	low, high, _ := c.Range()
	switch {
	case want.sorted != nil:
		compareNumbers(t, c, want)
		for i, q := range quantiles {
			compareQuantile(t, c, q, want, want.Quantiles[i])
		}
	case low.Text != want.First || high.Text != want.Last:
		t.Errorf("%q to %q, want %q to %q", low.Text, high.Text, want.First, want.Last)
	case want.Values > 0 && !pandasNear(c.MeanLength, want.Length, 1e-12):
		t.Errorf("mean length %v, want %v", c.MeanLength, want.Length)
	}
}

func compareNumbers(t *testing.T, c *ProfileColumn, want *pandasColumn) {
	if c.Zeros != want.Zeros || c.Negatives != want.Negatives {
		t.Errorf("%d zeros and %d negatives, want %d and %d", c.Zeros, c.Negatives, want.Zeros, want.Negatives)
	}
	if low, high := c.Quantile(0), c.Quantile(1); low != *want.Low || high != *want.High {
		t.Errorf("%v to %v, want %v to %v", low, high, *want.Low, *want.High)
	}
	// fsum is exact, then its quotient is rounded once more; pandas itself loses digits where values of both signs cancel.
	largest := max(math.Abs(*want.Low), math.Abs(*want.High))
	if got := c.Mean(); !pandasNear(got, *want.Mean, 1e-15) || math.Abs(got-want.PandasMean) > 1e-12*largest {
		t.Errorf("mean %v, want %v (pandas: %v)", got, *want.Mean, want.PandasMean)
	}
	if got := c.Std(1); !pandasNear(got, *want.Std, 1e-12) {
		t.Errorf("standard deviation %v, want %v", got, *want.Std)
	}
}

// compareQuantile wants the same number, or one whose rank is off by no more than the profile states.
func compareQuantile(t *testing.T, c *ProfileColumn, q float64, want *pandasColumn, value float64) {
	n := float64(len(want.sorted))
	if c.RankError == 0 {
		got := c.Quantile(q)
		if want.CSV != want.Parquet || want.CSV == "int" || want.CSV == "float" {
			if !pandasNear(got, value, 1e-14) {
				t.Errorf("quantile %v is %v, want %v", q, got, value)
			}
			return
		}
		if got = c.number(c.key(int64(q * (n - 1)))); got != value { // a day, a time or a truth: the lower of two
			t.Errorf("quantile %v is %v, want %v", q, got, value)
		}
		return
	}
	if c.RankError > 2e-4 {
		t.Errorf("quantiles may be off by %v", c.RankError)
	}
	got, room := c.Quantile(q), c.RankError*n+1
	below, _ := slices.BinarySearch(want.sorted, got)
	upTo, _ := slices.BinarySearch(want.sorted, math.Nextafter(got, math.Inf(1)))
	if at := q * (n - 1); float64(below) > at+room || float64(upTo) < at-room {
		t.Errorf("quantile %v is %v, whose ranks are %d to %d, want %v ± %v", q, got, below, upTo, at, room)
	}
}

// compareTops wants the counts of the most frequent values, each too small by no more than the profile states, and none left out that
// stands there more often than that.
func compareTops(t *testing.T, c *ProfileColumn, want *pandasColumn) {
	counts := map[string]int64{}
	var most []int64
	for text, n := range want.Counts {
		counts[pandasKey(c, text)] += n
		most = append(most, n)
	}
	slices.Sort(most)
	slices.Reverse(most)
	tops := c.Top(10)
	for i, top := range tops {
		is := max(counts[pandasKey(c, top.Text)], 1)
		if top.Count > is || top.Count < is-c.TopError {
			t.Errorf("%q stands there %d times, want %d, at most %d more than told", top.Text, top.Count, is, c.TopError)
		}
		if i < len(most) && c.TopError == 0 && top.Count != most[i] {
			t.Errorf("value %d of the most frequent stands there %d times, want %d", i, top.Count, most[i])
		}
	}
	for i, n := range most[:min(len(most), 10)] {
		if i >= len(tops) && n > c.TopError {
			t.Errorf("value %d of the most frequent, %d times, is left out; bound %d", i, n, c.TopError)
		}
	}
}

// pandasKey is a value in one spelling.
func pandasKey(c *ProfileColumn, text string) string {
	if c.Type == Float || c.Type == Decimal {
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return strconv.FormatFloat(v+0, 'g', -1, 64)
		}
	}
	return text
}

func pandasNear(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Abs(want)
}
