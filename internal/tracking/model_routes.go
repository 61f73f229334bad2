package tracking

import (
	"maps"
	"slices"
	"strings"
	"time"

	"mlx/internal/object"
	"mlx/internal/registry"
)

// modelRoutes are the calls about the logged models of MLflow 3.
func modelRoutes() []route {
	return []route{
		{"POST", "logged-models", createModel},
		{"GET", "logged-models/{model_id}", getModel},
		{"PATCH", "logged-models/{model_id}", finalizeModel},
		{"DELETE", "logged-models/{model_id}", deleteModel},
		{"PATCH", "logged-models/{model_id}/tags", setModelTags},
		{"DELETE", "logged-models/{model_id}/tags/{key}", deleteModelTag},
		{"POST", "logged-models/{model_id}/params", logModelParams},
		{"POST", "logged-models/search", searchModels},
	}
}

// keyValue is a key with a value, as MLflow lists tags, params and the like.
type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// keyValues lists a map in the order of its keys.
func keyValues(m map[string]string) []keyValue {
	var all []keyValue
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, keyValue{key, m[key]})
	}
	return all
}

// limits of what is kept of a logged model.
const (
	maxValue = 8000
	maxPairs = 1000
)

// addPairs puts pairs into a map. Long values are cut as MLflow cuts them.
func addPairs(to *map[string]string, all []keyValue) error {
	if *to == nil {
		*to = map[string]string{}
	}
	for _, p := range all {
		if p.Key == "" {
			return missing("key")
		}
		if len(p.Key) > maxKey {
			return invalid("Key '%.60s…' exceeds the maximum length of %d characters", p.Key, maxKey)
		}
		(*to)[p.Key] = cut(p.Value, maxValue)
	}
	if len(*to) > maxPairs {
		return invalid("At most %d tags or params are kept", maxPairs)
	}
	return nil
}

// modelJSON is a logged model as MLflow writes it.
type modelJSON struct {
	Info modelInfo `json:"info"`
	Data modelData `json:"data"`
}

type modelInfo struct {
	ID         string     `json:"model_id"`
	Experiment string     `json:"experiment_id"`
	Name       string     `json:"name"`
	CreatedMS  int64      `json:"creation_timestamp_ms"`
	UpdatedMS  int64      `json:"last_updated_timestamp_ms"`
	URI        string     `json:"artifact_uri"`
	Status     string     `json:"status"`
	Type       string     `json:"model_type"`
	Run        string     `json:"source_run_id,omitempty"`
	Tags       []keyValue `json:"tags,omitempty"`
}

type modelData struct {
	Params  []keyValue    `json:"params,omitempty"`
	Metrics []modelMetric `json:"metrics,omitempty"`
}

// modelMetric is a metric that was measured on a model.
type modelMetric struct {
	Key       string `json:"key"`
	Value     any    `json:"value"` // a number, or "NaN"
	Timestamp int64  `json:"timestamp"`
	Step      int64  `json:"step"`
	Model     string `json:"model_id"`
	Run       string `json:"run_id,omitempty"`
	Dataset   string `json:"dataset_name,omitempty"`
	Digest    string `json:"dataset_digest,omitempty"`
}

type modelAnswer struct {
	Model modelJSON `json:"model"`
}

func modelOut(m registry.LoggedModel, metrics []modelMetric) modelJSON {
	info := modelInfo{ID: m.ID, Experiment: m.Experiment, Name: m.Name, CreatedMS: m.CreatedMS, UpdatedMS: m.UpdatedMS,
		URI: modelURI(m.Experiment, m.ID), Status: m.Status, Type: m.Type, Tags: keyValues(m.Tags)}
	if m.Run != nil {
		info.Run = clientID(*m.Run)
	}
	return modelJSON{Info: info, Data: modelData{Params: keyValues(m.Params), Metrics: metrics}}
}

func (s *Server) answerModel(c *call, m registry.LoggedModel) (any, error) {
	metrics, err := s.modelMetrics(c.ctx, m)
	return modelAnswer{modelOut(m, metrics)}, err
}

func createModel(s *Server, c *call) (any, error) {
	var in struct {
		Experiment string     `json:"experiment_id"`
		Name       string     `json:"name"`
		Type       string     `json:"model_type"`
		Run        string     `json:"source_run_id"`
		Params     []keyValue `json:"params"`
		Tags       []keyValue `json:"tags"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Experiment == "" {
		return nil, missing("experiment_id")
	}
	m := registry.LoggedModel{Name: in.Name, Experiment: in.Experiment, Type: in.Type}
	if m.Name == "" {
		m.Name = generatedName(s.o.Now())
	}
	if strings.ContainsAny(m.Name, "/:.%\"'") {
		return nil, invalid("Invalid model name ('%.250s') provided. Model name must be a non-empty string and cannot contain "+
			"the following characters: ('/', ':', '.', '%%', '\"', \"'\")", m.Name)
	}
	if in.Run != "" {
		id, err := s.digestOf(c.ctx, in.Run)
		if err != nil {
			return nil, err
		}
		m.Run = &id
	}
	if err := addPairs(&m.Params, in.Params); err != nil {
		return nil, err
	}
	if err := addPairs(&m.Tags, in.Tags); err != nil {
		return nil, err
	}
	m, err := s.newModel(m)
	if err != nil {
		return nil, err
	}
	return s.answerModel(c, m)
}

// generatedName is what a model is called that got no name.
func generatedName(at time.Time) string {
	d := object.Sum([]byte(at.Format(time.RFC3339Nano)))
	return "model-" + d.Hex()[:8]
}

func getModel(s *Server, c *call) (any, error) {
	m, err := s.model(c.ctx, c.path("model_id"))
	if err != nil {
		return nil, err
	}
	return s.answerModel(c, m)
}

func finalizeModel(s *Server, c *call) (any, error) {
	var in struct {
		Status string `json:"status"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Status != modelReady && in.Status != modelFailed {
		return nil, invalid("Invalid model status: '%.100s'. Expected LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED.", in.Status)
	}
	m, err := s.changeModel(c.ctx, c.path("model_id"), func(m *registry.LoggedModel) error {
		m.Status = in.Status
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.answerModel(c, m)
}

func deleteModel(s *Server, c *call) (any, error) {
	_, err := s.changeModel(c.ctx, c.path("model_id"), func(m *registry.LoggedModel) error {
		m.Deleted = true
		return nil
	})
	return nil, err
}

func setModelTags(s *Server, c *call) (any, error) {
	var in struct {
		Tags []keyValue `json:"tags"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	m, err := s.changeModel(c.ctx, c.path("model_id"), func(m *registry.LoggedModel) error { return addPairs(&m.Tags, in.Tags) })
	if err != nil {
		return nil, err
	}
	return s.answerModel(c, m)
}

func deleteModelTag(s *Server, c *call) (any, error) {
	_, err := s.changeModel(c.ctx, c.path("model_id"), func(m *registry.LoggedModel) error {
		if _, ok := m.Tags[c.path("key")]; !ok {
			return failf(ResourceDoesNotExist, "No tag with key '%.100s' for model with ID '%s'.", c.path("key"), m.ID)
		}
		delete(m.Tags, c.path("key"))
		return nil
	})
	return nil, err
}

func logModelParams(s *Server, c *call) (any, error) {
	var in struct {
		Params []keyValue `json:"params"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	_, err := s.changeModel(c.ctx, c.path("model_id"), func(m *registry.LoggedModel) error { return addPairs(&m.Params, in.Params) })
	return nil, err
}
