package tracking

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/object"
	"mlx/internal/registry"
)

// modelsOf are the logged models of a run, or those whose records a filter of the ledger selects, whether they are in it yet or not.
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

// measuredOn names data that a metric was measured on.
type measuredOn struct {
	Dataset string `json:"dataset_name"`
	Digest  string `json:"dataset_digest"`
}

// is says whether a metric was measured on that data.
func (d measuredOn) is(m modelMetric) bool {
	return (d.Dataset == "" || d.Dataset == m.Dataset) && (d.Digest == "" || d.Digest == m.Digest)
}

// searchedModel is a logged model with its metrics, and those of them that a search is about.
type searchedModel struct {
	registry.LoggedModel
	all     []modelMetric
	metrics []modelMetric
}

// orderKey is one key by which logged models are ordered, as clients send it.
type orderKey struct {
	Field     string `json:"field_name"`
	Ascending *bool  `json:"ascending"`
	measuredOn
}

func loggedGrammar() *grammar {
	return &grammar{
		kinds: map[string]string{"": attributeKind, "attribute": attributeKind, "attributes": attributeKind, "tag": tagKind, "tags": tagKind,
			"param": "parameter", "params": "parameter", "metric": "metric", "metrics": "metric"},
		fields: map[string]map[string]valueKind{attributeKind: {
			"name": textValue, "model_id": textValue, "model_type": textValue, "status": textValue, "source_run_id": textValue, "experiment_id": textValue,
			"creation_timestamp": numberValue, "creation_timestamp_ms": numberValue, "creation_time": numberValue,
			"last_updated_timestamp": numberValue, "last_updated_timestamp_ms": numberValue,
		}},
		values: map[string]valueKind{"metric": numberValue},
		lists:  func(kind, _ string) bool { return kind != "metric" },
		nulls:  map[string]bool{tagKind: true, "parameter": true},
		alias: map[string]string{"creation_timestamp_ms": "creation_timestamp", "creation_time": "creation_timestamp",
			"last_updated_timestamp_ms": "last_updated_timestamp"},
	}
}

func loggedField(m searchedModel, kind, key string) field {
	switch kind {
	case tagKind:
		return entry(m.Tags, key)
	case "parameter":
		return entry(m.Params, key)
	case "metric":
		return m.metric(key, measuredOn{})
	}
	switch key {
	case "model_id":
		return textField(m.ID)
	case "model_type":
		return textField(m.Type)
	case "experiment_id":
		return textField(m.Experiment)
	case "status":
		return textField(strings.TrimPrefix(m.Status, "LOGGED_MODEL_"))
	case "source_run_id":
		if m.Run == nil {
			return textField("")
		}
		return textField(clientID(*m.Run))
	case "creation_timestamp":
		return numberField(float64(m.CreatedMS))
	case "last_updated_timestamp":
		return numberField(float64(m.UpdatedMS))
	}
	return textField(m.Name)
}

func (m searchedModel) metric(key string, on measuredOn) field {
	for _, x := range m.metrics {
		if x.Key == key && on.is(x) {
			n, known := number(x.Value)
			return field{number: n, numeric: true, known: known}
		}
	}
	return field{numeric: true}
}

func searchModels(s *Server, c *call) (any, error) {
	var in struct {
		searched
		OrderBy []orderKey `json:"order_by"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	q := question{searched: in.searched}
	g := loggedGrammar()
	if err := q.read(g, usualPage, mostModels); err != nil {
		return nil, err
	}
	models, err := s.searchedModels(c.ctx, q)
	if err != nil {
		return nil, err
	}
	models = found(models, q.filter, loggedField)
	slices.SortFunc(models, func(a, b searchedModel) int {
		return cmp.Or(cmp.Compare(b.CreatedMS, a.CreatedMS), strings.Compare(a.ID, b.ID))
	})
	for _, k := range slices.Backward(in.OrderBy) { // stable: the first key is the last to sort by
		o, err := parseOrder(k.Field, g)
		if err != nil {
			return nil, err
		}
		o.descending = k.Ascending != nil && !*k.Ascending
		arrange(models, []ordering{o}, func(m searchedModel, kind, key string) field {
			if kind == "metric" {
				return m.metric(key, k.measuredOn)
			}
			return loggedField(m, kind, key)
		})
	}
	page, next, err := paged(models, q.Token, q.limit)
	out := modelList{Next: next}
	for _, m := range page {
		out.Models = append(out.Models, modelOut(m.LoggedModel, m.all))
	}
	return out, err
}

// searchedModels are the models of some experiments, with the metrics that were measured on some data.
func (s *Server) searchedModels(ctx context.Context, q question) ([]searchedModel, error) {
	where := ""
	if len(q.Experiments) > 0 {
		where = "experiment in [" + quotedList(q.Experiments) + "]"
	}
	all, err := s.modelsOf(ctx, where, nil)
	if err != nil {
		return nil, err
	}
	var out []searchedModel
	for _, m := range all {
		if len(q.Experiments) > 0 && !slices.Contains(q.Experiments, m.Experiment) {
			continue
		}
		one := searchedModel{LoggedModel: m}
		if one.all, err = s.modelMetrics(ctx, m); err != nil {
			return nil, err
		}
		one.metrics = one.all
		if len(q.Datasets) > 0 {
			one.metrics = slices.DeleteFunc(slices.Clone(one.all), func(x modelMetric) bool {
				return !slices.ContainsFunc(q.Datasets, func(d measuredOn) bool { return d.is(x) })
			})
			if len(one.metrics) == 0 {
				continue
			}
		}
		out = append(out, one)
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
