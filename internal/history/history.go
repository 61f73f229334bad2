// Package history hides how other tools wrote down what they ran. MLflow has folders of YAML and of text, or a database; W&B a
// log of protocol buffers, exports as CSV and JSON; dvc has commits. Whoever asks gets one thing: runs, with all that is known of
// them, one at a time, and a list of what could not be read. Nothing here is written to.
package history

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// State is what became of a run, in the words of mlx.
type State string

// The states that a run of another tool can have.
const (
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Killed    State = "killed"
	Lost      State = "lost" // its end was never written down
)

// Ref names a run before it is read.
type Ref struct {
	ID     string
	Parent string // id of the run that it happened in; empty: none
	MS     int64  // when it began, in milliseconds since 1970

	at int // where its reader finds it
}

// Run is everything that is known of a run. Times are zero where they are not known.
type Run struct {
	ID         string
	Parent     string
	Name       string
	Experiment string
	State      State
	Status     string // the word of the tool
	Cause      string
	User       string
	Started    time.Time
	Ended      time.Time
	ExitStatus *int
	Command    []string
	Folder     string // that it ran in, below the root of its repository
	Commit     string
	Branch     string
	Remote     string // of git, without credentials
	Machine    Machine

	Params   map[string]string // texts that may be numbers
	Document map[string]any    // parameters as JSON has them, nested
	Tags     map[string]string
	Deleted  *time.Time // when it was put into the bin
	Datasets []Dataset
	Models   []LoggedModel

	Artifacts string // folder on this machine of all files that it logged; empty: there are none, or not here
	Files     []File // outputs
	Output    string // file of what it printed
	Points    iter.Seq2[Point, error]
}

// Machine is where a run executed.
type Machine struct {
	Host, OS, CPU string
	CPUs          int
	MemoryBytes   int64
}

// Point is one value of a metric.
type Point struct {
	Name  string
	Step  int64
	MS    int64
	Value float64
}

// Dataset is data as a tool describes it.
type Dataset struct {
	Name, Digest, SourceType, Source, Schema, Profile string
	Tags                                              map[string]string
}

// LoggedModel is a model that a run wrote as a whole, apart from its other files.
type LoggedModel struct {
	ID, Name, Experiment, Type, Status, Format string
	Step, CreatedMS, UpdatedMS                 int64
	Params, Tags                               map[string]string
	Deleted                                    bool
	Dir                                        string // folder on this machine; empty: it is not here
}

// File is an output of a run and where its bytes are.
type File struct{ Path, Abs string }

// Experiment groups runs.
type Experiment struct {
	ID, Name string
	Tags     map[string]string
	Deleted  bool
	MS       int64
}

// Model is a registered model.
type Model struct {
	Name, Description    string
	CreatedMS, UpdatedMS int64
	Tags                 map[string]string
	Aliases              map[string]int
	Versions             []Version // ascending
}

// Version is a version of a registered model.
type Version struct {
	Version                                 int
	Description, User, Stage, Source, RunID string
	RunLink, Status, LoggedModel, Type      string
	CreatedMS, UpdatedMS                    int64
	Tags                                    map[string]string
	Dir                                     string // file or folder on this machine; empty: it is not here
}

// Left is something that could not be brought.
type Left struct {
	What  string // run, artifacts, metric, …
	Name  string // of the first
	Why   string
	Count int // how many were left for that reason
}

// History is what a tool wrote down. It belongs to one goroutine.
type History struct {
	From        string // mlflow, wandb or dvc
	Source      string // as it is shown
	Runs        []Ref  // a run comes after the one that it happened in
	Experiments []Experiment
	Models      []Model
	Logged      map[string]string // models that runs logged, and their runs
	Left        Lefts

	read    func(ctx context.Context, r Ref) (*Run, error)
	changed func() bool
	closers []func() error
}

// Read reads one run. What it brings is valid until the next one is read.
func (h *History) Read(ctx context.Context, r Ref) (*Run, error) {
	run, err := h.read(ctx, r)
	if err == nil {
		run.Parent = r.Parent
	}
	return run, err
}

// Changed reports whether somebody wrote to the history while it was read.
func (h *History) Changed() bool { return h.changed != nil && h.changed() }

// Close lets go of files.
func (h *History) Close() error {
	var errs []error
	for _, c := range h.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// Lefts collects what could not be brought, one line a reason.
type Lefts struct {
	List []Left
	at   map[[2]string]int
}

// Add notes that something could not be brought.
func (l *Lefts) Add(what, name, why string) {
	key := [2]string{what, why}
	if i, ok := l.at[key]; ok {
		l.List[i].Count++
		return
	}
	if l.at == nil {
		l.at = make(map[[2]string]int)
	}
	l.at[key] = len(l.List)
	l.List = append(l.List, Left{What: what, Name: name, Why: why, Count: 1})
}

// maxRuns bounds what is kept of each run while others are read.
const maxRuns = 5_000_000

// order puts runs behind the ones that they happened in, else by the time of their beginning. A parent that is not there, or that
// is a descendant, is none.
func (h *History) order() {
	slices.SortFunc(h.Runs, func(a, b Ref) int { return cmp.Or(cmp.Compare(a.MS, b.MS), cmp.Compare(a.ID, b.ID)) })
	h.Runs = slices.CompactFunc(h.Runs, func(a, b Ref) bool { return a.ID == b.ID })
	place := make(map[string]int, len(h.Runs))
	for i, r := range h.Runs {
		place[r.ID] = i
	}
	depth := make([]int, len(h.Runs)) // 0: not known yet, -1: being asked
	for i := range h.Runs {
		h.depth(i, place, depth)
	}
	at := make(map[string]int, len(h.Runs))
	for i, r := range h.Runs {
		at[r.ID] = depth[i]
	}
	slices.SortStableFunc(h.Runs, func(a, b Ref) int { return cmp.Compare(at[a.ID], at[b.ID]) })
}

// depth finds how many runs a run is inside of, counted from 1. It walks up without recursion: chains may be long.
func (h *History) depth(i int, place map[string]int, depth []int) {
	var chain []int
	for depth[i] == 0 {
		depth[i] = -1
		chain = append(chain, i)
		parent := h.Runs[i].Parent
		if parent == "" {
			break
		}
		up, known := place[parent]
		if !known || depth[up] == -1 {
			h.Left.Add("parent", h.Runs[i].ID, "the run that it happened in is not in the history")
			h.Runs[i].Parent = ""
			break
		}
		i = up
	}
	base := max(0, depth[i])
	for _, c := range slices.Backward(chain) {
		base++
		depth[c] = base
	}
}
