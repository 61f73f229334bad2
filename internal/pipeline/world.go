package pipeline

import (
	"context"
	"time"

	"mlx/internal/object"
)

// Identity is what stands at a path: of a file its SHA-256, of a folder its snapshot.
type Identity struct {
	Root       object.Digest // the version that it would be
	Digest     object.Digest
	Executable bool
}

// Made is a run that succeeded and what it made: outputs that belong to the key of its stage.
type Made struct {
	Run  object.Digest // id
	At   time.Time     // when it ended
	Outs []MadeOut
}

// MadeOut is one output of a run.
type MadeOut struct {
	Path   string
	Root   object.Digest
	Digest object.Digest
	Kind   string // "file" or "directory"
}

// Past is a run of a stage, whatever became of it: what the reasons of the next one are found by.
type Past struct {
	Run    object.Digest
	Key    object.Digest
	State  string // "succeeded", "failed", …
	Cause  string
	Cmd    string
	Folder string
	Params map[string]any
	Deps   []Dep
	Outs   []string                 // declared
	Roots  map[string]object.Digest // by output: what it made of it
}

// World is what a pipeline needs of its surroundings. Paths are below the root of the repository.
type World struct {
	// Identify says what stands at paths; a path where nothing stands is left out.
	Identify func(ctx context.Context, paths []string) (map[string]Identity, error)
	// Inside says what lies at a path below an output of a run, empty for the output itself; false if nothing does.
	Inside func(ctx context.Context, out MadeOut, path string) (Identity, bool, error)
	// Made returns, by key, the runs that made something of it, the newest first.
	Made func(ctx context.Context, keys []object.Digest) (map[object.Digest][]Made, error)
	// Newest returns the newest runs of each stage that has some, the newest first.
	Newest func(ctx context.Context, stages []string) (map[string][]Past, error)
	// Changes says in a few words how a path differs from an earlier version of it; empty when that is not known.
	Changes func(ctx context.Context, path string, was object.Digest) string
	// Missing is asked about a dependency that nothing makes and that is not there. It brings it, or returns an error.
	Missing func(ctx context.Context, s Stage, path string) error
	// Params reads the parameters of a stage again: another stage has written their file.
	Params func(ctx context.Context, s Stage) ([]Param, error)
	// Here says whether all outputs of a run can be restored.
	Here func(ctx context.Context, m Made) (bool, error)
	// Restore puts the outputs of a run in the place of what stands there.
	Restore func(ctx context.Context, s Stage, m Made) error
	// Lock waits until nobody else, in any process, makes something of the same name. Waited says that somebody did.
	Lock func(ctx context.Context, s Stage, key object.Digest) (l Lock, err error)
}

// Lock is held while a stage is made.
type Lock struct {
	Waited  bool
	Release func()
}

// Executor runs the command of a stage.
type Executor interface {
	// Execute runs it once and records that. An error says that nothing was run or recorded.
	Execute(ctx context.Context, step Step) (Outcome, error)
}

// Step is one attempt at a stage.
type Step struct {
	Stage   Stage
	Key     object.Digest
	Deps    []Dep // in the order of their paths
	Attempt int   // counts from 1
	Why     string
}

// Outcome is what became of an attempt.
type Outcome struct {
	Run       object.Digest
	State     string // "succeeded", "failed", "killed" or "cancelled"
	Cause     string // why it did not succeed
	Duration  time.Duration
	Outs      []MadeOut
	Disturbed []string // dependencies that changed while it ran: nothing may be restored from it
	Final     bool     // whoever executed it has made the other attempts as well
}

// Succeeded is the state of an attempt that made its outputs; Cancelled that of one which the user stopped.
const (
	Succeeded = "succeeded"
	Cancelled = "cancelled"
)
