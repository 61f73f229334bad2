package tracking

import (
	"mlx/internal/run"
)

// Limits of the description of data, in characters.
const (
	maxDataName    = 500
	maxDataDigest  = 36
	maxDataSource  = 65535
	maxDataSchema  = 1048575
	maxDataProfile = 16777215
	maxDataTagKey  = 255
	maxDataTag     = 500
)

type modelIO struct {
	ID   string `json:"model_id"`
	Step whole  `json:"step"`
}

type datasetInput struct {
	Tags    []pair `json:"tags"`
	Dataset *struct {
		Name       *string `json:"name"`
		Digest     *string `json:"digest"`
		SourceType *string `json:"source_type"`
		Source     *string `json:"source"`
		Schema     string  `json:"schema"`
		Profile    string  `json:"profile"`
	} `json:"dataset"`
}

func (d *datasetInput) read() (run.Dataset, error) {
	if d.Dataset == nil {
		return run.Dataset{}, invalid("Dataset cannot be None")
	}
	out := run.Dataset{Schema: d.Dataset.Schema, Profile: d.Dataset.Profile}
	for _, f := range []struct {
		name string
		from *string
		to   *string
		most int
	}{
		{"name", d.Dataset.Name, &out.Name, maxDataName}, {"digest", d.Dataset.Digest, &out.Digest, maxDataDigest},
		{"source_type", d.Dataset.SourceType, &out.SourceType, maxDataName}, {"source", d.Dataset.Source, &out.Source, maxDataSource},
		{"schema", &out.Schema, &out.Schema, maxDataSchema}, {"profile", &out.Profile, &out.Profile, maxDataProfile},
	} {
		if f.from == nil {
			return out, invalid("Dataset %s cannot be None", f.name)
		}
		if err := checkLength(f.name, f.most, *f.from); err != nil {
			return out, err
		}
		*f.to = *f.from
	}
	for _, t := range d.Tags {
		if t.Key == nil || t.Value == nil {
			return out, invalid("InputTag key and value cannot be None")
		}
		if err := checkLength("key", maxDataTagKey, *t.Key); err != nil {
			return out, err
		}
		if err := checkLength("value", maxDataTag, *t.Value); err != nil {
			return out, err
		}
		if out.Tags == nil {
			out.Tags = map[string]string{}
		}
		out.Tags[*t.Key] = *t.Value
	}
	return out, nil
}

func (s *Server) logInputs(c *call) (any, error) {
	var q struct {
		which
		Datasets []datasetInput `json:"datasets"`
		Models   []modelIO      `json:"models"`
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	if err := atMost(maxDatasets, "datasets", len(q.Datasets)); err != nil {
		return nil, err
	}
	var e run.Entry
	for i := range q.Datasets {
		d, err := q.Datasets[i].read()
		if err != nil {
			return nil, err
		}
		e.Datasets = append(e.Datasets, d)
	}
	if e.Inputs, err = readModelIOs(q.Models); err != nil {
		return nil, err
	}
	return nil, s.change(c.ctx, id, e, nil)
}

func (s *Server) logOutputs(c *call) (any, error) {
	var q struct {
		which
		Models []modelIO `json:"models"`
	}
	id, err := c.aboutRun(&q)
	if err != nil {
		return nil, err
	}
	if q.Models == nil {
		return nil, missing("models")
	}
	var e run.Entry
	if e.Outputs, err = readModelIOs(q.Models); err != nil {
		return nil, err
	}
	return nil, s.change(c.ctx, id, e, nil)
}

func readModelIOs(models []modelIO) ([]run.TrackedModelIO, error) {
	if err := atMost(maxEntities, "models", len(models)); err != nil {
		return nil, err
	}
	all := make([]run.TrackedModelIO, 0, len(models))
	for _, m := range models {
		if m.ID == "" {
			return nil, missing("model_id")
		}
		if err := checkLength("model_id", maxKey, m.ID); err != nil {
			return nil, err
		}
		all = append(all, run.TrackedModelIO{ID: m.ID, Step: int64(m.Step)})
	}
	return all, nil
}
