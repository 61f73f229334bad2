// Package run hides how the execution of a command becomes knowledge: what is asked of the machine and of the process,
// how a child is started, watched, signalled and ended, and how that is written down, so that whoever asks later sees
// one value, the View, whatever happened in between.
//
// A run is two records. run.started is written before the child exists; run.ended follows it, repeats everything and
// adds the outcome. A run whose first record has no second is running, or lost when the process that would have
// written it is gone. The id of a run is the id of its first record.
package run

import (
	"time"

	"mlx/internal/lineage"
	"mlx/internal/object"
)

// The kinds of record of a run.
var (
	Started = lineage.Define[Body]("run.started/v1")
	Ended   = lineage.Define[Body]("run.ended/v1")
)

// State is what became of a run.
type State string

// The states that a run on this machine can have.
const (
	Running   State = "running"
	Succeeded State = "succeeded" // the command ended with 0 and wrote what it declared
	Failed    State = "failed"    // the command ended with another status, or did not write what it declared
	Killed    State = "killed"    // a signal that nobody here sent, or the time limit, ended it
	Cancelled State = "cancelled" // the user asked it to stop
	Lost      State = "lost"      // it started, and whoever would have recorded its end is gone
)

// Body is the body of both records of a run. Fields from Run on are in run.ended only.
type Body struct {
	State      State          `json:"state"`
	Command    []string       `json:"command"`
	Folder     string         `json:"folder"` // working folder below the repository root, "." for the root
	Name       string         `json:"name,omitempty"`
	Experiment string         `json:"experiment,omitempty"`
	StartedAt  time.Time      `json:"started_at"`
	Code       Code           `json:"code"`
	Data       []Data         `json:"data,omitempty"`
	Params     map[string]any `json:"params,omitempty"` // string, bool, or number as float64
	Outs       []string       `json:"outs,omitempty"`   // declared outputs, below the repository root
	Attempt    int            `json:"attempt"`          // counts from 1
	Parent     string         `json:"parent,omitempty"` // id of the run that this one was started in
	TimeoutS   float64        `json:"timeout_s,omitempty"`
	Machine    Machine        `json:"machine"`
	Process    Process        `json:"process"`
	Worktree   string         `json:"worktree"`

	Environment *Environment `json:"environment,omitempty"`
	Stage       *Stage       `json:"stage,omitempty"`    // of the pipeline, when mlx repro ran it
	RerunOf     string       `json:"rerun_of,omitempty"` // id of the run that this one repeats
	Because     *Because     `json:"because,omitempty"`  // why it was started, where nobody typed it
	Job         *Job         `json:"job,omitempty"`      // on a backend
	Inside      bool         `json:"inside,omitempty"`   // it happened within the process of its parent, which told of it

	Run             *object.Digest `json:"run,omitempty"` // id of the run, that is of its first record
	EndedAt         *time.Time     `json:"ended_at,omitempty"`
	DurationS       float64        `json:"duration_s,omitempty"`
	ExitStatus      *int           `json:"exit_status,omitempty"` // absent when a signal ended the command
	Signal          string         `json:"signal,omitempty"`      // "SIGKILL"
	Cause           string         `json:"cause,omitempty"`       // why it did not succeed, in words
	CPUSeconds      float64        `json:"cpu_s,omitempty"`
	PeakMemoryBytes int64          `json:"peak_memory_bytes,omitempty"`
	Energy          *Energy        `json:"energy,omitempty"`  // of a run without a job
	Drawn           []Drawn        `json:"-"`                 // what Energy is made of, or that of an attempt
	Metrics         map[string]any `json:"metrics,omitempty"` // float64, or "NaN", "Infinity", "-Infinity"
	Outputs         []Output       `json:"outputs,omitempty"`
	Log             *Log           `json:"log,omitempty"`
	Series          *Series        `json:"series,omitempty"`
	Added           []Addition     `json:"added,omitempty"` // after the end, in the order of their times

	Tracking *Tracking     `json:"tracking,omitempty"` // by a client of the MLflow dialect
	Models   []LoggedModel `json:"models,omitempty"`
	Used     []UsedModel   `json:"used,omitempty"`
	Imported *Imported     `json:"imported,omitempty"`
}

// Code is the version of the source that ran. Commit is empty outside git and before the first commit.
type Code struct {
	Commit string         `json:"commit,omitempty"`
	Branch string         `json:"branch,omitempty"` // empty when detached
	Dirty  bool           `json:"dirty"`
	Patch  *object.Digest `json:"patch,omitempty"` // snapshot of one file, the uncommitted diff

	// Files that git neither tracks nor ignores and that are kept, below the repository root: they may have taken part.
	// At most 50 of them are named.
	Untracked      []string       `json:"untracked,omitempty"`
	UntrackedCount int            `json:"untracked_count,omitempty"`
	Files          *object.Digest `json:"files,omitempty"`    // snapshot of a folder: untracked files that are kept, at their paths
	LeftOut        []LeftOut      `json:"left_out,omitempty"` // files and folders whose content is not kept, at most 50
	LeftOutCount   int            `json:"left_out_count,omitempty"`
	Remote         string         `json:"remote,omitempty"` // URL that git fetches from, without credentials
}

// LeftOut is an untracked file or folder that no record keeps, or a tracked one whose changes none keeps, and why.
type LeftOut struct {
	Path  string `json:"path"`
	Why   string `json:"why"`
	Bytes int64  `json:"bytes,omitempty"`
}

// Data is a version of data that the command read.
type Data struct {
	Path string        `json:"path"`           // below the repository root
	Root object.Digest `json:"root"`           // snapshot
	Kind string        `json:"kind,omitempty"` // "file" or "directory"; runs of earlier versions do not say
}

// Output is a file or folder that the command wrote, as it was when the command ended.
type Output struct {
	Path   string        `json:"path"`   // below the repository root
	Root   object.Digest `json:"root"`   // snapshot that keeps it
	Digest object.Digest `json:"digest"` // of a file its SHA-256, of a folder its root
	Kind   string        `json:"kind"`   // "file" or "directory"
	Files  int64         `json:"files"`
	Bytes  int64         `json:"bytes"`
}

// Log is what the command wrote to its standard output and error, as it arrived.
type Log struct {
	Root   object.Digest `json:"root"`          // snapshot of a folder with the files output and index
	Digest object.Digest `json:"digest"`        // SHA-256 of output
	Bytes  int64         `json:"bytes"`         // of output
	Cut    int64         `json:"cut,omitempty"` // bytes in the middle that were not kept
}

// Series holds every metric, and the use of the machine, over steps and time.
type Series struct {
	Root   object.Digest `json:"root"`   // snapshot of one file
	Digest object.Digest `json:"digest"` // SHA-256 of that file
	Bytes  int64         `json:"bytes"`
	Points int64         `json:"points"`
	Names  int           `json:"names"`
}

// Stage says which stage of a pipeline a run executed, and from what.
type Stage struct {
	Name   string        `json:"name"`             // "train", of a matrix "train@depth=6"
	Key    object.Digest `json:"key"`              // of everything that its result depends on
	Deps   []Dep         `json:"deps,omitempty"`   // in the order of their paths
	Sample bool          `json:"sample,omitempty"` // it ran on declared samples, so nothing is restored from it

	// Inputs that changed while it ran: nobody knows which version it read, so nothing is restored from it.
	Disturbed []string `json:"disturbed,omitempty"`
}

// Dep is a file or folder that a stage read.
type Dep struct {
	Path   string        `json:"path"`   // below the repository root
	Digest object.Digest `json:"digest"` // of a file its SHA-256, of a folder its snapshot

	Executable bool `json:"executable,omitempty"` // a file that may be run
}

// Machine is where the command ran. Unknown numbers are 0.
type Machine struct {
	Host        string `json:"host"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	CPU         string `json:"cpu,omitempty"` // model name
	CPUs        int    `json:"cpus"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
}
