package drift

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

const classifierFolds = 5

// trial is what a classifier is trained and tested on.
type trial struct {
	data     *binned
	labels   []int32 // 1: the current side
	clusters []int32 // nil: rows are independent
	seed     uint64
	workers  int
}

// folds says in which part each row is tested. Each part has its share of both sides, and all of a cluster.
func (t *trial) folds() []uint8 {
	r := rand.New(rand.NewPCG(t.seed, 0xf01d))
	units := t.units()
	r.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	slices.SortStableFunc(units, func(a, b foldUnit) int { return cmp.Compare(b.size(), a.size()) }) // large ones first, the others even them out
	fold := make([]uint8, len(t.labels))
	var filled [classifierFolds][2]int
	for _, u := range units {
		least := 0
		for f := range filled {
			if u.load(filled[f]) < u.load(filled[least]) {
				least = f
			}
		}
		for class, rows := range u.rows {
			filled[least][class] += len(rows)
			for _, i := range rows {
				fold[i] = uint8(least)
			}
		}
	}
	return fold
}

// foldUnit is the rows of one cluster, by class.
type foldUnit struct{ rows [2][]int32 }

func (u foldUnit) size() int { return len(u.rows[0]) + len(u.rows[1]) }

// load is how full a part is with rows of the classes that the unit has.
func (u foldUnit) load(filled [2]int) int {
	return filled[0]*min(len(u.rows[0]), 1) + filled[1]*min(len(u.rows[1]), 1)
}

func (t *trial) units() []foldUnit {
	var units []foldUnit
	place := make(map[int32]int)
	for i, label := range t.labels {
		at := len(units)
		if t.clusters != nil {
			known, ok := place[t.clusters[i]]
			if !ok {
				known = at
				place[t.clusters[i]] = at
			}
			at = known
		}
		if at == len(units) {
			units = append(units, foldUnit{})
		}
		units[at].rows[label] = append(units[at].rows[label], int32(i))
	}
	return units
}

// run gives each row the score of a classifier that has not seen it, and each column its share of what all of them gained.
func (t *trial) run(ctx context.Context) (scores, gain []float64, err error) {
	fold := t.folds()
	scores = make([]float64, len(t.labels))
	gains := make([][]float64, classifierFolds)
	failed := make([]error, classifierFolds)
	turn := make(chan struct{}, max(t.workers, 1))
	var all sync.WaitGroup
	for f := range classifierFolds {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			gains[f], failed[f] = t.test(ctx, fold, uint8(f), scores)
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, nil, err
		}
	}
	gain = make([]float64, t.data.columns)
	for _, g := range gains {
		for c, v := range g {
			gain[c] += v
		}
	}
	return scores, gain, nil
}

// test trains on the other parts and scores the rows of one.
func (t *trial) test(ctx context.Context, fold []uint8, f uint8, scores []float64) ([]float64, error) {
	var rows []int32
	for i := range t.labels {
		if fold[i] != f {
			rows = append(rows, int32(i))
		}
	}
	gain := make([]float64, t.data.columns)
	b, err := train(ctx, t.data, t.labels, rows, t.seed+uint64(f), gain)
	if err != nil {
		return nil, err
	}
	for i := range t.labels {
		if fold[i] == f {
			scores[i] = b.predict(t.data.row(int32(i)))
		}
	}
	return gain, nil
}
