package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// twoVersions is a remote with two versions of a tree: the second is deltas for the most part.
func twoVersions(t *testing.T) (b *bench, r *far, one, two object.Digest) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(8, 15))
	b, r = newBench(t), newFar()
	for i := range 40 {
		b.write(fmt.Sprintf("d%d/f%d", i%5, i), bytesOf(rnd, rnd.IntN(30<<10)))
	}
	b.write("big", bytesOf(rnd, 4<<20))
	b.write("other", bytesOf(rnd, 2<<20))
	b.write("empty", nil)
	if err := os.Symlink("big", filepath.Join(b.data, "link")); err != nil {
		t.Fatal(err)
	}
	one = b.save(object.Digest{}).Root
	r.push(t, b.s, one)
	b.edit(rnd, "big")
	b.write("d1/new", bytesOf(rnd, 10<<10))
	two = b.save(one).Root
	r.push(t, b.s, two)
	return b, r, one, two
}

// Wherever a fetch is cut, nothing wrong is kept, the next one goes on, and hardly a byte travels twice.
func TestFetchIsCutAtEveryRange(t *testing.T) {
	b, r, _, two := twoVersions(t)
	want := listing(t, b.data)
	whole := newBench(t)
	all, err := r.fetch(t, whole.s, nil, two)
	if err != nil {
		t.Fatal(err)
	}
	n := r.reads
	cut := errors.New("connection cut")
	faults := map[string]func(b []byte) ([]byte, error){
		"cut":      func(b []byte) ([]byte, error) { return b[:len(b)/2], cut },
		"short":    func(b []byte) ([]byte, error) { return b[:len(b)*2/3], nil },
		"wrong":    func(b []byte) ([]byte, error) { b[len(b)/3] ^= 1; return b, nil },
		"too long": func(b []byte) ([]byte, error) { return append(b, 7), nil },
	}
	for name, do := range faults {
		for at := 1; at <= n; at++ {
			c := newBench(t)
			r.reads = 0
			r.fail = func(k int, b []byte) ([]byte, error) {
				if k == at {
					return do(b)
				}
				return b, nil
			}
			first, err := r.fetch(t, c.s, nil, two)
			if err == nil {
				continue // it went another way, with fewer reads
			}
			if name == "cut" && !errors.Is(err, cut) || name != "cut" && fault.KindOf(err) != fault.Integrity {
				t.Fatalf("%s at %d: %v", name, at, err)
			}
			if name != "cut" && !strings.Contains(err.Error(), "pack ") {
				t.Fatalf("%s at %d: no pack in %v", name, at, err)
			}
			if ok, _ := c.s.Has(context.Background(), two); ok && name != "too long" {
				t.Fatalf("%s at %d: the version is here", name, at)
			}
			c.noDamage()
			r.fail = nil
			again, err := r.fetch(t, c.s, nil, two)
			if err != nil {
				t.Fatalf("%s at %d, again: %v", name, at, err)
			}
			if extra := first.Bytes + again.Bytes - all.Bytes; extra > 256<<10 { // a frame, or what else was under way
				t.Errorf("%s at %d: %d + %d bytes for %d", name, at, first.Bytes, again.Bytes, all.Bytes)
			}
			c.mustCheckout(two, c.data)
			same(t, name, listing(t, c.data), want)
			c.noDamage(two)
		}
	}
	r.fail = nil
}

// Of a version that is fetched in part, that part can be read and restored; gc keeps it; the rest can come later.
func TestFetchInPart(t *testing.T) {
	b, r, one, two := twoVersions(t)
	want := listing(t, b.data)
	c := newBench(t)
	only := func(path string, isDir bool) bool {
		return path == "big" || path == "d2" || strings.HasPrefix(path, "d2/")
	}
	done, err := r.fetch(t, c.s, only, two)
	if err != nil || done.Bytes > 8<<20 {
		t.Fatalf("%+v, %v", done, err)
	}
	read := func(name string) {
		t.Helper()
		version, err := c.s.FS(context.Background(), two)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fs.ReadFile(version, name)
		want, _ := os.ReadFile(filepath.Join(b.data, name))
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	read("big")
	read("d2/f7")
	if ok, err := c.s.Has(context.Background(), two); ok || err != nil {
		t.Fatalf("has: %v, %v", ok, err)
	}
	if _, err := c.checkout(two, c.data, CheckoutOptions{}); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("checkout of what is not here: %v", err)
	}
	c.write("d3/mine", []byte("own"))
	if _, err := c.checkout(two, c.data, CheckoutOptions{Only: only}); err != nil {
		t.Fatal(err)
	}
	gone := 0
	for _, line := range c.status(two) {
		word, path, _ := strings.Cut(line, " ")
		path, _, _ = strings.Cut(path, " ")
		if gone++; word != "removed" && line != "added d3/mine +3" || only(path, false) {
			t.Errorf("status: %s", line)
		}
	}
	if gone != 4*8+1+3+1 { // of d0, d1, d3 and d4; d1/new; empty, link and other; mine
		t.Errorf("%d changes", gone)
	}
	for range 3 {
		plan, err := c.s.PlanGC(context.Background(), live(two))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.s.ApplyGC(context.Background(), plan); err != nil {
			t.Fatal(err)
		}
		c.now = c.now.Add(25 * time.Hour)
	}
	read("big")
	read("d2/f7")
	if _, err := r.fetch(t, c.s, nil, one, two); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(c.data)
	c.mustCheckout(two, c.data)
	same(t, "all of it", listing(t, c.data), want)
	c.noDamage(one, two)
}

func live(roots ...object.Digest) iter.Seq2[Root, error] {
	return func(yield func(Root, error) bool) {
		for _, d := range roots {
			if !yield(Root{Digest: d, Why: "test"}, nil) {
				return
			}
		}
	}
}
