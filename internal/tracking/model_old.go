package tracking

import (
	"encoding/json"

	"mlx/internal/run"
)

// modelHistory is the tag in which clients before 3.0 find the models that a run logged.
const modelHistory = "mlflow.log-model.history"

// maxOldModels bounds that tag, in bytes.
const maxOldModels = 1 << 20

// oldModelRoutes are the calls about models of clients before 3.0, which keep them among the files of a run.
func oldModelRoutes() []route {
	return []route{{"POST", "runs/log-model", logOldModel}}
}

// logOldModel notes that a folder of a run is a model. The text is what its file MLmodel says, as JSON.
func logOldModel(s *Server, c *call) (any, error) {
	var in struct {
		which
		Model string `json:"model_json"`
	}
	id, err := c.aboutRun(&in)
	if err != nil {
		return nil, err
	}
	if in.Model == "" {
		return nil, missing("model_json")
	}
	var model map[string]json.RawMessage
	if err := json.Unmarshal([]byte(in.Model), &model); err != nil {
		return nil, invalid("Malformed model info. \n %s \n is not valid JSON.", clip(in.Model))
	}
	for _, field := range []string{"artifact_path", "flavors", "utc_time_created", "run_id"} {
		if _, ok := model[field]; !ok {
			return nil, invalid("Model json is missing mandatory fields: %s", field)
		}
	}
	defer s.models.lock(id)() // two of one run are both noted
	body, _, err := s.bodyOf(c.ctx, id)
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	if body.Tracking != nil {
		_ = json.Unmarshal([]byte(body.Tracking.Tags[modelHistory]), &all) // none yet
	}
	text, err := json.Marshal(append(all, json.RawMessage(in.Model)))
	if err != nil {
		return nil, err
	}
	if len(text) > maxOldModels {
		return nil, invalid("The models of a run are described in at most %d bytes", maxOldModels)
	}
	value := string(text)
	return nil, s.change(c.ctx, id, run.Entry{Tags: []run.TrackedTag{{Key: modelHistory, Value: &value}}}, nil)
}
