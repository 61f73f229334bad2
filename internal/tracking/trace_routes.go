package tracking

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strconv"
)

// tracePath begins the calls about traces in the third version of the interface.
const tracePath = "/api/3.0/mlflow/traces"

// traceRoutes are the calls about traces. The spans of a trace come as its file traces.json: who sends them one by one is told that
// this is not served, and then sends the file.
func traceRoutes() []route {
	return []route{
		{"POST", "/v1/traces", func(*Server, *call) (any, error) {
			return nil, failf(EndpointNotFound, "REST OTLP span logging is not supported")
		}},
		{"POST", tracePath, beginTrace},
		{"GET", tracePath + "/batchGetInfos", traceInfos},
		{"GET", tracePath + "/{trace_id}", getTrace},
		{"POST", tracePath + "/search", searchTraces},
		{"POST", tracePath + "/{trace_id}/assessments", assess},
		{"GET", tracePath + "/{trace_id}/assessments/{assessment_id}", getAssessment},
		{"PATCH", tracePath + "/{trace_id}/assessments/{assessment_id}", updateAssessment},
		{"DELETE", tracePath + "/{trace_id}/assessments/{assessment_id}", deleteAssessment},
		{"PATCH", "traces/{trace_id}/tags", tagTrace},
		{"DELETE", "traces/{trace_id}/tags", untagTrace},
		{"POST", "traces/delete-traces", deleteTraces},
		{"POST", "traces/link-to-run", linkTraces},
		{"POST", "traces/link-prompts", linkPrompts},
	}
}

func getTrace(s *Server, c *call) (any, error) {
	t, err := s.trace(c.path("trace_id"))
	if err != nil {
		return nil, err
	}
	return traceAnswer{traceInfo{t}}, nil
}

func traceInfos(s *Server, c *call) (any, error) {
	var out struct {
		Infos []*trace `json:"trace_infos,omitempty"`
	}
	ids := c.query["trace_ids"]
	if len(ids) > maxPairs {
		return nil, invalid("At most %d traces at once", maxPairs)
	}
	for _, id := range ids {
		if t, err := s.trace(id); err == nil {
			out.Infos = append(out.Infos, t)
		}
	}
	return out, nil
}

func searchTraces(s *Server, c *call) (any, error) {
	q, err := ask(c, traceGrammar(), usualPage, mostTraces)
	if err != nil {
		return nil, err
	}
	var experiments []string
	for _, l := range q.Locations {
		experiments = append(experiments, l.Experiment.ID)
	}
	all, err := s.allTraces(c.ctx, experiments)
	if err != nil {
		return nil, err
	}
	all = found(all, q.filter, traceField)
	arrange(all, q.order, traceField)
	page, next, err := paged(all, q.Token, q.limit)
	return struct {
		Traces []*trace `json:"traces,omitempty"`
		Next   string   `json:"next_page_token,omitempty"`
	}{page, next}, err
}

func tagTrace(s *Server, c *call) (any, error) {
	var in keyValue
	if err := c.into(&in); err != nil {
		return nil, err
	}
	return nil, s.changeTrace(c.path("trace_id"), func(t *trace) error { return addPairs(&t.Tags, []keyValue{in}) })
}

func untagTrace(s *Server, c *call) (any, error) {
	var in keyValue
	if err := c.into(&in); err != nil {
		return nil, err
	}
	return nil, s.changeTrace(c.path("trace_id"), func(t *trace) error {
		if _, ok := t.Tags[in.Key]; !ok {
			return failf(ResourceDoesNotExist, "No trace tag with key '%.250s' for trace with ID '%s'", in.Key, t.ID)
		}
		delete(t.Tags, in.Key)
		return nil
	})
}

func deleteTraces(s *Server, c *call) (any, error) {
	var in struct {
		Experiment string        `json:"experiment_id"`
		IDs        many          `json:"request_ids"`
		Before     versionNumber `json:"max_timestamp_millis"`
		Max        whole         `json:"max_traces"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Experiment == "" || len(in.IDs) == 0 && in.Before == "" {
		return nil, invalid("Either `max_timestamp_millis` or `trace_ids` must be specified, and `experiment_id`.")
	}
	all, err := s.allTraces(c.ctx, []string{in.Experiment})
	if err != nil {
		return nil, err
	}
	before, err := strconv.ParseInt(cmp.Or(string(in.Before), "0"), 10, 64)
	if err != nil {
		return nil, invalid("Parameter 'max_timestamp_millis' must be an integer, got '%.100s'", string(in.Before))
	}
	slices.Reverse(all) // the oldest go first
	deleted := 0
	for _, t := range all {
		old := in.Before != "" && t.RequestTime.UnixMilli() <= before && (in.Max <= 0 || deleted < int(in.Max))
		if !old && !slices.Contains(in.IDs, t.ID) {
			continue
		}
		if err := os.RemoveAll(s.traceDir(t.ID)); err != nil {
			return nil, err
		}
		deleted++
	}
	return map[string]int{"traces_deleted": deleted}, nil
}

func linkTraces(s *Server, c *call) (any, error) {
	var in struct {
		IDs many   `json:"trace_ids"`
		Run string `json:"run_id"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if _, err := s.digestOf(c.ctx, in.Run); err != nil {
		return nil, err
	}
	for _, id := range in.IDs {
		if err := s.changeTrace(id, func(t *trace) error {
			return addPairs(&t.Metadata, []keyValue{{traceRun, in.Run}})
		}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// linkPrompts notes which prompts a trace was made with.
func linkPrompts(s *Server, c *call) (any, error) {
	type prompt struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	var in struct {
		ID      string   `json:"trace_id"`
		Prompts []prompt `json:"prompt_versions"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	return nil, s.changeTrace(in.ID, func(t *trace) error {
		var all []prompt
		_ = json.Unmarshal([]byte(t.Tags[tracePrompts]), &all) // none yet
		for _, p := range in.Prompts {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return addPairs(&t.Tags, []keyValue{{tracePrompts, string(text)}})
	})
}

// assessment is what somebody thinks of a trace. Only its id matters here.
type assessment = map[string]json.RawMessage

// nameAssessment gives an assessment an id, unless it has one.
func nameAssessment(a assessment) {
	if _, ok := a["assessment_id"]; !ok {
		a["assessment_id"] = marshal(newID("a-"))
	}
}

type assessmentAnswer struct {
	Assessment assessment `json:"assessment"`
}

// mostTraces is how many traces are answered at once.
const mostTraces = 500

// maxAssessments bounds how many a trace has.
const maxAssessments = 1000

func assess(s *Server, c *call) (any, error) {
	var in assessmentAnswer
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Assessment == nil {
		return nil, invalid("Missing value for required parameter 'assessment'.")
	}
	delete(in.Assessment, "assessment_id")
	nameAssessment(in.Assessment)
	return in, s.changeTrace(c.path("trace_id"), func(t *trace) error {
		if t.Assessments = append(t.Assessments, in.Assessment); len(t.Assessments) > maxAssessments {
			return invalid("At most %d assessments of a trace are kept", maxAssessments)
		}
		return nil
	})
}

// assessment finds an assessment of a trace.
func (t *trace) assessment(id string) (int, error) {
	quoted := strconv.Quote(id)
	at := slices.IndexFunc(t.Assessments, func(a assessment) bool { return string(a["assessment_id"]) == quoted })
	if at < 0 {
		return 0, failf(ResourceDoesNotExist, "Assessment with ID '%.100s' not found for trace '%s'", id, t.ID)
	}
	return at, nil
}

func getAssessment(s *Server, c *call) (any, error) {
	t, err := s.trace(c.path("trace_id"))
	if err != nil {
		return nil, err
	}
	at, err := t.assessment(c.path("assessment_id"))
	if err != nil {
		return nil, err
	}
	return assessmentAnswer{t.Assessments[at]}, nil
}

func updateAssessment(s *Server, c *call) (any, error) {
	var in assessmentAnswer
	if err := c.into(&in); err != nil {
		return nil, err
	}
	var out assessmentAnswer
	err := s.changeTrace(c.path("trace_id"), func(t *trace) error {
		at, err := t.assessment(c.path("assessment_id"))
		if err != nil {
			return err
		}
		out.Assessment = t.Assessments[at]
		for key, value := range in.Assessment {
			if key != "assessment_id" && key != "trace_id" {
				out.Assessment[key] = value
			}
		}
		return nil
	})
	return out, err
}

func deleteAssessment(s *Server, c *call) (any, error) {
	return nil, s.changeTrace(c.path("trace_id"), func(t *trace) error {
		at, err := t.assessment(c.path("assessment_id"))
		if err == nil {
			t.Assessments = slices.Delete(t.Assessments, at, at+1)
		}
		return err
	})
}
