package run

import (
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// Kept is a version that a record of a run names beside its data and outputs.
type Kept struct {
	Root object.Digest
	Kind snapshot.Kind
	Why  string // "code of a run"
}

// Kept lists them: whoever collects or sends what runs need asks here.
func (b Body) Kept() []Kept {
	var all []Kept
	if b.Code.Patch != nil {
		all = append(all, Kept{*b.Code.Patch, snapshot.File, "code of a run"})
	}
	if b.Code.Files != nil {
		all = append(all, Kept{*b.Code.Files, snapshot.Directory, "code of a run"})
	}
	if b.Log != nil {
		all = append(all, Kept{b.Log.Root, snapshot.Directory, "output of a run"})
	}
	if b.Series != nil {
		all = append(all, Kept{b.Series.Root, snapshot.File, "series of a run"})
	}
	if b.Environment != nil && b.Environment.Python != nil && !b.Environment.Python.List.IsZero() {
		all = append(all, Kept{b.Environment.Python.List, snapshot.File, "packages of a run"})
	}
	if t := b.Tracking; t != nil && t.Artifacts != nil {
		all = append(all, Kept{t.Artifacts.Root, snapshot.Directory, "artifacts of a run"})
	}
	if t := b.Tracking; t != nil && t.More != nil {
		all = append(all, Kept{*t.More, snapshot.File, "tracking of a run"})
	}
	if b.Job != nil {
		if b.Job.Resume != nil {
			all = append(all, Kept{*b.Job.Resume, snapshot.Directory, "checkpoint that a run began with"})
		}
		if b.Job.Checkpoint != nil {
			all = append(all, Kept{*b.Job.Checkpoint, snapshot.Directory, "checkpoint of a run"})
		}
		for _, a := range b.Job.Attempts {
			if a.Log != nil {
				all = append(all, Kept{*a.Log, snapshot.Directory, "output of an attempt"})
			}
		}
	}
	for _, m := range b.Models {
		if !m.Root.IsZero() {
			all = append(all, Kept{m.Root, snapshot.Directory, "model of a run"})
		}
	}
	return all
}
