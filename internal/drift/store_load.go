package drift

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"mlx/internal/dataset"
)

// side is one of the two tables while it is compared.
type side struct {
	source   Source
	spec     *Spec
	byRow    bool // rows matter: of clusters and chunks
	zone     *time.Location
	reported func(rows int64)

	store    *store // of columns
	meta     *store // of what stays for all of them
	rows     int64
	span     [2]float64
	clusters *clusters
	columns  map[string]*column

	parts *partPool
}

// partPool keeps the memory of parts from one pass to the next, whatever the table.
type partPool struct {
	mu    sync.Mutex
	parts []*part // not in use
}

// loading is one pass over a side, which reads some of its columns.
type loading struct {
	*side
	names []string
	first bool // rows are counted, and clusters and times looked at

	request []string
	kept    []*column
	filter  *rowFilter
	time    *rowFilter // of the column that tells the span; nil
	cluster *clusterKeys
	total   timeRange
	seen    int64
}

// part is what is left of a batch.
type part struct {
	rows    int
	columns []columnPart
	keys    []uint64 // of clusters
	times   []int64
	scratch partScratch
	cluster *clusterKeys
}

// errEnough ends a pass whose rows are all there.
var errEnough = errors.New("enough rows were read")

// load reads columns, in place of those that were read before.
func (s *side) load(ctx context.Context, names []string, first bool) error {
	if s.source.Profile != nil { // its columns are all there
		return nil
	}
	l := &loading{side: s, names: names, first: first}
	l.request = slices.Clone(names)
	for _, extra := range []string{s.source.Rows.Time, s.spec.Time, s.spec.Cluster} {
		if extra != "" && !slices.Contains(l.request, extra) && (first || extra == s.source.Rows.Time) {
			l.request = append(l.request, extra)
		}
	}
	if first && len(l.request) == 0 { // rows are counted by any column
		l.request = s.source.Table.Schema().Names()[:min(1, len(s.source.Table.Schema()))]
	}
	var wrong error
	err := dataset.Fold(ctx, s.source.Table, dataset.Request{Columns: l.request}, dataset.Folding[*part]{
		Start: func() { wrong = l.start() },
		Part: func(b *dataset.Batch) (*part, error) {
			if wrong != nil {
				return nil, wrong
			}
			return l.part(b), nil
		},
		Merge: func(_ dataset.Span, p *part) error { return l.merge(p) },
	})
	s.source.Table.Rest()
	if wrong != nil {
		return wrong
	}
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if l.time != nil {
		s.span = l.total.seconds(l.time)
	}
	if err := s.store.settle(); err != nil {
		return err
	}
	return nil
}

// start begins anew: types may be others than they were.
func (l *loading) start() error {
	l.store.reset()
	l.seen, l.total, l.kept = 0, noRange(), nil
	l.columns = make(map[string]*column, len(l.names))
	schema := l.source.Table.Schema()
	hint, known := l.source.Table.Rows()
	for _, name := range l.names {
		f := schema[schema.Index(name)]
		c := &column{field: f, kind: kindOf(f, l.spec)}
		if c.kind == Numbers {
			c.keys = newStream[uint64](l.store)
			if known && hint*8*int64(len(l.names)) <= l.store.limit {
				c.keys.mem = l.store.room(hint)
			}
		} else {
			c.words = newVocabulary(l.spec.MaxTexts)
		}
		if l.byRow {
			c.rows = newStream[uint32](l.store)
		}
		l.columns[name] = c
		l.kept = append(l.kept, c)
	}
	if l.first {
		l.rows = 0
		l.meta.reset()
	}
	return l.startRows()
}

// startRows prepares what is made of times and clusters.
func (l *loading) startRows() error {
	l.filter, l.time, l.cluster = nil, nil, nil
	t := l.source.Table
	var err error
	if l.filter, err = l.source.rowFilter(l.request); err != nil {
		return err
	}
	if !l.first {
		return nil
	}
	if l.filter.at >= 0 {
		l.time = l.filter
	}
	if name := l.spec.Time; name != "" {
		f, err := timeField(t, name)
		if err != nil {
			return err
		}
		l.time = newRowFilter(Rows{Time: name, Zone: l.zone}, f, slices.Index(l.request, name))
		l.cluster = &clusterKeys{at: l.time.at, days: true, times: l.time, zone: zoneDays{zone: l.zone}}
	}
	if name := l.spec.Cluster; name != "" {
		l.cluster = &clusterKeys{at: slices.Index(l.request, name)}
	}
	l.clusters = nil
	if l.cluster != nil {
		l.cluster.of, l.clusters = l, newClusters(l.meta)
	}
	return nil
}

func (s *partPool) borrow() *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.parts); n > 0 {
		p := s.parts[n-1]
		s.parts = s.parts[:n-1]
		return p
	}
	return &part{}
}

func (s *partPool) giveBack(p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = append(s.parts, p)
}

// part makes of a batch what is kept of it. It runs on several goroutines.
func (l *loading) part(b *dataset.Batch) *part {
	p := l.parts.borrow()
	rows := l.filter.choose(b, &p.scratch)
	p.rows = rows.n
	if n := len(l.names); len(p.columns) < n {
		p.columns = append(p.columns, make([]columnPart, n-len(p.columns))...)
	}
	byRow := l.byRow || l.source.Rows.Skip > 0 || l.source.Rows.Limit > 0
	for i := range l.kept {
		c, from, kept := &p.columns[i], &b.Columns[i], l.kept[i]
		c.reset()
		switch {
		case kept.kind == Numbers:
			c.numbers(from, rows, byRow)
		case kept.full.Load():
			c.lacking(from, rows, byRow)
		default:
			c.categories(from, rows, byRow, &p.scratch)
		}
	}
	p.keys, p.times = p.keys[:0], p.times[:0]
	if l.time != nil {
		p.times = l.time.times(p.times, b, rows)
	}
	if l.cluster != nil {
		if p.cluster == nil || p.cluster.of != l {
			own := *l.cluster
			p.cluster = &own
		}
		p.keys = p.cluster.append(p.keys, b, rows)
	}
	return p
}

// merge takes the part of the next rows.
func (l *loading) merge(p *part) error {
	defer l.parts.giveBack(p)
	from, to := l.source.Rows.cut(l.seen, int64(p.rows))
	l.seen += int64(p.rows)
	if l.reported != nil {
		l.reported(int64(p.rows))
	}
	if from < to {
		cut := to-from < int64(p.rows)
		for i, c := range l.kept {
			if cut {
				p.columns[i].cut(c.kind, int(from), int(to))
			}
			if err := c.merge(&p.columns[i]); err != nil {
				return err
			}
		}
		if l.first {
			if err := l.mergeRows(p, from, to); err != nil {
				return err
			}
		}
	}
	return l.enough(l.seen)
}

func (l *loading) mergeRows(p *part, from, to int64) error {
	l.rows += to - from
	if l.time != nil {
		l.total.take(p.times[from:to])
	}
	if l.clusters == nil {
		return nil
	}
	return l.clusters.add(p.keys[from:to])
}

// merge adds what a batch has of a column.
func (c *column) merge(p *columnPart) error {
	c.missing += p.missing
	c.nan += p.nan
	c.plusInf += p.plusInf
	c.minusInf += p.minusInf
	if c.kind == Numbers {
		if err := c.keys.add(p.keys); err != nil || c.rows == nil {
			return err
		}
		return c.rows.add(p.rows)
	}
	c.codes = slices.Grow(c.codes[:0], int(firstWord)+len(p.times))[:int(firstWord)+len(p.times)]
	clear(c.codes)
	for i, n := range p.times {
		if n > 0 {
			c.codes[int(firstWord)+i] = c.words.add(p.words.At(i), n) + 1
		}
	}
	if c.words.full {
		c.full.Store(true)
		return nil
	}
	if c.rows == nil {
		return nil
	}
	for i, id := range p.rows {
		p.rows[i] = c.codes[id]
	}
	return c.rows.add(p.rows)
}
