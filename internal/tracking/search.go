package tracking

import (
	"context"
	"slices"
	"strings"
)

// Limits of searches for runs.
const (
	usualRuns = 1000
	mostRuns  = 50_000
)

// runGrammar is that of filters for runs.
func runGrammar() *grammar {
	return &grammar{
		kinds: map[string]string{
			"": "attribute", "attribute": "attribute", "attributes": "attribute", "attr": "attribute", "run": "attribute",
			"metric": "metric", "metrics": "metric", "param": "parameter", "params": "parameter", "parameter": "parameter",
			"parameters": "parameter", "tag": "tag", "tags": "tag", "dataset": "dataset", "datasets": "dataset",
		},
		fields: map[string]map[string]valueKind{
			"attribute": {
				"run_id": textValue, "run_name": textValue, "Run name": textValue, "Run Name": textValue, "run name": textValue,
				"status": textValue, "artifact_uri": textValue, "user_id": textValue, "experiment_id": textValue, "lifecycle_stage": textValue,
				"start_time": numberValue, "end_time": numberValue, "created": numberValue, "Created": numberValue,
			},
			"dataset": {"name": textValue, "digest": textValue, "context": textValue},
		},
		values: map[string]valueKind{"metric": numberValue},
		lists:  func(kind, key string) bool { return kind == "dataset" || kind == "attribute" && key == "run_id" },
		nulls:  map[string]bool{"tag": true, "parameter": true},
		alias: map[string]string{
			"created": "start_time", "Created": "start_time", "Run name": "run_name", "Run Name": "run_name", "run name": "run_name",
		},
	}
}

// views are the stages that a request may see.
func viewOf(view string) (active, deleted bool, err error) {
	switch view {
	case "", "ACTIVE_ONLY", "1":
		return true, false, nil
	case "DELETED_ONLY", "2":
		return false, true, nil
	case "ALL", "3":
		return true, true, nil
	}
	return false, false, invalid("Invalid value %s for parameter 'view_type' supplied.%s", quoted(view), seeDocs)
}

// view is a word, or its number.
type view string

// UnmarshalJSON reads "ALL" and 3.
func (v *view) UnmarshalJSON(b []byte) error {
	*v = view(strings.Trim(string(b), `"`))
	return nil
}

// runSearch is a question for runs, parsed.
type runSearch struct {
	experiments map[string]bool
	active      bool
	deleted     bool
	where       []comparison
	order       []ordering
	want        int
	places      *places
}

func (s *Server) searchRuns(c *call) (any, error) {
	var q struct {
		IDs    many   `json:"experiment_ids"`
		Filter string `json:"filter"`
		View   view   `json:"run_view_type"`
		Max    *whole `json:"max_results"`
		Order  many   `json:"order_by"`
		Token  string `json:"page_token"`
	}
	if err := c.into(&q); err != nil {
		return nil, err
	}
	most := usualRuns
	if q.Max != nil {
		if *q.Max <= 0 || *q.Max > mostRuns {
			return nil, invalid("Invalid value %d for parameter 'max_results' supplied: It must be a positive integer of at most %d.%s", *q.Max, mostRuns, seeDocs)
		}
		most = int(*q.Max)
	}
	find := runSearch{experiments: map[string]bool{}}
	for _, id := range q.IDs {
		find.experiments[id] = true
	}
	var err error
	if find.active, find.deleted, err = viewOf(string(q.View)); err != nil {
		return nil, err
	}
	if find.where, err = parseFilter(q.Filter, runGrammar()); err != nil {
		return nil, err
	}
	if find.order, err = parseOrders(q.Order, runGrammar()); err != nil {
		return nil, err
	}
	start, err := pageStart(q.Token)
	if err != nil {
		return nil, err
	}
	find.want, find.places = start+most, s.places()
	found, total, err := s.findRuns(c.ctx, &find)
	if err != nil {
		return nil, err
	}
	next := ""
	if find.want < total {
		next = pageToken(find.want)
	}
	return answerRuns(found[min(start, len(found)):], find.places, next), nil
}

func answerRuns(page []*row, at *places, next string) document {
	out := make([]byte, 0, 16+2048*len(page))
	out = append(out, '{')
	if len(page) > 0 {
		out = append(out, `"runs":[`...)
		for i, r := range page {
			out = appendRun(comma(out, i), r, at.of(r))
		}
		out = append(out, ']')
	}
	if next != "" {
		out = appendText(append(comma(out, len(page)), `"next_page_token":`...), next)
	}
	return append(out, '}')
}

// findRuns is the first of the runs that are asked for, as many as are wanted, in the order that is asked for: then the newest first,
// and then by id. total is how many there are.
func (s *Server) findRuns(ctx context.Context, find *runSearch) (found []*row, total int, err error) {
	if err := s.experiments.refresh(ctx, false); err != nil {
		return nil, 0, err
	}
	all, err := s.allRows(ctx)
	if err != nil {
		return nil, 0, err
	}
	best := first{want: find.want, order: find.order}
	for _, r := range all {
		if !find.holds(r) {
			continue
		}
		total++
		if len(find.order) == 0 {
			if total <= find.want {
				found = append(found, r)
			}
			continue
		}
		h := hit{row: r, at: total}
		if len(find.order) > 1 {
			h.more = make([]sortKey, len(find.order)-1)
		}
		for i := range find.order {
			*h.key(i) = find.field(r, find.order[i].kind, find.order[i].key).sortKey()
		}
		best.add(h)
	}
	if len(find.order) > 0 {
		found = best.rows()
	}
	return found, total, nil
}

// holds says whether a run is asked for.
func (find *runSearch) holds(r *row) bool {
	at := find.places.of(r)
	if !find.experiments[at.id] {
		return false
	}
	gone := r.deleted || at.deleted
	if gone && !find.deleted || !gone && !find.active {
		return false
	}
	for i := range find.where {
		if !find.meets(r, &find.where[i]) {
			return false
		}
	}
	return true
}

func (find *runSearch) meets(r *row, c *comparison) bool {
	if c.kind != "dataset" {
		return find.field(r, c.kind, c.key).meets(c)
	}
	return slices.ContainsFunc(r.datasets, func(d dataset) bool {
		text := map[string]string{"name": d.name, "digest": d.digest, "context": d.context}[c.key]
		return c.holdsText(text, c.key != "context" || text != "")
	})
}

// field is what a run has under a name. Of its data nothing is: there may be many.
func (find *runSearch) field(r *row, kind, key string) (f field) {
	switch kind {
	case "metric":
		f.numeric = true
		f.number, f.known = r.metric(key)
		return f
	case "parameter":
		f.text, f.known = lookup(r.params, key)
		return f
	case "tag":
		f.text, f.known = lookup(r.tags, key)
		return f
	case "dataset":
		return f
	}
	switch key {
	case "start_time":
		return numberField(float64(r.start))
	case "end_time":
		return field{number: float64(r.end), numeric: true, known: r.end != 0}
	}
	return textField(find.attribute(r, key))
}

// attribute is a field of a run that is text.
func (find *runSearch) attribute(r *row, key string) string {
	switch key {
	case "run_id":
		return clientID(r.id)
	case "run_name":
		return r.name
	case "status":
		return r.status
	case "user_id":
		return r.user
	case "lifecycle_stage":
		if r.deleted {
			return "deleted"
		}
		return "active"
	}
	at := find.places.of(r)
	if key == "experiment_id" {
		return at.id
	}
	return at.artifacts(clientID(r.id))
}
