package drift

import (
	"math"
	"slices"
	"testing"

	"mlx/internal/stats"
)

// sampleOf is one side of a column of a test: numbers, of which NaN is missing, and the cluster of each; nil: rows are independent.
type sampleOf struct {
	numbers []float64
	words   []string
	cluster []int
}

// measuredNumbers is what a comparison finds of two samples of numbers, in deciles with a bin for each value that would fill one.
func measuredNumbers(t testing.TB, name string, ref, cur sampleOf) Measured {
	t.Helper()
	a, b := sortedValues(ref.numbers), sortedValues(cur.numbers)
	m := Measured{Column: Column{Name: name, Kind: Numbers}, Distances: map[Method]Effect{}}
	m.Reference, m.Current = summaryOf(ref.numbers, a), summaryOf(cur.numbers, b)
	if len(a) > 0 && len(b) > 0 {
		m.Bins.Edges, m.Bins.Atoms = decileEdges(a)
		m.Bins.Reference, m.Bins.Current = countsInBins(m.Bins.Edges, a), countsInBins(m.Bins.Edges, b)
		if ref.cluster == nil { // its p is of no use else, and dear
			d := gapOf(a, b)
			ks, err := stats.KolmogorovSmirnovOf(len(a), len(b), d, len(a)*len(b) < 2e6)
			if err != nil {
				t.Fatal(err)
			}
			p := ks.Exact
			if math.IsNaN(p) {
				p = ks.Asymptotic
			}
			m.Distances[KS] = Effect{ks.D, p}
		}
		m.Distances[PSI] = Effect{psiOf(t, m.Bins), math.NaN()}
	}
	if ref.cluster != nil {
		bin := func(v float64) int {
			if math.IsNaN(v) {
				return len(m.Bins.Edges) + 1
			}
			return binOf(m.Bins.Edges, v)
		}
		m.Clustered = &Clustered{}
		for i, side := range []sampleOf{ref, cur} {
			rows := clusterCounts(side.cluster, len(m.Bins.Edges)+2, func(i int) int { return bin(side.numbers[i]) })
			if i == 0 {
				m.Clustered.Reference = rows
			} else {
				m.Clustered.Current = rows
			}
		}
	}
	return m
}

func measuredWords(t testing.TB, name string, ref, cur sampleOf) Measured {
	t.Helper()
	m := Measured{Column: Column{Name: name, Kind: Categories}, Distances: map[Method]Effect{}}
	all := append(slices.Clone(ref.words), cur.words...)
	slices.Sort(all)
	m.Bins.Categories = slices.Compact(all)
	place := func(v string) int { i, _ := slices.BinarySearch(m.Bins.Categories, v); return i }
	count := func(of []string) []int64 {
		n := make([]int64, len(m.Bins.Categories))
		for _, v := range of {
			n[place(v)]++
		}
		return n
	}
	m.Bins.Reference, m.Bins.Current = count(ref.words), count(cur.words)
	for i, v := range m.Bins.Reference {
		if v == 0 {
			m.Unseen += m.Bins.Current[i]
			m.New = append(m.New, m.Bins.Categories[i])
		}
	}
	summary := func(n []int64) Summary {
		s := Summary{Type: "text"}
		distinct, most := int64(0), int64(0)
		for i, v := range n {
			s.Rows += v
			if v > 0 {
				distinct++
			}
			if v > most {
				most, s.Top = v, m.Bins.Categories[i]
			}
		}
		s.Distinct = &distinct
		return s
	}
	m.Reference, m.Current = summary(m.Bins.Reference), summary(m.Bins.Current)
	m.Full = m.Bins
	m.Distances[PSI] = Effect{psiOf(t, m.Bins), math.NaN()}
	if ref.cluster != nil {
		n := len(m.Bins.Categories) + 1
		m.Clustered = &Clustered{clusterCounts(ref.cluster, n, func(i int) int { return place(ref.words[i]) }),
			clusterCounts(cur.cluster, n, func(i int) int { return place(cur.words[i]) })}
	}
	return m
}

func comparedOf(columns ...Measured) *Compared {
	nan := math.NaN()
	c := &Compared{Columns: columns, Duplicates: [2]int64{-1, -1}, Span: [2][2]float64{{nan, nan}, {nan, nan}}, Exact: true}
	if len(columns) > 0 {
		c.Rows = [2]int64{columns[0].Reference.Rows, columns[0].Current.Rows}
		if by := columns[0].Clustered; by != nil {
			c.Clusters = [2]int64{int64(len(by.Reference)), int64(len(by.Current))}
		}
	}
	return c
}

func sortedValues(all []float64) []float64 {
	values := slices.DeleteFunc(slices.Clone(all), math.IsNaN)
	slices.Sort(values)
	return values
}

func summaryOf(all, sorted []float64) Summary {
	s := Summary{Rows: int64(len(all)), Missing: int64(len(all) - len(sorted)), Type: "float"}
	if len(sorted) == 0 {
		return s
	}
	var mean, squares float64
	for _, v := range sorted {
		mean += v / float64(len(sorted))
	}
	for _, v := range sorted {
		squares += (v - mean) * (v - mean) / float64(len(sorted))
	}
	s.Mean, s.Std, s.Min, s.Max, s.Median = known(mean), known(math.Sqrt(squares)), known(sorted[0]), known(sorted[len(sorted)-1]), known(sorted[len(sorted)/2])
	return s
}

// decileEdges are the different deciles, and for each value that has a tenth of the rows the number after it.
func decileEdges(sorted []float64) (edges []float64, atoms []bool) {
	atoms = []bool{false}
	for i := 1; i < 10; i++ {
		v := sorted[i*len(sorted)/10]
		if len(edges) > 0 && v <= edges[len(edges)-1] {
			continue
		}
		from, _ := slices.BinarySearch(sorted, v)
		to, _ := slices.BinarySearch(sorted, math.Nextafter(v, math.Inf(1)))
		edges, atoms = append(edges, v), append(atoms, false)
		if (to-from)*10 >= len(sorted) {
			atoms[len(atoms)-1] = true
			edges, atoms = append(edges, math.Nextafter(v, math.Inf(1))), append(atoms, false)
		}
	}
	return edges, atoms
}

func binOf(edges []float64, v float64) int {
	i, found := slices.BinarySearch(edges, v)
	if found {
		i++
	}
	return i
}

func countsInBins(edges, values []float64) []int64 {
	n := make([]int64, len(edges)+1)
	for _, v := range values {
		n[binOf(edges, v)]++
	}
	return n
}

// gapOf is D of two sorted samples.
func gapOf(a, b []float64) (d float64) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		v := min(a[i], b[j])
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return d
}

func psiOf(t testing.TB, b Bins) float64 {
	t.Helper()
	a, c := make([]float64, len(b.Reference)), make([]float64, len(b.Current))
	for i := range a {
		a[i], c[i] = float64(b.Reference[i]), float64(b.Current[i])
	}
	v, err := stats.PSI(a, c, stats.PSIFloor)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func clusterCounts(cluster []int, bins int, bin func(i int) int) [][]uint32 {
	rows := make([][]uint32, slices.Max(cluster)+1)
	for i := range rows {
		rows[i] = make([]uint32, bins)
	}
	for i, c := range cluster {
		rows[c][bin(i)]++
	}
	return rows
}
