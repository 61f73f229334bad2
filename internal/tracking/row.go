package tracking

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/object"
	"mlx/internal/run"
)

// Tags that say what a run has fields for.
const (
	tagName   = "mlflow.runName"
	tagParent = "mlflow.parentRunId"
	tagUser   = "mlflow.user"
	tagSource = "mlflow.source.name"
	tagType   = "mlflow.source.type"
	tagCommit = "mlflow.source.git.commit"
	tagData   = "mlflow.data.context"
)

// row is a run as clients see it, and as it is searched. Parameters, tags and metrics are in the order of their names.
type row struct {
	id         object.Digest
	experiment string // name, as the run has it
	name       string
	user       string
	status     string
	start      int64 // ms
	end        int64 // ms; 0: none
	deleted    bool
	params     []named
	tags       []named
	metrics    []measured
	datasets   []dataset
	more       *run.Body // where there is more to show than the above; nil: nothing
}

type named struct{ key, value string }

type measured struct {
	key        string
	value      float64
	time, step int64
}

type dataset struct{ name, digest, context string }

// rowOf makes the row of a run.
func rowOf(id object.Digest, b *run.Body, by string) *row {
	r := &row{id: id, experiment: b.Experiment, start: b.StartedAt.UnixMilli(), status: statusOf(b)}
	for key, value := range b.Params {
		r.params = append(r.params, named{key, run.ParamText(value)})
	}
	var t run.Tracking
	if b.Tracking != nil {
		t = *b.Tracking
	}
	for key, value := range t.Tags {
		r.tags = append(r.tags, named{key, value})
	}
	r.user = cmp.Or(t.User, t.Tags[tagUser], by)
	r.deleted = t.Deleted != nil
	r.setEnd(b, &t)
	r.addTags(b, &t)
	for name, value := range b.Metrics {
		if f, ok := number(value); ok {
			at := t.Latest[name]
			r.metrics = append(r.metrics, measured{name, f, at.MS, at.Step})
		}
	}
	for _, m := range t.Measured {
		if f, ok := number(m.Value); ok && m.Model == "" {
			r.metrics = append(r.metrics, measured{m.Key, f, m.MS, m.Step})
		}
	}
	for _, d := range t.Datasets {
		r.datasets = append(r.datasets, dataset{d.Name, d.Digest, d.Tags[tagData]})
	}
	if len(t.Datasets)+len(t.Inputs)+len(t.Outputs) > 0 {
		r.more = &run.Body{Tracking: &run.Tracking{Datasets: t.Datasets, Inputs: t.Inputs, Outputs: t.Outputs}}
	}
	byKey := func(a, b named) int { return strings.Compare(a.key, b.key) }
	slices.SortFunc(r.params, byKey)
	slices.SortFunc(r.tags, byKey)
	slices.SortFunc(r.metrics, func(a, b measured) int { return strings.Compare(a.key, b.key) })
	return r
}

// statusOf says how a run stands in the words of the dialect: what happened where it is known, else what its client said.
func statusOf(b *run.Body) string {
	status := run.ClientStatus(b.State)
	if status == "RUNNING" && b.Tracking != nil {
		return cmp.Or(b.Tracking.Status, status)
	}
	return status
}

func (r *row) setEnd(b *run.Body, t *run.Tracking) {
	at := b.EndedAt
	if r.status == "RUNNING" || r.status == "SCHEDULED" {
		return
	}
	if at == nil {
		at = t.EndedAt
	}
	if at != nil {
		r.end = at.UnixMilli()
	}
}

// addTags adds the tags that say what the run has fields for, where its client did not.
func (r *row) addTags(b *run.Body, t *run.Tracking) {
	add := func(key, value string) {
		if _, known := t.Tags[key]; !known && value != "" {
			r.tags = append(r.tags, named{key, value})
		}
	}
	r.name = cmp.Or(t.Tags[tagName], b.Name, "run-"+r.id.Short())
	add(tagName, r.name)
	if len(b.Parent) >= idDigits {
		add(tagParent, b.Parent[:idDigits])
	}
	add(tagCommit, b.Code.Commit)
	if b.Tracking != nil {
		return
	}
	add(tagUser, r.user)
	if len(b.Command) > 0 {
		add(tagSource, strings.Join(b.Command, " "))
		add(tagType, "LOCAL")
	}
}

// number reads a number of a record, whose words for what JSON cannot hold are those of Go.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil && (math.IsNaN(f) || math.IsInf(f, 0))
	}
	return 0, false
}

func lookup(all []named, key string) (string, bool) {
	i, ok := slices.BinarySearchFunc(all, key, func(n named, k string) int { return strings.Compare(n.key, k) })
	if !ok {
		return "", false
	}
	return all[i].value, true
}

func (r *row) metric(key string) (float64, bool) {
	i, ok := slices.BinarySearchFunc(r.metrics, key, func(m measured, k string) int { return strings.Compare(m.key, k) })
	if !ok {
		return 0, false
	}
	return r.metrics[i].value, true
}
