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
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// quickBench is a bench whose disk is memory: nothing here asks what a crash leaves.
func quickBench(t *testing.T) *bench {
	b := &bench{t: t, dir: memoryDir(t), now: time.Now()}
	b.data = filepath.Join(b.dir, "data")
	b.reopen()
	return b
}

// carry brings versions from one store to another by a bundle, and returns its length.
func carry(t *testing.T, from, to *Store, o BundleOptions) (int64, error) {
	t.Helper()
	ctx := context.Background()
	var b bytes.Buffer
	info, err := from.WriteBundle(ctx, &b, o)
	if err != nil || info.Bytes != int64(b.Len()) {
		t.Fatalf("%d bytes, stated %d, %v", b.Len(), info.Bytes, err)
	}
	b.WriteString("what follows")
	done, err := to.ReadBundle(ctx, &b, TakeOptions{Roots: o.Roots})
	if err == nil {
		err = done.Release()
	}
	return info.Bytes, err
}

// Any sequence of trees goes to another store version by version, by bundles that rely on versions before.
func TestBundleAnyTree(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 9))
		b, c := quickBench(t), quickBench(t)
		b.write("table", bytesOf(r, 2<<20))
		var last object.Digest
		var held []object.Digest
		for i := range 10 {
			b.mutate(r)
			if _, err := os.Stat(filepath.Join(b.data, "table")); err == nil {
				b.edit(r, "table")
			}
			last = b.save(last).Root
			if r.IntN(3) == 0 {
				continue
			}
			some := held
			if r.IntN(4) == 0 {
				some = nil
			}
			if _, err := carry(t, b.s, c.s, BundleOptions{Roots: []object.Digest{last}, Held: some}); err != nil {
				t.Fatalf("seed %d, version %d: %v", seed, i, err)
			}
			held = append(held, last)
			if ok, err := c.s.Has(context.Background(), last); !ok || err != nil {
				t.Fatalf("version %d: %v, %v", i, ok, err)
			}
			c.mustCheckout(last, c.data)
			same(t, fmt.Sprint("version ", i), listing(t, c.data), listing(t, b.data))
			c.noDamage(held...)
		}
		n, err := carry(t, b.s, c.s, BundleOptions{Roots: held, Held: held})
		if err != nil || n > 1000 {
			t.Fatalf("nothing is lacking: %d bytes, %v", n, err)
		}
	}
}

// A change of a large table travels as deltas, also where the receiver has their bases as deltas themselves.
func TestBundleOfDeltas(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	b, c := quickBench(t), quickBench(t)
	b.write("table", bytesOf(r, 6<<20))
	one := b.save(object.Digest{}).Root
	first, err := carry(t, b.s, c.s, BundleOptions{Roots: []object.Digest{one}})
	if err != nil {
		t.Fatal(err)
	}
	last := one
	for range 4 {
		b.edit(r, "table")
		next := b.save(last).Root
		n, err := carry(t, b.s, c.s, BundleOptions{Roots: []object.Digest{next}, Held: []object.Digest{last}})
		if err != nil || n > first/4 {
			t.Fatalf("%d bytes after %d, %v", n, first, err)
		}
		c.noDamage(one, last, next)
		last = next
	}
	// A store of its own deltas: the receiver has the base of what comes as a delta.
	d := quickBench(t)
	d.write("table", bytesOf(rand.New(rand.NewPCG(3, 1)), 6<<20))
	got := d.save(object.Digest{}).Root
	if err := os.CopyFS(filepath.Join(d.dir, "copy"), os.DirFS(b.data)); err != nil {
		t.Fatal(err)
	}
	v, err := d.s.Save(context.Background(), SaveOptions{Path: filepath.Join(d.dir, "copy"), Previous: got})
	if err != nil || v.Root != last {
		t.Fatalf("%s, want %s, %v", v.Root.Short(), last.Short(), err)
	}
	b.edit(r, "table")
	next := b.save(last).Root
	if _, err := carry(t, b.s, d.s, BundleOptions{Roots: []object.Digest{next}, Held: []object.Digest{last}}); err != nil {
		t.Fatal(err)
	}
	d.noDamage(last, next)
	d.mustCheckout(next, d.data)
	same(t, "the newest", listing(t, d.data), listing(t, b.data))
}

// A bundle that is cut anywhere leaves a store without damage, and the next one sends only the rest.
func TestBundleCut(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(8, 1))
	b := quickBench(t)
	for i := range 4 {
		b.write(fmt.Sprint("f", i), bytesOf(rand.New(rand.NewPCG(uint64(i), 2)), 3<<20))
	}
	one := b.save(object.Digest{}).Root
	for i := range 4 {
		b.edit(r, fmt.Sprint("f", i))
	}
	two := b.save(one).Root
	var whole bytes.Buffer
	if _, err := b.s.WriteBundle(ctx, &whole, BundleOptions{Roots: []object.Digest{one, two}}); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		at := whole.Len() * i / 8
		c := quickBench(t)
		_, err := c.s.ReadBundle(ctx, bytes.NewReader(whole.Bytes()[:at]), TakeOptions{})
		if fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("cut at %d: %v", at, err)
		}
		c.noDamage()
		asked := false
		n, err := carry(t, b.s, c.s, BundleOptions{Roots: []object.Digest{one, two}, Ask: func(_ context.Context, ids []object.Digest) ([]bool, error) {
			asked = true
			return c.s.Holds(ids)
		}})
		if err != nil {
			t.Fatalf("after a cut at %d: %v", at, err)
		}
		if left := int64(whole.Len() - at); n > left+left/4+1<<20 && asked {
			t.Errorf("cut at %d of %d: %d bytes more", at, whole.Len(), n)
		}
		c.noDamage(one, two)
	}
}

// No flipped bit is taken for good: the bundle is refused, or what it brought is what was sent.
func TestBundleFlipped(t *testing.T) {
	ctx := context.Background()
	b, _, one, two := twoVersions(t)
	var whole bytes.Buffer
	if _, err := b.s.WriteBundle(ctx, &whole, BundleOptions{Roots: []object.Digest{one, two}}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 60 {
		bad := bytes.Clone(whole.Bytes())
		at := r.IntN(len(bad))
		if r.IntN(2) == 0 {
			at = r.IntN(min(len(bad), 4000))
		}
		bad[at] ^= 1 << r.IntN(8)
		c := quickBench(t)
		_, err := c.s.ReadBundle(ctx, bytes.NewReader(bad), TakeOptions{Roots: []object.Digest{one, two}})
		if err == nil {
			t.Fatalf("bit flipped at %d: taken", at)
		}
		if kind := fault.KindOf(err); kind != fault.Integrity && kind != fault.Unavailable && kind != fault.Conflict {
			t.Fatalf("flipped at %d: %v: %v", at, kind, err)
		}
		c.noDamage()
	}
}

// What a bundle must bring and does not is named; so are wrong counts and another format.
func TestBundleLies(t *testing.T) {
	ctx := context.Background()
	b, _, one, two := twoVersions(t)
	var whole, rest bytes.Buffer
	if _, err := b.s.WriteBundle(ctx, &whole, BundleOptions{Roots: []object.Digest{two}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.WriteBundle(ctx, &rest, BundleOptions{Roots: []object.Digest{two}, Held: []object.Digest{one}}); err != nil {
		t.Fatal(err)
	}
	counts := bytes.Clone(whole.Bytes())
	counts[len(counts)-endSize]++
	roots := bytes.Clone(whole.Bytes())
	copy(roots[len(bundleMagic):], []byte{0xff, 0xff, 0xff, 0xff})
	head := len(bundleMagic) + 4 + 32
	huge := bytes.Clone(whole.Bytes())
	for i := range 8 {
		huge[head+1+32+i] = 0xff
	}
	other := bytes.Clone(whole.Bytes())
	other[len(bundleMagic)-3] = '2'
	for name, c := range map[string]struct {
		b     []byte
		roots []object.Digest
		kind  fault.Kind
	}{
		"counts":         {counts, nil, fault.Integrity},
		"many roots":     {roots, nil, fault.Integrity},
		"a huge index":   {huge, nil, fault.Integrity},
		"another format": {other, nil, fault.Integrity},
		"another root":   {whole.Bytes(), []object.Digest{one}, fault.Integrity},
		"not complete":   {rest.Bytes(), nil, fault.Conflict},
		"nothing":        {nil, nil, fault.Unavailable},
	} {
		to := quickBench(t)
		_, err := to.s.ReadBundle(ctx, bytes.NewReader(c.b), TakeOptions{Roots: c.roots})
		if fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
		to.noDamage()
	}
	if _, err := b.s.WriteBundle(ctx, io.Discard, BundleOptions{Roots: []object.Digest{object.Sum([]byte("no"))}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a version that is not here: %v", err)
	}
}

// Whatever arrives as a bundle leaves a store without damage, and is taken only if it is whole.
func FuzzReadBundle(f *testing.F) {
	ctx := context.Background()
	dir := f.TempDir()
	s, err := Open(Options{Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "index"), Clone: Clone{ID: strings.Repeat("cd", 16), Dir: dir}, Now: time.Now, Jobs: 1})
	if err != nil {
		f.Fatal(err)
	}
	var last object.Digest
	for i := range 2 {
		table := bytesOf(rand.New(rand.NewPCG(2, 2)), 20<<10)
		table[4000*i+1]++
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "data"), 0o777), os.WriteFile(filepath.Join(dir, "data", "t"), table, 0o666)); err != nil {
			f.Fatal(err)
		}
		v, err := s.Save(ctx, SaveOptions{Path: filepath.Join(dir, "data"), Previous: last})
		if err != nil {
			f.Fatal(err)
		}
		last = v.Root
		var b bytes.Buffer
		if _, err := s.WriteBundle(ctx, &b, BundleOptions{Roots: []object.Digest{last}}); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := quickBench(t)
		done, err := c.s.ReadBundle(ctx, bytes.NewReader(b), TakeOptions{})
		if err != nil {
			c.noDamage()
			return
		}
		if done.Bytes > int64(len(b)) {
			t.Errorf("%d bytes of %d", done.Bytes, len(b))
		}
		c.noDamage(done.Roots...)
		for _, root := range done.Roots {
			if ok, err := c.s.Has(ctx, root); !ok || err != nil {
				t.Errorf("version %s: %v, %v", root.Short(), ok, err)
			}
		}
	})
}
