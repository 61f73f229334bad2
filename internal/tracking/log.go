package tracking

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mlx/internal/run"
)

func (s *Server) logMetric(c *call) (any, error) {
	var q struct {
		which
		metric
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	m, err := q.metric.read("")
	if err != nil {
		return nil, err
	}
	return nil, s.change(c.ctx, id, run.Entry{Metrics: []run.TrackedMetric{m}}, nil)
}

func (s *Server) logParam(c *call) (any, error) {
	var q struct {
		which
		pair
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	p, err := q.param("")
	if err != nil {
		return nil, err
	}
	err = s.change(c.ctx, id, run.Entry{Params: []run.TrackedParam{p}}, nil)
	var changed *run.ErrParamChanged
	if errors.As(err, &changed) {
		p := changed.Params[0]
		return nil, invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s' for run ID='%s'. "+
			"Attempted logging new value '%s'.", p.Key, p.Old, id, p.New)
	}
	return nil, err
}

// batchRequest is a request for many things at once.
type batchRequest struct {
	which
	Metrics []metric `json:"metrics"`
	Params  []pair   `json:"params"`
	Tags    []pair   `json:"tags"`
}

func (s *Server) logBatch(c *call) (any, error) {
	var q batchRequest
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	e, err := batch(q.Metrics, q.Params, q.Tags)
	if err != nil {
		return nil, err
	}
	if len(q.Metrics)+len(q.Params)+len(q.Tags) == 0 {
		_, err := s.rowFor(c.ctx, id)
		return nil, err
	}
	err = s.change(c.ctx, id, e, nil)
	var changed *run.ErrParamChanged
	if errors.As(err, &changed) {
		return nil, invalid("Changing param values is not allowed. Params were already logged='%s' for run ID='%s'.", changedList(changed.Params), id)
	}
	return nil, err
}

// changedList writes refused parameters as Python writes a list of them.
func changedList(all []run.ChangedParam) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = fmt.Sprintf("{'key': %s, 'old_value': %s, 'new_value': %s}", pyText(p.Key), pyText(p.Old), pyText(p.New))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// pyText writes a text as Python does.
func pyText(s string) string {
	quote := `'`
	if strings.Contains(s, quote) && !strings.Contains(s, `"`) {
		quote = `"`
	}
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	if quote == `'` {
		s = strings.ReplaceAll(s, quote, `\'`)
	}
	return quote + s + quote
}

// batch is one entry of everything, or the first thing that is wrong with it.
func batch(metrics []metric, params, tags []pair) (run.Entry, error) {
	var e run.Entry
	e.Metrics = make([]run.TrackedMetric, 0, len(metrics))
	for i := range metrics {
		m, err := metrics[i].read(at("metrics", i))
		if err != nil {
			return e, err
		}
		e.Metrics = append(e.Metrics, m)
	}
	seen, twice := map[string]bool{}, []string(nil)
	for i := range params {
		p, err := params[i].param(at("params", i))
		if err != nil {
			return e, err
		}
		if seen[p.Key] {
			twice = append(twice, pyText(p.Key))
		}
		seen[p.Key] = true
		e.Params = append(e.Params, p)
	}
	for i := range tags {
		t, err := tags[i].tag(at("tags", i))
		if err != nil {
			return e, err
		}
		withTag(&e, t)
	}
	for _, limit := range []struct {
		most int
		what string
		n    int
	}{
		{maxMetrics, "metrics", len(metrics)}, {maxParams, "params", len(params)}, {maxTags, "tags", len(tags)},
		{maxEntities, "metrics, params, and tags", len(metrics) + len(params) + len(tags)},
	} {
		if err := atMost(limit.most, limit.what, limit.n); err != nil {
			return e, err
		}
	}
	if twice != nil {
		return e, invalid("Duplicate parameter keys have been submitted: [%s]. Please ensure the request contains only one param value per param key.",
			strings.Join(twice, ", "))
	}
	return e, nil
}

func (s *Server) setTag(c *call) (any, error) {
	var q struct {
		which
		pair
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	t, err := q.tag("")
	if err != nil {
		return nil, err
	}
	var e run.Entry
	withTag(&e, t)
	return nil, s.change(c.ctx, id, e, nil)
}

func (s *Server) deleteTag(c *call) (any, error) {
	var q struct {
		which
		Key string `json:"key"`
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	if q.Key == "" {
		return nil, missing("key")
	}
	return nil, s.change(c.ctx, id, run.Entry{Tags: []run.TrackedTag{{Key: q.Key}}}, func(h *held) error {
		if _, known := h.Tag(q.Key); !known {
			return failf(ResourceDoesNotExist, "No tag with name: %s in run with id %s", clip(q.Key), clientID(h.ID))
		}
		return s.active(h)
	})
}

// withTag adds a tag to an entry, and what it means: some are fields of a run.
func withTag(e *run.Entry, t run.TrackedTag) {
	e.Tags = append(e.Tags, t)
	if t.Key == tagName && t.Value != nil {
		e.Name = *t.Value
	}
}

// at names a place in a list of a request. It is asked for with each point that comes.
func at(what string, i int) string { return what + "[" + strconv.Itoa(i) + "]." }
