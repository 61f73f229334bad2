package gate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"mlx/internal/stats"
)

// cut is the rows that have the same values in the columns of a slice.
type cut struct {
	columns []string
	values  []string
	rows    []int32
}

// label names a slice: "origin=LGA", "origin=LGA carrier=MQ".
func (k cut) label() string {
	parts := make([]string, len(k.columns))
	for i, c := range k.columns {
		value := k.values[i]
		if value == "" {
			value = "(missing)"
		}
		parts[i] = c + "=" + value
	}
	return strings.Join(parts, " ")
}

// cuts are the slices of `a+b`, in the order of their values.
func (g *golden) cuts(s *session, r Rule, slice string) ([]cut, error) {
	columns := strings.Split(slice, "+")
	coded := make([]*codedColumn, len(columns))
	for i, name := range columns {
		if coded[i] = g.table.cuts[name]; coded[i] == nil {
			return nil, nil // no rows at all
		}
	}
	index := map[string]int{}
	var all []cut
	key := make([]byte, 0, 2*len(columns))
	mask := g.table.masks[r.Where]
	for row := range g.table.rows {
		if mask != nil && !mask[row] {
			continue
		}
		key = key[:0]
		for _, c := range coded {
			code := c.codes[row] + 1 // 0 is missing
			key = append(key, byte(code), byte(code>>8))
		}
		at, known := index[string(key)]
		if !known {
			if len(all) == maxSlices {
				return nil, s.unfit("slices: %s has more than %d combinations in %s", slice, maxSlices, g.table.name).Hint("slice by fewer columns")
			}
			at = len(all)
			index[string(key)] = at
			k := cut{columns: columns, values: make([]string, len(columns))}
			for i, c := range coded {
				if c.codes[row] >= 0 {
					k.values[i] = c.names[c.codes[row]]
				}
			}
			all = append(all, k)
		}
		all[at].rows = append(all[at].rows, int32(row))
	}
	slices.SortFunc(all, func(a, b cut) int { return slices.CompareFunc(a.values, b.values, compareNames) })
	return all, nil
}

// sliced judges every slice as well, and corrects for their number: among many slices some break a limit by chance.
func (c quality) sliced(ctx context.Context, whole judgement, of Subject, g *golden) ([]Finding, error) {
	var all []judgement
	small := 0
	for _, slice := range c.r.Slices {
		cuts, err := g.cuts(c.s, c.r, slice)
		if err != nil {
			return nil, err
		}
		if len(all)+len(cuts) > maxSlices {
			return nil, c.s.wrong(c.r, "slices: more than %d in one check", maxSlices)
		}
		for _, k := range cuts {
			if c.r.MinRows > 0 && int64(len(k.rows)) < c.r.MinRows {
				small++
				continue
			}
			j, err := c.judged(ctx, g.sample(k.rows), of)
			if err != nil {
				return nil, err
			}
			j.f.Name = c.r.Called() + " " + k.label()
			j.f.Slice = map[string]string{}
			for i, column := range k.columns {
				j.f.Slice[column] = k.values[i]
			}
			all = append(all, j)
		}
	}
	if small > 0 {
		whole.f.Note = joined(whole.f.Note, fmt.Sprintf("%d of %d slices have fewer than %s rows and are not judged", small, small+len(all), thousands(c.r.MinRows)))
	}
	c.s.corrected(all)
	findings := []Finding{whole.f}
	for _, j := range all {
		findings = append(findings, j.f)
	}
	return findings, nil
}

// corrected takes back what may be chance: a slice that fails does so only while its p-value, corrected for all slices of the check, is
// below one minus the level. What is taken back is inconclusive, never a pass. Passing needs no correction: all slices must pass.
func (s *session) corrected(all []judgement) {
	method := s.spec.Correction
	if method == "none" || len(all) < 2 {
		return
	}
	p := make([]float64, len(all))
	for i, j := range all {
		p[i] = j.broken
		if j.f.Verdict != Fail {
			p[i] = 1 // it counts among the slices
		}
	}
	name, adjusted := "Holm", stats.Holm(p)
	switch method {
	case "bh":
		name, adjusted = "Benjamini-Hochberg", stats.BenjaminiHochberg(p)
	case "bonferroni":
		name, adjusted = "Bonferroni", stats.Bonferroni(p)
	}
	for i := range all {
		f := &all[i].f
		if f.Verdict == Fail && !math.IsNaN(adjusted[i]) && adjusted[i] > 1-s.level() {
			f.Verdict = Inconclusive
			f.Note = joined(fmt.Sprintf("may be chance among %d slices (%s: p %.2g)", len(all), name, adjusted[i]), f.Note)
		}
	}
}
