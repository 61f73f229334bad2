package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// The schemas of OpenLineage that the events keep, below its address.
const (
	openLineage    = "https://openlineage.io/spec/"
	runEventSchema = openLineage + "2-0-2/OpenLineage.json#/$defs/RunEvent"
)

type facet = map[string]any

type runEvent struct {
	EventType string         `json:"eventType"`
	EventTime string         `json:"eventTime"`
	Run       lineageRun     `json:"run"`
	Job       lineageThing   `json:"job"`
	Inputs    []lineageThing `json:"inputs"`
	Outputs   []lineageThing `json:"outputs"`
	Producer  string         `json:"producer"`
	SchemaURL string         `json:"schemaURL"`
}

type lineageRun struct {
	RunID  string           `json:"runId"`
	Facets map[string]facet `json:"facets"`
}

// lineageThing is a job or a dataset.
type lineageThing struct {
	Namespace    string           `json:"namespace"`
	Name         string           `json:"name"`
	Facets       map[string]facet `json:"facets"`
	OutputFacets map[string]facet `json:"outputFacets,omitempty"`
}

// OpenLineage writes the run as events, one JSON document a line: START, and COMPLETE, FAIL or ABORT once it has ended.
// A run whose end nobody saw is aborted at the time at which it started, the last that is known.
func (a Account) OpenLineage() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	started := a.At
	if a.StartedAt != nil {
		started = *a.StartedAt
	}
	events := []runEvent{a.event("START", started)}
	if word := a.endWord(); word != "" {
		end := started
		if a.EndedAt != nil {
			end = *a.EndedAt
		}
		last := a.event(word, end)
		last.Outputs = a.written()
		if word != "COMPLETE" {
			last.Run.Facets["errorMessage"] = newFacet("1-0-1/ErrorMessageRunFacet", facet{"message": a.complaint(), "programmingLanguage": "mlx"})
		}
		events = append(events, last)
	}
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return nil, fault.New(fault.Internal, "cannot write the document: %w", err)
		}
	}
	return b.Bytes(), nil
}

// endWord is how OpenLineage calls the end of the run; empty while it is running.
func (a Account) endWord() string {
	switch a.State {
	case Running, Pending, Unobserved:
		return ""
	case Succeeded:
		return "COMPLETE"
	case Failed:
		return "FAIL"
	case Killed, Cancelled, Lost:
	}
	return "ABORT"
}

// complaint says why the run did not succeed.
func (a Account) complaint() string {
	if a.Cause != nil {
		return string(a.State) + ": " + *a.Cause
	}
	return string(a.State)
}

func (a Account) event(word string, at time.Time) runEvent {
	return runEvent{
		EventType: word, EventTime: rfc3339(at), Producer: uriRecipe, SchemaURL: runEventSchema,
		Run:     lineageRun{RunID: uuidOf(a.RunID), Facets: a.runFacets()},
		Job:     lineageThing{Namespace: a.namespace(), Name: a.job(), Facets: a.jobFacets()},
		Inputs:  a.read(),
		Outputs: []lineageThing{},
	}
}

// newFacet adds what every facet carries. The schema is that of the facet's file and version, below spec/facets.
func newFacet(schema string, f facet) facet {
	_, name, _ := strings.Cut(schema, "/")
	f["_producer"] = uriRecipe
	f["_schemaURL"] = openLineage + "facets/" + schema + ".json#/$defs/" + name
	return f
}

// namespace is that of jobs and data: equal in all clones that share history.
func (a Account) namespace() string {
	if a.Ledger == "" {
		return "mlx"
	}
	return "mlx://" + a.Ledger
}

// job is the name under which several runs of the same thing are found: the stage, the name of the run, or the command.
func (a Account) job() string {
	switch {
	case a.Stage != nil:
		return a.Stage.Name
	case a.Name != nil:
		return *a.Name
	}
	return strings.Join(a.Command, " ")
}

func (a Account) runFacets() map[string]facet {
	all := map[string]facet{"tags": newFacet("1-0-0/TagsRunFacet", facet{"tags": a.tagFields()})}
	if a.Parent != nil {
		if id, err := object.ParseDigest(*a.Parent); err == nil {
			all["parent"] = newFacet("1-2-0/ParentRunFacet", facet{
				"run": facet{"runId": uuidOf(id)},
				"job": facet{"namespace": a.namespace(), "name": uriRun + *a.Parent},
			})
		}
	}
	if a.Environment != nil && len(a.Environment.Variables) > 0 {
		vars := []facet{}
		for _, name := range slices.Sorted(maps.Keys(a.Environment.Variables)) {
			vars = append(vars, facet{"name": name, "value": a.Environment.Variables[name]})
		}
		all["environmentVariables"] = newFacet("1-0-0/EnvironmentVariablesRunFacet", facet{"environmentVariables": vars})
	}
	if len(a.Params) > 0 {
		params := []facet{}
		for _, name := range slices.Sorted(maps.Keys(a.Params)) {
			params = append(params, facet{"key": name, "name": name, "value": word(a.Params[name])})
		}
		all["executionParameters"] = newFacet("1-0-0/ExecutionParametersRunFacet", facet{"parameters": params})
	}
	return all
}

// tagFields are what is said of a run beside its data: its id in mlx, its experiment, tags, metrics.
func (a Account) tagFields() []facet {
	tag := func(key, value, source string) facet { return facet{"key": key, "value": value, "source": source} }
	all := []facet{tag("mlx.run", a.ID, "mlx"), tag("mlx.state", string(a.State), "mlx")}
	if a.Experiment != nil {
		all = append(all, tag("mlx.experiment", *a.Experiment, "USER"))
	}
	for _, t := range slices.Sorted(slices.Values(a.Tags)) {
		name, value, valued := strings.Cut(t, "=")
		if !valued {
			value = "true"
		}
		all = append(all, tag(name, value, "USER"))
	}
	for _, name := range slices.Sorted(maps.Keys(a.Metrics)) {
		all = append(all, tag("metrics."+name, word(number(a.Metrics[name])), "mlx"))
	}
	return all
}

// word is a parameter or a metric where only text is allowed.
func word(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (a Account) jobFacets() map[string]facet {
	all := map[string]facet{"jobType": newFacet("2-0-4/JobTypeJobFacet", facet{
		"processingType": "BATCH", "integration": "MLX", "jobType": "COMMAND",
	})}
	all["sourceCode"] = newFacet("1-0-1/SourceCodeJobFacet", facet{"language": "argv", "sourceCode": word(a.Command)})
	if u, ok := GitURL(a.Body.Code.Remote); ok && a.Commit != nil {
		source := facet{"type": "git", "url": u, "repoUrl": u, "version": *a.Commit, "path": a.Folder}
		if a.Branch != nil {
			source["branch"] = *a.Branch
		}
		all["sourceCodeLocation"] = newFacet("1-1-0/SourceCodeLocationJobFacet", source)
	}
	return all
}

// read is what the run read: data, and what a stage depends on besides.
func (a Account) read() []lineageThing {
	all, known := []lineageThing{}, make(map[string]bool)
	for _, d := range a.Body.Data {
		known[d.Path] = true
		all = append(all, a.dataset(d.Path, d.Root))
	}
	if a.Stage != nil {
		for _, d := range a.Stage.Deps {
			if !known[d.Path] {
				all = append(all, a.dataset(d.Path, d.Digest))
			}
		}
	}
	return all
}

func (a Account) written() []lineageThing {
	all := []lineageThing{}
	for _, o := range a.Body.Outputs {
		d := a.dataset(o.Path, o.Digest)
		d.OutputFacets = map[string]facet{"outputStatistics": newFacet("1-0-2/OutputStatisticsOutputDatasetFacet",
			facet{"size": o.Bytes, "fileCount": o.Files})}
		all = append(all, d)
	}
	return all
}

// dataset is a path of the repository with the bytes that it had: the SHA-256 of a file, the root of a folder.
func (a Account) dataset(path string, version object.Digest) lineageThing {
	return lineageThing{Namespace: a.namespace(), Name: path, Facets: map[string]facet{
		"version":     newFacet("1-0-1/DatasetVersionDatasetFacet", facet{"datasetVersion": version.Hex()}),
		"storage":     newFacet("1-0-1/StorageDatasetFacet", facet{"storageLayer": "mlx"}),
		"datasetType": newFacet("1-0-1/DatasetTypeDatasetFacet", facet{"datasetType": "FILE"}),
	}}
}

// uuidOf is the UUID of a run, which OpenLineage wants: version 8 of RFC 9562 from the first half of its id, so that
// every clone writes the same one.
func uuidOf(id object.Digest) string {
	b := [16]byte(id[:16])
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
