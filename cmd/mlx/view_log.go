package main

import (
	"encoding/json"
	"time"

	"mlx/internal/fault"
	"mlx/internal/gate"
)

// row is what every row of `mlx log` has. Rows of a run are run/v1, which has the same fields.
type row struct {
	Kind string    `json:"kind"`
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Text string    `json:"text"`
	Tags []string  `json:"tags"`
	Prev []string  `json:"prev"`
}

func (e event) row(kind string) row {
	r := row{Kind: kind, ID: e.id.Hex(), At: e.rec.At.UTC(), By: e.rec.By, Text: e.text, Tags: e.words(), Prev: []string{}}
	for _, p := range e.rec.Prev {
		r.Prev = append(r.Prev, p.Hex())
	}
	return r
}

// snapshotRow is a row of log, and an element of snapshot/v1.
type snapshotRow struct {
	row
	Path        string  `json:"path"`
	Type        string  `json:"type"` // "directory" or "file"
	Files       int64   `json:"files"`
	Bytes       int64   `json:"bytes"`
	BytesStored int64   `json:"bytes_stored"`
	Previous    *string `json:"previous"`
	Message     *string `json:"message"`
	Pointer     string  `json:"pointer"`
	Changed     bool    `json:"changed"`
}

func viewOfSnapshot(r row, b savedBody) snapshotRow {
	v := snapshotRow{row: r, Path: b.Path, Type: b.Kind, Files: b.Files, Bytes: b.Bytes, BytesStored: b.BytesStored,
		Message: some(b.Message), Pointer: b.Pointer, Changed: b.Previous == nil || *b.Previous != b.Root}
	if b.Previous != nil && !b.Previous.IsZero() {
		v.Previous = some(b.Previous.Hex())
	}
	return v
}

// gateRow is a verdict as a row of log.
type gateRow struct {
	gate.View
	By   string   `json:"by"`
	Text string   `json:"text"`
	Tags []string `json:"tags"`
	Prev []string `json:"prev"`
}

// tagRow is a tag as a row of log.
type tagRow struct {
	row
	Name    string    `json:"name"`
	Value   *string   `json:"value"`
	Note    *string   `json:"note"`
	Target  fault.Ref `json:"target"`
	Deleted bool      `json:"deleted"`
}

// otherRow is a record of a kind without a view of its own.
type otherRow struct {
	row
	Body json.RawMessage `json:"body"`
}
