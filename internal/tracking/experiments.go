package tracking

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mlx/internal/lineage"
)

// ExperimentSet is the body of experiment.set/v1: something said of an experiment. What is absent is left as it was.
type ExperimentSet struct {
	ID       string             `json:"id"`
	Name     string             `json:"name,omitempty"` // from here on
	Tags     map[string]*string `json:"tags,omitempty"` // null takes a tag away
	Deleted  *bool              `json:"deleted,omitempty"`
	Location string             `json:"location,omitempty"` // where its artifacts are, when somebody wanted them elsewhere
	Created  bool               `json:"created,omitempty"`
}

// Experiments is the kind of those records.
var Experiments = lineage.Define[ExperimentSet]("experiment.set/v1")

// The experiment of runs that belong to none.
const (
	defaultID   = "0"
	defaultName = "Default"
)

// ExperimentID is the id of the experiment of a name, as long as nobody renamed it: the same in every clone, and without a record.
// Runs that were recorded without an MLflow client belong to it as well.
func ExperimentID(name string) string {
	if name == "" || name == defaultName {
		return defaultID
	}
	sum := sha256.Sum256([]byte(name))
	const first, last = 100_000_000_000_000_000, 1_000_000_000_000_000_000
	return strconv.FormatUint(first+binary.BigEndian.Uint64(sum[:8])%(last-first), 10)
}

// experiment is one, as it is now.
type experiment struct {
	id       string
	name     string
	tags     map[string]string
	deleted  bool
	location string
	created  int64 // ms
	updated  int64
}

// tenure says from when on a name was that of an experiment.
type tenure struct {
	from time.Time
	id   string
}

// experiments are folded from records, and from the names that runs have.
type experiments struct {
	o *Options

	mu      sync.Mutex
	records int // of experiments, that were read
	runs    int // records of runs, that were looked at; -1: none
	byID    map[string]*experiment
	names   map[string][]tenure
}

// refresh reads what is new. It costs next to nothing when nothing is. With runs, also which experiments only they name.
func (x *experiments) refresh(ctx context.Context, runs bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	now, err := x.o.Ledger.Count(ctx, lineage.Query{Nouns: []string{"experiment"}, All: true})
	if err != nil {
		return err
	}
	if x.byID == nil || now != x.records {
		if err := x.fold(ctx); err != nil {
			return err
		}
		x.records, x.runs = now, -1
	}
	if !runs {
		return nil
	}
	if now, err = x.o.Ledger.Count(ctx, lineage.Query{Nouns: []string{"run"}, All: true}); err != nil || now == x.runs {
		return err
	}
	x.runs = now
	return x.ofRuns(ctx, x.byID)
}

func (x *experiments) fold(ctx context.Context) error {
	byID := map[string]*experiment{defaultID: {id: defaultID, name: defaultName}}
	x.names = map[string][]tenure{}
	var all []lineage.Record
	for rec, err := range x.o.Ledger.Select(ctx, lineage.Query{Nouns: []string{"experiment"}, All: true}) {
		if err != nil {
			return err
		}
		if Experiments.Is(rec) {
			all = append(all, rec)
		}
	}
	slices.SortFunc(all, func(a, b lineage.Record) int { return cmp.Or(cmp.Compare(a.LC, b.LC), a.ID.Compare(b.ID)) })
	for _, rec := range all {
		set, err := Experiments.Decode(rec)
		if err != nil {
			return err
		}
		x.apply(byID, set, rec.At)
	}
	x.byID = byID
	return nil
}

func (x *experiments) apply(byID map[string]*experiment, set ExperimentSet, at time.Time) {
	e := byID[set.ID]
	if e == nil {
		e = &experiment{id: set.ID, created: at.UnixMilli()}
		byID[set.ID] = e
	}
	e.updated = at.UnixMilli()
	if set.Name != "" && set.Name != e.name {
		e.name = set.Name
		x.names[set.Name] = append(x.names[set.Name], tenure{at, set.ID})
	}
	for key, value := range set.Tags {
		tags := maps.Clone(e.tags)
		if tags == nil {
			tags = map[string]string{}
		}
		if value == nil {
			delete(tags, key)
		} else {
			tags[key] = *value
		}
		e.tags = tags
	}
	if set.Deleted != nil {
		e.deleted = *set.Deleted
	}
	if set.Location != "" {
		e.location = set.Location
	}
}

// ofRuns adds the experiments that only runs name.
func (x *experiments) ofRuns(ctx context.Context, byID map[string]*experiment) error {
	table, err := x.o.Ledger.Values(ctx, lineage.Query{Nouns: []string{"run"}}, "experiment", "started_at")
	if err != nil {
		return err
	}
	for row, err := range table.Rows {
		if err != nil {
			return err
		}
		name, _ := row.Values[0].(string)
		began, _ := row.Values[1].(string)
		at, err := time.Parse(time.RFC3339Nano, began)
		if err != nil {
			at = row.At
		}
		id := x.idAt(name, at)
		e := byID[id]
		if e == nil {
			e = &experiment{id: id, name: name, created: at.UnixMilli(), updated: at.UnixMilli()}
			byID[id] = e
			x.names[name] = append(x.names[name], tenure{at, id})
		}
		if ms := at.UnixMilli(); e.created == 0 || ms < e.created {
			e.created = ms
			e.updated = max(e.updated, ms)
		}
	}
	return nil
}

// idAt is the experiment that a name meant at a time: an experiment may take another name, and then its old one may be given anew.
func (x *experiments) idAt(name string, at time.Time) string {
	id := ExperimentID(name)
	for i, t := range x.names[name] {
		if i == 0 || t.from.UnixMilli() <= at.UnixMilli() { // clients know no finer time
			id = t.id
		}
	}
	return id
}

// whereabouts is the experiment that a run belongs to.
type whereabouts struct {
	id       string
	deleted  bool // and so is the run
	location string
}

// artifacts is where those of the run are, by its id.
func (p whereabouts) artifacts(id string) string { return p.location + "/" + id + "/artifacts" }

// artifactsOf is where the artifacts of an experiment are, unless somebody wanted them elsewhere.
func artifactsOf(id string) string { return scheme + "/" + id }

// at is the experiment that a name meant at a time. always: at any time.
func (x *experiments) at(name string, when time.Time) (p whereabouts, always bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p.id = x.idAt(name, when)
	p.location = artifactsOf(p.id)
	if e := x.byID[p.id]; e != nil {
		p.deleted = e.deleted
		p.location = cmp.Or(e.location, p.location)
	}
	return p, len(x.names[name]) < 2
}

// deleted says whether the experiment of a run is in the bin, and so the run.
func (x *experiments) deleted(name string, when time.Time) bool {
	p, _ := x.at(name, when)
	return p.deleted
}

// places remembers the experiments of the runs of one answer.
type places struct {
	x     *experiments
	known map[string]whereabouts
}

func (s *Server) places() *places { return &places{&s.experiments, map[string]whereabouts{}} }

func (p *places) of(r *row) whereabouts {
	if known, ok := p.known[r.experiment]; ok {
		return known
	}
	at, always := p.x.at(r.experiment, time.UnixMilli(r.start))
	if always {
		p.known[r.experiment] = at
	}
	return at
}

// get is the experiment with that id.
func (x *experiments) get(ctx context.Context, id string) (experiment, error) {
	if _, err := strconv.ParseInt(id, 10, 64); err != nil {
		return experiment{}, invalid("Invalid experiment ID '%s'. Experiment ID must be a valid integer.", clip(id))
	}
	e, ok, err := x.find(ctx, func(e *experiment) bool { return e.id == id })
	if err == nil && !ok {
		err = failf(ResourceDoesNotExist, "No Experiment with id=%s exists", clip(id))
	}
	return e, err
}

// open is the experiment with that id, to begin a run in. What is known already is not asked for again: each run that begins makes the
// ledger another.
func (x *experiments) open(ctx context.Context, id string) (experiment, error) {
	x.mu.Lock()
	e := x.byID[id]
	if e != nil && !e.deleted {
		defer x.mu.Unlock()
		return *e, nil
	}
	x.mu.Unlock()
	found, err := x.get(ctx, id)
	if err == nil {
		err = found.active()
	}
	return found, err
}

// find looks at experiments that records name, and if it is none of these at those that only runs name.
func (x *experiments) find(ctx context.Context, is func(*experiment) bool) (experiment, bool, error) {
	for _, runs := range []bool{false, true} {
		if err := x.refresh(ctx, runs); err != nil {
			return experiment{}, false, err
		}
		x.mu.Lock()
		for _, e := range x.byID {
			if is(e) {
				found := *e
				x.mu.Unlock()
				return found, true, nil
			}
		}
		x.mu.Unlock()
	}
	return experiment{}, false, nil
}

// named is the experiment that has the name now; false: none.
func (x *experiments) named(ctx context.Context, name string) (experiment, bool, error) {
	return x.find(ctx, func(e *experiment) bool { return e.name == name })
}

// all lists them.
func (x *experiments) all(ctx context.Context) ([]experiment, error) {
	if err := x.refresh(ctx, true); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]experiment, 0, len(x.byID))
	for _, e := range x.byID {
		out = append(out, *e)
	}
	return out, nil
}

// set records something about an experiment.
func (x *experiments) set(ctx context.Context, sets ...ExperimentSet) error {
	drafts := make([]lineage.Draft, len(sets))
	for i, set := range sets {
		for key, value := range set.Tags {
			if value != nil {
				clean := strings.ToValidUTF8(*value, "\ufffd")
				set.Tags[key] = &clean
			}
		}
		drafts[i] = Experiments.Draft(lineage.Entry[ExperimentSet]{Body: set})
	}
	if _, err := x.o.Ledger.AppendAll(ctx, drafts...); err != nil {
		return err
	}
	return x.refresh(ctx, false)
}

// create makes an experiment. A name that another had before it was renamed gets an id of its own.
func (x *experiments) create(ctx context.Context, set ExperimentSet) (string, error) {
	set.ID, set.Created = ExperimentID(set.Name), true
	for n := 2; ; n++ {
		if _, err := x.get(ctx, set.ID); err != nil {
			break
		}
		set.ID = ExperimentID(fmt.Sprintf("%s\n%d", set.Name, n))
	}
	return set.ID, x.set(ctx, set)
}
