package drift

import (
	"math"

	"mlx/internal/stats"
)

// numbersOf measures a column of numbers. The sorted sides have the same axis.
func (p *pairing) numbersOf(m *Measured, ref, cur *sorted) error {
	spec := p.spec
	m.Distances = make(map[Method]Effect)
	first, second := ref.moments(false), cur.moments(false)
	p.summarise(&m.Reference, ref, first)
	p.summarise(&m.Current, cur, second)
	g := gapsOf(ref, cur)
	ks, err := stats.KolmogorovSmirnovOf(int(ref.n), int(cur.n), g.d, p.exactKS(ref.n, cur.n, g.d))
	if err != nil {
		return err
	}
	m.Distances[KS] = Effect{g.d, ksP(spec.KSP, ks)}
	m.Distances[Wasserstein] = Effect{normed(g.area, first.std), math.NaN()}
	if ref.n == 0 {
		m.Full.Reference, m.Full.Current = []int64{0}, []int64{cur.n}
		if spec.NullBin {
			m.Full = p.withNulls(m.Full)
		}
		m.Bins = m.Full
		return p.binned(m, cuts{})
	}
	c := binsOf(spec.Binning, spec.Bins, ref, cur)
	m.Full = Bins{Edges: c.edges, Atoms: c.atoms, Reference: c.counts(ref), Current: c.counts(cur)}
	if spec.NullBin {
		m.Full = p.withNulls(m.Full)
	}
	m.Bins = m.Full
	p.cuts = c
	return p.binned(m, c)
}

// normed is a distance in standard deviations of the reference. Of values so large that it is no number, nothing is known: 0 would be "no drift".
func normed(area, std float64) float64 {
	if math.IsInf(std, 0) {
		return math.NaN()
	}
	return area / max(std, 0.001)
}

func (p *pairing) withNulls(b Bins) Bins {
	b.Reference = append(b.Reference, p.columns[0].lacks())
	b.Current = append(b.Current, p.columns[1].lacks())
	b.Missing = true
	if b.Atoms != nil {
		b.Atoms = append(b.Atoms[:len(b.Atoms):len(b.Atoms)], false)
	}
	return b
}

// binned measures what depends on bins.
func (p *pairing) binned(m *Measured, c cuts) error {
	ref, cur := c.summed(m.Full.Reference), c.summed(m.Full.Current)
	for _, method := range []Method{PSI, JensenShannon, Hellinger, TVD, LInfinity} {
		v, err := p.distance(method, ref, cur)
		if err != nil {
			return err
		}
		m.Distances[method] = Effect{v, math.NaN()}
	}
	return nil
}

// distance of two samples over the same bins or categories, in the conventions of the spec.
func (p *pairing) distance(method Method, ref, cur []float64) (float64, error) {
	switch method {
	case PSI:
		if p.spec.Binning == Sturges {
			return stats.PSIFilled(ref, cur)
		}
		return stats.PSI(ref, cur, p.spec.Floor)
	case JensenShannon:
		return stats.JensenShannon(ref, cur, p.spec.Base)
	case Hellinger:
		return stats.Hellinger(ref, cur)
	case TVD:
		return stats.TVD(ref, cur)
	case LInfinity:
		return stats.LInfinity(ref, cur)
	case Chi2:
		c, err := stats.Chi2Homogeneity(ref, cur, p.spec.Yates)
		return cramersV(c, ref, cur), err
	default:
		return math.NaN(), nil
	}
}

const (
	exactKSRows = 10_000 // the largest sample whose exact P is computed, as scipy's automatic choice
	exactKSFar  = 6      // D sqrt(nm/(n+m)) above which it is not: P is below 1e-30 by any formula, and the exact one costs n*m then
)

func (p *pairing) exactKS(n, m int64, d float64) bool {
	if p.spec.KSP == "asymptotic" || p.spec.KSP == "limit" || max(n, m) > exactKSRows {
		return false
	}
	return n == m || d*math.Sqrt(float64(n)*float64(m)/float64(n+m)) <= exactKSFar
}

// ksP chooses a P.
func ksP(which string, k stats.KS) float64 {
	switch {
	case which == "limit":
		return k.Limit
	case which == "asymptotic" || math.IsNaN(k.Exact):
		return k.Asymptotic
	}
	return k.Exact
}

// summarise describes one side of a column of numbers.
func (p *pairing) summarise(s *Summary, of *sorted, m moments) {
	s.Distinct = &m.distinct
	if of.n == 0 {
		return
	}
	s.Mean, s.Std = finite(m.mean), finite(m.std)
	s.Min, s.Max = finite(of.value(0)), finite(of.value(of.n-1))
	s.Median = finite(of.quantile(0.5, 0, of.n))
}

// finite is a number that a record can hold.
func finite(v float64) *float64 {
	if v-v != 0 {
		return nil
	}
	return &v
}
