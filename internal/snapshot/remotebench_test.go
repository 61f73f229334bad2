package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"mlx/internal/object"
)

// many is a store with a version of many small files, and its size in packs.
func many(tb testing.TB, files, size int) (*bench, object.Digest, int64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := &bench{t: &testing.T{}, dir: tb.TempDir()}
	b.data = b.dir + "/data"
	b.reopen()
	for i := range files {
		b.write(fmt.Sprintf("%03d/%d", i%100, i), bytesOf(rnd, size))
	}
	v := b.save(object.Digest{})
	return b, v.Root, v.Stored
}

func BenchmarkShip(b *testing.B) {
	s, root, size := many(b, 20_000, 2640)
	ctx := context.Background()
	b.SetBytes(size)
	for b.Loop() {
		c, err := s.s.Catalog(ctx, CatalogOptions{})
		if err != nil {
			b.Fatal(err)
		}
		sh, err := s.s.Ship(ctx, ShipOptions{Roots: []object.Digest{root}, There: c})
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range sh.Packs {
			if err := p.Verify(ctx); err != nil {
				b.Fatal(err)
			}
		}
		sh.Close()
	}
}

func BenchmarkFetch(b *testing.B) {
	s, root, size := many(b, 20_000, 2640)
	r := newFar()
	r.push(&testing.T{}, s.s, root)
	b.SetBytes(size)
	for b.Loop() {
		c := newBenchAt(b.TempDir())
		if _, err := r.fetch(&testing.T{}, c.s, nil, root); err != nil {
			b.Fatal(err)
		}
	}
}

func newBenchAt(dir string) *bench {
	b := &bench{t: &testing.T{}, dir: dir}
	b.reopen()
	return b
}
