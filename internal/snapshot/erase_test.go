package snapshot

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// everything returns all bytes below a folder, decoded as far as the store can.
func (b *bench) holds(d object.Digest) bool {
	for _, f := range b.s.set.Files() {
		if f.Has(d) {
			return true
		}
	}
	return false
}

func (b *bench) erase(roots []object.Digest, inside string, others ...object.Digest) *ErasePlan {
	b.t.Helper()
	plan, err := b.s.PlanErase(context.Background(), roots, inside, live(others...))
	if err == nil {
		err = b.s.ApplyErase(context.Background(), plan)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return plan
}

// What is erased is gone from every file of the store at once; other versions stay whole; nothing brings it back.
func TestErase(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	b, r := newBench(t), newFar()
	secret := append([]byte("the secret "), bytesOf(rnd, 9000)...)
	b.write("keep", bytesOf(rnd, 2<<20))
	one := b.save(object.Digest{}).Root
	b.write("p/secret", secret)
	b.write("p/shared", []byte("shared with the others"))
	two := b.save(one).Root
	r.push(t, b.s, one)
	r.push(t, b.s, two)
	b.edit(rnd, "keep")
	if err := os.RemoveAll(filepath.Join(b.data, "p/secret")); err != nil {
		t.Fatal(err)
	}
	three := b.save(two).Root
	want := listing(t, b.data)
	if _, err := b.checkout(two, filepath.Join(b.dir, "linked"), CheckoutOptions{Link: true}); err != nil {
		t.Fatal(err)
	}
	plan := b.erase([]object.Digest{two}, "", one, three)
	id := object.Sum(secret)
	if len(plan.Shared) != 2 || plan.Objects == 0 || plan.Bytes == 0 || plan.Kept == 0 {
		t.Errorf("plan %+v", plan)
	}
	if b.holds(id) || b.holds(two) {
		t.Fatal("it is in a pack")
	}
	if left, _ := filepath.Glob(filepath.Join(b.s.links(), "*", id.Hex()+"*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	b.noDamage(one, three)
	os.RemoveAll(b.data)
	b.mustCheckout(three, b.data)
	same(t, "the version after", listing(t, b.data), want)

	b.write("p/secret", secret) // the same bytes again, small or within a large file
	_, err := b.s.Save(context.Background(), SaveOptions{Path: b.data, Previous: three})
	if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "p/secret") {
		t.Fatalf("saved again: %v", err)
	}
	got, err := r.fetch(t, b.s, nil, two, one)
	if err != nil || got.Erased == 0 || b.holds(id) {
		t.Fatalf("fetched again: %+v, %v", got, err)
	}
	if err := b.s.Forget(plan.IDs); err != nil {
		t.Fatal(err)
	}
	if _, err := r.fetch(t, b.s, nil, two); err != nil || !b.holds(id) {
		t.Fatalf("fetched after it was allowed: %v", err)
	}
	b.noDamage(one, two, three)
}

// One path of a version is erased, the rest of it stays readable, and deltas against what went are whole.
func TestEraseInside(t *testing.T) {
	b, r, one, two := twoVersions(t)
	plan := b.erase([]object.Digest{one}, "big", two)
	if plan.Objects == 0 || len(plan.Shared) != 1 {
		t.Fatalf("plan %+v", plan)
	}
	b.noDamage(two)
	version, err := b.s.FS(context.Background(), one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := version.Open("other"); err != nil {
		t.Fatal(err)
	}
	done, err := r.fetch(t, b.s, nil, one)
	if err != nil || done.Erased == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, d := range plan.IDs {
		if b.holds(d) {
			t.Fatalf("%s is back", d)
		}
	}
	if _, err := b.s.PlanErase(context.Background(), []object.Digest{two}, "nothing", live()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a path that is not there: %v", err)
	}
}

// Whatever is damaged, a remote makes the store whole again.
func TestRepair(t *testing.T) {
	for i := range 15 {
		b, r, one, two := twoVersions(t)
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		files := b.s.set.Files()
		path := files[rnd.IntN(len(files))].Path()
		c, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rnd.IntN(len(c))
		c[at] ^= 0x10
		switch i % 5 {
		case 1:
			c = c[:at]
		case 2:
			c = bytes.Repeat([]byte{0}, len(c))
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if i%5 == 3 {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, c, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.reopen()
		ctx := context.Background()
		rep, err := b.s.Verify(ctx, []object.Digest{one, two}, false, nil)
		if err != nil || len(rep.Damage) == 0 {
			t.Fatalf("round %d: no damage found: %v", i, err)
		}
		cat, err := b.s.Catalog(ctx, r.options(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		n, err := b.s.Repair(ctx, rep, cat, r.read)
		if err != nil {
			t.Fatalf("round %d: %d, %v", i, n, err)
		}
		b.noDamage(one, two)
		b.reopen()
		b.noDamage(one, two)
		want := listing(t, b.data)
		os.RemoveAll(b.data)
		b.mustCheckout(two, b.data)
		same(t, "restored", listing(t, b.data), want)
	}
}

// The list of what was erased is read as it was written, or refused.
func FuzzErased(f *testing.F) {
	f.Add([]byte(erasedMagic))
	f.Add(append([]byte(erasedMagic), make([]byte, 64)...))
	f.Add(append([]byte(erasedMagic), bytes.Repeat([]byte("0123456789abcdef"), 2)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseErased(b)
		if err != nil {
			if fault.KindOf(err) != fault.Integrity {
				t.Fatal(err)
			}
			return
		}
		if len(b) != len(erasedMagic)+32*len(m) {
			t.Errorf("%d digests in %d bytes", len(m), len(b))
		}
	})
}
