package haproxy

import (
	"fmt"
	"math"
	"testing"

	"mlx/internal/deploy"
)

// TestWeightsGiveTheShare holds that the split is within half a point of what is wanted, however many servers there are.
func TestWeightsGiveTheShare(t *testing.T) {
	worst := 0.0
	for _, share := range []deploy.Share{1, 10, 50, 100, 123, 500, 1000, 2000, 3333, 5000, 7777, 9000, 9900, 9999} {
		for _, n := range []int{1, 2, 3, 5, 8, 20, 50, 200} {
			for _, m := range []int{1, 2, 3, 5, 8, 20, 50, 200} {
				c, s := weights(share, n, m)
				a, b := sum(t, c), sum(t, s)
				off := math.Abs(float64(a)/float64(a+b) - share.Float())
				if worst = max(worst, off); off > 0.005 || a == 0 || b == 0 || len(c) != n || len(s) != m {
					t.Errorf("%s to %d of %d servers: %d of %d", share, n, n+m, a, a+b)
				}
			}
		}
	}
	t.Logf("at most %.3f points off", 100*worst)
}

func sum(t *testing.T, list []int) int {
	t.Helper()
	all := 0
	for _, w := range list {
		if w < 0 || w > mostWeight {
			t.Errorf("a weight of %d", w)
		}
		all += w
	}
	return all
}

func TestWeightsAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		share deploy.Share
		n, m  int
		want  string
	}{
		{0, 1, 2, "[0] [1 1]"},
		{100, 1, 1, "[1] [99]"},
		{100, 3, 3, "[1 1 1] [99 99 99]"},
		{500, 1, 1, "[1] [19]"},
		{2000, 1, 1, "[1] [4]"},
		{5000, 2, 1, "[1 1] [2]"},
		{deploy.All, 1, 1, "[1] [0]"},
		{deploy.All, 2, 0, "[1 1] []"},
		{2000, 0, 1, "[] [1]"},
		{2000, 1, 0, "[0] []"}, // never all to what has not proven itself
		{100, 4, 1, "[1 0 0 0] [99]"},
	} {
		a, b := weights(c.share, c.n, c.m)
		if got := fmt.Sprint(a, b); got != c.want {
			t.Errorf("%s of %d and %d: %s, not %s", c.share, c.n, c.m, got, c.want)
		}
	}
}
