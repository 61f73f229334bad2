package drift

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// Options say with what means two tables are compared. The answer does not depend on them.
type Options struct {
	Temp    string           // folder for what does not fit into memory
	Memory  int64            // bytes that the columns in work may take; 0: 64 MiB
	Workers int              // 0: one for each core, at most 8
	Read    func(rows int64) // told of rows that were read, of both sides; may be nil
}

// defaultMemory is for two columns of a million rows on both sides and the memory to sort them.
const defaultMemory = 48 << 20

func (o Options) filled() Options {
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Workers <= 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 8)
	}
	return o
}

// Compare measures how far two tables are apart: every column that both have, exactly. When a side is a profile, as exactly as it allows.
// Columns are in the order of the reference.
func Compare(ctx context.Context, ref, cur Source, spec Spec, o Options) (*Compared, error) {
	spec = spec.forEngine()
	if ref.Profile != nil || cur.Profile != nil {
		return compareProfiles(ctx, ref, cur, spec, o.filled())
	}
	c, err := newComparison(ref, cur, spec, o.filled())
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.run(ctx)
}

// forEngine fills in what the engine needs, so that it also measures for a Spec that nobody completed.
func (s Spec) forEngine() Spec {
	or := func(v *int, other int) {
		if *v <= 0 {
			*v = other
		}
	}
	or(&s.Bins, 10)
	or(&s.MaxTexts, 10_000)
	if s.Floor <= 0 {
		s.Floor = 1e-4
	}
	if s.Base <= 0 {
		s.Base = 2
	}
	if s.Binning == "" {
		s.Binning = Atoms
	}
	return s
}

// comparison is the work of one Compare.
type comparison struct {
	spec  Spec
	opts  Options
	sides [2]*side
	out   *Compared

	measurers []*measurer
}

func newComparison(ref, cur Source, spec Spec, o Options) (*comparison, error) {
	c := &comparison{spec: spec, opts: o, out: &Compared{Exact: true, Duplicates: [2]int64{-1, -1}}}
	var zone *time.Location
	if spec.Time != "" {
		var err error
		if zone, err = time.LoadLocation(spec.TimeZone); err != nil {
			return nil, fault.New(fault.Usage, "cannot tell days in time zone %q: %w", spec.TimeZone, err)
		}
	}
	parts := &partPool{}
	for i, source := range []Source{ref, cur} {
		if err := source.Rows.check(); err != nil {
			return nil, err
		}
		c.sides[i] = &side{source: source, parts: parts, spec: &c.spec, zone: zone, byRow: spec.Time != "" || spec.Cluster != "" || spec.Learn != nil,
			store: newStore(o.Temp, o.Memory/2), meta: newStore(o.Temp, o.Memory/8), span: [2]float64{math.NaN(), math.NaN()}}
	}
	return c, nil
}

func (c *comparison) close() {
	for _, s := range c.sides {
		s.store.close()
		s.meta.close()
	}
}

// run reads and measures. Tables that know their length are read some columns at a time; of others, each pass over them would have to go
// through all of their text again.
func (c *comparison) run(ctx context.Context) (*Compared, error) {
	columns, err := c.choose()
	if err != nil {
		return nil, err
	}
	step := len(columns)
	n, known := c.length()
	if known {
		columns = c.comparable(columns)
		step = c.step(n)
	}
	done := slices.Clone(columns)
	for first := true; first || len(columns) > 0; first = false {
		group := columns[:min(step, len(columns))]
		columns = columns[len(group):]
		if err := c.group(ctx, group, first); err != nil {
			return nil, err
		}
		if len(columns) == 0 && !known { // keys of JSON that came late: only reading finds them
			columns = without(c.chosen(), done...)
			done = append(done, columns...)
		}
	}
	for i, s := range c.sides {
		c.out.Rows[i], c.out.Span[i] = s.rows, s.span
		if s.clusters != nil {
			c.out.Clusters[i] = s.clusters.count()
		}
	}
	if err := c.schema(ctx); err != nil {
		return nil, err
	}
	return c.out, c.duplicates(ctx)
}

// step is how many columns are in memory at once: half of it is for them, and half to sort them. Columns that do not fit at all go through
// the file, each worker with one.
func (c *comparison) step(rows [3]int64) int {
	half := c.opts.Memory / 2
	if 8*rows[2] > half {
		return c.opts.Workers
	}
	return int(max(half/(8*(rows[0]+rows[1]+1)), 1))
}

// length is the number of rows of both sides, and the larger one, if it is known.
func (c *comparison) length() (n [3]int64, known bool) {
	for i, s := range c.sides {
		rows, ok := s.source.Table.Rows()
		if !ok {
			return n, false
		}
		n[i], n[2] = rows, max(n[2], rows)
	}
	return n, true
}

// group reads columns of both sides and measures them.
func (c *comparison) group(ctx context.Context, names []string, first bool) error {
	for _, s := range c.sides {
		s.reported = nil
		if first { // all columns together are one row, however they are read
			s.reported = c.opts.Read
		}
		if err := s.load(ctx, names, first); err != nil {
			return err
		}
	}
	if a, b := c.sides[0].clusters, c.sides[1].clusters; first && a != nil && b != nil {
		if err := groupClusters(a, b); err != nil {
			return err
		}
	}
	names = c.comparable(names)
	all := make([]Measured, len(names))
	errs := make([]error, len(names))
	next := make(chan int)
	var workers sync.WaitGroup
	alone := len(names) == 1 && c.opts.Workers > 1
	for k := range min(c.opts.Workers, len(names)) {
		w := c.measurer(k)
		w.alone = alone
		workers.Go(func() {
			for i := range next {
				errs[i] = c.measure(w, names[i], &all[i])
			}
		})
	}
	for i := range names {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	c.out.Columns = append(c.out.Columns, all...)
	return nil
}

// pairing is one column of both sides while it is measured.
type pairing struct {
	spec    *Spec
	sides   [2]*side
	columns [2]*column
	private bool
	w       *measurer

	axis      axis // of numbers
	convert   [2]func(uint64) uint64
	reference *sorted
	cuts      cuts
	all       []category // of both sides
}

// measurer is the memory of one goroutine that measures.
type measurer struct {
	memory int64 // bytes that it may take
	alone  bool  // there is one column: both of its sides are sorted at once
	sorter sorter
	other  sorter      // of the other side, while no other column is measured
	sorted [2][]uint64 // of columns whose order of rows is kept
	words  reader[uint64]
}

// measurer is that of worker k, whose memory is used for all groups.
func (c *comparison) measurer(k int) *measurer {
	for len(c.measurers) <= k {
		c.measurers = append(c.measurers, &measurer{memory: c.opts.Memory / int64(c.opts.Workers)})
	}
	return c.measurers[k]
}

// room is memory for the keys of a side.
func (m *measurer) room(side int, n int64) []uint64 {
	if int64(cap(m.sorted[side])) < n {
		m.sorted[side] = make([]uint64, 0, n)
	}
	return m.sorted[side][:0]
}

// measure measures one column.
func (c *comparison) measure(w *measurer, name string, m *Measured) error {
	a, b := c.sides[0].columns[name], c.sides[1].columns[name]
	p := &pairing{spec: &c.spec, sides: c.sides, columns: [2]*column{a, b}, w: w, private: slices.Contains(c.spec.Private, name)}
	m.Name, m.Kind = name, Numbers
	p.counts(m)
	if textual(a.field, b.field, &c.spec) {
		m.Kind = Categories
	}
	if _, err := c.spec.MethodOf(name, m.Kind); err != nil {
		return err
	}
	if m.Kind == Categories {
		if err := p.categoriesOf(m); err != nil {
			return err
		}
		return p.byRow(m)
	}
	p.axis, p.convert = axisOf(a.field, b.field)
	s, err := p.bothSorted()
	if err != nil {
		return err
	}
	p.reference = s[0]
	if err := firstError(p.numbersOf(m, s[0], s[1]), s[0].err, s[1].err); err != nil {
		return err
	}
	return p.byRow(m)
}

// counts says how many rows of either side have no value.
func (p *pairing) counts(m *Measured) {
	for i, s := range []*Summary{&m.Reference, &m.Current} {
		c := p.columns[i]
		s.Rows, s.Missing, s.NaN, s.PlusInf, s.MinusInf = p.sides[i].rows, c.missing, c.nan, c.plusInf, c.minusInf
		s.Type = typeName(c.field)
	}
	m.Rows = m.Current.Rows
	m.MissingShare, m.ReferenceMissing = share(p.columns[1].lacks(), m.Current.Rows), share(p.columns[0].lacks(), m.Reference.Rows)
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// bothSorted puts the keys of both sides in order: at once, if they are in memory and nobody else would use the other cores.
func (p *pairing) bothSorted() (s [2]*sorted, err error) {
	if !p.w.alone || !p.columns[0].inMemory() || !p.columns[1].inMemory() {
		for i := range s {
			if s[i], err = p.sorted(i, &p.w.sorter); err != nil {
				return s, err
			}
		}
		return s, nil
	}
	var errs [2]error
	var other sync.WaitGroup
	other.Go(func() { s[1], errs[1] = p.sorted(1, &p.w.other) })
	s[0], errs[0] = p.sorted(0, &p.w.sorter)
	other.Wait()
	return s, firstError(errs[:]...)
}

// inMemory says whether all keys of a column are there, and may be put in order where they are.
func (c *column) inMemory() bool { return c.keys == nil || !c.keys.spilled() && c.rows == nil }

// sorted puts the keys of a column in order.
func (p *pairing) sorted(side int, sorter *sorter) (*sorted, error) {
	c, convert := p.columns[side], p.convert[side]
	s := &sorted{axis: p.axis}
	if c.keys == nil {
		return s, nil
	}
	keys := c.keys.mem
	if !c.inMemory() { // the order of the rows is needed once more
		if most := max(p.w.memory/24, leastSorted); c.keys.n > most { // both sides, and the spare of the sorter
			return p.sortOutside(c, convert, int(most))
		}
		keys = p.w.room(side, c.keys.n)
		err := p.w.words.each(c.keys, func(words []uint64) error {
			keys = append(keys, words...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if convert != nil {
		for i, k := range keys {
			keys[i] = convert(k)
		}
	}
	s.mem = sorter.sort(keys)
	if c.inMemory() {
		c.keys.mem = s.mem
	} else {
		p.w.sorted[side] = s.mem
	}
	s.n = int64(len(s.mem))
	return s, nil
}

// leastSorted is how many keys are sorted at once, however little memory there is.
const leastSorted = 4096

// typesOf are the types of a column on both sides.
func (c *comparison) typesOf(name string) (a, b dataset.Field, both bool) {
	x, y := c.sides[0].schema(), c.sides[1].schema()
	i, j := x.Index(name), y.Index(name)
	if i < 0 || j < 0 {
		return a, b, false
	}
	return x[i], y[j], true
}

// comparable leaves the columns whose types can be compared.
func (c *comparison) comparable(names []string) []string {
	var left []string
	for _, name := range names {
		if a, b, ok := c.typesOf(name); ok && comparableFields(a, b, &c.spec) {
			left = append(left, name)
		}
	}
	return left
}
