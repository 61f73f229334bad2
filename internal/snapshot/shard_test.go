package snapshot

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

// sorted puts what a damage hurts in an order: one pass and several meet it in different ones.
func sorted(r Report) Report {
	for i := range r.Damage {
		slices.SortFunc(r.Damage[i].Hurts, func(a, b Hurt) int { return cmp.Compare(a.Path, b.Path) })
	}
	return r
}

// TestVerifyShards: the joined reports of shards are the report of one pass, over whole and damaged stores.
func TestVerifyShards(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 77))
		b := newBench(t)
		b.grow(rng, 120)
		if err := os.MkdirAll(b.data, 0o777); err != nil {
			t.Fatal(err)
		}
		root := b.save(object.Digest{}).Root
		if seed > 0 {
			b.s.Close()
			b.flip(rng, int(seed)*3)
			b.reopen()
		}
		whole, err := b.s.Verify(t.Context(), []object.Digest{root}, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if seed > 2 && len(whole.Damage) == 0 {
			t.Errorf("seed %d: nothing is damaged", seed)
		}
		for _, n := range []int{1, 2, 7, 50} {
			var all Report
			for i := range n {
				part, err := b.s.VerifyShard(t.Context(), []object.Digest{root}, Shard{i, n}, nil)
				if err != nil {
					t.Fatal(err)
				}
				all.Join(part)
			}
			if diff := gocmp.Diff(sorted(whole), sorted(all)); diff != "" {
				t.Errorf("seed %d, %d shards (-one pass +joined):\n%s", seed, n, diff)
			}
		}
	}
}

// TestVerifyPacksInShards: what shards read of the packs makes the report of one pass over all of the store, and what none of them read
// is read in the end.
func TestVerifyPacksInShards(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 78))
		b := newBench(t)
		var roots []object.Digest
		for range 4 { // each makes a pack
			b.grow(rng, 40)
			if err := os.MkdirAll(b.data, 0o777); err != nil {
				t.Fatal(err)
			}
			roots = append(roots, b.save(object.Digest{}).Root)
		}
		if seed > 0 {
			b.s.Close()
			b.flip(rng, int(seed)*3)
			b.reopen()
		}
		whole, err := b.s.Verify(t.Context(), roots, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if whole.Packs < 2 || seed > 2 && len(whole.Damage) == 0 {
			t.Errorf("seed %d: %d packs, %d damages", seed, whole.Packs, len(whole.Damage))
		}
		packs, err := b.s.PackNames()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 2, 7} {
			var parts []PackReport
			for i := range n {
				part, err := b.s.VerifyPacks(t.Context(), Shard{i, n}, nil)
				if err != nil {
					t.Fatal(err)
				}
				parts = append(parts, part)
			}
			for _, parts := range [][]PackReport{parts, parts[1:]} {
				all, err := b.s.VerifyRead(t.Context(), roots, packs, parts)
				if err != nil {
					t.Fatal(err)
				}
				if diff := gocmp.Diff(sorted(whole), sorted(all)); diff != "" {
					t.Errorf("seed %d, %d of %d shards (-one pass +joined):\n%s", seed, len(parts), n, diff)
				}
			}
		}
	}
}

// flip changes some bytes of the packs, behind their heads.
func (b *bench) flip(rng *rand.Rand, times int) {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "store/packs/*.pack"))
	if err != nil || len(files) == 0 {
		b.t.Fatal(files, err)
	}
	for range times {
		file := files[rng.IntN(len(files))]
		text, err := os.ReadFile(file)
		if err != nil {
			b.t.Fatal(err)
		}
		text[len(text)/4+rng.IntN(len(text)/2)] ^= 0x10
		if err := os.Chmod(file, 0o644); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
