package stats

import (
	"math"
	"slices"
)

// Ranking is n rows that queries rank. Relevance is at least 0; a row is relevant when it is above 0. Rows with the same score are tied: every
// metric is then the expected value over all orders of the tied rows (McSherry and Najork 2008), as
// scikit-learn's ndcg_score, so that neither the order of the file nor constant scores win anything.
type Ranking struct {
	Relevance []float64
	Scores    []float64
	Queries   []int32 // the query of each row, any codes in any order; nil: all rows are of one
}

// RankingMetric is the name of a metric of one query.
type RankingMetric string

// The metrics of a query, at its first K rows.
const (
	NDCG            RankingMetric = "ndcg"        // gain: the relevance; discount log2(1+rank); divided by the best order's (Järvelin and Kekäläinen 2002)
	NDCGExponential RankingMetric = "ndcg_exp"    // gain: 2^relevance - 1 (Burges et al. 2005)
	MAP             RankingMetric = "map"         // average precision at K: the sum of precision@i over relevant ranks i <= K, divided by min(relevant rows, K)
	MRR             RankingMetric = "mrr"         // 1/rank of the first relevant row; 0 when it is not among the first K
	PrecisionAtK    RankingMetric = "precision@k" // relevant rows among the first K, divided by K also when the query has fewer rows
	RecallAtK       RankingMetric = "recall@k"    // relevant rows among the first K, divided by all relevant rows
)

// QueryValue is the value of one query; NaN when it has no relevant row.
type QueryValue struct {
	Query int32
	Value float64
}

func (r Ranking) check() error {
	n := len(r.Relevance)
	if err := checkNumbers("relevance", r.Relevance, n); err != nil {
		return err
	}
	if err := checkScores(r.Scores, n, false); err != nil {
		return err
	}
	for i, v := range r.Relevance {
		if v < 0 {
			return problem(i, "relevance is %v", v)
		}
	}
	if r.Queries != nil {
		return checkLength("queries", len(r.Queries), n)
	}
	return nil
}

// PerQuery is the metric of each query, in the order of their codes. k of 0 is no cut.
func (r Ranking) PerQuery(metric RankingMetric, k int) ([]QueryValue, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if k < 0 {
		return nil, problem(-1, "k is %d", k)
	}
	order := make([]int32, len(r.Relevance))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		if r.Queries != nil && r.Queries[i] != r.Queries[j] {
			if r.Queries[i] < r.Queries[j] {
				return -1
			}
			return 1
		}
		switch a, b := r.Scores[i], r.Scores[j]; {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return int(i) - int(j)
	})
	var all []QueryValue
	for len(order) > 0 {
		var query int32
		end := len(order)
		if r.Queries != nil {
			query = r.Queries[order[0]]
			for end = 1; end < len(order) && r.Queries[order[end]] == query; end++ {
			}
		}
		v, err := r.one(order[:end], metric, k)
		if err != nil {
			return nil, err
		}
		all = append(all, QueryValue{query, v})
		order = order[end:]
	}
	return all, nil
}

// Mean is the mean over queries. A query without relevant rows counts 0; with judged it is left out. NaN without queries.
func (r Ranking) Mean(metric RankingMetric, k int, judged bool) (float64, error) {
	all, err := r.PerQuery(metric, k)
	if err != nil {
		return 0, err
	}
	var sum, n float64
	for _, q := range all {
		switch {
		case !math.IsNaN(q.Value):
			sum, n = sum+q.Value, n+1
		case !judged:
			n++
		}
	}
	return ratio(sum, n), nil
}

// rankTie is rows of one query that share a score: ranks start+1 to start+size.
type rankTie struct {
	start, size int
	relevant    int
	before      int // relevant rows above
	gain        float64
}

func (r Ranking) one(order []int32, metric RankingMetric, k int) (float64, error) {
	if k == 0 {
		k = len(order)
	}
	var ties []rankTie
	relevant := 0
	for rank, i := range order {
		if rank == 0 || r.Scores[i] != r.Scores[order[rank-1]] {
			ties = append(ties, rankTie{start: rank, before: relevant})
		}
		t := &ties[len(ties)-1]
		t.size++
		t.gain += gainOf(r.Relevance[i], metric)
		if r.Relevance[i] > 0 {
			t.relevant++
			relevant++
		}
	}
	if relevant == 0 {
		return math.NaN(), nil
	}
	sum := 0.0
	switch metric {
	case NDCG, NDCGExponential:
		return dcgOfTies(ties, k) / r.idealDCG(order, metric, k), nil
	case MAP:
		for _, t := range ties {
			sum += t.averagePrecision(k)
		}
		return sum / float64(min(relevant, k)), nil
	case MRR:
		for _, t := range ties {
			if t.relevant > 0 {
				return t.reciprocal(k), nil
			}
		}
	case PrecisionAtK, RecallAtK:
		for _, t := range ties {
			sum += float64(t.relevant) * float64(min(max(k-t.start, 0), t.size)) / float64(t.size)
		}
		if metric == RecallAtK {
			return sum / float64(relevant), nil
		}
		return sum / float64(k), nil
	}
	return 0, problem(-1, "no metric of a ranking is called %q", string(metric))
}

func gainOf(relevance float64, metric RankingMetric) float64 {
	if metric == NDCGExponential {
		return math.Exp2(relevance) - 1
	}
	return relevance
}

func dcgOfTies(ties []rankTie, k int) float64 {
	sum := 0.0
	for _, t := range ties {
		discount := 0.0
		for rank := t.start + 1; rank <= min(t.start+t.size, k); rank++ {
			discount += 1 / math.Log2(float64(rank)+1)
		}
		sum += t.gain / float64(t.size) * discount
	}
	return sum
}

func (r Ranking) idealDCG(order []int32, metric RankingMetric, k int) float64 {
	gains := make([]float64, len(order))
	for at, i := range order {
		gains[at] = gainOf(r.Relevance[i], metric)
	}
	slices.Sort(gains)
	slices.Reverse(gains)
	sum := 0.0
	for at, g := range gains[:min(k, len(gains))] {
		sum += g / math.Log2(float64(at)+2)
	}
	return sum
}

// averagePrecision is the expected sum of precisions at the relevant ranks of the tie.
func (t rankTie) averagePrecision(k int) float64 {
	if t.relevant == 0 {
		return 0
	}
	others := 0.0 // expected relevant rows of the tie above a relevant one, for each rank above it
	if t.size > 1 {
		others = float64(t.relevant-1) / float64(t.size-1)
	}
	sum := 0.0
	for j := 1; j <= t.size && t.start+j <= k; j++ {
		sum += (float64(t.before) + 1 + float64(j-1)*others) / float64(t.start+j)
	}
	return sum * float64(t.relevant) / float64(t.size)
}

// reciprocal is the expected 1/rank of the first relevant row, which is in this tie.
func (t rankTie) reciprocal(k int) float64 {
	sum, none := 0.0, 1.0 // none: no relevant row among the first j-1 of the tie
	for j := 1; j <= t.size-t.relevant+1 && t.start+j <= k; j++ {
		here := float64(t.relevant) / float64(t.size-j+1)
		sum += none * here / float64(t.start+j)
		none *= 1 - here
	}
	return sum
}
