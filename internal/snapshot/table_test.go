package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// addTable puts the packs that no table knows into one, as a push does.
func (r *far) addTable(t *testing.T, s *Store, packs ...PackInfo) MergedTables {
	t.Helper()
	c, err := s.Catalog(context.Background(), r.options(""))
	if err != nil {
		t.Fatal(err)
	}
	var added []IndexedPack
	for _, p := range packs {
		added = append(added, IndexedPack{p, r.packs[p.Name][p.Index:]})
	}
	m, err := c.MergeTables(context.Background(), added)
	if err != nil {
		t.Fatal(err)
	}
	r.tables[m.New.Name] = m.Bytes
	r.infos = m.Tables
	return m
}

// One file of many costs few requests, and no index of a pack that does not have it.
func TestOneFileOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 20,000 files")
	}
	rnd := rand.New(rand.NewPCG(2, 7))
	b, r := newBench(t), newFar()
	for i := range 20_000 {
		b.write(fmt.Sprintf("%03d/%05d", i%300, i), bytesOf(rnd, rnd.IntN(400)))
	}
	b.write("150/model", bytesOf(rnd, 1<<20))
	root := b.save(object.Digest{}).Root
	r.push(t, b.s, root)
	r.addTable(t, b.s)
	c := newBench(t)
	r.reads, r.indexes, r.tableReads = 0, 0, 0
	done, err := r.fetch(t, c.s, func(path string, _ bool) bool { return path == "150" || path == "150/model" }, root)
	if n := r.reads + r.indexes + r.tableReads; err != nil || n > 6 || done.Bytes > 3<<20 {
		t.Errorf("%d requests (%d indexes, %d tables), %+v, %v", n, r.indexes, r.tableReads, done, err)
	}
}

// There are never more tables than the logarithm of the packs, and each chunk is found through them.
func TestTablesStayFew(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 1))
	b, r := newBench(t), newFar()
	var last object.Digest
	var roots []object.Digest
	for i := range 40 {
		b.write(fmt.Sprintf("f%d", i), bytesOf(rnd, 1+rnd.IntN(300<<10)))
		last = b.save(last).Root
		roots = append(roots, last)
		n := len(r.list)
		r.push(t, b.s, last)
		m := r.addTable(t, b.s, r.list[n:]...)
		if len(m.Tables) > 7 {
			t.Fatalf("%d tables after %d pushes", len(m.Tables), i+1)
		}
	}
	c := newBench(t)
	if _, err := r.fetch(t, c.s, nil, roots[20]); err != nil {
		t.Fatal(err)
	}
	if r.indexes >= len(r.list) {
		t.Errorf("%d of %d indexes were read", r.indexes, len(r.list))
	}
	c.noDamage(roots[20])
}

// bigTable is a table with so many rows that only ranges of it are read.
func bigTable(t testing.TB) ([]byte, TableInfo, []object.Digest) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(9, 9))
	b := &tableBuilder{}
	n, _ := b.pack(PackInfo{Name: object.Sum([]byte("p")), Bytes: 100, Index: 10})
	var ids []object.Digest
	for range 500_000 {
		var d object.Digest
		for k := range d {
			d[k] = byte(rnd.Uint32())
		}
		ids = append(ids, d)
		b.row(d[:8], n)
	}
	bytes, info, err := b.build()
	if err != nil || info.Bytes <= wholeTable {
		t.Fatalf("%+v, %v", info, err)
	}
	return bytes, info, ids
}

func TestLargeTableIsReadInPart(t *testing.T) {
	all, info, ids := bigTable(t)
	var reads, got int64
	read := func(_ context.Context, _ TableInfo, off, n int64) ([]byte, error) {
		reads, got = reads+1, got+n
		return all[off : off+n], nil
	}
	tab := &table{info: info}
	for i, d := range append(ids[:2000:2000], object.Digest{}, object.Digest{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) {
		names, err := tab.find(context.Background(), read, d)
		if want := i < 2000; err != nil || (len(names) == 1) != want {
			t.Fatalf("%s: %v, %v", d, names, err)
		}
	}
	if reads > 2010 || got > 2002*100<<10 {
		t.Errorf("%d reads, %d bytes", reads, got)
	}
}

// A table that is not what the log states, or damaged, is refused.
func FuzzTable(f *testing.F) {
	p := PackInfo{Name: object.Sum([]byte("p")), Bytes: 100, Index: 10}
	b := &tableBuilder{}
	n, _ := b.pack(p)
	b.row([]byte("12345678"), n)
	b.row([]byte("12345679"), n)
	good, _, err := b.build()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, int64(1), int64(2))
	f.Add(good[:30], int64(1), int64(2))
	f.Add(good, int64(1<<40), int64(1<<60))
	f.Fuzz(func(t *testing.T, b []byte, packs, chunks int64) {
		info := TableInfo{Name: object.Sum(b), Bytes: int64(len(b)), Packs: packs, Chunks: chunks}
		if info.check() != nil {
			return
		}
		tab := &table{info: info}
		read := func(_ context.Context, _ TableInfo, off, n int64) ([]byte, error) { return b[off : off+n], nil }
		_, err := tab.find(context.Background(), read, object.Digest{'1', '2'})
		if err != nil && fault.KindOf(err) != fault.Integrity {
			t.Fatal(err)
		}
		tab.find(context.Background(), read, object.Digest{0xff})
	})
}

// Damaged or hostile indexes and tables never make a remote hold what it does not.
func TestHostileCatalog(t *testing.T) {
	b, r, one, two := twoVersions(t)
	_ = b
	p := r.list[0]
	for _, bad := range []PackInfo{
		{Name: p.Name, Bytes: p.Bytes, Index: p.Index + 8}, {Name: p.Name, Bytes: p.Index, Index: p.Index}, {Name: p.Name, Bytes: 1 << 62, Index: 5}, {Name: p.Name, Bytes: p.Bytes, Index: -1},
		{Name: object.Sum(nil), Bytes: p.Bytes, Index: p.Index},
	} {
		c := newBench(t)
		o := r.options(filepath.Join(c.dir, "remote"))
		o.Packs = []PackInfo{bad}
		o.Index = func(context.Context, PackInfo) ([]byte, error) { return r.packs[p.Name][p.Index:], nil }
		cat, err := c.s.Catalog(context.Background(), o)
		if err == nil {
			err = cat.LoadAll(context.Background())
		}
		if fault.KindOf(err) != fault.Integrity {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for i := range 40 {
		c := newBench(t)
		idx := append([]byte(nil), r.packs[p.Name][p.Index:]...)
		idx[i*len(idx)/40] ^= 0x40
		o := r.options(filepath.Join(c.dir, "remote"))
		o.Index = func(_ context.Context, q PackInfo) ([]byte, error) {
			if q.Name == p.Name {
				return idx, nil
			}
			return r.packs[q.Name][q.Index:], nil
		}
		cat, err := c.s.Catalog(context.Background(), o)
		if err == nil {
			_, err = cat.Has(context.Background(), one)
		}
		if fault.KindOf(err) != fault.Integrity {
			t.Fatalf("index with a bit flipped: %v", err)
		}
	}
	r.addTable(t, newBench(t).s)
	for i := range 40 {
		c := newBench(t)
		tab := append([]byte(nil), r.tables[r.infos[0].Name]...)
		tab[i*len(tab)/40] ^= 0x40
		o := r.options("")
		o.Table = func(_ context.Context, _ TableInfo, off, n int64) ([]byte, error) { return tab[off : off+n], nil }
		cat, err := c.s.Catalog(context.Background(), o)
		if err == nil {
			_, err = cat.Has(context.Background(), two)
		}
		if fault.KindOf(err) != fault.Integrity {
			t.Fatalf("table with a bit flipped: %v", err)
		}
	}
}
