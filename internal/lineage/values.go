package lineage

import (
	"context"
	"iter"
	"strings"
	"time"

	"mlx/internal/lineage/internal/column"
	"mlx/internal/lineage/internal/where"
	"mlx/internal/object"
)

// Row is what the index knows of a record: no record has to be read for it.
type Row struct {
	ID     object.Digest
	Kind   string
	At     time.Time
	By     string
	Values []any // at each path that was asked for the first value: float64, string or bool; nil if there is none
}

// Table is a selection of rows, and how large it is without the limit of its query.
type Table struct {
	Total int
	Rows  iter.Seq2[Row, error]
}

// Values selects as Select does, and gives of each record only what stands at some paths, written as in Query.Where.
func (l *Ledger) Values(ctx context.Context, q Query, paths ...string) (Table, error) {
	p, err := compile(q)
	if err != nil {
		return Table{}, err
	}
	wanted := make([]where.Path, len(paths))
	for i, text := range paths {
		if wanted[i], err = where.ParsePath(text); err != nil {
			return Table{}, err
		}
	}
	var all found
	var rows []Row
	var failed error
	v, err := l.look(ctx, func(v *view) {
		if all, failed = v.run(ctx, p); failed == nil {
			rows, failed = v.rows(p, all.hits, wanted)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return Table{}, err
	}
	if v.strays > 0 && p.Limit > 0 && len(rows) == p.Limit { // records may be there twice
		if all.total, err = l.Count(ctx, q); err != nil {
			return Table{}, err
		}
	}
	return Table{Total: all.total, Rows: func(yield func(Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if v.damage != nil {
			yield(Row{}, v.damage)
		}
	}}, nil
}

// rows reads hits from the index.
func (v *view) rows(p *plan, hits []hit, paths []where.Path) ([]Row, error) {
	type reader = func(row int) (column.Key, error)
	readers := make([][]reader, len(v.parts))
	out, values := make([]Row, len(hits)), make([]any, len(hits)*len(paths))
	for i, h := range hits {
		part := v.parts[h.part]
		if readers[h.part] == nil {
			for _, path := range paths {
				readers[h.part] = append(readers[h.part], part.keys(path, p.extra[h.part]))
			}
		}
		r := Row{ID: h.id, Kind: part.ix.Kind(h.row), By: part.ix.By(h.row), Values: values[i*len(paths) : (i+1)*len(paths)]}
		if times := part.ix.Times(); h.row < len(times) {
			r.At = microTime(times[h.row])
		}
		for k, read := range readers[h.part] {
			key, err := read(h.row)
			if err != nil {
				return nil, err
			}
			r.Values[k] = valueOf(key)
		}
		out[i] = r
	}
	return out, nil
}

func valueOf(k column.Key) any {
	switch k.Class {
	case 0:
		return k.Num
	case 1:
		return strings.Clone(k.Str) // it is in the index, which may be closed
	case 2:
		return k.Num == 1
	}
	return nil
}
