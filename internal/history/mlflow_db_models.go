package history

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/history/internal/sqlite"
)

// loadLoggedModels lists the models that MLflow 3 keeps beside runs, and which run wrote which.
func (d *database) loadLoggedModels() error {
	d.models, d.written, d.dirs = make(map[string]int64), make(map[string][]step), make(map[string]string)
	d.h.Logged = make(map[string]string)
	for row, err := range d.all("logged_models") {
		if err != nil {
			return err
		}
		id, run := row.Get("model_id").Text(), row.Get("source_run_id").Text()
		d.models[id] = row.ID
		if run != "" {
			d.written[run] = append(d.written[run], step{model: id})
			d.h.Logged[id] = run
		} else {
			d.h.Left.Add("logged model", id, "no run wrote it")
		}
		location := row.Get("artifact_location").Text()
		dir, why := d.places.find(location)
		if why != "" {
			d.h.Left.Add("logged model", id, why)
		}
		d.dirs[id] = dir
	}
	for row, err := range d.all("inputs") {
		if err != nil {
			return err
		}
		if !row.Get("destination_type").Is("MODEL_OUTPUT") {
			continue
		}
		run, id, at := row.Get("source_id").Text(), row.Get("destination_id").Text(), number(row, "step")
		if i := slices.IndexFunc(d.written[run], func(s step) bool { return s.model == id }); i >= 0 {
			d.written[run][i].step = at
		} else if _, known := d.models[id]; known {
			d.written[run] = append(d.written[run], step{id, at})
		}
	}
	return nil
}

func (d *database) modelsOf(run string) ([]LoggedModel, error) {
	var all []LoggedModel
	t, err := d.db.Table("logged_models")
	if err != nil || t == nil {
		return nil, err
	}
	for _, s := range d.written[run] {
		at := d.models[s.model]
		for row, err := range t.Rows(at, at) {
			if err != nil {
				return nil, err
			}
			m, err := d.loggedModel(row)
			if err != nil {
				return nil, err
			}
			m.Step = s.step
			all = append(all, m)
		}
	}
	return all, nil
}

func (d *database) loggedModel(row *sqlite.Row) (LoggedModel, error) {
	id := row.Get("model_id").Text()
	m := LoggedModel{ID: id, Name: row.Get("name").Text(), Experiment: d.experiments[row.Get("experiment_id").Text()].Name,
		Type: row.Get("model_type").Text(), Status: modelStatus(row.Get("status").Text()), CreatedMS: number(row, "creation_timestamp_ms"),
		UpdatedMS: number(row, "last_updated_timestamp_ms"), Deleted: row.Get("lifecycle_stage").Is("deleted"), Dir: d.dirs[id], Format: formatOf(d.dirs[id])}
	var err error
	if m.Tags, err = d.modelTags.pairs(id, "tag_key", "tag_value"); err != nil {
		return m, err
	}
	m.Params, err = d.modelParams.pairs(id, "param_key", "param_value")
	return m, err
}

// modelStatus is the word for a number that the database keeps.
func modelStatus(code string) string {
	switch code {
	case "1":
		return "LOGGED_MODEL_PENDING"
	case "2":
		return "LOGGED_MODEL_READY"
	case "3":
		return "LOGGED_MODEL_UPLOAD_FAILED"
	}
	return code
}

const (
	maxModels   = 100_000
	maxVersions = 1_000_000
)

// loadRegistry reads the registered models, their versions, tags and aliases.
func (d *database) loadRegistry() error {
	at := make(map[string]int)
	for row, err := range d.all("registered_models") {
		if err != nil {
			return err
		}
		m := Model{Name: row.Get("name").Text(), Description: row.Get("description").Text(), CreatedMS: number(row, "creation_time"),
			UpdatedMS: number(row, "last_updated_time"), Tags: map[string]string{}, Aliases: map[string]int{}}
		if _, twice := at[m.Name]; twice {
			d.h.Left.Add("model", m.Name, "another workspace has a model of that name")
			continue
		}
		if len(d.h.Models) == maxModels {
			return fault.New(fault.Usage, "it has more than %d models", maxModels)
		}
		at[m.Name] = len(d.h.Models)
		d.h.Models = append(d.h.Models, m)
	}
	model := func(row *sqlite.Row) *Model {
		if i, ok := at[row.Get("name").Text()]; ok {
			return &d.h.Models[i]
		}
		return nil
	}
	for row, err := range d.all("registered_model_tags") {
		if err != nil {
			return err
		}
		if m := model(row); m != nil {
			m.Tags[row.Get("key").Text()] = row.Get("value").Text()
		}
	}
	for row, err := range d.all("registered_model_aliases") {
		if err != nil {
			return err
		}
		if m := model(row); m != nil {
			m.Aliases[row.Get("alias").Text()] = int(number(row, "version"))
		}
	}
	return d.loadVersions(model)
}

func (d *database) loadVersions(model func(*sqlite.Row) *Model) error {
	n := 0
	for row, err := range d.all("model_versions") {
		if err != nil {
			return err
		}
		m := model(row)
		if m == nil || row.Get("current_stage").Is("Deleted_Internal") {
			continue
		}
		if n++; n > maxVersions {
			return fault.New(fault.Usage, "it has more than %d versions of models", maxVersions)
		}
		v := Version{Version: int(number(row, "version")), Description: row.Get("description").Text(), User: row.Get("user_id").Text(),
			Stage: row.Get("current_stage").Text(), Source: row.Get("source").Text(), RunID: row.Get("run_id").Text(), RunLink: row.Get("run_link").Text(),
			Status: row.Get("status").Text(), CreatedMS: number(row, "creation_time"), UpdatedMS: number(row, "last_updated_time"), Tags: map[string]string{}}
		if v.LoggedModel = loggedModelOf(v.Source); v.LoggedModel != "" {
			v.Dir = d.dirs[v.LoggedModel]
		} else {
			d.locate(m.Name, &v, row.Get("storage_location").Text())
		}
		v.Type = formatOf(v.Dir)
		m.Versions = append(m.Versions, v)
	}
	for i := range d.h.Models {
		slices.SortFunc(d.h.Models[i].Versions, func(a, b Version) int { return cmp.Compare(a.Version, b.Version) })
	}
	for row, err := range d.all("model_version_tags") {
		if err != nil {
			return err
		}
		m := model(row)
		if m == nil {
			continue
		}
		number := int(number(row, "version"))
		if i, ok := slices.BinarySearchFunc(m.Versions, number, func(v Version, n int) int { return cmp.Compare(v.Version, n) }); ok {
			m.Versions[i].Tags[row.Get("key").Text()] = row.Get("value").Text()
		}
	}
	return nil
}

// locate finds the bytes of a version that its source names, or the place that MLflow copied them to.
func (d *database) locate(model string, v *Version, storage string) {
	if v.Source == "dummy-source" || v.Source == "prompt-template" { // what MLflow writes for a prompt, which has no files
		return
	}
	var why string
	for _, location := range []string{storage, v.Source} {
		if location == "" {
			continue
		}
		if v.Dir, why = d.places.find(location); v.Dir != "" {
			return
		}
	}
	if why != "" {
		d.h.Left.Add("files of a version", model+" "+strconv.Itoa(v.Version), why)
	}
}

// loggedModelOf is the logged model that a source models:/m-… names.
func loggedModelOf(source string) string {
	id, ok := strings.CutPrefix(source, "models:/")
	if !ok || !strings.HasPrefix(id, "m-") {
		return ""
	}
	return id
}
