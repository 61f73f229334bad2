package dataset

import (
	"context"
	"iter"
	"slices"
)

// profileShards says which shards of a table a profile is of.
type profileShards struct {
	of  int
	has []int // in order, from 0; never all of them
}

// Shard returns part i of n of the table, i from 0. A unit, which is some rows of Parquet or a block of text, falls to a shard by the
// stretch that it lies in. All parts together are the table, and their profiles merge into that of the table, byte for byte. The types must be
// settled; the part is closed with the table.
func (t *Table) Shard(i, n int) *Table {
	part := &Table{schema: t.schema, opts: t.opts}
	if n > 1 {
		part.shards = &profileShards{of: n, has: []int{i}}
	}
	firsts := make([]int, len(t.files)+1)
	for k, f := range t.files {
		part.files = append(part.files, &shardFile{file: f, i: i, n: n, first: &firsts[k], next: &firsts[k+1]})
	}
	return part
}

// shardFile is what a shard has of a file.
type shardFile struct {
	file
	i, n        int
	first, next *int // number of the first unit of it, and of the file after it, which is known once this one was read
}

func (s *shardFile) rows() int64 { return -1 }

func (s *shardFile) units(ctx context.Context, want Schema) iter.Seq2[unit, error] {
	return func(yield func(unit, error) bool) {
		var stretches profileNumbering
		at := *s.first
		for u, err := range s.file.units(ctx, want) {
			if err != nil || stretches.of(at)%s.n == s.i {
				if !yield(&shardUnit{u, at}, err) {
					return
				}
			}
			at++
		}
		*s.next = at
	}
}

// shardUnit is a unit that knows its number in the table.
type shardUnit struct {
	unit
	at int
}

func (u *shardUnit) parts() int { return partsOf(u.unit) }

// others says whether two profiles are of different shards of a table that was parted into as many.
func (s *profileShards) others(o *profileShards) bool {
	return s != nil && o != nil && s.of == o.of && !slices.ContainsFunc(s.has, func(i int) bool { return slices.Contains(o.has, i) })
}

// join makes of a profile into which another was merged that of the shards of both. Where they are no shards of one table there is
// nothing to join.
func (p *Profile) join(o *profileShards) {
	if !p.shards.others(o) {
		p.unshard()
		return
	}
	for _, c := range p.columns {
		switch {
		case c.numbers != nil && c.numbers.reduced:
			c.numbers.profileOrder = c.numbers.stretches.joined()
		case c.texts != nil && !c.texts.counted():
			c.texts.profileOrder = c.texts.stretches.joined()
		}
	}
	has := slices.Sorted(slices.Values(slices.Concat(p.shards.has, o.has)))
	if p.shards = (&profileShards{p.shards.of, has}); len(has) == p.shards.of {
		p.unshard()
	}
}

// unshard drops what is kept until other shards are there.
func (p *Profile) unshard() {
	p.shards = nil
	for _, c := range p.columns {
		if c.numbers != nil {
			c.numbers.stretches.kept = nil
		}
		if c.texts != nil {
			c.texts.stretches.kept = nil
		}
	}
}
