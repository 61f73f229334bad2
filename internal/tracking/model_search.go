package tracking

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/object"
	"mlx/internal/registry"
)

// modelsOf are the logged models of a run, or those whose records a filter selects, whether they are in the ledger yet or not.
func (s *Server) modelsOf(ctx context.Context, where string, of *object.Digest) ([]registry.LoggedModel, error) {
	if err := s.finishModels(ctx); err != nil {
		return nil, err
	}
	if of != nil {
		where = "run == " + strconv.Quote(of.String())
	}
	all, err := s.o.Registry.LoggedModels(ctx, where)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, m := range all {
		known[m.ID] = true
	}
	for _, id := range s.pendingIDs() {
		m, err := s.pendingModel(id)
		if errors.Is(err, fs.ErrNotExist) || known[id] {
			continue
		}
		if err != nil {
			return nil, err
		}
		if of == nil || m.Run != nil && *m.Run == *of {
			all = append(all, m)
		}
	}
	return slices.DeleteFunc(all, func(m registry.LoggedModel) bool { return m.Deleted }), nil
}

// orderKey is one key by which logged models are ordered.
type orderKey struct {
	Field     string `json:"field_name"`
	Ascending *bool  `json:"ascending"`
	Dataset   string `json:"dataset_name"`
	Digest    string `json:"dataset_digest"`
}

// measuredOn names data that a metric was measured on.
type measuredOn struct {
	Dataset string `json:"dataset_name"`
	Digest  string `json:"dataset_digest"`
}

// searchedModel is a logged model with what a search asks of it.
type searchedModel struct {
	registry.LoggedModel
	metrics []modelMetric
}

func searchModels(s *Server, c *call) (any, error) {
	var in struct {
		Experiments many         `json:"experiment_ids"`
		Filter      string       `json:"filter"`
		Datasets    []measuredOn `json:"datasets"`
		Max         count        `json:"max_results"`
		OrderBy     []orderKey   `json:"order_by"`
		Token       string       `json:"page_token"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	filter, err := parseConditions(in.Filter)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(int(in.Max), usualLogged, mostLogged)
	if err != nil {
		return nil, err
	}
	where := ""
	if len(in.Experiments) > 0 {
		where = "experiment in [" + quotedList(in.Experiments) + "]"
	}
	all, err := s.modelsOf(c.ctx, where, nil)
	if err != nil {
		return nil, err
	}
	var found []searchedModel
	for _, m := range all {
		if len(in.Experiments) > 0 && !slices.Contains(in.Experiments, m.Experiment) {
			continue
		}
		metrics, err := s.modelMetrics(c.ctx, m)
		if err != nil {
			return nil, err
		}
		sm := searchedModel{m, metrics}
		if ok, err := sm.passes(filter, in.Datasets); err != nil {
			return nil, err
		} else if ok {
			found = append(found, sm)
		}
	}
	if err := sortLogged(found, in.OrderBy); err != nil {
		return nil, err
	}
	page, next, err := paged(found, in.Token, limit)
	if err != nil {
		return nil, err
	}
	out := modelList{Next: next}
	for _, m := range page {
		out.Models = append(out.Models, modelOut(m.LoggedModel, m.metrics))
	}
	return out, nil
}

type modelList struct {
	Models []modelJSON `json:"models,omitempty"`
	Next   string      `json:"next_page_token,omitempty"`
}

func quotedList(all []string) string {
	var quoted []string
	for _, s := range all {
		quoted = append(quoted, strconv.Quote(s))
	}
	return strings.Join(quoted, ", ")
}

func (m searchedModel) passes(filter []condition, on []measuredOn) (bool, error) {
	for _, c := range filter {
		ok, err := m.passesOne(c, on)
		if !ok || err != nil {
			return false, err
		}
	}
	measured := func(d measuredOn) bool {
		return slices.ContainsFunc(m.metrics, func(x modelMetric) bool { return on1(d, x) })
	}
	return len(on) == 0 || slices.ContainsFunc(on, measured) || slices.ContainsFunc(filter, func(c condition) bool { return c.entity == "metric" }), nil
}

func on1(d measuredOn, x modelMetric) bool {
	return d.Dataset == x.Dataset && (d.Digest == "" || d.Digest == x.Digest)
}

func (m searchedModel) passesOne(c condition, on []measuredOn) (bool, error) {
	switch c.entity {
	case tagEntity:
		v, ok := m.Tags[c.key]
		return c.text(v, ok), nil
	case "param":
		v, ok := m.Params[c.key]
		return c.text(v, ok), nil
	case "metric":
		for _, x := range m.metrics {
			if x.Key != c.key || len(on) > 0 && !slices.ContainsFunc(on, func(d measuredOn) bool { return on1(d, x) }) {
				continue
			}
			if ok, err := c.number(asNumber(x.Value)); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	switch v, n, numeric := m.attribute(c.key); {
	case numeric:
		return c.number(n)
	case v != nil:
		return c.text(*v, true), nil
	}
	return false, noAttribute(c.key, "name", "model_id", "model_type", "status", "source_run_id", "experiment_id", "creation_timestamp", "last_updated_timestamp")
}

// attribute is what a model has under a name, a text or a number. Neither: there is no such attribute.
func (m searchedModel) attribute(key string) (text *string, n float64, numeric bool) {
	switch key {
	case "name":
		return &m.Name, 0, false
	case "model_id":
		return &m.ID, 0, false
	case "model_type":
		return &m.Type, 0, false
	case "experiment_id":
		return &m.Experiment, 0, false
	case "status":
		s := strings.TrimPrefix(m.Status, "LOGGED_MODEL_")
		return &s, 0, false
	case "source_run_id":
		s := ""
		if m.Run != nil {
			s = clientID(*m.Run)
		}
		return &s, 0, false
	case "creation_timestamp", "creation_timestamp_ms", "creation_time":
		return nil, float64(m.CreatedMS), true
	case "last_updated_timestamp", "last_updated_timestamp_ms":
		return nil, float64(m.UpdatedMS), true
	}
	return nil, 0, false
}

// asNumber reads the value of a metric as records hold it.
func asNumber(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return f
		}
	}
	return math.NaN()
}

// sortLogged orders by attributes, metrics, params and tags; what lacks one comes last. Newest first where nothing else is said.
func sortLogged(all []searchedModel, by []orderKey) error {
	for _, k := range by {
		entity, key, ok := strings.Cut(k.Field, ".")
		if !ok {
			entity, key = "attributes", k.Field
		}
		_, _, numeric := searchedModel{}.attribute(key)
		text, _, _ := searchedModel{}.attribute(key)
		if entity == "attributes" && !numeric && text == nil || !slices.Contains([]string{"attributes", "metrics", "params", "tags"}, entity) {
			return failf(InvalidParameterValue, "Invalid order by field name: '%.200s'", k.Field)
		}
	}
	slices.SortStableFunc(all, func(a, b searchedModel) int {
		for _, k := range by {
			if n := k.compare(a, b); n != 0 {
				return n
			}
		}
		return cmp.Or(cmp.Compare(b.CreatedMS, a.CreatedMS), strings.Compare(a.ID, b.ID))
	})
	return nil
}

func (k orderKey) compare(a, b searchedModel) int {
	at, an, aok := k.value(a)
	bt, bn, bok := k.value(b)
	if aok != bok {
		if aok {
			return -1
		}
		return 1
	}
	n := cmp.Or(strings.Compare(at, bt), cmp.Compare(an, bn))
	if k.Ascending != nil && !*k.Ascending {
		return -n
	}
	return n
}

func (k orderKey) value(m searchedModel) (text string, n float64, ok bool) {
	entity, key, more := strings.Cut(k.Field, ".")
	if !more {
		entity, key = "attributes", k.Field
	}
	switch entity {
	case "metrics":
		for _, x := range m.metrics {
			if x.Key == key && (k.Dataset == "" || on1(measuredOn{k.Dataset, k.Digest}, x)) {
				return "", asNumber(x.Value), true
			}
		}
		return "", 0, false
	case "params":
		text, ok = m.Params[key]
		return text, 0, ok
	case "tags":
		text, ok = m.Tags[key]
		return text, 0, ok
	}
	t, n, _ := m.attribute(key)
	if t != nil {
		return *t, 0, true
	}
	return "", n, true
}
