package main

import (
	"math"

	"mlx/internal/history"
	"mlx/internal/run"
)

// foreignOf makes of a run that another tool wrote down one that is recorded here. parent is the id of its parent here.
func foreignOf(h *history.History, there *history.Run, parent string) run.Foreign {
	body := run.Body{
		State: run.State(there.State), Command: there.Command, Folder: there.Folder, Name: there.Name, Experiment: there.Experiment,
		StartedAt: there.Started, Parent: parent, ExitStatus: there.ExitStatus, Cause: there.Cause,
		Code:     run.Code{Commit: there.Commit, Branch: there.Branch, Remote: there.Remote},
		Params:   foreignParams(there),
		Imported: &run.Imported{From: h.From, Source: h.Source, ID: there.ID},
		Machine: run.Machine{Host: there.Machine.Host, OS: there.Machine.OS, CPU: there.Machine.CPU, CPUs: there.Machine.CPUs,
			MemoryBytes: there.Machine.MemoryBytes},
	}
	if body.Folder == "" {
		body.Folder = "."
	}
	if !there.Ended.IsZero() {
		body.EndedAt = &there.Ended
	}
	body.Tracking = trackingOf(there)
	f := run.Foreign{Body: body, Artifacts: there.Artifacts, Output: there.Output}
	for _, file := range there.Files {
		f.Outs = append(f.Outs, run.Out{Path: file.Path, Abs: file.Abs})
	}
	for _, m := range there.Models {
		f.Models = append(f.Models, run.ForeignModel{LoggedModel: run.LoggedModel{ID: m.ID, Name: m.Name, Step: m.Step, Format: m.Format}, Dir: m.Dir})
	}
	if there.Points != nil {
		f.Points = func(yield func(run.ForeignPoint, error) bool) {
			for p, err := range there.Points {
				if !yield(run.ForeignPoint{Name: p.Name, Step: p.Step, MS: p.MS, Value: p.Value}, err) {
					return
				}
			}
		}
	}
	return f
}

// foreignParams are the parameters: texts become numbers where that loses nothing, documents are flattened as those of files are.
func foreignParams(there *history.Run) map[string]any {
	all := make(map[string]any, len(there.Params))
	if flat, err := run.Flatten(there.Document); err == nil {
		for name, value := range flat {
			if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
				value = run.ParamText(f)
			}
			all[name] = value
		}
	}
	for name, text := range there.Params {
		all[name] = run.ParamValue(text)
	}
	return all
}

func trackingOf(there *history.Run) *run.Tracking {
	t := &run.Tracking{User: there.User, Status: there.Status, Tags: there.Tags, Deleted: there.Deleted}
	for _, d := range there.Datasets {
		t.Datasets = append(t.Datasets, run.Dataset{Name: d.Name, Digest: d.Digest, SourceType: d.SourceType, Source: d.Source, Schema: d.Schema,
			Profile: d.Profile, Tags: d.Tags})
	}
	if t.User == "" && t.Status == "" && len(t.Tags) == 0 && t.Deleted == nil && len(t.Datasets) == 0 {
		return nil
	}
	return t
}
