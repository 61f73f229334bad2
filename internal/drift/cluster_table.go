package drift

import "math"

// clusterTable are the clusters of both sides, those of the reference first, as numbers of which sums over the clusters of a side give the
// statistic.
type clusterTable struct {
	rows  [][]float64 // a cluster: its weight, 1 when it has rows, then by bin weight x share, scaled
	all   []float64   // sums of rows
	bins  int
	valid [2]int // clusters with rows
	sum   []float64
}

const clusterHead = 2 // numbers of a row before those of bins

// newClusterTable scales shares so that every bin counts as it does in chi-square, or added up as in Anderson and Darling. It is nil when
// all rows are in one bin.
func newClusterTable(reference, current [][]uint32, ordered bool) *clusterTable {
	var shares [][]float64 // nil: a cluster without rows
	var sizes []float64
	t := new(clusterTable)
	for side, clusters := range [][][]uint32{reference, current} {
		for _, counts := range clusters {
			share, size := clusterShares(counts, ordered)
			if share != nil {
				t.valid[side]++
			}
			shares, sizes = append(shares, share), append(sizes, size)
		}
	}
	if t.valid[0]+t.valid[1] < 2 {
		return nil
	}
	scale := clusterScale(shares, sizes)
	for _, v := range scale {
		if v > 0 {
			t.bins++
		}
	}
	if t.bins == 0 {
		return nil
	}
	for _, share := range shares {
		kept := share[:0]
		for b, v := range share {
			if scale[b] > 0 {
				kept = append(kept, v*scale[b])
			}
		}
	}
	t.fill(shares, clusterWeights(shares, sizes, scale))
	return t
}

func (t *clusterTable) fill(shares [][]float64, weights []float64) {
	width := clusterHead + t.bins
	t.all, t.sum = make([]float64, width), make([]float64, width)
	flat := make([]float64, width*len(shares))
	for i, share := range shares {
		row := flat[i*width : (i+1)*width : (i+1)*width]
		t.rows = append(t.rows, row)
		if share == nil {
			continue
		}
		w := weights[i]
		row[0], row[1] = w, 1
		for b, v := range share[:t.bins] {
			row[clusterHead+b] = w * v
		}
		for j, v := range row {
			t.all[j] += v
		}
	}
}

// clusterShares are the shares of a cluster's bins, or, of ordered ones, the shares of rows up to each but the last.
func clusterShares(counts []uint32, ordered bool) ([]float64, float64) {
	size := 0.0
	for _, v := range counts {
		size += float64(v)
	}
	if size == 0 {
		return nil, 0
	}
	shares, below := make([]float64, len(counts)), 0.0
	for b, v := range counts {
		if !ordered {
			below = 0
		}
		below += float64(v)
		shares[b] = below / size
	}
	if ordered {
		shares = shares[:len(shares)-1]
	}
	return shares, size
}

// clusterScale is one over the square root of what each share would vary by, were rows independent; 0 for what is the same everywhere. It
// is of all clusters together: no exchange changes it.
func clusterScale(shares [][]float64, sizes []float64) []float64 {
	var scale []float64
	total := 0.0
	for i, share := range shares {
		if len(scale) < len(share) {
			scale = make([]float64, len(share))
		}
		total += sizes[i]
		for b, v := range share {
			scale[b] += v * sizes[i]
		}
	}
	for b, v := range scale {
		p := v / total
		scale[b] = 0
		if p > 0.5/total && 1-p > 0.5/total {
			scale[b] = 1 / math.Sqrt(p*(1-p))
		}
	}
	return scale
}

// clusterWeights weighs a cluster of n rows by n/(1+(n-1)r), the best weight when two of its rows are alike by the correlation r within
// clusters, which is estimated from all of them by the analysis of variance. Rows that are independent make the weight n; days that are
// each a world of its own make it the same for all.
func clusterWeights(shares [][]float64, sizes []float64, scale []float64) []float64 {
	var n, squares, k, between, within float64
	var mean []float64
	for i, share := range shares {
		if share == nil {
			continue
		}
		n, squares, k = n+sizes[i], squares+sizes[i]*sizes[i], k+1
		if mean == nil {
			mean = make([]float64, len(scale))
		}
		for b, v := range share {
			mean[b] += sizes[i] * v
		}
	}
	for b := range mean {
		mean[b] /= n
	}
	kept := 0
	for _, s := range scale {
		if s == 0 {
			continue
		}
		for i, share := range shares {
			if share != nil {
				d := share[kept] - mean[kept]
				p := share[kept] / s
				between += sizes[i] * d * d
				within += sizes[i] * max(p*(1-p), 0) * s * s
			}
		}
		kept++
	}
	between /= max(k-1, 1)
	within /= max(n-k, 1)
	size := (n - squares/n) / max(k-1, 1)
	r := 0.0
	if d := between + (size-1)*within; d > 0 {
		r = min(max((between-within)/d, 0), 1)
	}
	weights := make([]float64, len(shares))
	for i, v := range sizes {
		if v > 0 {
			weights[i] = v / (1 + (v-1)*r)
		}
	}
	return weights
}

// statistic is that of some clusters, one side, against all others. NaN when a side has no rows.
func (t *clusterTable) statistic(chosen []int32, _ bool) float64 {
	clear(t.sum)
	for _, c := range chosen {
		for j, v := range t.rows[c] {
			t.sum[j] += v
		}
	}
	wa := t.sum[0]
	wb := t.all[0] - wa
	if t.sum[1] == 0 || t.sum[1] == t.all[1] {
		return math.NaN()
	}
	gap := 0.0
	for b := clusterHead; b < len(t.sum); b++ {
		d := t.sum[b]/wa - (t.all[b]-t.sum[b])/wb
		gap += d * d
	}
	return gap / (1/wa + 1/wb)
}

// withoutRare puts rare bins together, as chi2P does.
func withoutRare(reference, current [][]uint32) ([][]uint32, [][]uint32) {
	sides := [2][][]uint32{reference, current}
	var rows [2]float64
	var sums []float64
	for side, clusters := range sides {
		for _, counts := range clusters {
			if sums == nil {
				sums = make([]float64, len(counts))
			}
			for b, v := range counts {
				rows[side] += float64(v)
				sums[b] += float64(v)
			}
		}
	}
	place, kept := mergeRare(sums, nil, (rows[0]+rows[1])/min(rows[0], rows[1]))
	for side, clusters := range sides {
		merged := make([][]uint32, len(clusters))
		for i, counts := range clusters {
			merged[i] = make([]uint32, kept)
			for b, v := range counts {
				merged[i][place[b]] += v
			}
		}
		sides[side] = merged
	}
	return sides[0], sides[1]
}

// unseenTable are counts by cluster.
type unseenTable struct {
	rows     [][]uint32
	all, sum []int64
	bins     []int
}

func newUnseenTable(reference, current [][]uint32) *unseenTable {
	t := &unseenTable{rows: append(append(make([][]uint32, 0, len(reference)+len(current)), reference...), current...)}
	for _, row := range t.rows {
		if t.all == nil {
			t.all, t.sum = make([]int64, len(row)), make([]int64, len(row))
		}
		for b, v := range row {
			t.all[b] += int64(v)
		}
	}
	return t
}

// take counts rows of some clusters, one side.
func (t *unseenTable) take(chosen []int32) {
	clear(t.sum)
	for _, c := range chosen {
		for b, v := range t.rows[c] {
			t.sum[b] += int64(v)
		}
	}
}

// share is that of current rows whose bin the reference has none of.
func (t *unseenTable) share(chosen []int32, reference bool) float64 {
	t.take(chosen)
	var rows, unseen int64
	for b, sum := range t.sum {
		ref, cur := t.all[b]-sum, sum
		if reference {
			ref, cur = sum, t.all[b]-sum
		}
		rows += cur
		if ref == 0 {
			unseen += cur
		}
	}
	if rows == 0 {
		return math.NaN()
	}
	return float64(unseen) / float64(rows)
}

// clusters is the number of current clusters with a row in such a bin.
func (t *unseenTable) clusters(chosen []int32, reference bool) float64 {
	t.take(chosen)
	t.bins = t.bins[:0]
	for b, sum := range t.sum {
		if t.all[b] > 0 && (reference && sum == 0 || !reference && sum == t.all[b]) {
			t.bins = append(t.bins, b)
		}
	}
	if len(t.bins) == 0 {
		return 0
	}
	n := 0
	holds := func(c int32) {
		for _, b := range t.bins {
			if t.rows[c][b] > 0 {
				n++
				return
			}
		}
	}
	if !reference {
		for _, c := range chosen {
			holds(c)
		}
		return float64(n)
	}
	for c := range t.rows { // those that were chosen have no row in these bins
		holds(int32(c))
	}
	return float64(n)
}
