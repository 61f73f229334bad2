package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// far is a remote in memory, with counters and faults.
type far struct {
	mu     sync.Mutex
	packs  map[object.Digest][]byte
	list   []PackInfo
	tables map[object.Digest][]byte
	infos  []TableInfo

	reads, indexes, tableReads int
	sent                       map[string]int // bytes of each pack that were sent, by "name offset"
	whole                      float64
	fail                       func(n int, b []byte) ([]byte, error)
}

func newFar() *far {
	return &far{packs: map[object.Digest][]byte{}, tables: map[object.Digest][]byte{}, sent: map[string]int{}}
}

func (r *far) options(dir string) CatalogOptions {
	return CatalogOptions{Dir: dir, Packs: r.list, Index: r.index, Tables: r.infos, Table: r.table, Read: r.read}
}

func (r *far) index(_ context.Context, p PackInfo) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.indexes++
	return r.packs[p.Name][p.Index:], nil
}

func (r *far) table(_ context.Context, t TableInfo, off, n int64) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tableReads++
	return r.tables[t.Name][off : off+n], nil
}

func (r *far) read(_ context.Context, p PackInfo, off, n int64, w io.Writer) error {
	r.mu.Lock()
	r.reads++
	k := r.reads
	b, fail := r.packs[p.Name][off:off+n], r.fail
	r.mu.Unlock()
	var err error
	if fail != nil {
		b, err = fail(k, bytes.Clone(b))
	}
	for len(b) > 0 && err == nil { // as a network gives it: in pieces
		c := b[:min(len(b), 10_007)]
		b = b[len(c):]
		if _, werr := w.Write(c); werr != nil {
			return werr
		}
	}
	if err != nil {
		_, werr := w.Write(b)
		return errors.Join(err, werr)
	}
	return nil
}

// push brings the remote what it lacks.
func (r *far) push(t *testing.T, s *Store, roots ...object.Digest) *Shipment {
	t.Helper()
	ctx := context.Background()
	c, err := s.Catalog(ctx, r.options(t.TempDir()))
	if err == nil {
		err = c.LoadAll(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	sh, err := s.Ship(ctx, ShipOptions{Roots: roots, There: c, Whole: r.whole})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range sh.Packs {
		if err := p.Verify(ctx); err != nil {
			t.Fatal(err)
		}
		f, _ := p.Open()
		b, err := io.ReadAll(f)
		if err != nil || int64(len(b)) != p.Info.Bytes {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		r.packs[p.Info.Name] = b
		r.list = append(r.list, p.Info)
	}
	if err := sh.Close(); err != nil {
		t.Fatal(err)
	}
	c, err = s.Catalog(ctx, r.options(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range roots {
		if n, err := c.Complete(ctx, root); n != 0 || err != nil {
			t.Fatalf("the remote lacks %d objects of %s, %v", n, root.Short(), err)
		}
	}
	return sh
}

// fetch brings roots into a store.
func (r *far) fetch(t *testing.T, s *Store, only func(string, bool) bool, roots ...object.Digest) (Fetched, error) {
	t.Helper()
	ctx := context.Background()
	c, err := s.Catalog(ctx, r.options(filepath.Join(s.o.Dir, "..", "remote")))
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Fetch(ctx, FetchOptions{Roots: roots, Only: only, From: c, Read: r.read, Jobs: 3})
	if err == nil {
		err = done.Release()
	}
	return done, err
}

func (b *bench) noDamage(roots ...object.Digest) {
	b.t.Helper()
	rep, err := b.s.Verify(context.Background(), roots, false, nil)
	if err != nil || len(rep.Damage) > 0 {
		b.t.Fatalf("verify: %d damages: %+.1000v, %v", len(rep.Damage), rep.Damage[:min(2, len(rep.Damage))], err)
	}
	left, err := filepath.Glob(filepath.Join(b.s.tmp(), "*"))
	if err != nil || len(left) > 0 {
		b.t.Fatalf("left in tmp: %v, %v", left, err)
	}
}

// Any sequence of trees goes to a remote version by version, and comes back into an empty store, whichever is asked for.
func TestPushAndFetchAnyTree(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 4))
	b := newBench(t)
	if err := os.MkdirAll(b.data, 0o777); err != nil {
		t.Fatal(err)
	}
	b.write("table", bytesOf(r, 3<<20))
	far := newFar()
	var roots []object.Digest
	var lists [][]string
	var last object.Digest
	for i := range 12 {
		b.mutate(r)
		b.edit(r, "table")
		last = b.save(last).Root
		roots, lists = append(roots, last), append(lists, listing(t, b.data))
		if i%3 > 0 {
			far.push(t, b.s, last)
		}
	}
	if sh := far.push(t, b.s, last); sh.Objects != 0 || len(sh.Packs) != 0 {
		t.Fatalf("pushed again: %+v", sh)
	}
	for i, root := range roots {
		if i%3 == 0 {
			continue
		}
		c := newBench(t)
		if _, err := far.fetch(t, c.s, nil, root); err != nil {
			t.Fatal(err)
		}
		if ok, err := c.s.Has(context.Background(), root); !ok || err != nil {
			t.Fatalf("version %d: %v, %v", i, ok, err)
		}
		c.mustCheckout(root, c.data)
		same(t, fmt.Sprint("version ", i), listing(t, c.data), lists[i])
		c.noDamage(root)
		reads := far.reads
		if got, err := far.fetch(t, c.s, nil, root); err != nil || got.Bytes != 0 || far.reads != reads {
			t.Fatalf("fetched again: %+v, %v", got, err)
		}
		if _, err := far.fetch(t, c.s, nil, roots[1], roots[10], last); err != nil {
			t.Fatal(err)
		}
		c.noDamage(roots[1], roots[10], last)
	}
}

// edit changes some bytes of a file, so that most of its chunks are deltas.
func (b *bench) edit(r *rand.Rand, name string) {
	b.t.Helper()
	path := filepath.Join(b.data, name)
	c, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	for range 20 {
		c[r.IntN(len(c))]++
	}
	b.write(name, c)
}

// What is not whole here is not shipped.
func TestShipNeedsTheWholeVersion(t *testing.T) {
	b := newBench(t)
	b.write("f", []byte("x"))
	far := newFar()
	c, err := b.s.Catalog(context.Background(), far.options(""))
	if err != nil {
		t.Fatal(err)
	}
	root := object.Sum([]byte("nowhere"))
	_, err = b.s.Ship(context.Background(), ShipOptions{Roots: []object.Digest{root}, There: c})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), root.Short()) {
		t.Fatalf("error %v", err)
	}
}
