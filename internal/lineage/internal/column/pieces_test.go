package column

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mlx/internal/object"
)

// A guess may say anything: what is found is right all the same.
func TestSearchBelievesNoGuess(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 2000 {
		all := make([]object.Digest, r.IntN(40))
		for i := range all {
			all[i][0] = byte(r.IntN(20))
		}
		slices.SortFunc(all, object.Digest.Compare)
		wrong := r.IntN(3)
		checked := 0
		s := sorted{n: len(all), sure: func(i int) object.Digest { checked++; return all[i] }, guess: func(i int) object.Digest {
			d := all[i]
			if wrong > 0 && r.IntN(wrong+1) > 0 {
				d[0] = byte(r.IntN(20))
			}
			return d
		}}
		lo := object.Digest{byte(r.IntN(22))}
		want := slices.IndexFunc(all, func(d object.Digest) bool { return d.Compare(lo) >= 0 })
		if want < 0 {
			want = len(all)
		}
		if got := s.search(lo); got != want {
			t.Fatalf("found %d of %v, want %d", got, all, want)
		}
		if wrong == 0 && checked > 2 {
			t.Fatalf("checked %d places where no guess was wrong", checked)
		}
	}
}
