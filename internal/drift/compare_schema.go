package drift

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"mlx/internal/dataset"
)

// schema finds out what became of columns that only one side has, or whose types differ.
func (c *comparison) schema(ctx context.Context) error {
	ref, cur := c.sides[0].schema(), c.sides[1].schema()
	var lost, found []dataset.Field
	for _, g := range cur {
		if c.wanted(g.Name) && ref.Index(g.Name) < 0 {
			found = append(found, g)
		}
	}
	for _, f := range ref {
		if c.wanted(f.Name) && cur.Index(f.Name) < 0 {
			lost = append(lost, f)
		}
	}
	renamed, err := c.renamed(ctx, lost, found)
	if err != nil {
		return err
	}
	for _, f := range ref {
		if !c.wanted(f.Name) {
			continue
		}
		change := SchemaChange{Column: f.Name, A: typeName(f)}
		if j := cur.Index(f.Name); j >= 0 {
			change.Now, change.B, change.Same = f.Name, typeName(cur[j]), comparableFields(f, cur[j], &c.spec)
			if why := cur[j].Why; why != nil {
				change.At = fmt.Sprintf("line %d of %s", why.Line, why.File)
			}
			if change.Same && sameStorage(f, cur[j]) {
				continue
			}
		} else if now, ok := renamed[f.Name]; ok {
			change.Now, change.B, change.Renamed = now, typeName(cur[cur.Index(now)]), true
		}
		c.out.Schema = append(c.out.Schema, change)
	}
	for _, g := range found {
		if !slices.ContainsFunc(c.out.Schema, func(s SchemaChange) bool { return s.Renamed && s.Now == g.Name }) {
			c.out.Schema = append(c.out.Schema, SchemaChange{Now: g.Name, B: typeName(g)})
		}
	}
	return nil
}

const (
	mostRenamed    = 16   // columns of a side that are held against those of the other
	renamedFar     = 0.05 // K-S or TVD up to which two columns are taken for one
	renamedMissing = 0.05 // and difference of their missing shares
)

// renamed finds columns that are likely called something else now: the name differs in case or blanks alone, or type and distribution are
// the same. A column that holds one value is like many others, and is none of them.
func (c *comparison) renamed(ctx context.Context, lost, found []dataset.Field) (map[string]string, error) {
	pairs := make(map[string]string)
	if len(lost) == 0 || len(found) == 0 {
		return pairs, nil
	}
	plain := func(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
	taken := make(map[string]bool)
	for _, f := range lost {
		for _, g := range found {
			if !taken[g.Name] && plain(f.Name) == plain(g.Name) && comparableFields(f, g, &c.spec) {
				pairs[f.Name], taken[g.Name] = g.Name, true
				break
			}
		}
	}
	left := func(fields []dataset.Field, known func(string) bool) (names []string) {
		for _, f := range fields {
			if !known(f.Name) && len(names) < mostRenamed {
				names = append(names, f.Name)
			}
		}
		return names
	}
	a := left(lost, func(n string) bool { _, ok := pairs[n]; return ok })
	b := left(found, func(n string) bool { return taken[n] })
	if len(a) == 0 || len(b) == 0 {
		return pairs, nil
	}
	if err := c.loadBoth(ctx, a, b); err != nil {
		return nil, err
	}
	return pairs, c.likely(a, b, pairs)
}

// loadBoth reads other columns of each side.
func (c *comparison) loadBoth(ctx context.Context, a, b []string) error {
	for i, names := range [][]string{a, b} {
		c.sides[i].reported = nil
		if err := c.sides[i].load(ctx, names, false); err != nil {
			return err
		}
	}
	return nil
}

// likely pairs columns, the nearest first.
func (c *comparison) likely(a, b []string, pairs map[string]string) error {
	type pair struct {
		a, b string
		far  float64
	}
	var all []pair
	prints := make(map[string]*imprint)
	for i, names := range [][]string{a, b} {
		for _, name := range names {
			p, err := c.imprint(i, c.sides[i].columns[name])
			if err != nil {
				return err
			}
			prints[string(rune('0'+i))+name] = p
		}
	}
	for _, x := range a {
		for _, y := range b {
			if far := prints["0"+x].far(prints["1"+y], &c.spec); far <= renamedFar {
				all = append(all, pair{x, y, far})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y pair) int {
		switch {
		case x.far < y.far:
			return -1
		case x.far > y.far:
			return 1
		}
		return 0
	})
	taken := make(map[string]bool)
	for _, p := range all {
		if _, ok := pairs[p.a]; ok || taken[p.b] {
			continue
		}
		pairs[p.a], taken[p.b] = p.b, true
	}
	return nil
}

// imprint is a column in short: quantiles of numbers, counts of categories.
type imprint struct {
	field     dataset.Field
	n         int64
	lacks     float64 // share
	quantiles []float64
	words     map[string]float64 // shares
	order     []string           // of words: a sum in another order is another in its last digits
}

const imprintPoints = 100

func (c *comparison) imprint(side int, col *column) (*imprint, error) {
	i := &imprint{field: col.field, lacks: share(col.lacks(), c.sides[side].rows)}
	if col.kind == Categories {
		i.words = make(map[string]float64)
		var n int64
		for _, k := range col.words.counts {
			n += k
		}
		for code, word := range col.words.names {
			i.words[word] = float64(col.words.counts[code]) / float64(n)
		}
		i.order = col.words.names
		i.n = n
		return i, nil
	}
	if col.known != nil {
		i.quantiles, i.n = quantilesOf(col.known), col.known.Count
		return i, nil
	}
	p := &pairing{spec: &c.spec, sides: c.sides, w: c.measurer(0), axis: nativeAxis(col.field), columns: [2]*column{col, col}}
	s, err := p.sorted(0, &p.w.sorter)
	if err != nil {
		return nil, err
	}
	i.n = s.n
	for k := range imprintPoints + 1 {
		if s.n > 0 {
			i.quantiles = append(i.quantiles, s.quantile(float64(k)/imprintPoints, 0, s.n))
		}
	}
	return i, s.err
}

// far is how far two columns are apart, K-S to a hundredth or TVD; 1 when they cannot be the same.
func (i *imprint) far(o *imprint, s *Spec) float64 {
	switch {
	case i.n == 0 || o.n == 0 || i.field.Type != o.field.Type || math.Abs(i.lacks-o.lacks) > renamedMissing:
		return 1
	case i.words != nil && o.words != nil:
		if len(i.words) < 2 || len(o.words) < 2 {
			return 1
		}
		sum := 0.0
		for _, word := range i.order {
			sum += math.Abs(i.words[word] - o.words[word])
		}
		for _, word := range o.order {
			if _, ok := i.words[word]; !ok {
				sum += o.words[word]
			}
		}
		return sum / 2
	case len(i.quantiles) == 0 || len(o.quantiles) == 0 || i.quantiles[0] == i.quantiles[imprintPoints]:
		return 1
	}
	worst := 0.0
	for k, v := range i.quantiles {
		low, high := place(o.quantiles, v)
		at := float64(k) / imprintPoints
		worst = max(worst, low-at, at-high)
	}
	return worst
}

// place is between which shares of quantiles a value lies.
func place(quantiles []float64, v float64) (low, high float64) {
	below, _ := slices.BinarySearch(quantiles, v)
	upTo, _ := slices.BinarySearch(quantiles, after(v))
	return float64(below-1) / imprintPoints, float64(upTo) / imprintPoints
}
