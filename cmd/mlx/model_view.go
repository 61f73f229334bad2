package main

import (
	"encoding/json"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
)

// modelView is model/v1: one version of a model.
type modelView struct {
	Kind        string            `json:"kind"`
	ID          string            `json:"id"` // of the record that registered it
	Name        string            `json:"name"`
	Version     int               `json:"version"`
	At          time.Time         `json:"at"`
	By          string            `json:"by"`
	Digest      *string           `json:"digest"`   // null: mlx does not have the bytes
	Snapshot    *string           `json:"snapshot"` // that keeps them
	Type        string            `json:"type"`     // file, directory, prompt, elsewhere
	Path        *string           `json:"path"`
	Files       int64             `json:"files"`
	Bytes       int64             `json:"bytes"`
	Format      *string           `json:"format"`
	Signature   json.RawMessage   `json:"signature"`
	Run         *fault.Ref        `json:"run"`
	From        []fault.Ref       `json:"from"` // versions that it was derived from
	LoggedModel *string           `json:"logged_model"`
	Source      *string           `json:"source"`
	Description *string           `json:"description"`
	Tags        map[string]string `json:"tags"` // as mlx tag and MLflow clients set them
	Stage       registry.Stage    `json:"stage"`
	StageAt     time.Time         `json:"stage_at"`
	StageBy     string            `json:"stage_by"`
	Retired     bool              `json:"retired"`
	Aliases     []string          `json:"aliases"`
}

func viewOfVersion(v *registry.Version) modelView {
	m := modelView{Kind: "model/v1", ID: v.Record.Hex(), Name: v.Model, Version: v.Version, At: v.At.UTC(), By: v.By, Digest: hexOrNil(v.Digest),
		Snapshot: hexOrNil(v.Root), Type: v.Kind, Path: some(v.Path), Files: v.Files, Bytes: v.Bytes, Format: some(v.Format), Signature: v.Signature,
		From: []fault.Ref{}, LoggedModel: some(v.Logged), Source: some(v.Source), Description: some(v.Description), Tags: v.Tags, Stage: v.Stage,
		StageAt: v.StageSince.UTC(), StageBy: v.StageBy, Retired: v.Retired, Aliases: append([]string{}, v.Aliases...)}
	if v.Run != nil {
		m.Run = &fault.Ref{Kind: refRun, ID: v.Run.Hex()}
	}
	for _, p := range v.From {
		m.From = append(m.From, refOfParent(p))
	}
	return m
}

// refOfVersion is a version as other views name it.
func refOfVersion(v *registry.Version) fault.Ref { return refOf(refModel, v.Record.Hex(), v.Name()) }

func refOfParent(p registry.Parent) fault.Ref {
	return refOf(refModel, p.Record.Hex(), p.Model+"@v"+numberWord(p.Version))
}

func hexOrNil(d object.Digest) *string {
	if d.IsZero() {
		return nil
	}
	return some(d.Hex())
}

func numberWord(n int) string { return strconv.Itoa(n) }

// pointerView is an alias or a stage of a model, and where it points: at more than one version where people disagree.
type pointerView struct {
	Name     string      `json:"name"`
	Versions []fault.Ref `json:"versions"`
	Conflict bool        `json:"conflict"`
}

// registryView is registry/v1: a model with all its versions.
type registryView struct {
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	Tags        map[string]string `json:"tags"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	By          string            `json:"by"`
	Latest      *fault.Ref        `json:"latest"`
	Stages      []pointerView     `json:"stages"`
	Aliases     []pointerView     `json:"aliases"`
	Versions    []modelView       `json:"versions"` // newest first
	Conflicts   []conflictView    `json:"conflicts"`
}

func viewOfModel(m *registry.Model) registryView {
	v := registryView{Kind: "registry/v1", Name: m.Name, Description: some(m.Description), Tags: m.Tags, CreatedAt: m.CreatedAt.UTC(),
		UpdatedAt: m.UpdatedAt.UTC(), By: m.By, Stages: []pointerView{}, Aliases: []pointerView{}, Versions: []modelView{}, Conflicts: conflictsOf(m)}
	live := m.Live()
	for i := len(live) - 1; i >= 0; i-- {
		v.Versions = append(v.Versions, viewOfVersion(live[i]))
	}
	if latest := m.Latest(); latest != nil {
		ref := refOfVersion(latest)
		v.Latest = &ref
	}
	for _, p := range m.Held {
		v.Stages = append(v.Stages, viewOfPointer(m, p))
	}
	for _, p := range m.Aliases {
		if len(p.Versions) > 0 {
			v.Aliases = append(v.Aliases, viewOfPointer(m, p))
		}
	}
	return v
}

func viewOfPointer(m *registry.Model, p registry.Pointer) pointerView {
	v := pointerView{Name: p.Name, Versions: []fault.Ref{}, Conflict: p.Conflict()}
	for _, n := range p.Versions {
		v.Versions = append(v.Versions, refOfNumber(m, n))
	}
	return v
}

// refOfNumber is a version by its number; 0 is the alias that somebody took away.
func refOfNumber(m *registry.Model, n int) fault.Ref {
	for _, v := range m.Versions {
		if v.Version == n {
			return refOfVersion(v)
		}
	}
	return fault.Ref{Kind: refModel, Name: m.Name + "@v" + numberWord(n)}
}

// conflictsOf are the names of a model that people moved to several versions at once, and the numbers that two clones gave to different
// bytes.
func conflictsOf(m *registry.Model) []conflictView {
	all := []conflictView{}
	for _, p := range m.Conflicts() {
		all = append(all, conflictView{Name: m.Name + "@" + p.Name, Values: viewOfPointer(m, p).Versions})
	}
	live := m.Live()
	for i, v := range live {
		if i > 0 && live[i-1].Version == v.Version {
			all = append(all, conflictView{Name: v.Name(), Values: []fault.Ref{refOfVersion(live[i-1]), refOfVersion(v)}})
		}
	}
	return all
}
