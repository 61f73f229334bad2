package tracking

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mlx/internal/fault"
)

// maxTraces is how many traces are kept. They are what calls of a program looked like, no evidence: the oldest go.
const maxTraces = 10000

// traceFile holds what is known of a trace, in its folder.
const traceFile = "trace.json"

// Tags and metadata that the dialect knows.
const (
	traceArtifacts = "mlflow.artifactLocation"
	traceName      = "mlflow.traceName"
	traceRun       = "mlflow.sourceRun"
	tracePrompts   = "mlflow.linkedPrompts"
)

// trace is what is known of one trace. Fields that only clients understand are kept as they came.
type trace struct {
	ID          string                       `json:"trace_id"`
	Location    traceLocation                `json:"trace_location"`
	RequestTime time.Time                    `json:"request_time"`
	Duration    string                       `json:"execution_duration,omitempty"` // "0.001s"
	State       string                       `json:"state,omitempty"`
	Request     string                       `json:"request_preview,omitempty"`
	Response    string                       `json:"response_preview,omitempty"`
	Client      string                       `json:"client_request_id,omitempty"`
	Metadata    map[string]string            `json:"trace_metadata,omitempty"`
	Tags        map[string]string            `json:"tags,omitempty"`
	Assessments []map[string]json.RawMessage `json:"assessments,omitempty"`
}

type traceLocation struct {
	Type       string `json:"type"`
	Experiment struct {
		ID string `json:"experiment_id"`
	} `json:"mlflow_experiment"`
}

type (
	traceInfo struct {
		Info *trace `json:"trace_info"`
	}
	traceAnswer struct {
		Trace traceInfo `json:"trace"`
	}
)

// traces are changed by one call at a time: each replaces a file.
type traces struct {
	mu    sync.Mutex
	begun int // since the number of them was looked at
}

func (s *Server) traceDir(id string) string { return filepath.Join(s.o.Dir, "traces", id) }

func noTrace(id string) error {
	return failf(ResourceDoesNotExist, "Trace with ID '%.100s' not found", id)
}

func (s *Server) trace(id string) (*trace, error) {
	if !traceID.MatchString(id) {
		return nil, noTrace(id)
	}
	b, err := os.ReadFile(filepath.Join(s.traceDir(id), traceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noTrace(id)
	}
	if err != nil {
		return nil, err
	}
	var t trace
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fault.New(fault.Integrity, "cannot read trace %s: %w", id, err)
	}
	return &t, nil
}

func (s *Server) storeTrace(t *trace) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.writeState(filepath.Join("traces", t.ID, traceFile), b)
}

// changeTrace applies a change to a trace.
func (s *Server) changeTrace(id string, with func(*trace) error) error {
	s.traces.mu.Lock()
	defer s.traces.mu.Unlock()
	t, err := s.trace(id)
	if err != nil {
		return err
	}
	if err := with(t); err != nil {
		return err
	}
	return s.storeTrace(t)
}

// beginTrace takes a trace whose function has returned. Its spans come after it, as a file.
func beginTrace(s *Server, c *call) (any, error) {
	var in struct {
		Trace struct {
			Info trace `json:"trace_info"`
		} `json:"trace"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	t := in.Trace.Info
	experiment := t.Location.Experiment.ID
	if !traceID.MatchString(t.ID) || experiment == "" || !harmless(experiment) || strings.Contains(experiment, "/") {
		return nil, invalid("A trace needs an id and an experiment")
	}
	if len(t.Tags) > maxPairs || len(t.Metadata) > maxPairs {
		return nil, invalid("At most %d tags are kept", maxPairs)
	}
	if t.Tags == nil {
		t.Tags = map[string]string{}
	}
	t.Tags[traceArtifacts] = scheme + "/" + experiment + "/traces/" + t.ID + "/artifacts"
	for i := range t.Assessments {
		if t.Assessments[i] == nil {
			return nil, invalid("An assessment cannot be null")
		}
		nameAssessment(t.Assessments[i])
	}
	s.traces.mu.Lock()
	defer s.traces.mu.Unlock()
	if err := s.storeTrace(&t); err != nil {
		return nil, err
	}
	if s.traces.begun++; s.traces.begun%100 == 1 {
		s.forgetTraces()
	}
	return traceAnswer{traceInfo{&t}}, nil
}

// forgetTraces removes the oldest traces when there are too many.
func (s *Server) forgetTraces() {
	entries, err := os.ReadDir(filepath.Join(s.o.Dir, "traces"))
	if err != nil || len(entries) <= maxTraces {
		return
	}
	type aged struct {
		name string
		time time.Time
	}
	var all []aged
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			all = append(all, aged{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return a.time.Compare(b.time) })
	for _, a := range all[:max(0, len(all)-maxTraces*9/10)] {
		_ = os.RemoveAll(filepath.Join(s.o.Dir, "traces", a.name)) // the next time
	}
}

// allTraces are the traces of some experiments, the newest first.
func (s *Server) allTraces(ctx context.Context, experiments []string) ([]*trace, error) {
	entries, err := os.ReadDir(filepath.Join(s.o.Dir, "traces"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []*trace
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t, err := s.trace(e.Name())
		var f *Failure
		if errors.As(err, &f) {
			continue // it is just being made, or removed
		}
		if err != nil {
			return nil, err
		}
		if len(experiments) == 0 || slices.Contains(experiments, t.Location.Experiment.ID) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *trace) int {
		return cmp.Or(b.RequestTime.Compare(a.RequestTime), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// milliseconds is how long a trace took.
func (t *trace) milliseconds() float64 {
	d, err := time.ParseDuration(t.Duration)
	if err != nil {
		return 0
	}
	return float64(d.Milliseconds())
}

func traceGrammar() *grammar {
	attributes := map[string]valueKind{"trace_id": textValue, "request_id": textValue, "client_request_id": textValue, "status": textValue, "state": textValue,
		"name": textValue, "prompt": textValue, "run_id": textValue, "experiment_id": textValue}
	for _, name := range []string{"timestamp", "timestamp_ms", "request_time", "execution_time", "execution_time_ms", "execution_duration", "end_time", "end_time_ms"} {
		attributes[name] = numberValue
	}
	return &grammar{
		kinds: map[string]string{"": attributeKind, "attribute": attributeKind, "attributes": attributeKind, "attr": attributeKind, "trace": attributeKind,
			"tag": tagKind, "tags": tagKind, "metadata": "metadata", "request_metadata": "metadata", "trace_metadata": "metadata"},
		fields: map[string]map[string]valueKind{attributeKind: attributes},
		lists:  func(kind, _ string) bool { return kind == attributeKind },
		nulls:  map[string]bool{tagKind: true, "metadata": true},
		alias: map[string]string{"timestamp": "timestamp_ms", "request_time": "timestamp_ms", "execution_time": "execution_time_ms",
			"execution_duration": "execution_time_ms", "end_time": "end_time_ms", "state": "status", "request_id": "trace_id"},
	}
}

func traceField(t *trace, kind, key string) field {
	switch kind {
	case tagKind:
		return entry(t.Tags, key)
	case "metadata":
		return entry(t.Metadata, key)
	}
	switch key {
	case "client_request_id":
		return field{text: t.Client, known: t.Client != ""}
	case "status":
		return textField(t.State)
	case "experiment_id":
		return textField(t.Location.Experiment.ID)
	case "name":
		return entry(t.Tags, traceName)
	case "prompt":
		return entry(t.Tags, tracePrompts)
	case "run_id":
		return entry(t.Metadata, traceRun)
	case "timestamp_ms":
		return numberField(float64(t.RequestTime.UnixMilli()))
	case "execution_time_ms":
		return numberField(t.milliseconds())
	case "end_time_ms":
		return numberField(float64(t.RequestTime.UnixMilli()) + t.milliseconds())
	}
	return textField(t.ID)
}
