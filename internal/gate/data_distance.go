package gate

import (
	"context"
	"maps"
	"math"
	"slices"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/stats"
)

const (
	distanceRows  = 4_000_000 // of both tables together, for distances that sort them
	distanceKinds = 100_000   // different texts
	distanceBins  = 10
)

// distanceJudge compares the values of a column with those of another table: numbers sorted, or in bins between quantiles of the
// reference; texts and booleans by how often each appears. Missing values, NaN and infinities are one more bin.
type distanceJudge struct {
	statBase
	other  Table
	theirs dataset.Field
	ours   sampled
}

// sampled is what is kept of a column: numbers, or counts of texts.
type sampled struct {
	numbers []float64
	kinds   map[string]float64
	absent  float64 // missing, NaN or infinite
	all     int64
}

func (f *dataFrame) distance(ctx context.Context, base statBase) (dataJudge, error) {
	c := base.column
	j := &distanceJudge{statBase: base, ours: sampled{kinds: make(map[string]float64)}}
	var err error
	if j.other, err = f.settled(ctx, c.rule.Reference); err != nil {
		return nil, err
	}
	schema := j.other.Schema()
	at := schema.Index(c.Name)
	if at < 0 {
		return nil, fault.New(fault.NotFound, "cannot judge %s: %s has no column %q (%s)", f.session.spec.Name, c.rule.Reference, c.Name, place(c.rule.At)).
			In(c.rule.At).Hint("its columns are %s", list(schema.Names()))
	}
	j.theirs = schema[at]
	if sorts(c.rule.Stat) && (!numeric(c.Field) || !numeric(j.theirs)) {
		return nil, f.unfit(c, "%s compares numbers, and column %q is %s here and %s in %s", c.rule.Stat, c.Name, c.Type, j.theirs.Type, c.rule.Reference)
	}
	return j, nil
}

func sorts(stat string) bool {
	return slices.Contains([]string{"ks", "ks_p", "wasserstein", "wasserstein_normed"}, stat)
}

// numeric says whether the values of a column are compared as numbers.
func numeric(f dataset.Field) bool { return f.Type.Ordered() || f.Type == dataset.Null }

// binned says whether both columns are numbers, which are put in bins.
func (j *distanceJudge) binned() bool { return numeric(j.column.Field) && numeric(j.theirs) }

func (j *distanceJudge) sample(b *dataBatch, at int, filter int) sampled {
	column := j.column
	column.at = at
	base := statBase{column: column, filter: filter}
	all := int64(b.Rows)
	if filter >= 0 {
		all = int64(b.filters[filter].Count())
	}
	if j.binned() {
		if b.Columns[at].Type == dataset.Null {
			return sampled{absent: float64(all), all: all}
		}
		base.column.Field = b.Columns[at].Field
		values, _ := base.numbers(b)
		return sampled{numbers: slices.Clone(values), absent: float64(all) - float64(len(values)), all: all}
	}
	s := sampled{kinds: make(map[string]float64), all: all}
	skip := base.skip(b, true)
	c := &b.Columns[at]
	var text []byte
	judged := 0.0
	for i := range b.Rows {
		if !skip.Has(i) && c.Type != dataset.Null {
			text = c.AppendText(text[:0], i)
			s.kinds[string(text)]++
			judged++
		}
	}
	s.absent = float64(all) - judged
	return s
}

func (s *sampled) merge(o sampled) {
	s.numbers = append(s.numbers, o.numbers...)
	for text, n := range o.kinds {
		s.kinds[text] += n
	}
	s.absent += o.absent
	s.all += o.all
}

func (j *distanceJudge) part(b *dataBatch) (any, error) {
	return j.sample(b, j.column.at, j.filter), nil
}

func (j *distanceJudge) merge(_ dataset.Span, part any) error { return j.take(&j.ours, part.(sampled)) }

// take keeps a part, as long as memory is bounded.
func (j *distanceJudge) take(into *sampled, part sampled) error {
	into.merge(part)
	r := j.column.rule
	if len(into.numbers) > distanceRows {
		return j.frame.session.wrong(r, "%s compares at most %s values of a table", r.Stat, thousands(distanceRows)).
			Hint("where: ...   # judges some of the rows")
	}
	if len(into.kinds) > distanceKinds {
		return j.frame.session.wrong(r, "%s of more than %s different texts says nothing", r.Stat, thousands(distanceKinds))
	}
	return nil
}

func (j *distanceJudge) finish(ctx context.Context) ([]Finding, error) {
	reference := sampled{kinds: make(map[string]float64)}
	err := dataset.Fold(ctx, j.other.Table, dataset.Request{Columns: []string{j.column.Name}}, dataset.Folding[sampled]{
		Part:  func(b *dataset.Batch) (sampled, error) { return j.sample(&dataBatch{Batch: b}, 0, -1), nil },
		Merge: func(_ dataset.Span, s sampled) error { return j.take(&reference, s) },
	})
	if err != nil {
		return nil, err
	}
	j.judged = j.ours.all
	value := math.NaN()
	if reference.all > 0 && j.ours.all > 0 {
		if value, err = j.compare(reference); err != nil {
			return nil, fault.New(fault.Internal, "cannot judge %s: %w", j.frame.session.spec.Name, err)
		}
	}
	return []Finding{j.finding(value)}, nil
}

func (j *distanceJudge) compare(reference sampled) (float64, error) {
	slices.Sort(reference.numbers)
	slices.Sort(j.ours.numbers)
	stat := j.column.rule.Stat
	switch stat {
	case "ks", "ks_p":
		k, err := stats.KolmogorovSmirnov(reference.numbers, j.ours.numbers)
		if stat == "ks" {
			return k.D, err
		}
		return k.Asymptotic, err
	case "wasserstein":
		return stats.Wasserstein(reference.numbers, j.ours.numbers)
	case "wasserstein_normed":
		return stats.WassersteinNormed(reference.numbers, j.ours.numbers)
	}
	p, q := j.counts(reference)
	switch stat {
	case "psi":
		return stats.PSI(p, q, stats.PSIFloor)
	case "kl":
		return stats.KL(p, q, stats.PSIFloor)
	case "js":
		return stats.JensenShannon(p, q, 2)
	case "tvd":
		return stats.TVD(p, q)
	case "hellinger":
		return stats.Hellinger(p, q)
	}
	c, err := stats.Chi2Homogeneity(p, q, false)
	if stat == "chi2" {
		return c.Statistic, err
	}
	return c.P, err
}

// counts are the two samples over the same bins or texts, the absent ones in a last bin where there are any.
func (j *distanceJudge) counts(reference sampled) (p, q []float64) {
	if j.binned() {
		bins := j.column.rule.Bins
		if bins <= 0 {
			bins = distanceBins
		}
		edges := quantileEdges(reference.numbers, bins)
		p, q = inBins(reference.numbers, edges), inBins(j.ours.numbers, edges)
	} else {
		all := maps.Clone(reference.kinds)
		maps.Copy(all, j.ours.kinds)
		for _, text := range slices.Sorted(maps.Keys(all)) {
			p, q = append(p, reference.kinds[text]), append(q, j.ours.kinds[text])
		}
	}
	if reference.absent+j.ours.absent > 0 {
		p, q = append(p, reference.absent), append(q, j.ours.absent)
	}
	return p, q
}

// quantileEdges are the different linear quantiles between bins of equal weight.
func quantileEdges(sorted []float64, bins int) []float64 {
	var edges []float64
	for i := 1; i < bins && len(sorted) > 0; i++ {
		at := float64(i) / float64(bins) * float64(len(sorted)-1)
		low := int(at)
		v := sorted[low]
		if low+1 < len(sorted) {
			v += (sorted[low+1] - v) * (at - float64(low))
		}
		if len(edges) == 0 || v > edges[len(edges)-1] {
			edges = append(edges, v)
		}
	}
	return edges
}

// inBins counts sorted values in the bins [edge, next edge), the ends open.
func inBins(sorted, edges []float64) []float64 {
	counts := make([]float64, len(edges)+1)
	for i := range counts {
		end := len(sorted)
		if i < len(edges) {
			end, _ = slices.BinarySearch(sorted, edges[i])
		}
		counts[i] = float64(end)
	}
	for i := len(counts) - 1; i > 0; i-- {
		counts[i] -= counts[i-1]
	}
	return counts
}
