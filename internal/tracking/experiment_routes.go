package tracking

import (
	"cmp"
	"strings"
)

func experimentRoutes() []route {
	return []route{
		{"POST", "experiments/create", (*Server).createExperiment},
		{"GET", "experiments/get", (*Server).getExperiment},
		{"GET", "experiments/get-by-name", (*Server).experimentByName},
		{"POST", "experiments/search", (*Server).searchExperiments},
		{"GET", "experiments/search", (*Server).searchExperiments},
		{"GET", "experiments/list", (*Server).searchExperiments},
		{"POST", "experiments/update", (*Server).updateExperiment},
		{"POST", "experiments/delete", (*Server).deleteExperiment},
		{"POST", "experiments/restore", (*Server).restoreExperiment},
		{"POST", "experiments/set-experiment-tag", (*Server).tagExperiment},
		{"POST", "experiments/delete-experiment-tag", (*Server).untagExperiment},
	}
}

// shown is an experiment as clients read it.
type shownExperiment struct {
	ID        string     `json:"experiment_id"`
	Name      string     `json:"name"`
	Location  string     `json:"artifact_location"`
	Stage     string     `json:"lifecycle_stage"`
	Updated   int64      `json:"last_update_time"`
	Created   int64      `json:"creation_time"`
	Tags      []keyValue `json:"tags,omitempty"`
	Workspace string     `json:"workspace"`
}

func (e *experiment) shown() shownExperiment {
	out := shownExperiment{ID: e.id, Name: e.name, Location: cmp.Or(e.location, artifactsOf(e.id)), Stage: "active", Updated: e.updated, Created: e.created,
		Tags: keyValues(e.tags), Workspace: "default"}
	if e.deleted {
		out.Stage = "deleted"
	}
	return out
}

type whichExperiment struct {
	ID *string `json:"experiment_id"`
}

// read parses a request that names an experiment, and finds that.
func (s *Server) readExperiment(c *call, q any, w *whichExperiment) (experiment, error) {
	if err := c.into(q); err != nil {
		return experiment{}, err
	}
	if w.ID == nil || *w.ID == "" {
		return experiment{}, missing("experiment_id")
	}
	return s.experiments.get(c.ctx, *w.ID)
}

func checkExperimentName(name string) error {
	if name == "" {
		return invalid("Invalid experiment name: ''")
	}
	return checkLength("name", maxExperiment, name)
}

func (s *Server) createExperiment(c *call) (any, error) {
	var q struct {
		Name     *string `json:"name"`
		Location string  `json:"artifact_location"`
		Tags     []pair  `json:"tags"`
	}
	if err := c.into(&q); err != nil {
		return nil, err
	}
	if q.Name == nil {
		return nil, missing("name")
	}
	if err := checkExperimentName(*q.Name); err != nil {
		return nil, err
	}
	set := ExperimentSet{Name: strings.ToValidUTF8(*q.Name, "\ufffd"), Location: cut(q.Location, maxParam), Tags: map[string]*string{}}
	for i := range q.Tags {
		if err := experimentTag(&q.Tags[i]); err != nil {
			return nil, err
		}
		value := q.Tags[i].text()
		set.Tags[*q.Tags[i].Key] = &value
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	old, exists, err := s.experiments.named(c.ctx, set.Name)
	switch {
	case err != nil:
		return nil, err
	case exists && old.deleted:
		return nil, failf(ResourceAlreadyExists, "Experiment(name=%s) already exists in deleted state. You can restore the experiment.", clip(set.Name))
	case exists:
		return nil, failf(ResourceAlreadyExists, "Experiment(name=%s) already exists.", clip(set.Name))
	}
	id, err := s.experiments.create(c.ctx, set)
	if err != nil {
		return nil, err
	}
	return map[string]string{"experiment_id": id}, nil
}

// experimentTag checks a tag, whose value may be longer than that of a run.
func experimentTag(p *pair) error {
	if p.Key == nil {
		return missing("key")
	}
	if err := checkName(*p.Key, "key"); err != nil {
		return err
	}
	if err := checkLength("key", maxKey, *p.Key); err != nil {
		return err
	}
	return checkLength("value", maxExpTag, p.text())
}

func (s *Server) getExperiment(c *call) (any, error) {
	var q whichExperiment
	e, err := s.readExperiment(c, &q, &q)
	if err != nil {
		return nil, err
	}
	return map[string]any{"experiment": e.shown()}, nil
}

func (s *Server) experimentByName(c *call) (any, error) {
	var q struct {
		Name string `json:"experiment_name"`
	}
	if err := c.into(&q); err != nil {
		return nil, err
	}
	if q.Name == "" {
		return nil, missing("experiment_name")
	}
	e, ok, err := s.experiments.named(c.ctx, q.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, failf(ResourceDoesNotExist, "Could not find experiment with name '%s'", clip(q.Name))
	}
	return map[string]any{"experiment": e.shown()}, nil
}

func (s *Server) updateExperiment(c *call) (any, error) {
	var q struct {
		whichExperiment
		Name *string `json:"new_name"`
	}
	e, err := s.readExperiment(c, &q, &q.whichExperiment)
	if err != nil || q.Name == nil {
		return nil, err
	}
	if err := checkExperimentName(*q.Name); err != nil {
		return nil, err
	}
	if e.deleted {
		return nil, failf(BadRequest, "Cannot rename a non-active experiment.")
	}
	name := strings.ToValidUTF8(*q.Name, "\ufffd")
	if name == e.name {
		return nil, nil
	}
	if e.id == defaultID {
		return nil, invalid("The experiment of runs that belong to none cannot be renamed")
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	if _, exists, err := s.experiments.named(c.ctx, name); err != nil || exists {
		if err == nil {
			err = failf(ResourceAlreadyExists, "Experiment(name=%s) already exists.", clip(name))
		}
		return nil, err
	}
	// The name that it had is written down: it may be one that only runs name.
	return nil, s.experiments.set(c.ctx, ExperimentSet{ID: e.id, Name: e.name}, ExperimentSet{ID: e.id, Name: name})
}

func (s *Server) deleteExperiment(c *call) (any, error) { return s.binExperiment(c, true) }

func (s *Server) restoreExperiment(c *call) (any, error) { return s.binExperiment(c, false) }

func (s *Server) binExperiment(c *call, deleted bool) (any, error) {
	var q whichExperiment
	e, err := s.readExperiment(c, &q, &q)
	if err != nil {
		return nil, err
	}
	if e.deleted == deleted {
		stage := map[bool]string{true: "active", false: "deleted"}[deleted]
		return nil, failf(ResourceDoesNotExist, "No Experiment with id=%s exists in the '%s' state", e.id, stage)
	}
	if e.id == defaultID {
		return nil, invalid("The experiment of runs that belong to none cannot be deleted")
	}
	return nil, s.experiments.set(c.ctx, ExperimentSet{ID: e.id, Name: e.name, Deleted: &deleted})
}

func (s *Server) tagExperiment(c *call) (any, error) {
	var q struct {
		whichExperiment
		pair
	}
	e, err := s.readExperiment(c, &q, &q.whichExperiment)
	if err != nil {
		return nil, err
	}
	if err := experimentTag(&q.pair); err != nil {
		return nil, err
	}
	if err := e.active(); err != nil {
		return nil, err
	}
	value := q.text()
	return nil, s.experiments.set(c.ctx, ExperimentSet{ID: e.id, Name: e.name, Tags: map[string]*string{*q.Key: &value}})
}

func (e *experiment) active() error {
	if e.deleted {
		return invalid("The experiment %s must be in the 'active' state. Current state is deleted.", e.id)
	}
	return nil
}

func (s *Server) untagExperiment(c *call) (any, error) {
	var q struct {
		whichExperiment
		Key string `json:"key"`
	}
	e, err := s.readExperiment(c, &q, &q.whichExperiment)
	if err != nil {
		return nil, err
	}
	if err := e.active(); err != nil {
		return nil, err
	}
	if _, known := e.tags[q.Key]; !known {
		return nil, failf(ResourceDoesNotExist, "No tag with name: %s in experiment with id %s", clip(q.Key), e.id)
	}
	return nil, s.experiments.set(c.ctx, ExperimentSet{ID: e.id, Name: e.name, Tags: map[string]*string{q.Key: nil}})
}
