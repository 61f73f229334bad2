package drift

import (
	"context"
	"math"
	"slices"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// compareProfiles compares two sides of which at least one is a profile. A table is profiled first: once, in bounded memory. All that is
// then compared are counts over cells that both sides have, which do not depend on how either was cut into parts.
func compareProfiles(ctx context.Context, ref, cur Source, spec Spec, o Options) (*Compared, error) {
	if spec.Learn != nil {
		return nil, fault.New(fault.Usage, "cannot learn thresholds from %s: a side is a profile, and learning needs rows", ref.Name).
			Hint("learn needs tables on both sides; with a profile say threshold")
	}
	c := &comparison{spec: spec, opts: o, out: &Compared{Exact: true, Duplicates: [2]int64{-1, -1}}}
	for i, source := range []Source{ref, cur} {
		if err := source.Rows.check(); err != nil {
			return nil, err
		}
		s := &side{source: source, spec: &c.spec, span: [2]float64{math.NaN(), math.NaN()}}
		if source.Profile != nil && source.Rows != (Rows{}) {
			return nil, fault.New(fault.Usage, "cannot take some rows of %s: it is a profile", source.Name).
				Hint("mlx profile TABLE -o FILE.prof   # of those rows")
		}
		c.sides[i] = s
	}
	if err := c.profileTables(ctx); err != nil {
		return nil, err
	}
	names, err := c.choose()
	if err != nil {
		return nil, err
	}
	for i, s := range c.sides {
		s.known()
		c.out.Rows[i], c.out.Span[i] = s.rows, s.span
	}
	for _, name := range c.comparable(names) {
		var m Measured
		if err := c.measureCells(name, &m); err != nil {
			return nil, err
		}
		c.out.Columns = append(c.out.Columns, m)
		c.out.KSError = max(c.out.KSError, m.KSError)
		c.out.Exact = c.out.Exact && m.KSError == 0
	}
	return c.out, c.schema(ctx)
}

// profileTables replaces a side that is a table by its profile.
func (c *comparison) profileTables(ctx context.Context) error {
	for i, s := range c.sides {
		t := s.source.Table
		if t == nil {
			continue
		}
		other := c.sides[1-i]
		var names []string
		for _, f := range t.Schema() {
			needed := other.schema().Index(f.Name) >= 0 && c.wanted(f.Name)
			if needed || f.Name == s.source.Rows.Time || f.Name == c.spec.Time || c.wanted(f.Name) {
				names = append(names, f.Name)
			}
		}
		o := dataset.ProfileOptions{Columns: names, Skip: s.source.Rows.Skip, Limit: s.source.Rows.Limit, Read: c.opts.Read}
		for _, name := range c.spec.Private {
			if slices.Contains(names, name) {
				o.Private = append(o.Private, name)
			}
		}
		var err error
		if s.source.Rows.Time != "" {
			if o.Keep, err = s.keep(names); err != nil {
				return err
			}
		}
		p, err := dataset.ProfileOf(ctx, t, o)
		if err != nil {
			return err
		}
		if _, err := s.source.rowFilter(names); err != nil { // the column turned out to hold something else than times
			return err
		}
		s.source.Profile = p
	}
	return nil
}

// keep says which rows of a batch of these columns lie in the window. The types of times must be settled.
func (s *side) keep(names []string) (func(*dataset.Batch) dataset.Bits, error) {
	if _, err := s.source.rowFilter(names); err != nil {
		return nil, err
	}
	return func(b *dataset.Batch) dataset.Bits {
		at := slices.Index(names, s.source.Rows.Time)
		f := newRowFilter(s.source.Rows, b.Columns[at].Field, at)
		kept := make(dataset.Bits, b.Rows/64+1)
		if t := b.Columns[at].Type; t != dataset.Time && t != dataset.Date && t != dataset.Null {
			return kept
		}
		rows := f.choose(b, &partScratch{})
		for k := range rows.n {
			kept.Set(rows.at(k))
		}
		return kept
	}, nil
}

// schema is the columns of a side.
func (s *side) schema() dataset.Schema {
	if s.source.Profile != nil {
		return s.source.Profile.Schema()
	}
	return s.source.Table.Schema()
}

// known takes what the profile of a side says of its columns.
func (s *side) known() {
	p := s.source.Profile
	s.rows, s.columns = p.Rows(), make(map[string]*column)
	for _, v := range p.Columns() {
		c := &column{field: v.Field, kind: kindOf(v.Field, s.spec), missing: v.Missing, nan: v.NaN, plusInf: v.PlusInf, minusInf: v.MinusInf}
		if c.kind == Numbers {
			c.known = v
		} else {
			c.words = wordsOfProfile(v, s.spec.MaxTexts)
		}
		s.columns[v.Name] = c
		if v.Name == s.spec.Time || v.Name == s.source.Rows.Time && s.spec.Time == "" {
			s.span = spanOfProfile(v)
		}
	}
}

// wordsOfProfile are the categories that a profile counted.
func wordsOfProfile(v *dataset.ProfileColumn, most int) *vocabulary {
	w := newVocabulary(most)
	values, counted := v.Values()
	if !counted || len(values) > most {
		w.full = v.Count > 0
		return w
	}
	for _, value := range values {
		w.add(categoryWord(nil, []byte(value.Text)), value.Count)
	}
	return w
}

// spanOfProfile is the first and the last time of a column, in seconds since 1970.
func spanOfProfile(v *dataset.ProfileColumn) [2]float64 {
	low, high, _ := v.Bounds()
	if by := timeUnit(v.Field); by > 0 {
		return [2]float64{low * by, high * by}
	}
	return [2]float64{math.NaN(), math.NaN()}
}

// timeUnit is how many seconds one is in a column of times; 0 if it is none.
func timeUnit(f dataset.Field) float64 {
	switch f.Type {
	case dataset.Date:
		return daySeconds
	case dataset.Time:
		return 1
	default:
		return 0
	}
}

func quantilesOf(v *dataset.ProfileColumn) []float64 {
	if v.Count == 0 || v.Private {
		return nil
	}
	all := make([]float64, imprintPoints+1)
	for k := range all {
		all[k] = v.Quantile(float64(k) / imprintPoints)
	}
	return all
}
