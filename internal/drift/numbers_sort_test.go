package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSorterHeaps: whatever way the bits of keys lie, they are in the order that the standard library puts them into.
func TestSorterHeaps(t *testing.T) {
	draw := map[string]func(r *rand.Rand) uint64{
		"normal":    func(r *rand.Rand) uint64 { return floatKey(r.NormFloat64()) },
		"far out":   func(r *rand.Rand) uint64 { return floatKey(r.NormFloat64() / r.ExpFloat64()) },
		"zeros":     func(r *rand.Rand) uint64 { return floatKey(max(0, r.NormFloat64()-1)) },
		"one value": func(*rand.Rand) uint64 { return 7 },
		"digits":    func(r *rand.Rand) uint64 { return intKey(int64(r.IntN(10)) - 5) },
		"all bits":  func(r *rand.Rand) uint64 { return r.Uint64() },
		"last bits": func(r *rand.Rand) uint64 { return floatKey(float64(r.IntN(3))) + r.Uint64N(1<<12) },
		"outliers": func(r *rand.Rand) uint64 {
			if r.IntN(1000) == 0 {
				return r.Uint64()
			}
			return intKey(r.Int64N(1 << 22))
		},
		"two heaps": func(r *rand.Rand) uint64 { return uint64(r.IntN(2))<<63 | math.MaxUint32 - r.Uint64N(1<<30) },
		"nested": func(r *rand.Rand) uint64 { // each bit alone is set less often than the one below it
			return uint64(1)<<r.IntN(64) | uint64(r.IntN(4))
		},
	}
	for name, one := range draw {
		var s sorter
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{0, 1, 2, 511, 512, 600, smallSort, smallSort + 1, 30_000, 200_000, 700} {
			keys := make([]uint64, n)
			for i := range keys {
				keys[i] = one(r)
			}
			want := slices.Clone(keys)
			slices.Sort(want)
			if got := s.sort(keys); !slices.Equal(got, want) {
				t.Errorf("%s: %d keys are not in order", name, n)
			}
		}
	}
}
