package main

import (
	"mlx/internal/fault"
	"mlx/internal/run"
)

// diffView is diff/v1.
type diffView struct {
	Kind        string         `json:"kind"`
	Equal       bool           `json:"equal"`
	A           fault.Ref      `json:"a"`
	B           fault.Ref      `json:"b"`
	Data        []dataChange   `json:"data"`
	Params      []valueChange  `json:"params"`
	Metrics     []metricChange `json:"metrics"`
	Outputs     []valueChange  `json:"outputs"`
	Code        *codeChange    `json:"code"`
	Environment []valueChange  `json:"environment"`
	Model       []valueChange  `json:"model"` // of two versions of models: digest, bytes, files, format
	Rows        *rowsView      `json:"rows"`  // with --rows
}

// dataChange is one file that differs.
type dataChange struct {
	Path       string `json:"path"`
	Change     string `json:"change"` // added changed removed
	BytesDelta int64  `json:"bytes_delta"`

	data string // the tracked path that it belongs to
}

// valueChange is a value that differs; null where there is none.
type valueChange struct {
	Key string `json:"key"`
	A   any    `json:"a"`
	B   any    `json:"b"`
}

type metricChange struct {
	Key    string      `json:"key"`
	A      *run.Number `json:"a"`
	B      *run.Number `json:"b"`
	Change *run.Number `json:"change"`
	Share  *run.Number `json:"change_share"` // the change by the absolute value of a, null when that is 0
}

type codeChange struct {
	A     *string `json:"a"`
	B     *string `json:"b"`
	Files *int64  `json:"files"` // null when git does not know both commits

	Changes []fileChange `json:"changes"` // what differs, changes that were never committed included
	Patch   *string      `json:"patch"`   // the difference itself, with -v or -- PATH
}

// fileChange is one file of code that differs. The lines are null when it is no text.
type fileChange struct {
	Path    string `json:"path"`
	Added   *int64 `json:"added"`
	Removed *int64 `json:"removed"`
}

// manyView is diff/v1 of more than two runs.
type manyView struct {
	Kind    string      `json:"kind"`
	Equal   bool        `json:"equal"`
	Refs    []fault.Ref `json:"refs"`
	Params  []valueRow  `json:"params"`
	Metrics []valueRow  `json:"metrics"`
}

type valueRow struct {
	Key    string `json:"key"`
	Values []any  `json:"values"`
}

func newDiffView(a, b fault.Ref) diffView {
	return diffView{Kind: "diff/v1", A: a, B: b, Data: []dataChange{}, Params: []valueChange{}, Metrics: []metricChange{},
		Model: []valueChange{}, Outputs: []valueChange{}, Environment: []valueChange{}}
}
