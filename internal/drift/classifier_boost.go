package drift

import (
	"context"
	"math"
	"math/rand/v2"
)

// A booster is small trees that add up to the log-odds that a row is of the current side.
type booster struct {
	start float64
	trees []tree
}

const (
	boostRounds = 60
	boostDepth  = 4
	boostRate   = 0.15
	// boostColumns is how many columns a tree sees at most, so that a thousand columns cost what a hundred do.
	boostColumns = 100
	// boostWhole is the number of rows up to which each tree sees all rows; of more it sees a half.
	boostWhole = 2_000
)

// train makes a booster of some rows and adds what each column gained. labels are 1 for the current side.
func train(ctx context.Context, data *binned, labels []int32, rows []int32, seed uint64, gain []float64) (*booster, error) {
	r := rand.New(rand.NewPCG(seed, 0xb005))
	ones := 0.0
	for _, i := range rows {
		ones += float64(labels[i])
	}
	b := &booster{start: math.Log(ones / (float64(len(rows)) - ones))}
	scores := make([]float64, data.rows)
	for i := range scores {
		scores[i] = b.start
	}
	g := grower{data: data, slopes: make([]slope, data.rows), depth: boostDepth, rate: boostRate, gain: gain,
		least: min(max(float64(len(rows))/500, 2), 15)}
	turns := newTurns(data.columns, r)
	var drawn []int32
	for round := range boostRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g.first = -1
		first := turns.next()
		if round%2 == 0 {
			g.first = first
		}
		g.columns = turns.columns(g.columns[:0], first)
		drawn = drawn[:0]
		for _, i := range rows {
			if len(rows) <= boostWhole || r.Uint64()&1 == 0 {
				p := 1 / (1 + math.Exp(-scores[i]))
				g.slopes[i] = slope{p - float64(labels[i]), p * (1 - p)}
				drawn = append(drawn, i)
			}
		}
		t := g.grow(drawn)
		for _, i := range rows {
			scores[i] += t.predict(data.row(i))
		}
		b.trees = append(b.trees, t)
	}
	return b, nil
}

func (b *booster) predict(row []uint8) float64 {
	sum := b.start
	for _, t := range b.trees {
		sum += t.predict(row)
	}
	return sum
}

// turns lets each column come first in its turn, in an order that is drawn.
type turns struct {
	all []int32
	at  int
	r   *rand.Rand
}

func newTurns(columns int, r *rand.Rand) *turns {
	t := &turns{r: r}
	for _, c := range r.Perm(columns) {
		t.all = append(t.all, int32(c))
	}
	return t
}

func (t *turns) next() int32 {
	c := t.all[t.at%len(t.all)]
	t.at++
	return c
}

// columns are those that a tree sees: all, or the one that is first and others that are drawn.
func (t *turns) columns(to []int32, first int32) []int32 {
	if len(t.all) <= boostColumns {
		return append(to, t.all...)
	}
	to = append(to, first)
	for _, i := range t.r.Perm(len(t.all)) {
		if c := t.all[i]; c != first && len(to) < boostColumns {
			to = append(to, c)
		}
	}
	return to
}
