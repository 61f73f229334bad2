package run

import (
	"path"
	"time"
)

// What a view shows of what clients of MLflow told.
type (
	shownTracking struct {
		User      *string           `json:"user"`
		Status    *string           `json:"status"`
		EndedAt   *time.Time        `json:"ended_at"`
		Deleted   *time.Time        `json:"deleted"`
		Tags      map[string]string `json:"tags"`
		Datasets  []Dataset         `json:"datasets"`
		Artifacts *shownArtifacts   `json:"artifacts"`
		Refused   []shownRefused    `json:"refused"`
		Complete  bool              `json:"complete"` // false: more was told than a record holds; it is kept beside it
	}
	shownArtifacts struct {
		Snapshot string `json:"snapshot"`
		Files    int64  `json:"files"`
		Bytes    int64  `json:"bytes"`
	}
	shownRefused struct {
		Param string `json:"param"`
		Old   string `json:"old"`
		New   string `json:"new"`
	}
	shownModel struct {
		ID       string  `json:"id"`
		Name     string  `json:"name"`
		Path     string  `json:"path"` // as in RUN:PATH
		Step     int64   `json:"step"`
		Snapshot *string `json:"snapshot"` // null: its files never came
		Files    int64   `json:"files"`
		Bytes    int64   `json:"bytes"`
		Format   *string `json:"format"`
	}
	shownUsed struct {
		Model    string `json:"model"`
		Version  int    `json:"version"`
		Record   string `json:"record"`
		Snapshot string `json:"snapshot"`
	}
)

func (t *Tracking) shown() *shownTracking {
	if t == nil {
		return nil
	}
	s := &shownTracking{User: some(t.User), Status: some(t.Status), EndedAt: t.EndedAt, Deleted: t.Deleted, Tags: t.Tags, Datasets: t.Datasets,
		Refused: []shownRefused{}, Complete: t.More == nil}
	if s.Tags == nil {
		s.Tags = map[string]string{}
	}
	if s.Datasets == nil {
		s.Datasets = []Dataset{}
	}
	if a := t.Artifacts; a != nil {
		s.Artifacts = &shownArtifacts{a.Root.Hex(), a.Files, a.Bytes}
	}
	for _, r := range t.Refused {
		s.Refused = append(s.Refused, shownRefused{r.Key, r.Old, r.New})
	}
	return s
}

// showTracked fills in what JSON has of what clients told.
func (v *View) showTracked(b Body) {
	v.Tracking, v.Models, v.Used, v.Imported = b.Tracking, b.Models, b.Used, b.Imported
	v.TrackingShown, v.ModelsShown, v.UsedShown = b.Tracking.shown(), []shownModel{}, []shownUsed{}
	for _, m := range b.Models {
		s := shownModel{ID: m.ID, Name: m.Name, Path: path.Join(modelsFolder, m.ID), Step: m.Step, Files: m.Files, Bytes: m.Bytes, Format: some(m.Format)}
		if !m.Root.IsZero() {
			s.Snapshot = some(m.Root.Hex())
		}
		v.ModelsShown = append(v.ModelsShown, s)
	}
	for _, u := range b.Used {
		v.UsedShown = append(v.UsedShown, shownUsed{u.Model, u.Version, u.Record.Hex(), u.Root.Hex()})
	}
}

// modelsFolder is where the models that a run logged stand among what it wrote.
const modelsFolder = "models"

// Written is all that a run wrote: its outputs, then the files that clients logged below "artifacts", and each logged model below
// "models", by its name and by its id. Of several models of one name the name is the one of the last step.
func (v View) Written() []ViewOutput {
	all := v.Outputs[:len(v.Outputs):len(v.Outputs)]
	if v.Tracking != nil && v.Tracking.Artifacts != nil {
		a := v.Tracking.Artifacts
		all = append(all, ViewOutput{Path: artifactsName, Digest: a.Root.Hex(), Snapshot: a.Root.Hex(), Bytes: a.Bytes, Kind: "directory", Files: a.Files})
	}
	newest := make(map[string]LoggedModel)
	for _, m := range v.Models {
		if known, ok := newest[m.Name]; !m.Root.IsZero() && (!ok || m.Step >= known.Step) {
			newest[m.Name] = m
		}
	}
	for _, m := range v.Models {
		if m.Root.IsZero() {
			continue
		}
		o := ViewOutput{Digest: m.Root.Hex(), Snapshot: m.Root.Hex(), Bytes: m.Bytes, Kind: "directory", Files: m.Files}
		for _, name := range []string{m.Name, m.ID} {
			if name == m.Name && newest[name].ID != m.ID {
				continue
			}
			o.Path = path.Join(modelsFolder, name)
			all = append(all, o)
		}
	}
	return all
}
