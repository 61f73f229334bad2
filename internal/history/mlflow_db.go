package history

import (
	"context"
	"iter"
	"math"
	"path/filepath"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/history/internal/sqlite"
)

// database is a store of MLflow in SQLite: that of 1.0 as well as that of 3.x. Tables and columns that came later are used where
// they are there.
type database struct {
	h           *History
	db          *sqlite.DB
	places      places
	experiments map[string]Experiment
	runs        *sqlite.Table
	params      *groups
	metrics     *groups
	tags        *groups
	inputs      *groups           // of runs: datasets
	inputTags   *groups           // by input
	datasets    map[string]int64  // rows, by id
	models      map[string]int64  // rows of logged models, by id
	modelTags   *groups           // by logged model
	modelParams *groups           // by logged model
	written     map[string][]step // logged models by the run that wrote them
	dirs        map[string]string // of logged models
}

type step struct {
	model string
	step  int64
}

func openDatabase(ctx context.Context, file string, o Options) (*History, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Open(abs)
	if err != nil {
		return nil, err
	}
	h := &History{From: "mlflow", changed: db.Changed, closers: []func() error{db.Close}}
	d := &database{h: h, db: db}
	h.read = d.run
	if err := d.load(ctx, abs, o); err != nil {
		h.Close() //nolint:errcheck // it was only read
		return nil, err
	}
	return h, nil
}

func (d *database) load(ctx context.Context, file string, o Options) (err error) {
	if d.places, err = newPlaces(filepath.Dir(file), o); err != nil {
		return err
	}
	if d.runs, err = d.db.Table("runs"); err != nil {
		return err
	}
	if d.runs == nil {
		return fault.New(fault.Usage, "it is no store of MLflow: it has no table runs")
	}
	for _, g := range []struct {
		to           **groups
		table, owner string
	}{
		{&d.params, "params", "run_uuid"}, {&d.metrics, "metrics", "run_uuid"}, {&d.tags, "tags", "run_uuid"},
		{&d.inputs, "inputs", "destination_id"}, {&d.inputTags, "input_tags", "input_uuid"},
		{&d.modelTags, "logged_model_tags", "model_id"}, {&d.modelParams, "logged_model_params", "model_id"},
	} {
		if *g.to, err = groupBy(d.db, g.table, g.owner); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for _, step := range []func() error{d.loadExperiments, d.loadDatasets, d.loadLoggedModels, d.loadRuns, d.loadRegistry, d.countOthers} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// all yields the rows of a table that may not be there.
func (d *database) all(table string) iter.Seq2[*sqlite.Row, error] {
	return func(yield func(*sqlite.Row, error) bool) {
		t, err := d.db.Table(table)
		if err != nil {
			yield(nil, err)
		}
		if err != nil || t == nil {
			return
		}
		for row, err := range t.All() {
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func number(row *sqlite.Row, column string) int64 {
	n, _ := row.Get(column).Int()
	return n
}

func (d *database) loadExperiments() error {
	tags, err := groupBy(d.db, "experiment_tags", "experiment_id")
	if err != nil {
		return err
	}
	d.experiments = make(map[string]Experiment)
	for row, err := range d.all("experiments") {
		if err != nil {
			return err
		}
		id := row.Get("experiment_id").Text()
		e := Experiment{ID: id, Name: row.Get("name").Text(), Deleted: row.Get("lifecycle_stage").Text() == "deleted", MS: number(row, "creation_time")}
		if e.Tags, err = tags.pairs(id, "key", "value"); err != nil {
			return err
		}
		d.experiments[id] = e
		d.h.Experiments = append(d.h.Experiments, e)
	}
	return nil
}

func (d *database) loadDatasets() error {
	d.datasets = make(map[string]int64)
	for row, err := range d.all("datasets") {
		if err != nil {
			return err
		}
		d.datasets[row.Get("dataset_uuid").Text()] = row.ID
	}
	return nil
}

// loadRuns lists the runs. Who is inside whom is a tag.
func (d *database) loadRuns() error {
	for row, err := range d.runs.All() {
		if err != nil {
			return err
		}
		if len(d.h.Runs) == maxRuns {
			return fault.New(fault.Usage, "it has more than %d runs", maxRuns)
		}
		d.h.Runs = append(d.h.Runs, Ref{ID: row.Get("run_uuid").Text(), MS: number(row, "start_time"), at: int(row.ID)})
	}
	for i := range d.h.Runs {
		for row, err := range d.tags.rows(d.h.Runs[i].ID) {
			if err != nil {
				return err
			}
			if row.Get("key").Is("mlflow.parentRunId") {
				d.h.Runs[i].Parent = row.Get("value").Text()
			}
		}
	}
	return nil
}

// run reads one run.
func (d *database) run(_ context.Context, ref Ref) (*Run, error) {
	for row, err := range d.runs.Rows(int64(ref.at), int64(ref.at)) {
		if err != nil {
			return nil, err
		}
		return d.runOf(row)
	}
	return nil, fault.New(fault.Conflict, "run %.80s is gone: somebody wrote to the database meanwhile", ref.ID)
}

func (d *database) runOf(row *sqlite.Row) (*Run, error) {
	id := row.Get("run_uuid").Text()
	e := d.experiments[row.Get("experiment_id").Text()]
	r := &Run{ID: id, Name: row.Get("name").Text(), Experiment: e.Name, User: row.Get("user_id").Text(),
		Started: msTime(number(row, "start_time")), Ended: msTime(number(row, "end_time"))}
	r.setStatus(row.Get("status").Text())
	location, entry, version := row.Get("artifact_uri").Text(), row.Get("source_name").Text(), row.Get("source_version").Text()
	if row.Get("lifecycle_stage").Is("deleted") {
		at := msTime(number(row, "deleted_time"))
		r.Deleted = &at
	}
	var err error
	if r.Params, err = d.params.pairs(id, "key", "value"); err != nil {
		return nil, err
	}
	if r.Tags, err = d.tags.pairs(id, "key", "value"); err != nil {
		return nil, err
	}
	r.setTags()
	if r.Command == nil && entry != "" {
		r.Command = []string{entry}
	}
	if r.Commit == "" {
		r.Commit = commitID(version)
	}
	if r.Datasets, err = d.datasetsOf(id); err != nil {
		return nil, err
	}
	if r.Models, err = d.modelsOf(id); err != nil {
		return nil, err
	}
	var why string
	if r.Artifacts, why = d.places.find(location); why != "" && !d.places.none(location, why) {
		d.h.Left.Add("artifacts", location, why)
	}
	r.Points = d.points(id)
	return r, nil
}

// points yields the metrics of a run as they were logged. SQL has no NaN and no infinity: MLflow writes a mark and the largest number.
func (d *database) points(id string) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		for row, err := range d.metrics.rows(id) {
			if err != nil {
				yield(Point{}, err)
				return
			}
			name := row.Get("key").Text()
			value, ok := row.Get("value").Float()
			if nan, _ := row.Get("is_nan").Int(); nan != 0 {
				value = math.NaN()
			} else if !ok {
				d.h.Left.Add("metric", name, "its value is no number")
				continue
			}
			if math.Abs(value) == math.MaxFloat64 {
				value = math.Inf(int(math.Copysign(1, value)))
			}
			if !yield(Point{Name: name, Step: number(row, "step"), MS: number(row, "timestamp"), Value: value}, nil) {
				return
			}
		}
	}
}

func (d *database) datasetsOf(run string) ([]Dataset, error) {
	var all []Dataset
	for row, err := range d.inputs.rows(run) {
		if err != nil {
			return nil, err
		}
		if !row.Get("source_type").Is("DATASET") {
			continue
		}
		input, id := row.Get("input_uuid").Text(), row.Get("source_id").Text()
		at, known := d.datasets[id]
		if !known {
			d.h.Left.Add("dataset", id, "it is not in the store")
			continue
		}
		set, err := d.dataset(at)
		if err != nil {
			return nil, err
		}
		if set.Tags, err = d.inputTags.pairs(input, "name", "value"); err != nil {
			return nil, err
		}
		all = append(all, set)
	}
	return all, nil
}

func (d *database) dataset(at int64) (set Dataset, err error) {
	t, err := d.db.Table("datasets")
	if err != nil || t == nil {
		return set, err
	}
	for row, err := range t.Rows(at, at) {
		if err != nil {
			return set, err
		}
		set = Dataset{Name: row.Get("name").Text(), Digest: row.Get("digest").Text(), SourceType: row.Get("dataset_source_type").Text(),
			Source: row.Get("dataset_source").Text(), Schema: row.Get("dataset_schema").Text(), Profile: row.Get("dataset_profile").Text()}
	}
	return set, nil
}

// countOthers counts what mlx has no place for, so that the report names it.
func (d *database) countOthers() error {
	for table, what := range map[string]string{"trace_info": "traces", "assessments": "assessments", "evaluation_datasets": "evaluation datasets",
		"scorers": "scorers", "webhooks": "webhooks", "endpoints": "gateway endpoints", "jobs": "jobs"} {
		n := 0
		for _, err := range d.all(table) {
			if err != nil {
				return err
			}
			n++
		}
		if n > 0 {
			d.h.Left.Add(what, strconv.Itoa(n), "mlx does not import them")
			d.h.Left.List[len(d.h.Left.List)-1].Count = n
		}
	}
	return nil
}
