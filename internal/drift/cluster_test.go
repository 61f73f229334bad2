package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// drawClusters are clusters of numbers that share an effect, counted over 8 bins and one of missing values.
func drawClusters(r *rand.Rand, n int, size, effect, shift float64) [][]uint32 {
	all := make([][]uint32, n)
	for i := range all {
		all[i] = make([]uint32, 9)
		e := effect*r.NormFloat64() + shift
		for range 1 + int(size*2*r.Float64()) {
			all[i][min(max(int(math.Floor((r.NormFloat64()+e)*1.5+4)), 0), 7)]++
		}
	}
	return all
}

// TestClusterLevel: the p of clusters is as rare as it says, whatever the sizes of clusters and of sides are.
func TestClusterLevel(t *testing.T) {
	const sets, at = 400, 0.05
	for name, c := range map[string]struct {
		n, m          int
		sizeN, sizeM  float64
		effect        float64
		ordered, same bool
	}{
		"strong days":        {60, 7, 30, 30, 1, true, true},
		"categories":         {40, 10, 30, 30, 1, false, true},
		"no effect of days":  {40, 10, 30, 30, 0, true, true},
		"small days now":     {40, 7, 60, 5, 0.7, true, false},
		"large days now":     {40, 7, 10, 100, 0.7, true, false},
		"small independent":  {40, 7, 100, 5, 0, true, false},
		"fewer in reference": {6, 30, 40, 20, 1, true, false},
	} {
		r := rand.New(rand.NewPCG(3, 4))
		p := permutation{seed: 1, tries: 999}
		hits := 0
		for range sets {
			a, b := drawClusters(r, c.n, c.sizeN, c.effect, 0), drawClusters(r, c.m, c.sizeM, c.effect, 0)
			if p.clusterP(withoutLast(a), withoutLast(b), c.ordered) <= at {
				hits++
			}
		}
		if most := sets*at + 3*math.Sqrt(sets*at); float64(hits) > most {
			t.Errorf("%s: %d of %d sets have p <= %v", name, hits, sets, at)
		}
		if hits == 0 {
			t.Errorf("%s: no set at all: a test that finds nothing", name)
		}
	}
}

func TestClusterPower(t *testing.T) {
	const sets = 60
	r := rand.New(rand.NewPCG(5, 6))
	p := newPermutation(0, 120, 0.05)
	found := 0
	for range sets {
		a, b := drawClusters(r, 60, 40, 0.5, 0), drawClusters(r, 7, 40, 0.5, 1.2)
		if p.clusterP(withoutLast(a), withoutLast(b), true) < 0.05/60 {
			found++
		}
	}
	if found < sets*8/10 {
		t.Errorf("a shift of 1.2 standard deviations with days of 0.5: found in %d of %d", found, sets)
	}
}

// TestClusterExact compares with all exchanges there are of 6 and 5 clusters.
func TestClusterExact(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 5 {
		a, b := withoutLast(drawClusters(r, 6, 20, 0.5, 0)), withoutLast(drawClusters(r, 5, 20, 0.5, 0.6))
		table := newClusterTable(a, b, true)
		data := table.statistic([]int32{6, 7, 8, 9, 10}, false)
		extreme, all := 0, 0
		for set := range 1 << 11 {
			var chosen []int32
			for i := range 11 {
				if set>>i&1 == 1 {
					chosen = append(chosen, int32(i))
				}
			}
			if len(chosen) == 5 {
				if all++; table.statistic(chosen, false) >= data*(1-1e-9) {
					extreme++
				}
			}
		}
		want := float64(extreme) / float64(all)
		got := 0.0
		const seeds = 10
		for seed := range uint64(seeds) {
			got += permutation{seed: seed, tries: fewestTries}.clusterP(a, b, true) / seeds
		}
		if got < want*0.95 || got > want*1.6+0.001 { // estimates err to the safe side
			t.Errorf("p %v, of all %d exchanges %v", got, all, want)
		}
	}
}

func TestClusterIsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	a, b := withoutLast(drawClusters(r, 30, 20, 0.5, 0)), withoutLast(drawClusters(r, 8, 20, 0.5, 0.4))
	p := permutation{seed: 5, tries: 999}
	first := p.clusterP(a, b, true)
	if again := p.clusterP(a, b, true); again != first {
		t.Errorf("%v, then %v", first, again)
	}
	for _, empty := range [][][]uint32{nil, {{0, 0, 0, 0, 0, 0, 0, 0}}} {
		if v := p.clusterP(empty, b, true); !math.IsNaN(v) {
			t.Errorf("clusters without rows: %v", v)
		}
	}
	if v := p.clusterP(a[:4], b, true); !math.IsNaN(v) {
		t.Errorf("4 clusters: %v", v)
	}
	one := make([][]uint32, 6)
	for i := range one {
		one[i] = []uint32{0, 5, 0}
	}
	if v := p.clusterP(one, one, false); !math.IsNaN(v) {
		t.Errorf("one bin: %v", v)
	}
}

// TestManyClusters: thousands are put together, and drift is still found.
func TestManyClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	p := newPermutation(0, 1, 0.05)
	a := withoutLast(drawClusters(r, 20_000, 3, 0.5, 0))
	if same := p.clusterP(a, withoutLast(drawClusters(r, 5000, 3, 0.5, 0)), true); same < 0.01 {
		t.Errorf("without drift: p %v", same)
	}
	if moved := p.clusterP(a, withoutLast(drawClusters(r, 5000, 3, 0.5, 0.15)), true); moved > 1e-3 {
		t.Errorf("a shift: p %v", moved)
	}
	x, y := p.grouped(a, a[:1000])
	if len(y) < fewestClusters || len(x)*5 < len(y) || len(y) > 2*mostClusters {
		t.Errorf("%d and %d groups", len(x), len(y))
	}
	var n, k uint32
	for _, rows := range [][][]uint32{a, x} {
		n, k = k, 0
		for _, row := range rows {
			for _, v := range row {
				k += v
			}
		}
	}
	if n != k {
		t.Errorf("%d rows became %d", n, k)
	}
}

func TestUnseenOfClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	side := func(n int, fresh bool) [][]uint32 {
		all := make([][]uint32, n)
		for i := range all {
			all[i] = []uint32{uint32(50 + r.IntN(50)), uint32(r.IntN(30)), 0}
			if fresh {
				all[i][2] = uint32(1 + r.IntN(10))
			}
		}
		return all
	}
	p := newPermutation(0, 60, 0.05)
	if v := p.unseenP(side(60, false), side(7, true)); v > 1e-3 {
		t.Errorf("a new value on each of 7 days: p %v", v)
	}
	b := side(7, false)
	b[3][2] = 90
	if v := p.unseenP(side(60, false), b); v < 0.05 {
		t.Errorf("a new value on one day: p %v", v)
	}
	if v := p.unseenP(side(60, true), slices.Clone(b)); v != 1 {
		t.Errorf("nothing unseen: p %v", v)
	}
}

func TestLeast(t *testing.T) {
	p := permutation{tries: fewestTries}
	for _, c := range []struct {
		n, m int64
		want float64
	}{{5, 5, 2. / 252}, {5, 7, 1. / 792}, {300, 7, 1. / 20_000}, {100_000, 90_000, 1. / 20_000}} {
		if got := p.least(c.n, c.m); !sameNumber(got, c.want) {
			t.Errorf("%d and %d: %v, not %v", c.n, c.m, got, c.want)
		}
	}
}
