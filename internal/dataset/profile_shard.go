package dataset

import (
	"context"
	"iter"
)

// Shard returns part i of n of the table, i from 0: of each file those units whose number, from that of the file on, is i modulo n. A
// unit is a row group of Parquet, a block of text. All parts together are the table. The types must be settled; the part is closed
// with the table.
func (t *Table) Shard(i, n int) *Table {
	part := &Table{schema: t.schema, opts: t.opts}
	for k, f := range t.files {
		part.files = append(part.files, &shardFile{file: f, skip: (i + n - k%n) % n, of: n})
	}
	return part
}

// shardFile is every n-th unit of a file.
type shardFile struct {
	file
	skip, of int
}

func (s *shardFile) rows() int64 { return -1 }

func (s *shardFile) units(ctx context.Context, want Schema) iter.Seq2[unit, error] {
	return func(yield func(unit, error) bool) {
		at := 0
		for u, err := range s.file.units(ctx, want) {
			if err != nil || at%s.of == s.skip {
				if !yield(u, err) {
					return
				}
			}
			at++
		}
	}
}
