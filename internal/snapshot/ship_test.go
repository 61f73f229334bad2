package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// The stored vectors travel to a remote and back: packs keep their names, versions are as they were.
func TestVectorsTravel(t *testing.T) {
	b, r := newBench(t), newFar()
	if err := os.CopyFS(filepath.Join(b.dir, "store"), os.DirFS(filepath.Join(vectors, "good"))); err != nil {
		t.Fatal(err)
	}
	pointers, err := filepath.Glob(filepath.Join(vectors, "good", "*.mlx"))
	if err != nil || len(pointers) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	b.reopen()
	for _, path := range pointers {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePointer(text)
		if err != nil {
			t.Fatal(err)
		}
		r.push(t, b.s, p.Root)
		c := newBench(t)
		if _, err := r.fetch(t, c.s, nil, p.Root); err != nil {
			t.Fatal(err)
		}
		want, err := b.s.FS(context.Background(), p.Root)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.s.FS(context.Background(), p.Root)
		if err != nil || manifest(t, got) != manifest(t, want) {
			t.Fatalf("%s: %v", path, err)
		}
		c.noDamage(p.Root)
	}
}

// Versions of every form travel: a single file, empty ones, a folder so large that its root is a recipe, a file of a
// recipe of two levels.
func TestAllFormsTravel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	forms := map[string]func(b *bench) string{
		"file":       func(b *bench) string { b.write("f", bytesOf(rnd, 700<<10)); return "f" },
		"empty file": func(b *bench) string { b.write("f", nil); return "f" },
		"empty":      func(b *bench) string { os.MkdirAll(b.data, 0o777); return "" },
		"long root": func(b *bench) string {
			for i := range 6000 {
				b.write(fmt.Sprintf("%s%05d", strings.Repeat("n", 40), i), []byte{byte(i), byte(i >> 8)})
			}
			return ""
		},
		"long folder": func(b *bench) string {
			for i := range 6000 {
				b.write(fmt.Sprintf("in/%s%05d", strings.Repeat("n", 40), i), nil)
			}
			return ""
		},
	}
	for name, make := range forms {
		b, r := newBench(t), newFar()
		path := filepath.Join(b.data, make(b))
		v, err := b.s.Save(context.Background(), SaveOptions{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		r.push(t, b.s, v.Root)
		c := newBench(t)
		if _, err := r.fetch(t, c.s, nil, v.Root); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to := filepath.Join(c.data, filepath.Base(path))
		if _, err := c.checkout(v.Root, to, CheckoutOptions{Kind: v.Summary.Kind}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v.Summary.Kind == Directory && v.Summary.Files > 0 {
			same(t, name, listing(t, to), listing(t, b.data))
		}
		c.noDamage(v.Root)
	}
}

// Only what is missing travels, as deltas where the remote has their bases.
func TestOnlyTheChangeTravels(t *testing.T) {
	b, r, _, two := twoVersions(t)
	rnd := rand.New(rand.NewPCG(3, 3))
	b.edit(rnd, "other")
	three := b.save(two).Root
	first, last := int64(0), r.push(t, b.s, three)
	for _, p := range r.list[:1] {
		first += p.Bytes
	}
	if last.Bytes > first/5 || len(last.Packs) != 1 || len(last.Relies) == 0 {
		t.Errorf("%d bytes in %d packs after %d, relying on %d", last.Bytes, len(last.Packs), first, len(last.Relies))
	}
}

// A version of which the remote lacks the base of a delta gets the chunk in full.
func TestDeltaWithoutItsBaseTravelsInFull(t *testing.T) {
	b, _, one, two := twoVersions(t)
	r := newFar()
	r.whole = 2 // never
	r.push(t, b.s, two)
	c := newBench(t)
	if _, err := r.fetch(t, c.s, nil, two); err != nil {
		t.Fatal(err)
	}
	c.noDamage(two)
	c.mustCheckout(two, c.data)
	same(t, "the second version alone", listing(t, c.data), listing(t, b.data))
	bases := newFar() // a pack that travels whole brings the bases
	if sh := bases.push(t, b.s, two); len(sh.Packs) != len(b.s.set.Files()) {
		t.Errorf("%d packs", len(sh.Packs))
	}
	if _, err := r.fetch(t, c.s, nil, one); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a version that was never pushed: %v", err)
	}
}

// No damage travels: a pack with any bit flipped is not sent.
func TestDamageDoesNotTravel(t *testing.T) {
	ctx := context.Background()
	for i := range 16 {
		b, _, one, two := twoVersions(t)
		c, err := b.s.Catalog(ctx, CatalogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		files := b.s.set.Files()
		f := files[i%len(files)]
		raw, err := os.ReadFile(f.Path())
		if err != nil {
			t.Fatal(err)
		}
		raw[int(f.Index().Start())*i/16] ^= 4
		os.Chmod(f.Path(), 0o600)
		if err := os.WriteFile(f.Path(), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		sh, err := b.s.Ship(ctx, ShipOptions{Roots: []object.Digest{one, two}, There: c})
		if err == nil {
			for _, p := range sh.Packs {
				if verr := p.Verify(ctx); verr != nil {
					err = verr
				}
			}
			sh.Close()
		}
		if fault.KindOf(err) != fault.Integrity {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

// A large file that was erased is refused by its name.
func TestErasedLargeFile(t *testing.T) {
	b := newBench(t)
	b.write("d/large", bytesOf(rand.New(rand.NewPCG(2, 2)), 3<<20))
	b.write("d/small", []byte("x"))
	root := b.save(object.Digest{}).Root
	b.erase([]object.Digest{root}, "d/large")
	for range 2 {
		_, err := b.s.Save(context.Background(), SaveOptions{Path: b.data, Previous: root})
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "d/large") {
			t.Fatalf("error %v", err)
		}
	}
	os.Remove(filepath.Join(b.data, "d/large"))
	b.save(root)
}
