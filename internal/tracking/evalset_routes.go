package tracking

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// datasetRoutes are the calls about the evaluation data of mlflow.genai.
func datasetRoutes() []route {
	return []route{
		{"POST", evalsetPath + "/create", createEvalset},
		{"POST", evalsetPath + "/search", searchEvalsets},
		{"GET", evalsetPath + "/{id}", getEvalset},
		{"DELETE", evalsetPath + "/{id}", deleteEvalset},
		{"GET", evalsetPath + "/{id}/records", evalsetRecords},
		{"POST", evalsetPath + "/{id}/records", mergeRecords},
		{"DELETE", evalsetPath + "/{id}/records", deleteRecords},
		{"PATCH", evalsetPath + "/{id}/tags", tagEvalset},
		{"DELETE", evalsetPath + "/{id}/tags/{key}", untagEvalset},
		{"GET", evalsetPath + "/{id}/experiment-ids", evalsetExperiments},
		{"POST", evalsetPath + "/{id}/add-experiments", joinExperiments},
		{"POST", evalsetPath + "/{id}/remove-experiments", leaveExperiments},
	}
}

// readTags reads tags that came as a text of JSON.
func readTags(text string) (map[string]any, error) {
	tags := map[string]any{}
	if text == "" {
		return tags, nil
	}
	if err := json.Unmarshal([]byte(text), &tags); err != nil {
		return nil, invalid("Cannot read the tags: %v", err)
	}
	if tags == nil { // "null"
		tags = map[string]any{}
	}
	return tags, nil
}

func createEvalset(s *Server, c *call) (any, error) {
	var in struct {
		Name        string `json:"name"`
		Tags        string `json:"tags"`
		Experiments many   `json:"experiment_ids"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Name == "" || len(in.Name) > 2*maxKey {
		return nil, invalid("A dataset needs a name of at most %d bytes", 2*maxKey)
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	e := &evalset{ID: newID("d-"), Name: in.Name, Tags: tags, Experiments: in.Experiments, CreatedMS: s.o.Now().UnixMilli()}
	e.By, _ = tags["mlflow.user"].(string)
	if err := s.storeEvalset(e); err != nil {
		return nil, err
	}
	return evalsetAnswer{e.out()}, nil
}

func getEvalset(s *Server, c *call) (any, error) {
	e, err := s.evalset(c.path("id"))
	if err != nil {
		return nil, err
	}
	return evalsetAnswer{e.out()}, nil
}

func deleteEvalset(s *Server, c *call) (any, error) {
	e, err := s.evalset(c.path("id"))
	if err != nil {
		return nil, err
	}
	return nil, os.Remove(filepath.Join(s.o.Dir, "datasets", e.ID+".json"))
}

func searchEvalsets(s *Server, c *call) (any, error) {
	var in struct {
		searched
		Filter string `json:"filter_string"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	q := question{searched: in.searched}
	q.Filter = in.Filter
	if err := q.read(evalsetGrammar(), mostModels, mostModels); err != nil {
		return nil, err
	}
	all, err := s.allEvalsets(q.Experiments)
	if err != nil {
		return nil, err
	}
	all = found(all, q.filter, evalsetField)
	arrange(all, q.order, evalsetField)
	page, next, err := paged(all, q.Token, q.limit)
	out := struct {
		Datasets []evalsetJSON `json:"datasets,omitempty"`
		Next     string        `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, e := range page {
		j := e.out()
		j.Experiments = nil // asked for apart
		out.Datasets = append(out.Datasets, j)
	}
	return out, err
}

func evalsetRecords(s *Server, c *call) (any, error) {
	var in struct {
		Max   *whole `json:"max_results"`
		Token string `json:"page_token"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	e, err := s.evalset(c.path("id"))
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.Max, mostModels, usualVersions)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(e.Records, in.Token, limit)
	if err != nil {
		return nil, err
	}
	if page == nil {
		page = []map[string]any{}
	}
	return struct {
		Records string `json:"records"`
		Next    string `json:"next_page_token,omitempty"`
	}{string(marshal(page)), next}, nil
}

func mergeRecords(s *Server, c *call) (any, error) {
	var in struct {
		Records string `json:"records"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	var records []map[string]any
	if err := json.Unmarshal([]byte(in.Records), &records); err != nil {
		return nil, invalid("Cannot read the records: %v", err)
	}
	out := struct {
		Inserted int `json:"inserted_count"`
		Updated  int `json:"updated_count"`
	}{}
	_, err := s.changeEvalset(c.path("id"), func(e *evalset) (err error) {
		out.Inserted, out.Updated, err = e.merge(records, s.o.Now().UnixMilli())
		return err
	})
	return out, err
}

func deleteRecords(s *Server, c *call) (any, error) {
	var in struct {
		IDs many `json:"dataset_record_ids"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	deleted := 0
	_, err := s.changeEvalset(c.path("id"), func(e *evalset) error {
		before := len(e.Records)
		e.Records = slices.DeleteFunc(e.Records, func(r map[string]any) bool {
			id, _ := r["dataset_record_id"].(string)
			return slices.Contains(in.IDs, id)
		})
		deleted = before - len(e.Records)
		return nil
	})
	return map[string]int{"deleted_count": deleted}, err
}

func tagEvalset(s *Server, c *call) (any, error) {
	var in struct {
		Tags string `json:"tags"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	e, err := s.changeEvalset(c.path("id"), func(e *evalset) error {
		maps.Copy(e.Tags, tags)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return evalsetAnswer{e.out()}, nil
}

func untagEvalset(s *Server, c *call) (any, error) {
	_, err := s.changeEvalset(c.path("id"), func(e *evalset) error {
		delete(e.Tags, c.path("key"))
		return nil
	})
	return nil, err
}

func evalsetExperiments(s *Server, c *call) (any, error) {
	e, err := s.evalset(c.path("id"))
	if err != nil {
		return nil, err
	}
	return map[string][]string{"experiment_ids": e.Experiments}, nil
}

func joinExperiments(s *Server, c *call) (any, error) {
	return s.changeExperiments(c, func(all, named []string) []string {
		for _, x := range named {
			if !slices.Contains(all, x) {
				all = append(all, x)
			}
		}
		return all
	})
}

func leaveExperiments(s *Server, c *call) (any, error) {
	return s.changeExperiments(c, func(all, named []string) []string {
		return slices.DeleteFunc(all, func(x string) bool { return slices.Contains(named, x) })
	})
}

func (s *Server) changeExperiments(c *call, with func(all, named []string) []string) (any, error) {
	var in struct {
		Experiments many `json:"experiment_ids"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	e, err := s.changeEvalset(c.path("id"), func(e *evalset) error {
		e.Experiments = with(e.Experiments, in.Experiments)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return evalsetAnswer{e.out()}, nil
}
