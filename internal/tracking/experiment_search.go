package tracking

import (
	"cmp"
	"slices"
)

const mostExperiments = 50_000

func experimentGrammar() *grammar {
	return &grammar{
		kinds: map[string]string{"": "attribute", "attribute": "attribute", "tag": "tag", "tags": "tag"},
		fields: map[string]map[string]valueKind{"attribute": {
			"name": textValue, "experiment_id": textValue, "creation_time": numberValue, "last_update_time": numberValue,
		}},
		lists: func(_, key string) bool { return key == "experiment_id" },
		nulls: map[string]bool{"tag": true},
	}
}

func (s *Server) searchExperiments(c *call) (any, error) {
	var q struct {
		View   view   `json:"view_type"`
		Max    *whole `json:"max_results"`
		Filter string `json:"filter"`
		Order  many   `json:"order_by"`
		Token  string `json:"page_token"`
	}
	if err := c.into(&q); err != nil {
		return nil, err
	}
	most := usualRuns
	if q.Max != nil {
		if *q.Max <= 0 || *q.Max > mostExperiments {
			return nil, invalid("Invalid value for request parameter max_results. It must be at most %d, but got value %d", mostExperiments, *q.Max)
		}
		most = int(*q.Max)
	}
	active, deleted, err := viewOf(string(q.View))
	if err != nil {
		return nil, err
	}
	where, err := parseFilter(q.Filter, experimentGrammar())
	if err != nil {
		return nil, err
	}
	if len(q.Order) == 0 {
		q.Order = many{"creation_time DESC", "experiment_id ASC"}
	}
	order, err := parseOrders(q.Order, experimentGrammar())
	if err != nil {
		return nil, err
	}
	all, err := s.experiments.all(c.ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e experiment) bool { return e.deleted && !deleted || !e.deleted && !active })
	all = found(all, where, experimentField)
	slices.SortFunc(all, func(a, b experiment) int { return cmp.Compare(b.id, a.id) })
	arrange(all, order, experimentField)
	page, next, err := paged(all, q.Token, most)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Experiments []shownExperiment `json:"experiments,omitempty"`
		Next        string            `json:"next_page_token,omitempty"`
	}{Next: next}
	for i := range page {
		answer.Experiments = append(answer.Experiments, page[i].shown())
	}
	return answer, nil
}

func experimentField(e experiment, kind, key string) field {
	switch {
	case kind == "tag":
		return entry(e.tags, key)
	case key == "creation_time":
		return numberField(float64(e.created))
	case key == "last_update_time":
		return numberField(float64(e.updated))
	case key == "name":
		return textField(e.name)
	}
	return textField(e.id)
}
