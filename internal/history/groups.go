package history

import (
	"iter"

	"mlx/internal/fault"
	"mlx/internal/history/internal/sqlite"
)

// maxSpans bounds the memory that the places of rows take: 24 bytes each.
const maxSpans = 20_000_000

// groups says where the rows of each owner are in a table. A store keeps them in the order in which they were logged, so what is
// remembered are stretches of rows, not rows: and no index of the database is needed, which older stores do not have.
type groups struct {
	table *sqlite.Table // nil: the database has no such table
	owner int           // column
	by    map[string][]stretch
}

type stretch struct{ first, last int64 }

// groupBy finds the rows of each owner, in one pass.
func groupBy(db *sqlite.DB, table, owner string) (*groups, error) {
	t, err := db.Table(table)
	if err != nil || t == nil {
		return &groups{}, err
	}
	g := &groups{table: t, by: make(map[string][]stretch)}
	if g.owner, err = t.Column(owner); err != nil {
		return nil, err
	}
	last, n := "", 0
	var open stretch
	for row, err := range t.All() {
		if err != nil {
			return nil, err
		}
		if v := row.At(g.owner); n == 0 || !v.Is(last) {
			if n > 0 {
				g.by[last] = append(g.by[last], open)
			}
			if n++; n > maxSpans {
				return nil, fault.New(fault.Usage, "table %s has more than %d groups of rows", table, maxSpans)
			}
			last, open = v.Text(), stretch{first: row.ID}
		}
		open.last = row.ID
	}
	if n > 0 {
		g.by[last] = append(g.by[last], open)
	}
	return g, nil
}

// rows yields the rows of an owner in their order. A row is valid until the next one.
func (g *groups) rows(owner string) iter.Seq2[*sqlite.Row, error] {
	return func(yield func(*sqlite.Row, error) bool) {
		for _, s := range g.by[owner] {
			for row, err := range g.table.Rows(s.first, s.last) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// pairs reads the rows of an owner as names and texts.
func (g *groups) pairs(owner, key, value string) (map[string]string, error) {
	var all map[string]string
	for row, err := range g.rows(owner) {
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = make(map[string]string)
		}
		all[row.Get(key).Text()] = row.Get(value).Text()
	}
	return all, nil
}
