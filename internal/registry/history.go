package registry

import (
	"slices"
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Tenure is the time that a version spent in a stage.
type Tenure struct {
	Version int
	Stage   Stage
	Record  object.Digest // that moved it there
	From    time.Time
	By      string
	Until   *time.Time      // nil: it is still there
	Ended   *lineage.Record // what ended it
	Next    int             // the version that took its place; 0 when none did
}

// Tenures lists who was in staging and production when, in the order of their beginnings.
func (m *Model) Tenures() []Tenure {
	var all []Tenure
	for _, e := range m.Events {
		mv, ok := e.Body.(Move)
		if !ok {
			continue
		}
		for i := range all {
			t := &all[i]
			left := t.Version == mv.Version
			if t.Until != nil || !left && !slices.Contains(e.Record.Prev, t.Record) {
				continue
			}
			at, rec := e.Record.At, e.Record
			t.Until, t.Ended = &at, &rec
			if !left && mv.To == t.Stage {
				t.Next = mv.Version
			}
		}
		if mv.To.held() {
			all = append(all, Tenure{Version: mv.Version, Stage: mv.To, Record: e.Record.ID, From: e.Record.At, By: e.Record.By})
		}
	}
	return all
}

// Conflicts are the aliases and stages that people moved at the same time to different versions.
func (m *Model) Conflicts() []Pointer {
	var all []Pointer
	for _, p := range slices.Concat(m.Aliases, m.Held) {
		if p.Conflict() {
			all = append(all, p)
		}
	}
	return all
}

// Before is the live version with the next lower number, nil for the first.
func (m *Model) Before(number int) *Version {
	var found *Version
	for _, v := range m.Live() {
		if v.Version < number {
			found = v
		}
	}
	return found
}
