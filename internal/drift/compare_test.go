package drift

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/dataset"
)

// tableOf is a CSV table of columns, each a slice of cells.
func tableOf(t *testing.T, names []string, columns ...[]string) Source {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(strings.Join(names, ",") + "\n")
	for i := range columns[0] {
		for k, c := range columns {
			if k > 0 {
				b.WriteByte(',')
			}
			b.WriteString(c[i])
		}
		b.WriteByte('\n')
	}
	return csvSource(t, b.String(), dataset.Options{})
}

func csvSource(t *testing.T, text string, o dataset.Options) Source {
	t.Helper()
	o.Format, o.Temp = "csv", t.TempDir()
	file := dataset.File{Name: "t.csv", Size: int64(len(text)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	table, err := dataset.Open(t.Context(), []dataset.File{file}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return Source{Name: "t.csv", Table: table}
}

func comparedTables(t *testing.T, ref, cur Source, spec Spec, o Options) *Compared {
	t.Helper()
	if o.Temp == "" {
		o.Temp = t.TempDir()
	}
	c, err := Compare(t.Context(), ref, cur, spec, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func columnNamed(t *testing.T, c *Compared, name string) *Measured {
	t.Helper()
	for i := range c.Columns {
		if c.Columns[i].Name == name {
			return &c.Columns[i]
		}
	}
	t.Fatalf("no column %q was compared", name)
	return nil
}

// cellsOf are random cells of numbers: ties, heavy tails, integers beyond 2^53, missing, NaN, infinite.
func cellsOf(r *rand.Rand, n int, sort string, shift float64) []string {
	cells := make([]string, n)
	for i := range cells {
		switch sort {
		case "normal":
			cells[i] = strconv.FormatFloat(r.NormFloat64()+shift, 'g', -1, 64)
		case "ties":
			cells[i] = strconv.Itoa(r.IntN(4 + int(shift)))
		case "heavy":
			cells[i] = strconv.FormatFloat(math.Tan(math.Pi*(r.Float64()-0.5))+shift, 'g', -1, 64)
		case "big":
			cells[i] = strconv.FormatInt(1<<62+int64(r.IntN(5))+int64(shift*3), 10)
		case "holes":
			cells[i] = []string{"", "NaN", "inf", "-inf", strconv.FormatFloat(r.ExpFloat64()+shift, 'g', 4, 64)}[r.IntN(5)]
		case "zero":
			cells[i] = "0"
			if r.Float64() < 0.06 {
				cells[i] = strconv.FormatFloat(r.ExpFloat64()+shift, 'g', 6, 64)
			}
		case "constant":
			cells[i] = "7"
		case "empty":
			cells[i] = ""
		}
	}
	return cells
}

// numbersIn are the finite numbers of cells, in order; exact for integers.
func numbersIn(cells []string) []float64 {
	var all []float64
	for _, c := range cells {
		if v, err := strconv.ParseFloat(c, 64); err == nil && v-v == 0 {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// TestNumbers compares with the definitions, written as plainly as they can be.
func TestNumbers(t *testing.T) {
	for _, sort := range []string{"normal", "ties", "heavy", "holes", "zero", "constant"} {
		for _, size := range [][2]int{{1, 1}, {1, 40}, {37, 1}, {500, 700}, {3000, 900}} {
			t.Run(fmt.Sprint(sort, size), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(size[0]), uint64(size[1])))
				a, b := cellsOf(r, size[0], sort, 0), cellsOf(r, size[1], sort, 0.5)
				a[0], b[0] = "1.5", "2.5" // a column without numbers is another test
				c := comparedTables(t, tableOf(t, []string{"k", "x"}, a, a), tableOf(t, []string{"k", "x"}, b, b), Spec{Binning: Quantile}, Options{})
				m := columnNamed(t, c, "x")
				ref, cur := numbersIn(a), numbersIn(b)
				d, area := naiveGaps(ref, cur)
				nearTo(t, "ks", m.Distances[KS].Value, d)
				nearTo(t, "wasserstein", m.Distances[Wasserstein].Value, area/max(naiveStd(ref), 0.001))
				nearTo(t, "psi", m.Distances[PSI].Value, naivePSI(ref, cur))
				if n := m.Reference.Missing + m.Reference.NaN + m.Reference.PlusInf + m.Reference.MinusInf + int64(len(ref)); n != int64(size[0]) {
					t.Errorf("%d of %d rows are accounted for", n, size[0])
				}
				nearTo(t, "median", *m.Reference.Median, naiveQuantile(ref, 0.5))
				nearTo(t, "mean", *m.Reference.Mean, naiveMean(ref))
			})
		}
	}
}

func nearTo(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) && math.IsNaN(want) {
		return
	}
	if math.Abs(got-want) > 1e-11*max(1, math.Abs(want)) || math.IsNaN(got) != math.IsNaN(want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func naiveMean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

func naiveStd(x []float64) float64 {
	m, s := naiveMean(x), 0.0
	for _, v := range x {
		s += (v - m) * (v - m)
	}
	return math.Sqrt(s / float64(len(x)))
}

func naiveQuantile(x []float64, q float64) float64 {
	at := q * float64(len(x)-1)
	i := int(at)
	if i+1 >= len(x) {
		return x[len(x)-1]
	}
	return x[i] + (x[i+1]-x[i])*(at-float64(i))
}

// naiveGaps looks at every value of either side.
func naiveGaps(a, b []float64) (d, area float64) {
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(a), b...))))
	share := func(x []float64, v float64) float64 {
		n := 0
		for _, w := range x {
			if w <= v {
				n++
			}
		}
		return float64(n) / float64(len(x))
	}
	for i, v := range all {
		gap := math.Abs(share(a, v) - share(b, v))
		d = max(d, gap)
		if i+1 < len(all) {
			area += gap * (all[i+1] - v)
		}
	}
	return d, area
}

func naivePSI(a, b []float64) float64 {
	var edges []float64
	for i := 1; i < 10; i++ {
		edges = append(edges, naiveQuantile(a, float64(i)/10))
	}
	edges = slices.Compact(edges)
	shares := func(x []float64) []float64 {
		s := make([]float64, len(edges)+1)
		for _, v := range x {
			k := 0
			for k < len(edges) && v >= edges[k] {
				k++
			}
			s[k] += 1 / float64(len(x))
		}
		return s
	}
	p, q := shares(a), shares(b)
	sum := 0.0
	for i := range p {
		x, y := max(p[i], 1e-4), max(q[i], 1e-4)
		sum += (x - y) * math.Log(x/y)
	}
	return sum
}

// TestBigIntegers tells integers apart that are the same as floats.
func TestBigIntegers(t *testing.T) {
	a, b := make([]string, 50), make([]string, 50)
	for i := range a {
		a[i], b[i] = "4611686018427387904", "4611686018427387905"
	}
	m := columnNamed(t, comparedTables(t, tableOf(t, []string{"x"}, a), tableOf(t, []string{"x"}, b), Spec{}, Options{}), "x")
	if m.Distances[KS].Value != 1 || m.Distances[Wasserstein].Value != 1000 {
		t.Errorf("K-S is %v and W1 over 0.001 %v, want 1 and 1000", m.Distances[KS], m.Distances[Wasserstein])
	}
}

// TestSameHowever gets the same from any number of workers, and whether columns fit into memory or not.
func TestSameHowever(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sorts := []string{"normal", "ties", "heavy", "big", "holes", "zero", "constant", "empty"}
	sides := make([][][]string, 2)
	for i := range sides {
		for _, s := range sorts {
			sides[i] = append(sides[i], cellsOf(r, 5000+i*700, s, float64(i)))
		}
		words := make([]string, len(sides[i][0]))
		for k := range words {
			words[k] = fmt.Sprintf("w%d", r.IntN(50+10*i))
		}
		sides[i] = append(sides[i], words)
	}
	names := append(slices.Clone(sorts), "words")
	var first *Compared
	for _, o := range []Options{{Workers: 1}, {Workers: 4}, {Workers: 2, Memory: 20_000}, {Workers: 1, Memory: 1}} {
		c := comparedTables(t, tableOf(t, names, sides[0]...), tableOf(t, names, sides[1]...), Spec{Learn: &Learn{Chunks: 5}}, o)
		if first == nil {
			first = c
			continue
		}
		if diff := cmp.Diff(first, c, sameNumbers()); diff != "" {
			t.Fatalf("with %+v it is another (-first +now):\n%s", o, diff)
		}
	}
}

func sameNumbers() cmp.Option {
	return cmp.Options{cmp.Comparer(func(x, y float64) bool { return x == y || x != x && y != y }), cmp.AllowUnexported(Measured{})}
}

// TestSameWhereFilesAreCut gets the same when columns are many blocks of a file, to the last digit.
func TestSameWhereFilesAreCut(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	a, b := cellsOf(r, 150_000, "normal", 0), cellsOf(r, 170_000, "heavy", 0)
	n := min(len(a), len(b))
	one, other := tableOf(t, []string{"x", "y"}, a[:n], b[:n]), tableOf(t, []string{"x", "y"}, b[:n-999], a[:n-999])
	want := comparedTables(t, one, other, Spec{}, Options{})
	got := comparedTables(t, one, other, Spec{}, Options{Memory: 300_000})
	if diff := cmp.Diff(want, got, sameNumbers()); diff != "" {
		t.Error(diff)
	}
}

// TestSorter sorts keys of all sorts, many of which differ in few bits.
func TestSorter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var s sorter
	for name, next := range map[string]func() uint64{
		"random": r.Uint64, "same": func() uint64 { return 5 }, "few": func() uint64 { return uint64(r.IntN(3)) << 62 },
		"low":     func() uint64 { return 1<<63 | uint64(r.IntN(1<<20)) },
		"floats":  func() uint64 { return floatKey(r.NormFloat64()) },
		"high":    func() uint64 { return uint64(r.IntN(2))<<63 | uint64(r.IntN(1<<30)) },
		"integer": func() uint64 { return intKey(int64(r.IntN(1000)) - 500) },
	} {
		for _, n := range []int{0, 1, 2, 511, 512, 5000, 100_000} {
			keys := make([]uint64, n)
			for i := range keys {
				keys[i] = next()
			}
			want := slices.Sorted(slices.Values(keys))
			if got := s.sort(keys); !slices.Equal(got, want) {
				t.Errorf("%d %s keys are not in order", n, name)
			}
		}
	}
	for _, v := range []float64{0, 1, -1, math.MaxFloat64, -math.MaxFloat64, 5e-324, -5e-324, 1.5} {
		if floatOf(floatKey(v)) != v {
			t.Errorf("the key of %v is that of %v", v, floatOf(floatKey(v)))
		}
	}
}
