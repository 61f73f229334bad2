package run

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// story is everything that is known of a run while clients tell of it: what the ledger says, and the entries since.
type story struct {
	first   Body                     // as the ledger has it
	was     map[string]TrackedMetric // metrics that the ledger has
	said    bool                     // a status, since
	lost    bool                     // nobody saw its end
	body    Body                     // without metrics, parameters and tags
	params  map[string]any           // by the ledger, and by clients as ParamValue makes them
	tags    map[string]string        // of clients
	latest  map[string]TrackedMetric
	curves  map[string]*points // since the folder was made
	refused []ChangedParam
	models  map[modelMetric]TrackedMetric // newest of each logged model
	inputs  []TrackedModelIO
	outputs []TrackedModelIO
}

// modelMetric is a metric that was measured on a logged model.
type modelMetric struct{ model, key, dataset, digest string }

// maxRefused is how many refused values are kept.
const maxRefused = 100

func newStory(body Body) *story {
	s := &story{
		first: body, body: body, params: map[string]any{}, tags: map[string]string{}, latest: map[string]TrackedMetric{},
		curves: map[string]*points{}, models: map[modelMetric]TrackedMetric{},
	}
	maps.Copy(s.params, body.Params)
	t := Tracking{Status: ClientStatus(body.State)}
	if body.Tracking != nil {
		t = *body.Tracking
	}
	maps.Copy(s.tags, t.Tags)
	for name, n := range body.numbers() {
		s.latest[name] = TrackedMetric{Key: name, Value: float64(n), Step: t.Latest[name].Step, Time: t.Latest[name].MS}
	}
	t.Datasets, t.Tags, t.Latest = slices.Clone(t.Datasets), nil, nil
	s.refused, s.inputs, s.outputs = slices.Clone(t.Refused), slices.Clone(t.Inputs), slices.Clone(t.Outputs)
	for _, m := range t.Measured {
		n, ok := numberOf(m.Value)
		if ok && m.Model == "" {
			s.latest[m.Key] = TrackedMetric{Key: m.Key, Value: float64(n), Step: m.Step, Time: m.MS}
		} else if ok {
			s.measure(TrackedMetric{m.Key, float64(n), m.MS, m.Step, m.Model, m.Dataset, m.Digest})
		}
	}
	s.was = maps.Clone(s.latest)
	t.Refused, t.Inputs, t.Outputs, t.Measured = nil, nil, nil, nil
	s.body.Tracking, s.body.Params, s.body.Metrics = &t, nil, nil
	s.body.Models, s.body.Used = slices.Clone(body.Models), slices.Clone(body.Used)
	return s
}

// ClientStatus is the word of the dialect for a state. A run that was lost has failed: clients have no word for it, and it never ends.
func ClientStatus(s State) string {
	switch s {
	case Succeeded:
		return "FINISHED"
	case Failed, Lost:
		return "FAILED"
	case Killed, Cancelled:
		return "KILLED"
	case Pending:
		return "SCHEDULED"
	case Running, Unobserved:
	}
	return "RUNNING"
}

// stateOf is the state that a word of the dialect means.
func stateOf(status string) State {
	switch status {
	case "FINISHED":
		return Succeeded
	case "FAILED":
		return Failed
	case "KILLED":
		return Killed
	}
	return Running
}

// given reads the parameters that mlx record told of a run in progress.
func (s *story) given(dir string) error {
	was, err := readRecorded(dir)
	for name, value := range was.Params {
		if _, known := s.params[name]; !known {
			s.params[name] = value
		}
	}
	return err
}

// refuses returns the parameters of e that have another value already; nil: none.
func (s *story) refuses(e Entry) *ErrParamChanged {
	var bad []ChangedParam
	for _, p := range e.Params {
		if old, known := s.params[text(p.Key)]; known && old != ParamValue(text(p.Value)) {
			bad = append(bad, ChangedParam{p.Key, ParamText(old), p.Value})
		}
	}
	if bad == nil {
		return nil
	}
	return &ErrParamChanged{bad}
}

// apply takes an entry. It cannot fail: what it does not understand it leaves out.
func (s *story) apply(e Entry) {
	for _, p := range e.Params {
		key := text(p.Key)
		if _, known := s.params[key]; !known {
			s.params[key] = ParamValue(text(p.Value))
		}
	}
	for _, t := range e.Tags {
		if t.Value == nil {
			delete(s.tags, text(t.Key))
		} else {
			s.tags[text(t.Key)] = text(*t.Value)
		}
	}
	for _, m := range e.Metrics {
		s.point(m)
	}
	s.applyRun(e)
	for _, d := range e.Datasets {
		s.dataset(d)
	}
	for _, m := range e.Models {
		if at := slices.IndexFunc(s.body.Models, func(k LoggedModel) bool { return k.ID == m.ID }); at >= 0 {
			s.body.Models[at] = m
		} else {
			s.body.Models = append(s.body.Models, m)
		}
	}
	for _, m := range e.Used {
		if !slices.Contains(s.body.Used, m) {
			s.body.Used = append(s.body.Used, m)
		}
	}
	s.inputs, s.outputs = withIO(s.inputs, e.Inputs), withIO(s.outputs, e.Outputs)
	if room := maxRefused - len(s.refused); room > 0 {
		s.refused = append(s.refused, e.Refused[:min(room, len(e.Refused))]...)
	}
}

// applyRun takes what is said of the run as a whole.
func (s *story) applyRun(e Entry) {
	t := s.body.Tracking
	if e.Name != "" {
		s.body.Name = text(e.Name)
	}
	if t.User == "" {
		t.User = text(e.User)
	}
	if e.Status != "" {
		t.Status, s.said = e.Status, true
	}
	if e.EndedAt != nil {
		t.EndedAt = e.EndedAt
	}
	if e.Deleted != nil {
		t.Deleted = e.Deleted
	}
	if e.Restored {
		t.Deleted = nil
	}
	if e.Moved != nil {
		s.body.Experiment = text(*e.Moved)
	}
}

func withIO(all, more []TrackedModelIO) []TrackedModelIO {
	for _, m := range more {
		if at := slices.IndexFunc(all, func(k TrackedModelIO) bool { return k.ID == m.ID }); at >= 0 {
			all[at] = m
		} else {
			all = append(all, m)
		}
	}
	return all
}

// dataset adds data, or tags to data that is known: the same data may be there for training and for testing.
func (s *story) dataset(d Dataset) {
	t := s.body.Tracking
	for i, k := range t.Datasets {
		if k.Name == d.Name && k.Digest == d.Digest {
			tags := maps.Clone(k.Tags)
			if tags == nil {
				tags = map[string]string{}
			}
			maps.Copy(tags, d.Tags)
			t.Datasets[i].Tags = tags
			return
		}
	}
	t.Datasets = append(t.Datasets, d)
}

// point takes one point. An exact repeat, as a client sends it that tries again, is nothing new.
func (s *story) point(m TrackedMetric) {
	m.Key = text(m.Key)
	if m.Model != "" {
		s.measure(m)
	}
	p := s.curves[m.Key]
	if p == nil {
		p = &points{}
		s.curves[m.Key] = p
	}
	if !p.add(m.Step, m.Time, m.Value) {
		return
	}
	if old, known := s.latest[m.Key]; !known || m.later(old) {
		s.latest[m.Key] = m
	}
}

func (s *story) measure(m TrackedMetric) {
	key := modelMetric{m.Model, m.Key, m.Dataset, m.Digest}
	if old, known := s.models[key]; !known || m.later(old) {
		s.models[key] = m
	}
}

// later says whether m counts before old: the higher step, then the later time, then the greater value.
func (m TrackedMetric) later(old TrackedMetric) bool {
	switch {
	case m.Step != old.Step:
		return m.Step > old.Step
	case m.Time != old.Time:
		return m.Time > old.Time
	}
	return m.Value > old.Value || m.Value != m.Value && old.Value == old.Value
}

// copy is the body with everything in it.
func (s *story) copy() Body {
	b, t := s.body, *s.body.Tracking
	if s.own() && s.said && !s.lost {
		b.State = stateOf(t.Status)
		if b.EndedAt = t.EndedAt; b.State == Running {
			b.EndedAt = nil
		}
	}
	b.Tracking, b.Params = &t, maps.Clone(s.params)
	b.Models, b.Used, t.Datasets = slices.Clone(b.Models), slices.Clone(b.Used), slices.Clone(t.Datasets)
	t.Tags, t.Refused, t.Inputs, t.Outputs = maps.Clone(s.tags), slices.Clone(s.refused), slices.Clone(s.inputs), slices.Clone(s.outputs)
	if len(s.latest) > 0 {
		b.Metrics, t.Latest = make(map[string]any, len(s.latest)), make(map[string]Point, len(s.latest))
	}
	for name, m := range s.latest {
		if strings.HasPrefix(name, systemPrefix) { // what a machine did is no result
			t.Measured = append(t.Measured, Measured{Key: name, Value: Number(m.Value).stored(), MS: m.Time, Step: m.Step})
			continue
		}
		b.Metrics[name] = Number(m.Value).stored()
		if m.Step != 0 || m.Time != 0 {
			t.Latest[name] = Point{Step: m.Step, MS: m.Time}
		}
	}
	for _, m := range s.models {
		t.Measured = append(t.Measured, Measured{m.Key, Number(m.Value).stored(), m.Time, m.Step, m.Model, m.Dataset, m.Digest})
	}
	slices.SortFunc(t.Measured, func(a, b Measured) int {
		return strings.Compare(a.Model+"\x00"+a.Key+"\x00"+a.Dataset+"\x00"+a.Digest, b.Model+"\x00"+b.Key+"\x00"+b.Dataset+"\x00"+b.Digest)
	})
	return b
}

// own says whether the run is one that a client began, and not the command of mlx run.
func (s *story) own() bool {
	return s.first.Tracking != nil && s.first.ExitStatus == nil && s.first.Signal == "" && s.first.Imported == nil
}

// over says whether the run has an end: one that the client named, or the one in the ledger when it named none since.
func (s *story) over() bool {
	if s.own() && s.said && !s.lost {
		return stateOf(s.body.Tracking.Status) != Running
	}
	return s.lost || s.first.EndedAt != nil
}

// record is the body of the record of the end.
func (s *story) record(now time.Time) Body {
	b := s.copy()
	if !s.own() || !s.said || s.lost {
		return b
	}
	ended := now.UTC().Truncate(time.Microsecond)
	if at := b.Tracking.EndedAt; at != nil {
		ended = *at
	}
	b.State, b.EndedAt, b.DurationS, b.Cause = stateOf(b.Tracking.Status), &ended, max(0, ended.Sub(b.StartedAt).Seconds()), ""
	if b.State != Succeeded {
		b.Cause = "the client said " + b.Tracking.Status
	}
	return b
}
