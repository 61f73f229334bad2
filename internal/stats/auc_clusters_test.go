package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAUCOverClusters: without clusters, and with a cluster a row, the interval is DeLong's.
func TestAUCOverClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	b := Binary{Labels: codes(3000, func() int { return r.IntN(2) })}
	at := 0
	b.Scores = rounded(rows(3000, func() float64 { at++; return r.NormFloat64() + float64(b.Labels[at-1]) }), 50)
	want := must[Interval](t)(b.AUC(0.9))
	own := codes(3000, func() int { at--; return at })
	for _, clusters := range [][]int32{nil, own} {
		got := must[ClusteredAUC](t)(b.AUCOverClusters(clusters, 0.95))
		if !near(got.Value, want.Value, 1e-12) || !near(got.Lower, want.Lower, 1e-3) || !near(got.Upper, want.Upper, 1e-3) || got.Problem != "" {
			t.Error(got, want)
		}
		if clusters == nil && (!near(got.Lower, want.Lower, 1e-9) || !math.IsInf(got.Degrees, 1)) {
			t.Error(got, want)
		}
	}
	for name, c := range map[string]struct {
		b        Binary
		clusters []int32
	}{
		"one class":    {Binary{Labels: []int32{1, 1}, Scores: []float64{1, 2}}, nil},
		"one row":      {Binary{Labels: []int32{1, 0, 0}, Scores: []float64{1, 2, 3}}, nil},
		"few clusters": {b, codes(3000, func() int { at++; return at % 4 })},
	} {
		if got := must[ClusteredAUC](t)(c.b.AUCOverClusters(c.clusters, 0.95)); got.Problem == "" || !math.IsNaN(got.Lower) {
			t.Error(name, got)
		}
	}
	if _, err := b.AUCOverClusters([]int32{1}, 0.95); err == nil {
		t.Error("one cluster for 3000 rows")
	}
	if _, err := b.AUCOverClusters(nil, 2); err == nil {
		t.Error("a level of 2")
	}
}

// TestAUCOverClustersCovers: a score that only knows its cluster is above the level in one of twenty sets, with seven clusters against forty.
func TestAUCOverClustersCovers(t *testing.T) {
	const sets = 2000
	r := rand.New(rand.NewPCG(2, 9))
	above, single := 0, 0
	for range sets {
		var b Binary
		var clusters []int32
		for c := range int32(47) {
			level := r.NormFloat64()
			for range 10 {
				label := int32(0)
				if c >= 40 {
					label = 1
				}
				b.Labels, b.Scores, clusters = append(b.Labels, label), append(b.Scores, level+r.NormFloat64()/2), append(clusters, c)
			}
		}
		if must[ClusteredAUC](t)(b.AUCOverClusters(clusters, 0.95)).Lower > 0.5 {
			above++
		}
		if must[ClusteredAUC](t)(b.AUCOverClusters(nil, 0.95)).Lower > 0.5 {
			single++
		}
	}
	t.Logf("of %d sets %d are above, %d when rows are taken as independent", sets, above, single)
	if above > sets*7/100 || single < sets/5 {
		t.Errorf("of %d sets %d are above, %d when rows are taken as independent", sets, above, single)
	}
}
