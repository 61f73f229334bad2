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
	all = slices.DeleteFunc(all, func(e experiment) bool {
		return e.deleted && !deleted || !e.deleted && !active || slices.ContainsFunc(where, func(c comparison) bool { return !e.meets(&c) })
	})
	sortExperiments(all, order)
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

func sortExperiments(all []experiment, order []ordering) {
	slices.SortFunc(all, func(a, b experiment) int {
		for i := range order {
			x, y := a.key(&order[i]), b.key(&order[i])
			if d := order[i].compare(&x, &y); d != 0 {
				return d
			}
		}
		return cmp.Compare(b.id, a.id)
	})
}

func (e *experiment) meets(c *comparison) bool {
	if c.kind == "tag" {
		value, known := e.tags[c.key]
		return c.holdsText(value, known)
	}
	switch c.key {
	case "creation_time":
		return c.holdsNumber(float64(e.created), true)
	case "last_update_time":
		return c.holdsNumber(float64(e.updated), true)
	case "name":
		return c.holdsText(e.name, true)
	}
	return c.holdsText(e.id, true)
}

func (e *experiment) key(o *ordering) sortKey {
	switch {
	case o.kind == "tag":
		value, known := e.tags[o.key]
		return textKey(value, known)
	case o.key == "creation_time":
		return numberKey(float64(e.created), true)
	case o.key == "last_update_time":
		return numberKey(float64(e.updated), true)
	case o.key == "name":
		return textKey(e.name, true)
	}
	return textKey(e.id, true)
}
