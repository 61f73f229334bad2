// Package pipeline hides what makes a stage up to date. It knows stages as values, computes which of them must run and why,
// which can be restored from an earlier run, in which order, and carries that out through an Executor. It reads no file,
// no configuration and no ledger itself: whoever calls it passes these as functions.
package pipeline

import (
	"time"

	"mlx/internal/fault"
)

// Stage is one node of the pipeline, after its matrix is expanded and its variables are put in. Paths are below the
// root of the repository, with slashes.
type Stage struct {
	Name     string            // "train"; of a matrix "train@depth=6,seed=1", of a list "train@lax"
	Group    string            // as mlx.yaml or dvc.yaml names it: "train"
	Cmd      string            // a line for the shell
	Folder   string            // working folder, "." for the root
	Deps     []string          // files and folders that it reads
	Outs     []Out             // files and folders that it writes
	Params   []Param           // in the order of file and key
	Env      map[string]string // variables of its own
	Timeout  time.Duration     // of one attempt; 0 is none
	Retries  int               // how often a failed attempt is tried again
	On       string            // backend; empty for this machine
	Always   bool              // it runs every time
	Frozen   bool              // it never runs (dvc.yaml)
	Register map[string]string // model name to output
	At       fault.Position    // where it is defined
	Bad      error             // why its parameters cannot be read: it cannot run
}

// Out is a file or folder that a stage writes.
type Out struct {
	Path    string
	Metrics bool // a JSON or YAML file of metrics
	Persist bool // it is not removed before the stage runs (dvc.yaml)
	InGit   bool // small: git keeps it, so it is not put into .gitignore (dvc.yaml: cache: false)
}

// Param is a value that a stage depends on.
type Param struct {
	File    string // below the root
	Key     string // dotted path in the file; empty for the whole file
	Value   any    // JSON value; nil when Missing
	Missing bool   // the file has no such key
}
