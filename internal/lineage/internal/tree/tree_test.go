package tree

import (
	"strconv"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"mlx/internal/object"
)

func leaves(n int) []object.Digest {
	out := make([]object.Digest, n)
	for i := range out {
		out[i] = object.Sum([]byte(strconv.Itoa(i)))
	}
	return out
}

func TestRootAgreesWithTlog(t *testing.T) {
	ids := leaves(70)
	var r Root
	for n := range ids {
		s, err := build(ids[:n])
		if err != nil {
			t.Fatal(err)
		}
		want, err := tlog.TreeHash(int64(n), s)
		if err != nil || r.Sum() != object.Digest(want) || r.Size() != uint64(n) {
			t.Fatalf("size %d: %v, want %v, %v", n, r.Sum(), want, err)
		}
		r.Add(ids[n])
	}
}

// The root of one leaf by hand: SHA-256 of a zero byte and the leaf.
func TestRootOfOne(t *testing.T) {
	id := object.Sum([]byte("x"))
	var r Root
	r.Add(id)
	if want := object.Sum(append([]byte{0}, id[:]...)); r.Sum() != want {
		t.Errorf("%v, want %v", r.Sum(), want)
	}
}

func TestProofs(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 8, 33} {
		ids := leaves(size)
		var r Root
		for _, id := range ids {
			r.Add(id)
		}
		var old Root
		for n, id := range ids {
			proof, err := Prove(ids, n)
			if err != nil {
				t.Fatal(err)
			}
			check := func(proof []object.Digest, size, n int, id object.Digest) error {
				return Check(proof, uint64(size), r.Sum(), uint64(n), id)
			}
			if err := check(proof, size, n, id); err != nil {
				t.Errorf("leaf %d of %d: %v", n, size, err)
			}
			if check(proof, size, n, object.Sum(nil)) == nil || check(proof, size+8, n+8, id) == nil || check(append(proof, id), size, n, id) == nil {
				t.Errorf("leaf %d of %d: a wrong proof was believed", n, size)
			}
			old.Add(id)
			growth, err := ProveGrowth(ids, n+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckGrowth(growth, uint64(size), r.Sum(), uint64(n+1), old.Sum()); err != nil {
				t.Errorf("growth %d to %d: %v", n+1, size, err)
			}
			if CheckGrowth(growth, uint64(size), r.Sum(), uint64(n+1), object.Sum(nil)) == nil {
				t.Errorf("growth %d to %d: a wrong old root was believed", n+1, size)
			}
		}
	}
	if Check(nil, 1<<63, object.Digest{}, 1<<62, object.Digest{}) == nil || CheckGrowth(nil, 1, object.Digest{}, 0, object.Digest{}) == nil {
		t.Error("absurd sizes were believed")
	}
}
