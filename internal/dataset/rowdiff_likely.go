package dataset

import (
	"context"
	"slices"
	"strings"
)

// likelyRows is how many rows of each table tell whether a column could be a key.
const likelyRows = 20_000

// LikelyKeys returns the columns that could name the rows of both tables, those called like a key first: no value is missing or stands
// twice among the first rows. Floats name nothing.
func LikelyKeys(ctx context.Context, a, b *Table) ([]string, error) {
	plan, err := planRows(a, b, nil)
	if err != nil {
		return nil, nil //nolint:nilerr // tables without a column in common have no key in common
	}
	var names []string
	for i := range plan.rest {
		if c := &plan.rest[i]; c.mode != rowAsFloats && c.kind != rowNested && c.sides[0].Type != Bool {
			names = append(names, c.name)
		}
	}
	for _, t := range []*Table{a, b} {
		if names, err = likelyIn(ctx, t, names); err != nil || len(names) == 0 {
			return nil, err
		}
	}
	called := func(name string) int {
		name = strings.ToLower(name)
		switch {
		case name == "id" || name == "key" || name == "uuid":
			return 0
		case strings.HasSuffix(name, "id") || strings.HasSuffix(name, "key"):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(names, func(x, y string) int { return called(x) - called(y) })
	return names, nil
}

func likelyIn(ctx context.Context, t *Table, names []string) ([]string, error) {
	seen := make([]map[string]bool, len(names))
	for i := range seen {
		seen[i] = make(map[string]bool)
	}
	rows := 0
	var text []byte
	for b, err := range t.Batches(ctx, Request{Columns: names}) {
		if err != nil {
			return nil, err
		}
		n := min(b.Rows, likelyRows-rows)
		for k := range b.Columns {
			for i := 0; i < n && seen[k] != nil; i++ {
				text = b.Columns[k].AppendText(text[:0], i)
				if rowMissing(&b.Columns[k], i) || seen[k][string(text)] {
					seen[k] = nil
					break
				}
				seen[k][string(text)] = true
			}
		}
		if rows += n; rows == likelyRows {
			break
		}
	}
	var likely []string
	for i, name := range names {
		if seen[i] != nil {
			likely = append(likely, name)
		}
	}
	return likely, nil
}
