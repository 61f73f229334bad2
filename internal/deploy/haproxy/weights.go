package haproxy

import (
	"math"

	"mlx/internal/deploy"
)

// mostWeight is the greatest weight of a server.
const mostWeight = 256

// near is how far from a share a split may be that gives all servers of an arm the same, as a part of the share: 2 %.
const near = 0.02

// weights are the weights of n servers of the candidate and of m of stable, so that the candidate gets its share.
//
// HAProxy gives each server requests in proportion to its weight, a whole number up to 256. First each server of an arm gets the same: of all
// such pairs the one that comes nearest to the share, and of several the one with the smallest numbers, whose turns are the shortest. Where
// that is further than 2 % of the share away (one part in a hundred of twenty servers, against one of stable), the arm with the smaller share
// gets a total that is spread over its servers, of which some then get one more than others, or nothing.
func weights(share deploy.Share, n, m int) (candidate, stable []int) {
	candidate, stable = make([]int, n), make([]int, m)
	switch {
	case n == 0 || share <= 0:
		fill(stable, 1)
		return candidate, stable
	case m == 0 && share < deploy.All: // nobody answers for stable: all would go to what has not proven itself
		return candidate, stable
	case share >= deploy.All:
		fill(candidate, 1)
		return candidate, stable
	}
	want := share.Float()
	if a, b, off := same(want, n, m); off <= near*min(want, 1-want) {
		fill(candidate, a)
		fill(stable, b)
		return candidate, stable
	}
	if want <= 0.5 {
		total, each := spread(want, n, m)
		deal(candidate, total)
		fill(stable, each)
		return candidate, stable
	}
	total, each := spread(1-want, m, n)
	deal(stable, total)
	fill(candidate, each)
	return candidate, stable
}

func fill(list []int, v int) {
	for i := range list {
		list[i] = v
	}
}

// same finds the weight of each of n servers and of each of m others, and how far from the share that is.
func same(want float64, n, m int) (a, b int, off float64) {
	off = math.Inf(1)
	for y := 1; y <= mostWeight; y++ {
		exact := want / (1 - want) * float64(m*y) / float64(n)
		for _, x := range []int{int(exact), int(exact) + 1} {
			if x < 1 || x > mostWeight {
				continue
			}
			d := math.Abs(float64(n*x)/float64(n*x+m*y) - want)
			if d < off-1e-12 {
				a, b, off = x, y, d
			}
		}
	}
	return a, b, off
}

// spread finds a total for n servers that get the smaller share, and the weight of each of the m others.
func spread(want float64, n, m int) (total, each int) {
	off := math.Inf(1)
	for y := 1; y <= mostWeight; y++ {
		exact := want / (1 - want) * float64(m*y)
		for _, x := range []int{int(exact), int(exact) + 1} {
			if x < 1 || x > mostWeight*n {
				continue
			}
			if d := math.Abs(float64(x)/float64(x+m*y) - want); d < off-1e-12 {
				total, each, off = x, y, d
			}
		}
	}
	return total, each
}

// deal gives each of the servers its part of a total.
func deal(list []int, total int) {
	for i := range list {
		list[i] = total / len(list)
		if i < total%len(list) {
			list[i]++
		}
	}
}
