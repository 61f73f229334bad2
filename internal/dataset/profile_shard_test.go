package dataset

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
)

// TestProfileShards: the profiles of the shards, kept and in any order, merge into that of the table, byte for byte: also where values are too
// many to count each, some rise and some are frequent.
func TestProfileShards(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 7))
	limits := ProfileOptions{Cells: 4096}
	few, fewSchema := mixed(rng, 2500, 90)
	many, manySchema := measured(rng, 30_000)
	for name, table := range map[string]*Table{
		"few values":   {files: []file{&rowMem{"a", fewSchema, cuts(rng, few, 11)}, &rowMem{"b", fewSchema, cuts(rng, few, 3)}}, schema: fewSchema, opts: Options{Workers: 2}},
		"many values":  {files: []file{&rowMem{"a", manySchema, cuts(rng, many, 500)}, &rowMem{"b", manySchema, cuts(rng, many, 3)}}, schema: manySchema, opts: Options{Workers: 3}},
		"rising":       tableOf(2, manySchema, cuts(rng, many, 20)...),
		"a single row": tableOf(1, fewSchema, cutBatch(few, 0, 1)),
	} {
		want := encoded(t, profiled(t, table, limits))
		for _, n := range []int{1, 2, 3, 20} {
			var merged *Profile
			for at, i := range rng.Perm(n) {
				part, err := DecodeProfile(encoded(t, profiled(t, table.Shard(i, n), limits)))
				if err != nil {
					t.Fatal(err)
				}
				if merged == nil {
					merged = part
				} else if err := merged.Merge(part, [2]string{"a", "b"}); err != nil {
					t.Fatal(err)
				}
				if whole := merged.shards == nil; whole != (at == n-1) {
					t.Fatalf("%s: %d of %d shards say whole: %v", name, at+1, n, whole)
				}
				if merged, err = DecodeProfile(encoded(t, merged)); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(encoded(t, merged), want) {
				t.Errorf("%s: %d shards are not the table", name, n)
			}
		}
	}
}

// TestProfileShardsApart: profiles that are no shards of one table merge as any others do.
func TestProfileShardsApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 7))
	whole, schema := measured(rng, 30_000)
	table := tableOf(1, schema, cuts(rng, whole, 9)...)
	shard := func(i, n int) *Profile { return profiled(t, table.Shard(i, n), ProfileOptions{Cells: 4096}) }
	for name, pair := range map[string][2]*Profile{
		"the same shard twice":       {shard(0, 2), shard(0, 2)},
		"shards of other partitions": {shard(0, 2), shard(1, 3)},
		"a shard and a table":        {shard(0, 2), profiled(t, table, ProfileOptions{})},
	} {
		rows := pair[0].Rows() + pair[1].Rows()
		if err := pair[0].Merge(pair[1], [2]string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		if doc := encoded(t, pair[0]); pair[0].shards != nil || pair[0].Rows() != rows || bytes.Contains(doc[:bytes.IndexByte(doc, '\n')], []byte(`"stretches"`)) {
			t.Errorf("%s: %d rows of %d, shards %v", name, pair[0].Rows(), rows, pair[0].shards)
		}
	}
}

// TestProfileShardsStayLarge: nothing is made vague before all shards are there.
func TestProfileShardsStayLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	whole, schema := measured(rng, 400_000)
	table := tableOf(2, schema, cuts(rng, whole, 9)...)
	part := profiled(t, table.Shard(0, 3), ProfileOptions{})
	if err := part.Merge(profiled(t, table.Shard(2, 3), ProfileOptions{}), [2]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	want := encoded(t, part)
	if len(want) < profileFile {
		t.Fatalf("%d bytes need not be made smaller", len(want))
	}
	if !bytes.Equal(encoded(t, part.Compact()), want) {
		t.Error("two of three shards are made smaller")
	}
}

// TestParquetUnits: how a file is cut does not depend on the machine, else shards on several would not make one table.
func TestParquetUnits(t *testing.T) {
	var first []parquetUnit
	for _, workers := range []int{1, 2, 8} {
		p := &parquetFile{opts: Options{Workers: workers}, meta: &parquetFooter{rows: 5_000_000, groups: []parquetGroup{{rows: 4_000_000}, {rows: 1_000_000}}}}
		var units []parquetUnit
		rows := int64(0)
		for u := range p.units(context.Background(), nil) {
			u := *u.(*parquetUnit)
			u.p = nil
			units, rows = append(units, u), rows+u.rows
		}
		if first == nil {
			first = units
		}
		if rows != 5_000_000 || len(units) != len(first) || len(units) < 12 {
			t.Fatalf("%d workers: %d units of %d rows", workers, len(units), rows)
		}
		for i := range units {
			if units[i].group != first[i].group || units[i].first != first[i].first || units[i].rows != first[i].rows {
				t.Errorf("%d workers: unit %d is another", workers, i)
			}
		}
	}
}

// TestProfileNumbering: stretches follow each other, are a small part of what comes before them, and do not become many.
func TestProfileNumbering(t *testing.T) {
	var n profileNumbering
	number, size := 0, 1
	for unit := 1; unit < 1_000_000; unit++ {
		switch n.of(unit) {
		case number:
			size++
		case number + 1:
			if start := unit - size; start > profileStretchPart && size > start/profileStretchPart {
				t.Fatalf("stretch %d is %d units long after %d", number, size, start)
			}
			number, size = number+1, 1
		default:
			t.Fatalf("unit %d is in stretch %d, the one before in %d", unit, n.of(unit), number)
		}
	}
	if number > 3000 {
		t.Errorf("%d stretches", number)
	}
	var again profileNumbering
	if again.of(5000) != n.of(5000) || again.of(3) != 3 {
		t.Error("numbers depend on what was asked before")
	}
}
