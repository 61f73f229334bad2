package tracking

import (
	"context"
	"slices"

	"mlx/internal/run"
)

// Limits of histories.
const (
	maxHistoryRuns = 100
	maxHistory     = 25_000
	maxBulk        = 2500 // points of each run, where they are thinned out
)

// curveOf reads the points of a metric of a run.
func (s *Server) curveOf(ctx context.Context, id, key string) (run.Curve, error) {
	digest, err := s.digestOf(ctx, id)
	if err != nil {
		return run.Curve{}, err
	}
	if h := s.written(clientID(digest)); h != nil {
		return h.History(ctx, key)
	}
	b, _, err := s.body(ctx, digest)
	if err != nil {
		return run.Curve{}, err
	}
	return run.HistoryOf(ctx, s.o.Store, b, key)
}

func (s *Server) metricHistory(c *call) (any, error) {
	var q struct {
		which
		Key   string `json:"metric_key"`
		Max   *whole `json:"max_results"`
		Token string `json:"page_token"`
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	if q.Key == "" {
		return nil, missing("metric_key")
	}
	if q.Max != nil && *q.Max <= 0 {
		return nil, invalid("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer.", *q.Max)
	}
	curve, err := s.curveOf(c.ctx, id, q.Key)
	if err != nil {
		return nil, err
	}
	start, err := pageStart(q.Token)
	if err != nil {
		return nil, err
	}
	n := curve.Len()
	start = min(start, n)
	end := n
	if q.Max != nil {
		end = start + min(int(*q.Max), n-start)
	}
	out := []byte(`{`)
	if end > start {
		out = append(out, `"metrics":[`...)
		for i := start; i < end; i++ {
			out = appendMetric(comma(out, i-start), &measured{q.Key, curve.Values[i], curve.Times[i], curve.Steps[i]})
		}
		out = append(out, ']')
	}
	if end < n {
		out = appendText(append(out, `,"next_page_token":`...), pageToken(end))
	}
	return document(append(out, '}')), nil
}

// bulk is a question for one metric of several runs.
type bulk struct {
	IDs   many   `json:"run_ids"`
	ID    many   `json:"run_id"`
	Key   string `json:"metric_key"`
	Max   *whole `json:"max_results"`
	Start *whole `json:"start_step"`
	End   *whole `json:"end_step"`
}

func (q *bulk) check() error {
	q.IDs = append(q.IDs, q.ID...)
	switch {
	case len(q.IDs) == 0:
		return missing("run_ids")
	case len(q.IDs) > maxHistoryRuns:
		return invalid("GetMetricHistoryBulk request cannot specify more than %d run_ids. Received %d run_ids.", maxHistoryRuns, len(q.IDs))
	case q.Key == "":
		return missing("metric_key")
	case (q.Start == nil) != (q.End == nil):
		return invalid("If either start step or end step are specified, both must be specified.")
	case q.Start != nil && *q.Start > *q.End:
		return invalid("end_step must be greater than start_step. Found start_step=%d and end_step=%d.", *q.Start, *q.End)
	case q.Max != nil && *q.Max <= 0:
		return invalid("Invalid value %d for parameter 'max_results' supplied. It must be a positive integer.", *q.Max)
	}
	return nil
}

func (s *Server) metricHistories(c *call) (any, error) {
	return s.histories(c, maxHistory, func(curve *run.Curve, _ *bulk, _ int) []int {
		all := make([]int, curve.Len())
		for i := range all {
			all[i] = i
		}
		return all
	})
}

func (s *Server) metricHistoriesBetween(c *call) (any, error) {
	return s.histories(c, maxBulk, thinned)
}

// thinned picks points between two steps, evenly, the first and the last among them.
func thinned(curve *run.Curve, q *bulk, most int) []int {
	var in []int
	for i, step := range curve.Steps {
		if q.Start == nil || step >= int64(*q.Start) && step <= int64(*q.End) {
			in = append(in, i)
		}
	}
	slices.SortStableFunc(in, func(a, b int) int { return int(min(1, max(-1, curve.Steps[a]-curve.Steps[b]))) })
	if len(in) <= most {
		return in
	}
	picked := make([]int, 0, most)
	for k := range most {
		picked = append(picked, in[k*(len(in)-1)/max(1, most-1)])
	}
	return picked
}

func (s *Server) histories(c *call, most int, pick func(*run.Curve, *bulk, int) []int) (any, error) {
	var q bulk
	if err := c.into(&q); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	if q.Max != nil {
		most = int(min(*q.Max, maxHistory))
	}
	slices.Sort(q.IDs)
	out, n := []byte(`{"metrics":[`), 0
	for _, id := range slices.Compact(q.IDs) {
		curve, err := s.curveOf(c.ctx, id, q.Key)
		if err != nil {
			return nil, err
		}
		for _, i := range pick(&curve, &q, most) {
			out = appendMetric(comma(out, n), &measured{q.Key, curve.Values[i], curve.Times[i], curve.Steps[i]})
			out = append(appendText(append(out[:len(out)-1], `,"run_id":`...), id), '}')
			n++
		}
	}
	if n == 0 {
		return nil, nil
	}
	return document(append(out, `]}`...)), nil
}
