package run

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// View is run/v1: everything that is known of one run, folded from its records. A field is never left out.
type View struct {
	Kind            string            `json:"kind"` // "run/v1"
	ID              string            `json:"id"`   // 64 hex digits
	At              time.Time         `json:"at"`
	By              string            `json:"by"`
	Text            string            `json:"text"`
	Tags            []string          `json:"tags"` // filled by whoever knows tags
	Prev            []string          `json:"prev"`
	Name            *string           `json:"name"`
	Experiment      *string           `json:"experiment"`
	State           State             `json:"state"`
	Command         []string          `json:"command"`
	ExitStatus      *int              `json:"exit_status"`
	Signal          *string           `json:"signal"`
	Cause           *string           `json:"cause"`
	StartedAt       *time.Time        `json:"started_at"`
	EndedAt         *time.Time        `json:"ended_at"`
	DurationS       *float64          `json:"duration_s"`
	Commit          *string           `json:"commit"`
	Dirty           bool              `json:"dirty"`
	Data            []fault.Ref       `json:"data"`
	Params          map[string]any    `json:"params"`
	Metrics         map[string]Number `json:"metrics"`
	Outputs         []ViewOutput      `json:"outputs"`
	Attempt         int               `json:"attempt"`
	Backend         *string           `json:"backend"`
	Parent          *string           `json:"parent"`
	PeakMemoryBytes *int64            `json:"peak_memory_bytes"`
	JobShown        json.RawMessage   `json:"job"` // filled by whoever knows backends; null: what ran here has no job

	Branch    *string     `json:"branch"`
	Patch     *string     `json:"patch"`     // snapshot of the uncommitted diff
	Untracked int         `json:"untracked"` // files that git neither tracks nor ignores and that are kept
	Folder    string      `json:"folder"`
	CPUS      *float64    `json:"cpu_s"`
	Machine   ViewMachine `json:"machine"`
	TimeoutS  *float64    `json:"timeout_s"`

	EnvironmentShown *shownEnvironment `json:"environment"`
	StageShown       *shownStage       `json:"stage"`
	Environment      *Environment      `json:"-"` // JSON has what EnvironmentShown says; likewise the next ones
	Stage            *Stage            `json:"-"`
	RerunOf          *string           `json:"rerun_of"`
	BecauseShown     *shownBecause     `json:"because"` // null: somebody typed it
	Because          *Because          `json:"-"`
	LogShown         *shownLog         `json:"log"`
	SeriesShown      *shownSeries      `json:"series"`
	Log              *Log              `json:"-"`
	Series           *Series           `json:"-"`
	Files            *string           `json:"files"` // snapshot of the untracked files that are kept
	LeftOutShown     []shownLeftOut    `json:"left_out"`
	LeftOut          []LeftOut         `json:"-"`
	LeftOutN         int               `json:"left_out_count"`
	AddedShown       []shownAddition   `json:"added"`
	Added            []Addition        `json:"-"` // what was recorded after the run had ended

	TrackingShown *shownTracking `json:"tracking"` // null: no client of MLflow told anything
	ModelsShown   []shownModel   `json:"models"`   // that clients logged
	UsedShown     []shownUsed    `json:"used"`     // versions of registered models that it read
	Imported      *Imported      `json:"imported"` // null: it happened here
	Tracking      *Tracking      `json:"-"`
	Models        []LoggedModel  `json:"-"`
	Used          []UsedModel    `json:"-"`
	Job           *Job           `json:"-"`      // nil: this machine
	EnergyShown   *shownEnergy   `json:"energy"` // null: there is no meter, and nobody stated a power
	Energy        *Energy        `json:"-"`

	RunID  object.Digest `json:"-"` // ID as a digest
	Record object.Digest `json:"-"` // the newest record of the run

	watcher Process // which mlx watches over it, or did
}

// ViewOutput is one output of a run. Digest is what sha256sum prints for a file, and the snapshot of a folder.
type ViewOutput struct {
	Path     string `json:"path"`
	Digest   string `json:"digest"`
	Bytes    int64  `json:"bytes"`
	Snapshot string `json:"snapshot"`
	Kind     string `json:"kind"` // "file" or "directory"
	Files    int64  `json:"files"`
}

// ViewMachine is where a run executed. Host is what the machine calls itself.
type ViewMachine struct {
	Host        string `json:"host"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	CPU         string `json:"cpu"`
	CPUs        int    `json:"cpus"`
	MemoryBytes *int64 `json:"memory_bytes"`
}

// History reads runs back from the ledger. Host, Now and Runs serve to tell a running run from a lost one.
type History struct {
	Ledger *lineage.Ledger
	Host   string
	Now    func() time.Time
	Runs   string // folder of the folders of runs in progress; empty: what a command without its mlx does is not asked
	Jobs   string // folder of the folders of jobs on backends; empty: what was seen of them is not asked
}

// Views yields the runs that q selects, one view a run. q.Nouns and q.All are set here.
func (h History) Views(ctx context.Context, q lineage.Query) iter.Seq2[View, error] {
	q.Nouns, q.All = []string{"run"}, false
	return func(yield func(View, error) bool) {
		for rec, err := range h.Ledger.Select(ctx, q) {
			if err == nil && !Started.Is(rec) && !Ended.Is(rec) {
				continue // of a later version of mlx
			}
			var v View
			if err == nil {
				v, err = h.Of(rec)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Of folds the newest record of a run into its view.
func (h History) Of(rec lineage.Record) (View, error) {
	none := fault.New(fault.Integrity, "cannot read record %s: it is no record of a run", rec.ID.Short())
	if Ended.Is(rec) {
		body, err := Ended.Decode(rec)
		if err == nil && body.Run == nil {
			err = none
		}
		if err != nil {
			return View{}, err
		}
		return viewOf(*body.Run, rec, body), nil
	}
	if !Started.Is(rec) {
		return View{}, none
	}
	body, err := Started.Decode(rec)
	if err != nil {
		return View{}, err
	}
	body.State, body.Cause = h.unfinished(rec.ID, body)
	return viewOf(rec.ID, rec, body), nil
}

// Unfinished returns the runs of which no end is recorded, and what they are: running or lost.
func (h History) Unfinished(ctx context.Context) (map[object.Digest]State, error) {
	all := make(map[object.Digest]State)
	for v, err := range h.Views(ctx, lineage.Query{Where: "kind == " + strconv.Quote(Started.Name())}) {
		if err != nil {
			return nil, err
		}
		all[v.RunID] = v.State
	}
	return all, nil
}

// Get returns the run that id names: the id of any of its records.
func (h History) Get(ctx context.Context, id object.Digest) (View, error) {
	rec, err := h.newest(ctx, id)
	if err != nil {
		return View{}, err
	}
	return h.Of(rec)
}

// newest returns the newest record of the run that id names.
func (h History) newest(ctx context.Context, id object.Digest) (lineage.Record, error) {
	rec, err := h.Ledger.Get(ctx, id)
	if err != nil {
		return rec, err
	}
	if Started.Is(rec) {
		for later, err := range h.Ledger.Referring(ctx, id) {
			if err != nil {
				return rec, err
			}
			if of, ok := IDOf(later); ok && of == id {
				rec = later
				break
			}
		}
	}
	return rec, nil
}

// maxAtOnce is how many runs one question names.
const maxAtOnce = 500

// Several returns the views of many runs by their ids, in one pass over the index.
func (h History) Several(ctx context.Context, ids []object.Digest) (map[object.Digest]View, error) {
	all := make(map[object.Digest]View, len(ids))
	for some := range slices.Chunk(ids, maxAtOnce) {
		words := make([]string, len(some))
		for i, id := range some {
			words[i] = strconv.Quote(id.String())
		}
		for v, err := range h.Views(ctx, lineage.Query{Where: "run in [" + strings.Join(words, ", ") + "]"}) {
			if err != nil {
				return nil, err
			}
			all[v.RunID] = v
		}
	}
	for _, id := range ids {
		if _, ended := all[id]; !ended {
			v, err := h.Get(ctx, id)
			if err != nil {
				return nil, err
			}
			all[id] = v
		}
	}
	return all, nil
}

// Last returns the run started in a worktree before which n newer ones were started there: n 0 is the newest.
func (h History) Last(ctx context.Context, worktree string, n int) (View, error) {
	for v, err := range h.startedIn(ctx, worktree, n+1) {
		if err != nil {
			return View{}, err
		}
		if n == 0 {
			return v, nil
		}
		n--
	}
	return View{}, fault.New(fault.NotFound, "no such run was started in this worktree").Hint("mlx log -k run")
}

// IDOf returns the id of the run that a record belongs to, and false when it is no record of a run.
func IDOf(rec lineage.Record) (object.Digest, bool) {
	if Started.Is(rec) {
		return rec.ID, true
	}
	if !Ended.Is(rec) {
		return object.Digest{}, false
	}
	var body struct {
		Run *object.Digest `json:"run"`
	}
	if err := json.Unmarshal(rec.Body, &body); err != nil || body.Run == nil {
		return object.Digest{}, false
	}
	return *body.Run, true
}
