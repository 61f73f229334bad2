package drift

import (
	"cmp"
	"math"
	"slices"
)

// binned is rows as numbers of bins: row-major, all below missingBin+1. Category says of a column that its bins have no order.
type binned struct {
	rows, columns int
	bins          []uint8
	category      []bool
}

func (b *binned) row(i int32) []uint8 { return b.bins[int(i)*b.columns : int(i+1)*b.columns] }

const (
	binCount   = 64 // so that a set of bins is one word
	missingBin = binCount - 1
)

// A tree is nodes, the first of which is the root. A row goes left when its bin of the column is in the set.
type tree []treeNode

type treeNode struct {
	column      int32 // -1: a leaf
	left, right int32
	set         uint64
	value       float64 // of a leaf: what it adds to the log-odds
}

func (t tree) predict(row []uint8) float64 {
	at := &t[0]
	for at.column >= 0 {
		if at.set>>row[at.column]&1 != 0 {
			at = &t[at.left]
		} else {
			at = &t[at.right]
		}
	}
	return at.value
}

// slope is the sum of the gradients and of the curvatures of the loss over some rows.
type slope struct{ g, h float64 }

func (s slope) plus(o slope) slope  { return slope{s.g + o.g, s.h + o.h} }
func (s slope) minus(o slope) slope { return slope{s.g - o.g, s.h - o.h} }

// score is how much the loss falls (twice) when these rows get the best value of their own.
func (s slope) score() float64 { return s.g * s.g / (s.h + shrinkage) }

// shrinkage pulls the values of leaves of few rows to zero.
const shrinkage = 1.0

// grower makes one tree of gradients.
type grower struct {
	data    *binned
	slopes  []slope // of each row
	columns []int32 // that may be split
	first   int32   // column of the root, at its middle: a pair of columns whose own distributions stay has no first split that pays; -1: the best one
	least   float64 // curvature that a leaf needs
	depth   int
	rate    float64
	gain    []float64 // of each column, added to

	tree   tree
	spare  [][]slope
	sorted []int // scratch
}

// grow makes the tree; rows are put into another order.
func (g *grower) grow(rows []int32) tree {
	g.tree = g.tree[:0]
	hist := g.histogram(rows)
	var total slope
	for _, r := range rows {
		total = total.plus(g.slopes[r])
	}
	g.node(rows, hist, total, 0)
	g.free(hist)
	return slices.Clone(g.tree)
}

func (g *grower) leaf(total slope) int32 {
	g.tree = append(g.tree, treeNode{column: -1, value: -g.rate * total.g / (total.h + shrinkage)})
	return int32(len(g.tree) - 1)
}

func (g *grower) node(rows []int32, hist []slope, total slope, depth int) int32 {
	if depth == g.depth {
		return g.leaf(total)
	}
	s := g.best(hist, total, depth)
	if s.column < 0 {
		return g.leaf(total)
	}
	g.gain[s.column] += max(s.gain, 0)
	at := int32(len(g.tree))
	g.tree = append(g.tree, treeNode{column: s.column, set: s.set})
	left, right := g.part(rows, s)
	var hists [2][]slope // of the left and of the right
	if depth+1 < g.depth {
		// The larger side is what the smaller one leaves of both.
		small, large := 0, 1
		if len(left) > len(right) {
			small, large = 1, 0
		}
		hists[small] = g.histogram([][]int32{left, right}[small])
		hists[large] = g.take()
		for i := range hist {
			hists[large][i] = hist[i].minus(hists[small][i])
		}
	}
	l := g.node(left, hists[0], s.left, depth+1)
	r := g.node(right, hists[1], total.minus(s.left), depth+1)
	g.tree[at].left, g.tree[at].right = l, r
	for _, h := range hists {
		g.free(h)
	}
	return at
}

// part puts the rows that go left before the others, each in their order.
func (g *grower) part(rows []int32, s split) (left, right []int32) {
	var others []int32
	n := 0
	for _, r := range rows {
		if s.set>>g.data.bins[int(r)*g.data.columns+int(s.column)]&1 != 0 {
			rows[n] = r
			n++
		} else {
			others = append(others, r)
		}
	}
	copy(rows[n:], others)
	return rows[:n], rows[n:]
}

func (g *grower) take() []slope {
	if n := len(g.spare); n > 0 {
		h := g.spare[n-1]
		g.spare = g.spare[:n-1]
		clear(h)
		return h
	}
	return make([]slope, len(g.columns)*binCount)
}

func (g *grower) free(h []slope) {
	if h != nil {
		g.spare = append(g.spare, h)
	}
}

// histogram sums the slopes of rows by bin, the columns one after the other.
func (g *grower) histogram(rows []int32) []slope {
	h := g.take()
	for _, r := range rows {
		s, bins := g.slopes[r], g.data.row(r)
		for i, c := range g.columns {
			cell := &h[i*binCount+int(bins[c])]
			cell.g += s.g
			cell.h += s.h
		}
	}
	return h
}

// split is a cut of the rows of a node.
type split struct {
	column int32 // -1: none
	set    uint64
	gain   float64
	left   slope
}

// best is the cut that pays most. The root may be told its column.
func (g *grower) best(hist []slope, total slope, depth int) split {
	best := split{column: -1}
	for i, c := range g.columns {
		bins := hist[i*binCount : (i+1)*binCount]
		if depth == 0 && c == g.first {
			if s, ok := g.middle(c, bins, total); ok {
				return s
			}
		}
		if s := g.cut(c, bins, total); s.gain > best.gain {
			best = s
		}
	}
	return best
}

// order lists the bins of a column that hold rows: numbers as they stand, categories by how they lean.
func (g *grower) order(c int32, bins []slope) []int {
	g.sorted = g.sorted[:0]
	for b, s := range bins {
		if s.h > 1e-9 && (b != missingBin || g.data.category[c]) { // what subtraction leaves of nothing is not quite nothing
			g.sorted = append(g.sorted, b)
		}
	}
	if g.data.category[c] {
		slices.SortStableFunc(g.sorted, func(a, b int) int {
			return cmp.Compare(bins[a].g/(bins[a].h+shrinkage), bins[b].g/(bins[b].h+shrinkage))
		})
	}
	return g.sorted
}

// cut is the best cut of one column. Missing numbers go to the side where they fit.
func (g *grower) cut(c int32, bins []slope, total slope) split {
	best := split{column: c}
	order := g.order(c, bins)
	missing := slope{}
	if !g.data.category[c] {
		missing = bins[missingBin]
	}
	try := func(set uint64, left slope) {
		right := total.minus(left)
		if left.h < g.least || right.h < g.least {
			return
		}
		if gain := left.score() + right.score() - total.score(); gain > best.gain {
			best.set, best.gain, best.left = set, gain, left
		}
	}
	var set uint64
	left := slope{}
	for _, b := range order {
		set |= 1 << b
		left = left.plus(bins[b])
		try(set, left)
		if missing.h > 0 {
			try(set|1<<missingBin, left.plus(missing))
		}
	}
	return best
}

// middle cuts a column where half of the rows lie on either side, as far as bins allow.
func (g *grower) middle(c int32, bins []slope, total slope) (split, bool) {
	best, nearest := split{column: c}, math.Inf(1)
	var set uint64
	left := slope{}
	for _, b := range g.order(c, bins) {
		set |= 1 << b
		left = left.plus(bins[b])
		right := total.minus(left)
		off := math.Abs(left.h - right.h)
		if off < nearest && left.h >= g.least && right.h >= g.least {
			nearest = off
			best.set, best.left = set, left
			best.gain = left.score() + right.score() - total.score()
		}
	}
	return best, !math.IsInf(nearest, 1)
}
