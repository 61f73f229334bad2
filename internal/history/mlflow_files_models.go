package history

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// loggedModels reads the folder of the models that MLflow 3 keeps beside the runs of an experiment.
func (s *fileStore) loggedModels(dir string, e *fileExperiment) error {
	names, err := folders(dir)
	if err != nil {
		return err
	}
	for _, id := range names {
		meta, err := readYAML(filepath.Join(dir, id, metaName))
		if absent(err) {
			continue
		}
		if err != nil {
			s.h.Left.Add("logged model", id, told(err))
			continue
		}
		m := LoggedModel{ID: id, Name: textOf(meta["name"]), Experiment: e.Name, Type: textOf(meta["model_type"]), Status: modelStatus(textOf(meta["status"])),
			CreatedMS: cmp.Or(numberOf(meta["creation_timestamp"]), numberOf(meta["creation_timestamp_ms"])),
			UpdatedMS: cmp.Or(numberOf(meta["last_updated_timestamp"]), numberOf(meta["last_updated_timestamp_ms"])),
			Deleted:   textOf(meta["lifecycle_stage"]) == "deleted"}
		if m.Params, err = s.texts(filepath.Join(dir, id, "params")); err != nil {
			return err
		}
		if m.Tags, err = s.texts(filepath.Join(dir, id, "tags")); err != nil {
			return err
		}
		m.Dir = s.artifacts(filepath.Join(dir, id), cmp.Or(textOf(meta["artifact_location"]), textOf(meta["artifact_uri"])))
		m.Format = formatOf(m.Dir)
		s.dirs[id] = m.Dir
		run := textOf(meta["source_run_id"])
		if run == "" {
			s.h.Left.Add("logged model", id, "no run wrote it")
			continue
		}
		s.models[run] = append(s.models[run], m)
		s.h.Logged[id] = run
	}
	return nil
}

// modelsOf are the models that a run wrote, with the steps that the run says.
func (s *fileStore) modelsOf(dir, run string) []LoggedModel {
	all := slices.Clone(s.models[run])
	for i := range all {
		if meta, err := readYAML(filepath.Join(dir, "outputs", all[i].ID, metaName)); err == nil {
			all[i].Step = numberOf(meta["step"])
		}
	}
	return all
}

// registry reads the folder models: a folder a model, in it one a version, and files of aliases and tags.
func (s *fileStore) registry() error {
	top := filepath.Join(s.root, "models")
	names, err := folders(top)
	if absent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		dir := filepath.Join(top, name)
		meta, err := readYAML(filepath.Join(dir, metaName))
		if absent(err) {
			continue
		}
		if err != nil {
			s.h.Left.Add("model", name, told(err))
			continue
		}
		if len(s.h.Models) == maxModels {
			return fault.New(fault.Usage, "it has more than %d models", maxModels)
		}
		m := Model{Name: textOf(meta["name"]), Description: textOf(meta["description"]), CreatedMS: numberOf(meta["creation_timestamp"]),
			UpdatedMS: numberOf(meta["last_updated_timestamp"]), Aliases: map[string]int{}}
		if m.Name == "" {
			m.Name = name
		}
		if m.Tags, err = s.texts(filepath.Join(dir, "tags")); err != nil {
			return err
		}
		aliases, err := s.texts(filepath.Join(dir, "aliases"))
		if err != nil {
			return err
		}
		for alias, version := range aliases {
			m.Aliases[alias] = int(numberOf(version))
		}
		if err := s.versions(dir, &m); err != nil {
			return err
		}
		s.h.Models = append(s.h.Models, m)
	}
	return nil
}

func (s *fileStore) versions(dir string, m *Model) error {
	names, err := folders(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		word, ok := strings.CutPrefix(name, "version-")
		number, err := strconv.Atoi(word)
		if !ok || err != nil || number < 1 {
			continue
		}
		meta, err := readYAML(filepath.Join(dir, name, metaName))
		if err != nil {
			s.h.Left.Add("version", m.Name+" "+word, told(err))
			continue
		}
		stage := textOf(meta["current_stage"])
		if stage == "Deleted_Internal" {
			continue
		}
		v := Version{Version: number, Description: textOf(meta["description"]), User: textOf(meta["user_id"]), Stage: stage, Source: textOf(meta["source"]),
			RunID: textOf(meta["run_id"]), RunLink: textOf(meta["run_link"]), Status: textOf(meta["status"]), CreatedMS: numberOf(meta["creation_timestamp"]),
			UpdatedMS: numberOf(meta["last_updated_timestamp"])}
		if v.Tags, err = s.texts(filepath.Join(dir, name, "tags")); err != nil {
			return err
		}
		s.locate(m.Name, &v, textOf(meta["storage_location"]))
		v.Type = formatOf(v.Dir)
		m.Versions = append(m.Versions, v)
	}
	slices.SortFunc(m.Versions, func(a, b Version) int { return cmp.Compare(a.Version, b.Version) })
	return nil
}

func (s *fileStore) locate(model string, v *Version, storage string) {
	if _, prompt := v.Tags["mlflow.prompt.text"]; prompt { // MLflow keeps prompts as models with tags, and they have no files
		return
	}
	if v.LoggedModel = loggedModelOf(v.Source); v.LoggedModel != "" {
		v.Dir = s.dirs[v.LoggedModel]
		return
	}
	var why string
	for _, location := range []string{storage, v.Source} {
		if location == "" {
			continue
		}
		if v.Dir, why = s.places.find(location); v.Dir != "" {
			if info, err := os.Stat(v.Dir); err == nil && (info.IsDir() || info.Mode().IsRegular()) {
				return
			}
		}
	}
	if why != "" {
		s.h.Left.Add("files of a version", model+" "+strconv.Itoa(v.Version), why)
	}
}
