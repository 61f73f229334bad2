package stats

import (
	"fmt"
	"math"
	"slices"
)

// A summary is a statistic that depends on rows only through sums: of cells, of losses, of a histogram of ranks. That is what makes a
// bootstrap cheap: a resample draws the sums and not the rows.
//
// Up to exactUnits rows or clusters are drawn one by one: the plain bootstrap. Of more, the keptUnits that can move a sum most are drawn one by one, as
// Poisson(1) counts, and the sums of all others are drawn at once from the normal distribution with exactly their mean and
// covariance, which the central limit theorem makes of so many small terms. Counts are scaled to the number of units (of a stratum), so the Poisson
// bootstrap is the multinomial one but for terms of order 1/units.
type summary struct {
	size  int                                      // how many sums there are
	row   func(i int, add func(at int, v float64)) // what row i adds to them, its weight included
	value func(sums []float64) float64             // the statistic; it may use sums as scratch
}

const (
	exactUnits   = 20_000
	exactEntries = 2_000_000
	keptUnits    = 2048
	maxNormal    = 1100 // sums whose covariance is worth factoring; with more all units are drawn one by one
)

// pool is units that are drawn from together: all of them, or a stratum.
type pool struct {
	units int
	kept  entries
	exact bool // draw units times from kept
	// otherwise the others: their mean (with their number as last entry) and the factor of their covariance
	mean    []float64
	factor  triangle
	poisson *poisson
}

// entries are sparse vectors one after another.
type entries struct {
	start  []int32 // of each vector, and the end
	at     []int32
	values []float64
}

func (e *entries) push(at []int32, dense []float64) {
	if len(e.start) == 0 {
		e.start = append(e.start, 0)
	}
	for _, j := range at {
		e.at, e.values = append(e.at, j), append(e.values, dense[j])
	}
	e.start = append(e.start, int32(len(e.at)))
}

func (e *entries) add(u int, times float64, to []float64) {
	for k := e.start[u]; k < e.start[u+1]; k++ {
		to[e.at[k]] += times * e.values[k]
	}
}

// units visits the vector of each unit of a pool: the places that it touches and a dense slice that holds them. The last place counts units.
type units func(visit func(unit int, at []int32, dense []float64))

// rowUnits are the rows with the given numbers, nil for all n.
func (s summary) rowUnits(rows []int32, n int) units {
	return s.grouped(rows, n, func(int) bool { return true })
}

// clusterUnits are clusters: codes 0..groups-1 of all rows.
func (s summary) clusterUnits(codes []int32, groups int) units {
	start := make([]int32, groups+1)
	for _, c := range codes {
		start[c+1]++
	}
	for g := range groups {
		start[g+1] += start[g]
	}
	next := slices.Clone(start[:groups])
	order := make([]int32, len(codes))
	for i, c := range codes {
		order[next[c]] = int32(i)
		next[c]++
	}
	return s.grouped(order, len(order), func(at int) bool { return at+1 == len(order) || codes[order[at]] != codes[order[at+1]] })
}

// grouped adds rows up to each one that ends a unit.
func (s summary) grouped(order []int32, n int, ends func(at int) bool) units {
	return func(visit func(unit int, at []int32, dense []float64)) {
		dense, touched := make([]float64, s.size+1), make([]int32, 0, s.size+1)
		marked := make([]bool, s.size+1)
		add := func(j int, v float64) {
			if !marked[j] {
				marked[j] = true
				touched = append(touched, int32(j))
			}
			dense[j] += v
		}
		unit := 0
		for at := range n {
			row := at
			if order != nil {
				row = int(order[at])
			}
			s.row(row, add)
			if !ends(at) {
				continue
			}
			add(s.size, 1)
			visit(unit, touched, dense)
			unit++
			for _, j := range touched {
				dense[j], marked[j] = 0, false
			}
			touched = touched[:0]
		}
	}
}

// newPool chooses how units are drawn.
func (s summary) newPool(count int, all units) pool {
	p := pool{units: count, exact: count <= keptUnits || s.size > maxNormal}
	if !p.exact && count <= exactUnits {
		entries := 0
		all(func(_ int, at []int32, _ []float64) { entries += len(at) })
		p.exact = entries <= exactEntries
	}
	if p.exact {
		all(func(_ int, at []int32, dense []float64) { p.kept.push(at, dense) })
		return p
	}
	chosen := s.influential(count, all)
	p.mean = make([]float64, s.size+1)
	covariance := newTriangle(s.size + 1)
	all(func(unit int, at []int32, dense []float64) {
		if chosen[unit] {
			p.kept.push(at, dense)
			return
		}
		for _, i := range at {
			v := dense[i]
			p.mean[i] += v
			for _, j := range at {
				if j <= i {
					covariance.at(int(i))[j] += v * dense[j]
				}
			}
		}
	})
	p.factor, p.poisson = covariance, newPoisson()
	p.factor.cholesky()
	return p
}

// influential marks the units whose vectors are largest, each sum measured by the root of its summed squares, so that the units of
// rare cells and of heavy tails come first. Equals are taken in their order.
func (s summary) influential(count int, all units) []bool {
	squares := make([]float64, s.size+1)
	all(func(_ int, at []int32, dense []float64) {
		for _, j := range at {
			squares[j] += dense[j] * dense[j]
		}
	})
	size := make([]float32, count)
	var buckets [1 << 16]int32 // by the upper half of the bits, which order positive numbers to 8 binary digits: enough to choose by
	all(func(unit int, at []int32, dense []float64) {
		sum := 0.0
		for _, j := range at {
			if squares[j] > 0 {
				sum += dense[j] * dense[j] / squares[j]
			}
		}
		size[unit] = float32(sum)
		buckets[math.Float32bits(size[unit])>>16]++
	})
	limit, above := len(buckets)-1, 0
	for ; above+int(buckets[limit]) < keptUnits; limit-- {
		above += int(buckets[limit])
	}
	chosen, left := make([]bool, count), keptUnits-above
	for u, v := range size {
		switch bucket := int(math.Float32bits(v) >> 16); {
		case bucket > limit:
			chosen[u] = true
		case bucket == limit && left > 0:
			chosen[u] = true
			left--
		}
	}
	return chosen
}

// draw adds a resample of the pool to sums; part and normals are scratch.
func (p *pool) draw(r *random, sums, part, normals []float64) {
	if p.exact {
		for range p.units {
			p.kept.add(int(r.below(uint32(p.units))), 1, sums)
		}
		return
	}
	copy(part, p.mean)
	for i := range normals {
		normals[i] = r.normal()
	}
	p.factor.multiply(normals, part)
	for u := range keptUnits {
		if times := p.poisson.draw(r); times > 0 {
			p.kept.add(u, times, part)
		}
	}
	scale := float64(p.units) / part[len(part)-1]
	for i, v := range part {
		sums[i] += scale * v
	}
}

// interval is the two-sided percentile interval of a statistic of one model.
func (s summary) interval(value float64, n int, d Design) (Interval, error) {
	c, err := s.bootstrap(Comparison{A: value, Diff: value}, n, d)
	return Interval{c.Diff, c.Lower, c.Upper}, err
}

// bootstrap sets the bounds of a comparison whose A, B and Diff are known; n is the number of rows.
func (s summary) bootstrap(c Comparison, n int, d Design) (Comparison, error) {
	d, err := d.filled(n)
	if err != nil {
		return Comparison{}, err
	}
	c.Rows, c.Units, c.Level, c.Method = n, n, d.Level, fmt.Sprintf("paired bootstrap, %d resamples", d.Resamples)
	var pools []pool
	unit := "rows"
	switch {
	case d.Clusters != nil:
		codes, groups := dense(d.Clusters)
		c.Units, unit = groups, "clusters"
		if groups >= MinClusters {
			pools = append(pools, s.newPool(groups, s.clusterUnits(codes, groups)))
		}
	case d.Strata != nil:
		for _, rows := range newSampler(n, d).strata {
			pools = append(pools, s.newPool(len(rows), s.rowUnits(rows, len(rows))))
		}
	default:
		pools = append(pools, s.newPool(n, s.rowUnits(nil, n)))
	}
	if c.Units < MinClusters {
		return c.cannotTell("%d %s, at least %d needed", c.Units, unit, MinClusters), nil
	}
	if math.IsNaN(c.Diff) {
		return c.cannotTell("the metric is not defined on these rows"), nil
	}
	diffs := make([]float64, d.Resamples)
	d.spread(func(next func() (int, bool)) {
		sums, part, normals := make([]float64, s.size+1), make([]float64, s.size+1), make([]float64, s.size+1)
		for k, ok := next(); ok; k, ok = next() {
			clear(sums)
			r := newRandom(d.Seed, uint64(k))
			for i := range pools {
				pools[i].draw(r, sums, part, normals)
			}
			diffs[k] = s.value(sums[:s.size])
		}
	})
	return c.percentiles(diffs, d), nil
}
