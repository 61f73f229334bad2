package chunk

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// reference is the definition, byte by byte, from the start of each chunk.
func reference(b []byte) (ends []int) {
	t := Table()
	for start := 0; start < len(b); {
		end := len(b)
		for n := Min; n <= len(b)-start; n++ {
			h := uint64(0)
			for _, v := range b[start+n-window : start+n] {
				h = h<<1 + t[v]
			}
			if h < threshold || n == Max {
				end = start + n
				break
			}
		}
		ends = append(ends, end)
		start = end
	}
	return ends
}

func random(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func TestCutAgreesWithDefinition(t *testing.T) {
	constant := make([]byte, 700<<10)
	for _, b := range [][]byte{nil, random(1, 1), random(Min, 2), random(Min+1, 3), random(Max, 4), random(900<<10, 5), constant, constant[:Max], constant[:Max+1]} {
		if got, want := NewCutter().Cut(b, 0, true, nil), reference(b); !slices.Equal(got, want) {
			t.Errorf("%d bytes: cuts %v, want %v", len(b), got, want)
		}
	}
}

// However the stream arrives, the cuts are the same.
func TestCutInPieces(t *testing.T) {
	all := append(random(2<<20, 6), make([]byte, 600<<10)...)
	all = append(all, random(300<<10, 7)...)
	want := NewCutter().Cut(all, 0, true, nil)
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		c, got, start, known := NewCutter(), []int(nil), 0, 0
		for end := 0; end < len(all); {
			end = min(len(all), end+1+r.IntN(400<<10))
			ends := c.Cut(all[start:end], known, end == len(all), nil)
			for _, e := range ends {
				got = append(got, start+e)
			}
			if len(ends) > 0 {
				start += ends[len(ends)-1]
			}
			known = end - start
		}
		if !slices.Equal(got, want) {
			t.Fatalf("cuts differ: %v, want %v", got, want)
		}
	}
}

// The table is frozen: a change would share nothing with what is stored.
func TestTableIsFrozen(t *testing.T) {
	sum := uint64(0)
	for _, v := range Table() {
		sum = sum*31 + v
	}
	if want := uint64(0xaf68020451be2337); sum != want {
		t.Errorf("table checksum %#x, want %#x", sum, want)
	}
}

func TestAverage(t *testing.T) {
	b := random(64<<20, 8)
	n := len(NewCutter().Cut(b, 0, true, nil))
	if avg := len(b) / n; avg < 60<<10 || avg > 68<<10 {
		t.Errorf("average %d bytes", avg)
	}
}

func BenchmarkCut(b *testing.B) {
	data := random(1<<20, 9)
	c := NewCutter()
	b.SetBytes(int64(len(data)))
	var ends []int
	for b.Loop() {
		ends = c.Cut(data, 0, true, ends[:0])
	}
}
