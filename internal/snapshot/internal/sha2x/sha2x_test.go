package sha2x

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

func random(n int, seed uint64) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// Every pair of lengths around the block and padding borders agrees with the standard library.
func TestSum2(t *testing.T) {
	lens := []int{0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 4096, 70001}
	for _, n := range lens {
		for _, m := range lens {
			a, b := random(n, 1), random(m, 2)
			da, db := Sum2(a, b)
			if da != sha256.Sum256(a) || db != sha256.Sum256(b) {
				t.Fatalf("lengths %d and %d: wrong digest", n, m)
			}
		}
	}
}

func TestStream(t *testing.T) {
	all := random(1<<20, 3)
	r := rand.New(rand.NewPCG(1, 2))
	w := NewStream()
	for range 50 {
		w.Reset()
		for p := all; ; {
			n := min(len(p), r.IntN(200000))
			if w.Chunk(p[:n]) != sha256.Sum256(p[:n]) {
				t.Fatal("wrong digest of a chunk")
			}
			if p = p[n:]; len(p) == 0 {
				break
			}
		}
		if w.Sum() != sha256.Sum256(all) {
			t.Fatal("wrong digest of the stream")
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	p := random(72<<10, 4)
	w := NewStream()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		w.Chunk(p)
	}
}

func BenchmarkStandard(b *testing.B) {
	p := random(72<<10, 4)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		sha256.Sum256(p)
	}
}
