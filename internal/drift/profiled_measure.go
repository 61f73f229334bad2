package drift

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"mlx/internal/dataset"
	"mlx/internal/stats"
)

// measureCells measures one column of two profiles.
func (c *comparison) measureCells(name string, m *Measured) error {
	a, b := c.sides[0].columns[name], c.sides[1].columns[name]
	p := &pairing{spec: &c.spec, sides: c.sides, columns: [2]*column{a, b}, private: slices.Contains(c.spec.Private, name)}
	m.Name, m.Kind = name, Numbers
	p.counts(m)
	words := textual(a.field, b.field, &c.spec)
	if words {
		m.Kind = Categories
	}
	if _, err := c.spec.MethodOf(name, m.Kind); err != nil {
		return err
	}
	for i, s := range c.sides {
		if v := s.source.Profile.Column(s.schema().Index(name)); v.Private && v.Count > 0 {
			m.Why = "it is private: the profile of " + []string{"the reference", "the current side"}[i] + " has no values of it"
		}
	}
	switch {
	case m.Why != "":
		m.Distances = map[Method]Effect{}
		for _, method := range append(categoryMethods(), KS, Wasserstein) {
			m.Distances[method] = Effect{math.NaN(), math.NaN()}
		}
		return nil
	case words:
		return p.categoriesOf(m)
	}
	return p.cellsOf(m)
}

// cellsOf measures a column of numbers.
func (p *pairing) cellsOf(m *Measured) error {
	m.Distances = make(map[Method]Effect)
	var n [2]int64
	var fine, coarse [2][]dataset.ProfileCell
	var std float64
	scale := [2]float64{1, 1}
	for i, s := range []*Summary{&m.Reference, &m.Current} {
		if v := p.columns[i].known; v != nil {
			scale[i] = cmp.Or(timeUnit(v.Field), 1)
			n[i], fine[i], coarse[i] = v.Count, v.Cells(), v.CoarseCells()
			summariseProfile(s, v, scale[i])
			if i == 0 {
				std = v.Std(0) * scale[i]
			}
		}
	}
	g := spanGaps{d: math.NaN(), area: math.NaN()}
	if n[0] > 0 && n[1] > 0 {
		g = gapsOfSpans(commonCells(fine[0], fine[1], scale), n)
	}
	ks, err := stats.KolmogorovSmirnovOf(int(n[0]), int(n[1]), g.d, p.exactKS(n[0], n[1], g.d))
	if err != nil {
		return err
	}
	m.KSError = g.error
	m.Distances[KS] = Effect{g.d, ksP(p.spec.KSP, ks)}
	m.Distances[Wasserstein] = Effect{normed(g.area, std), math.NaN()}
	return p.binnedCells(m, commonCells(coarse[0], coarse[1], scale))
}

// binnedCells cuts coarse cells into bins, which are the same however the rows of either side were cut.
func (p *pairing) binnedCells(m *Measured, all []span) error {
	ref, cur := sortedSpans(all, 0), sortedSpans(all, 1)
	c := cuts{}
	if ref.n > 0 {
		c = binsOf(p.spec.Binning, p.spec.Bins, ref, cur)
		c.toBorders(all)
	}
	m.Full = Bins{Edges: c.edges, Atoms: c.atoms, Reference: c.counts(ref), Current: c.counts(cur)}
	if p.spec.NullBin {
		m.Full = p.withNulls(m.Full)
	}
	m.Bins = m.Full
	return p.binned(m, c)
}

// toBorders moves edges up to the next border of a cell that holds more than one value. No count changes by that. Of edges that are then
// the same one is left.
func (c *cuts) toBorders(all []span) {
	edges := make([]float64, 0, len(c.edges))
	atoms := make([]bool, 0, len(c.edges)+1)
	for i, e := range c.edges {
		atom := c.atoms != nil && c.atoms[i] // the bin below
		at := sort.Search(len(all), func(k int) bool { return all[k].low >= e })
		if at > 0 && !all[at-1].one {
			atom = false
			e = all[at-1].high
			if at < len(all) {
				e = all[at].low
			}
		}
		if len(edges) == 0 || edges[len(edges)-1] != e {
			edges, atoms = append(edges, e), append(atoms, atom)
		}
	}
	c.edges, c.atoms = edges, append(atoms, c.atoms != nil && c.atoms[len(c.atoms)-1])
	c.finish()
}

// summariseProfile describes a side of a column of numbers as its profile knows it, which counts in units of by.
func summariseProfile(s *Summary, v *dataset.ProfileColumn, by float64) {
	if v.DistinctExact || v.UniqueCertain || v.Distinct < v.Count { // an estimate as large as that may be of many that are the same
		s.Distinct = &v.Distinct
	}
	if v.Count == 0 {
		return
	}
	low, high, _ := v.Bounds()
	s.Mean, s.Std, s.Min, s.Max, s.Median = finite(v.Mean()*by), finite(v.Std(0)*by), finite(low*by), finite(high*by), finite(v.Quantile(0.5)*by)
}
