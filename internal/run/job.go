package run

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Job is the execution of a run on a backend. The record of the start says what was asked for; that of the end adds how
// it went. A run without one was executed by the mlx that recorded it.
type Job struct {
	Backend     string        `json:"backend"` // its name in mlx.yaml
	Type        string        `json:"type"`    // local, ssh, slurm, ray, kubernetes, sky
	Nodes       int           `json:"nodes"`
	Ranks       int           `json:"ranks,omitempty"` // on each node, where that is more than one
	GPUs        int           `json:"gpus,omitempty"`  // on each node
	GPUType     string        `json:"gpu_type,omitempty"`
	CPUs        int           `json:"cpus,omitempty"`
	MemoryBytes int64         `json:"memory_bytes,omitempty"`
	TimeS       float64       `json:"time_s,omitempty"`
	Spot        bool          `json:"spot,omitempty"`
	Image       string        `json:"image,omitempty"`
	Queue       string        `json:"queue,omitempty"`
	Retries     int           `json:"retries,omitempty"`
	RetryOn     []int         `json:"retry_on,omitempty"` // exit statuses that are worth another attempt; empty is every one but 0
	Env         []string      `json:"env,omitempty"`      // NAME=VALUE that the command gets beside its environment there; nothing secret
	Tree        object.Digest `json:"tree"`               // snapshot of the work tree that was sent; it can be made anew from the code of the run
	Secrets     []string      `json:"secrets,omitempty"`
	Region      string        `json:"region,omitempty"`
	MaxCost     *Cost         `json:"max_cost,omitempty"`
	CostLimit   bool          `json:"cost_limit,omitempty"` // the time limit is what MaxCost pays for, shared among the attempts
	Price       *Price        `json:"price,omitempty"`      // when it was submitted; nil is not known
	Power       *Power        `json:"power,omitempty"`

	Resume      *object.Digest `json:"resume,omitempty"` // snapshot of the checkpoint folder that it begins with
	SubmittedAt time.Time      `json:"submitted_at"`
	Clone       string         `json:"clone,omitempty"` // name of the clone that submitted it: nobody else can know how far it came

	Handle   string     `json:"handle,omitempty"`
	QueuedS  *float64   `json:"queued_s,omitempty"` // from the submit to the first attempt
	Attempts []Attempt  `json:"attempts,omitempty"` // all of them, the last one as well
	Hosts    []string   `json:"hosts,omitempty"`    // in the order of their ranks
	Cost     *Cost      `json:"cost,omitempty"`
	Energy   *Energy    `json:"energy,omitempty"`
	Facts    []NodeFact `json:"facts,omitempty"` // about the nodes, worth knowing when something is wrong

	// What was asked for beside it.
	MetricFiles []string        `json:"metric_files,omitempty"` // outputs that are files of metrics
	Versions    []object.Digest `json:"versions,omitempty"`     // that the node has to have beside what is laid out there
	Checkpoint  *object.Digest  `json:"checkpoint,omitempty"`   // snapshot of the checkpoint folder that it left
}

// Attempt is one execution of the command of a job.
type Attempt struct {
	N         int            `json:"n"` // counts from 1
	Host      string         `json:"host"`
	StartedAt time.Time      `json:"started_at"`
	EndedAt   *time.Time     `json:"ended_at,omitempty"` // absent of one whose node went
	State     State          `json:"state"`
	Cause     string         `json:"cause,omitempty"` // why it did not succeed: preempted, node lost, exit status 3
	Log       *object.Digest `json:"log,omitempty"`   // snapshot of its output, of all but the last one
	Drawn     []Drawn        `json:"drawn,omitempty"` // electricity
}

// Cost is what a run cost, or may cost.
type Cost struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency"`
	Basis    string  `json:"basis"`         // measured, estimated or assumed
	How      string  `json:"how,omitempty"` // the sum in words: "2 GPU x 0.50 h x 2.10 EUR"
}

// Price is what a job costs, in one currency. Zero is no price.
type Price struct {
	Currency   string  `json:"currency"`
	GPUHour    float64 `json:"gpu_hour,omitempty"`
	CPUHour    float64 `json:"cpu_hour,omitempty"`
	MemoryHour float64 `json:"memory_hour,omitempty"` // of one GiB
	NodeHour   float64 `json:"node_hour,omitempty"`
	JobHour    float64 `json:"job_hour,omitempty"` // of all that the job has, as the backend itself said
	Spot       float64 `json:"spot,omitempty"`     // share of the price that spot machines cost
}

// Power is what mlx.yaml says of the electricity of a backend.
type Power struct {
	GPUWatts  float64 `json:"gpu_watts,omitempty"`
	CPUWatts  float64 `json:"cpu_watts,omitempty"`
	PUE       float64 `json:"pue,omitempty"`
	Intensity float64 `json:"intensity,omitempty"` // grams of CO2 for one kWh
}

// NodeFact is something about a node: what of, and what is so.
type NodeFact struct {
	Host string `json:"host,omitempty"`
	What string `json:"what"` // driver, mig, mps, rocm, xid, tmp, quota
	Text string `json:"text"`
	Bad  bool   `json:"bad,omitempty"`
}

// Pending is the state of a run whose job has not begun; Unobserved that of a run whose backend cannot be asked just now.
const (
	Pending    State = "pending"
	Unobserved State = "unknown"
)

// Seen is what a client last saw of a job. It lies in the folder of the job, which is called like the run and lies below
// History.Jobs, as SeenName. The live output, metrics and resources of the run lie in the folder LiveName beside it, as in
// that of a run on this machine.
type Seen struct {
	State   State     `json:"state"` // pending, running or unknown; never the end, which is a record
	Reason  string    `json:"reason,omitempty"`
	Handle  string    `json:"handle,omitempty"`
	Attempt int       `json:"attempt,omitempty"`
	Heard   bool      `json:"heard,omitempty"` // that attempt began: its agent says so
	Host    string    `json:"host,omitempty"`
	Given   time.Time `json:"given,omitzero"`    // since when the backend has the job, where this client handed it over
	Began   time.Time `json:"began,omitzero"`    // of the attempt
	Since   time.Time `json:"since,omitzero"`    // when it was first seen running; Began is better
	SpentS  float64   `json:"spent_s,omitempty"` // how long the attempts before this one had their places
	At      time.Time `json:"at"`                // when it was seen
	Ready   bool      `json:"ready,omitempty"`   // its results can be fetched
}

// NothingNew says whether a look need not be kept: the job waits, or is over, as it did before. When one that is running was last seen is of
// use, since its cost is known until then.
func (s Seen) NothingNew(before Seen) bool {
	before.At = s.At
	return s == before && (s.Ready || s.State == Pending)
}

// Names in the folder of a job.
const (
	SeenName = "seen.json"
	LiveName = "live"
)

// See keeps what was seen of the job of a run.
func See(jobs string, id object.Digest, s Seen) error {
	dir := filepath.Join(jobs, id.Hex())
	if err := makeFolder(dir); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what is known of job %s: %w", id.Short(), err)
	}
	if err := note(dir, SeenName, s); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what is known of job %s: %w", id.Short(), err)
	}
	return nil
}

// SeenOf returns what was last seen of the job of a run. false: nothing.
func SeenOf(jobs string, id object.Digest) (Seen, bool) {
	return noted[Seen](filepath.Join(jobs, id.Hex()), SeenName)
}

// jobState is the state of a run that a backend executes, as long as no end is recorded.
func (h History) jobState(id object.Digest) (State, string) {
	if h.Jobs != "" {
		if s, ok := SeenOf(h.Jobs, id); ok {
			return s.State, s.Reason
		}
	}
	return Pending, ""
}

// Submit records that a run is about to be handed to a backend: its first record, which is durable when it returns. Spec.Job
// says to which. The command runs elsewhere, so that nothing of Spec is looked up here.
func (r Runner) Submit(ctx context.Context, s Spec) (lineage.Record, error) {
	tmp, err := r.scratch(s.Params)
	if err != nil {
		return lineage.Record{}, err
	}
	defer removeFolder(tmp)
	rec, _, err := r.begin(ctx, s, tmp)
	return rec, err
}

// Continue executes a run whose start another mlx recorded: the agent of a job. start is that record, which the ledger of
// Runner holds. s says what the record cannot know: folders, variables, the attempt.
func (r Runner) Continue(ctx context.Context, start lineage.Record, s Spec) (*Result, error) {
	body, err := Started.Decode(start)
	if err != nil {
		return nil, err
	}
	tmp, err := r.scratch(body.Params)
	if err != nil {
		return nil, err
	}
	body.Run, body.State, body.StartedAt = &start.ID, Running, r.Now().UTC().Truncate(time.Microsecond)
	body.Attempt, body.Environment, body.Machine = max(1, s.Attempt), s.Environment, Here(r.Host)
	body.Process = Self(r.Host, os.Getpid())
	if s.Job != nil {
		body.Job = s.Job
	}
	return r.execute(ctx, s, start, &body, tmp)
}

// Abandon records the end of a run whose job nobody will tell of any more: it was cancelled before it began, or its node
// and all that was on it are gone.
func (r Runner) Abandon(ctx context.Context, id object.Digest, state State, cause string, j *Job) (View, error) {
	start, body, err := r.openRun(ctx, id)
	if err != nil {
		return View{}, err
	}
	if body == nil {
		return History{Ledger: r.Ledger, Host: r.Host, Now: r.Now}.Get(ctx, id)
	}
	ended := r.Now().UTC().Truncate(time.Microsecond)
	body.Run, body.State, body.Cause, body.EndedAt = &id, state, text(cause), &ended
	body.DurationS = max(0, ended.Sub(body.StartedAt).Seconds())
	if j != nil {
		body.Job = j
	}
	rec, err := r.end(ctx, start, body)
	if err != nil {
		return View{}, err
	}
	return viewOf(id, rec, *body), nil
}
