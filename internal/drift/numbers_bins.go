package drift

import (
	"math"
	"slices"

	"mlx/internal/stats"
)

// cuts are the bins of numbers: interior edges, each the lower edge of the bin after it.
type cuts struct {
	edges []float64
	atoms []bool // of each bin; nil: none
	// Of the peers' binnings. They are summed over in their own way; the bins that are shown are the same.
	outside bool // the first and the last bin are one
	only    bool // only the atoms count
}

// binsOf cuts the line by a binning. The reference has values.
func binsOf(binning Binning, bins int, ref, cur *sorted) cuts {
	switch binning {
	case Quantile:
		return cuts{edges: quantileEdges(ref, 0, ref.n, bins)}
	case Width:
		return cuts{edges: inside(linspace(ref.value(0), ref.value(ref.n-1), bins))}
	case Sturges:
		return sturges(ref, cur)
	case Doane:
		return doane(ref)
	default:
		return atoms(bins, ref)
	}
}

// quantileEdges are the different inner quantiles of the values of ranks [from, to).
func quantileEdges(s *sorted, from, to int64, bins int) []float64 {
	edges := make([]float64, 0, max(bins-1, 0))
	for i := 1; i < bins; i++ {
		edges = append(edges, s.quantile(float64(i)/float64(bins), from, to))
	}
	return slices.Compact(edges)
}

// linspace is the edges of bins of equal width, as numpy's.
func linspace(low, high float64, bins int) []float64 {
	edges := make([]float64, 0, bins+1)
	delta := high - low
	step := delta / float64(bins)
	for i := range bins {
		at := float64(i)*step + low
		if delta != 0 && step == 0 || math.IsInf(delta, 0) {
			at = low*(1-float64(i)/float64(bins)) + high*(float64(i)/float64(bins))
		}
		edges = append(edges, at)
	}
	return append(edges, high)
}

// inside are the interior edges, none twice.
func inside(edges []float64) []float64 {
	if len(edges) < 3 {
		return nil
	}
	return slices.Compact(edges[1 : len(edges)-1])
}

// maxByValues is how many values of the current side are taken one by one.
const maxByValues = 10_000

// sturges is Evidently's binning: over both sides, or a bin a value.
func sturges(ref, cur *sorted) cuts {
	if values, few := distinctUpTo(ref, stats.SturgesDistinct); few {
		if more, ok := distinctUpTo(cur, maxByValues); ok {
			values = append(values, more...)
			slices.Sort(values)
			c := byValue(slices.Compact(values))
			c.only = true
			return c
		}
	}
	low, high := ref.value(0), ref.value(ref.n-1)
	if cur.n > 0 {
		low, high = min(low, cur.value(0)), max(high, cur.value(cur.n-1))
	}
	whole := ref.axis.kind != axisFloats && ref.axis.by == 1
	return cuts{edges: inside(stats.SturgesEdges(ref.n+cur.n, low, high, whole))}
}

// doane is NannyML's binning: over the reference, and one bin for what lies outside.
func doane(ref *sorted) cuts {
	edges := stats.DoaneEdges(ref.n, ref.value(0), ref.value(ref.n-1), ref.moments(true).third)
	if n := len(edges); n > 0 {
		edges[n-1] = after(edges[n-1]) // the last bin holds its upper edge
	}
	return cuts{edges: slices.Compact(edges), outside: true}
}

// after is the next larger float.
func after(v float64) float64 { return math.Nextafter(v, math.Inf(1)) }

// byValue is a bin for each value, and bins for what lies between.
func byValue(values []float64) cuts {
	var c cuts
	for _, v := range values {
		c.atom(v)
	}
	c.finish()
	return c
}

// atom adds a bin of a single value, and before it one that reaches up to there if there is none.
func (c *cuts) atom(v float64) {
	if n := len(c.edges); n == 0 || c.edges[n-1] != v {
		c.edge(v)
	}
	c.atoms[len(c.atoms)-1] = true
	c.edge(after(v))
}

// edge adds a bin that begins at v.
func (c *cuts) edge(v float64) {
	if len(c.atoms) == 0 {
		c.atoms = append(c.atoms, false)
	}
	c.edges, c.atoms = append(c.edges, v), append(c.atoms, false)
}

func (c *cuts) finish() {
	if !slices.Contains(c.atoms, true) {
		c.atoms = nil
	}
}

// distinctUpTo are the different values, in order, unless there are more than most.
func distinctUpTo(s *sorted, most int) (values []float64, ok bool) {
	for r := int64(0); r < s.n; {
		if len(values) == most {
			return nil, false
		}
		v := s.value(r)
		values = append(values, v)
		r = s.upTo(v)
	}
	return values, true
}

// atoms is the default binning. A value that fills a share of 1/bins or more of the reference gets a bin of its own, and so does every value
// of a reference that has no more than that many. What lies between those is cut by its own quantiles into as many bins as its share is
// worth, at least one; so is all of a reference without such values: deciles. A column that is mostly zero has at least the bins below
// zero, zero, and above.
func atoms(bins int, ref *sorted) cuts {
	if values, few := distinctUpTo(ref, bins); few {
		return byValue(values)
	}
	heavy := heavyRuns(ref, bins)
	if len(heavy) == 0 {
		return cuts{edges: quantileEdges(ref, 0, ref.n, bins)}
	}
	var c cuts
	from := int64(0)
	for _, run := range heavy {
		c.between(ref, from, run.from, bins)
		c.atom(run.value)
		from = run.to
	}
	c.between(ref, from, ref.n, bins)
	c.finish()
	return c
}

// between cuts the values of ranks [from, to), which lie between two atoms.
func (c *cuts) between(ref *sorted, from, to int64, bins int) {
	if from == to {
		return
	}
	share := int(math.Round(float64(bins) * float64(to-from) / float64(ref.n)))
	low := ref.value(from)
	for _, e := range quantileEdges(ref, from, to, share) {
		if e > low { // else nothing would lie below it
			c.edge(e)
		}
	}
}

// run is a value that stands at ranks [from, to).
type run struct {
	value    float64
	from, to int64
}

// heavyRuns are the values that fill a share of 1/bins or more. Such a run covers a multiple of n/bins, rounded down.
func heavyRuns(s *sorted, bins int) []run {
	var heavy []run
	step := max(s.n/int64(bins), 1)
	for r := int64(0); r < s.n; {
		v := s.value(r)
		if n := len(heavy); n > 0 && heavy[n-1].value == v {
			r += step
			continue
		}
		next := run{v, s.below(v), s.upTo(v)}
		if (next.to-next.from)*int64(bins) >= s.n {
			heavy = append(heavy, next)
		}
		r += step
	}
	return heavy
}

// counts is how many values lie in each bin.
func (c *cuts) counts(s *sorted) []int64 {
	counts := make([]int64, len(c.edges)+1)
	before := int64(0)
	for i, e := range c.edges {
		at := s.below(e)
		counts[i], before = at-before, at
	}
	counts[len(c.edges)] = s.n - before
	return counts
}

// summed are counts as the distances take them.
func (c *cuts) summed(counts []int64) []float64 {
	var all []float64
	for i, n := range counts {
		if c.only && i < len(c.atoms) && !c.atoms[i] {
			continue
		}
		all = append(all, float64(n))
	}
	if last := len(c.edges); c.outside && last > 0 {
		all[0] += all[last]
		all = slices.Delete(all, last, last+1)
	}
	return all
}

// bin is the bin of a value.
func (c *cuts) bin(v float64) int {
	low, high := 0, len(c.edges)
	for low < high {
		if mid := (low + high) / 2; c.edges[mid] <= v {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}
