package train

import (
	"encoding/json"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Names in the folder of a job on the node. What is there is written by rename, so that a reader sees all of it or nothing.
const (
	OrderName      = "job.json"    // Order: what to do
	SecretsName    = "secrets"     // NAME=VALUE, each followed by a zero byte; mode 0600; gone when the run has ended
	ReadyName      = "ready"       // all that the job needs has arrived: the agent begins
	CancelName     = "cancel"      // run.Cancel: who wants it to end, and why
	StateName      = "state.json"  // Told: the agent's sign of life
	ResultName     = "result.json" // Result: the run has ended, and everything is there to be fetched
	SourceName     = "src"         // the work tree
	CheckpointName = "checkpoint"  // MLX_CHECKPOINT
	RecordsName    = "records"     // records of the run, as packs of the ledger
	AgentLogName   = "agent.log"   // the agent's own words
	RanksName      = "ranks"       // RANK/output of the ranks that are not recorded
	CollectedName  = "collected"   // all of it has been fetched: a node that waits for that may go
	AttemptsName   = "attempts"    // N/ is the folder of an attempt that another one followed, with its output
)

// Order is job.json: what the agent does. What the record of the start says, command, folder, parameters, data, outputs,
// code, time limit, is not repeated here.
type Order struct {
	Kind    string          `json:"kind"` // "order/v1"
	Run     object.Digest   `json:"run"`
	Ledger  string          `json:"ledger"` // id of the project's ledger
	Start   json.RawMessage `json:"start"`  // the record of the start, as stored
	Tree    object.Digest   `json:"tree"`   // snapshot of the work tree
	Models  []OrderModel    `json:"models,omitempty"`
	Env     []string        `json:"env,omitempty"`     // NAME=VALUE
	Secrets []string        `json:"secrets,omitempty"` // names
	Setup   []string        `json:"setup,omitempty"`   // lines of shell before the command
	Wrap    []string        `json:"wrap,omitempty"`    // words before the command: apptainer exec IMAGE
	Nodes   int             `json:"nodes"`
	Ranks   int             `json:"ranks"` // on each node
	Retries Retries         `json:"retries"`
	Grace   time.Duration   `json:"grace_ns"`

	// Remote is where what the job needs is fetched from and its results are sent to. Empty: they come and go by the link.
	Remote  string         `json:"remote,omitempty"` // URL
	Region  string         `json:"region,omitempty"`
	Encrypt bool           `json:"encrypt,omitempty"`
	Resume  *object.Digest `json:"resume,omitempty"`  // snapshot of a checkpoint folder to begin with
	Hold    time.Duration  `json:"hold_ns,omitempty"` // how long a node that goes with its files waits for them to be fetched
	Former  []Former       `json:"former,omitempty"`  // attempts that were made elsewhere, from the first on

	RunsSettings OrderRuns `json:"runs"`
}

// Former is an attempt whose node is gone, as whoever handed the job over again knew it. Zero is not known.
type Former struct {
	Host  string    `json:"host,omitempty"`
	Began time.Time `json:"began,omitzero"`
	Cause string    `json:"cause"`
}

// OrderRuns is what mlx.yaml says of all runs.
type OrderRuns struct {
	Env    []string `json:"env,omitempty"`
	MLflow string   `json:"mlflow,omitempty"`
}

// OrderModel is a version of a model that is laid out for the command.
type OrderModel struct {
	Name string        `json:"name"`
	Root object.Digest `json:"root"`
	Kind string        `json:"kind"`
	Env  []string      `json:"env"` // variables that hold its path
}

// Retries says how often an attempt is made anew, by what ended the last one. It counts attempts that follow the first.
type Retries struct {
	Most int   `json:"most"`
	On   []int `json:"on,omitempty"` // exit statuses that are worth another attempt; empty is every one but 0
}

// Told is state.json: what the agent last said.
type Told struct {
	Kind    string    `json:"kind"`  // "told/v1"
	State   string    `json:"state"` // waiting, fetching, running, saving, ended, holding; interrupted: the backend starts it again
	Attempt int       `json:"attempt"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Start   string    `json:"start,omitempty"` // start time of the process, against reuse of its number
	At      time.Time `json:"at"`
	Began   time.Time `json:"began"`             // of the attempt
	SpentS  float64   `json:"spent_s,omitempty"` // how long the attempts before it took
	Why     string    `json:"why,omitempty"`
	Folder  string    `json:"folder"` // of the run in progress, below the folder of the job

	Checkpoint *object.Digest `json:"checkpoint,omitempty"` // newest saved version of the checkpoint folder
	Warned     *time.Time     `json:"warned,omitempty"`     // when the backend said that it is about to end the job
}

// Result is result.json.
type Result struct {
	Kind    string          `json:"kind"` // "result/v1"
	Run     object.Digest   `json:"run"`
	State   string          `json:"state"` // of the run
	Status  int             `json:"status"`
	Cause   string          `json:"cause,omitempty"`
	Attempt int             `json:"attempt"`
	Record  object.Digest   `json:"record"` // of the end
	Packs   []object.Digest `json:"packs"`  // of records, in RecordsName
	Roots   []ResultRoot    `json:"roots"`  // versions that the records name and the node has
	Pushed  bool            `json:"pushed"` // the remote has all of it
	Trouble []string        `json:"trouble,omitempty"`
}

// RecordPack is the name of a pack of records in the folder of a job.
func RecordPack(pack object.Digest) string { return RecordsName + "/" + pack.Hex() }

// ResultRoot is a version that a job made.
type ResultRoot struct {
	Root  object.Digest `json:"root"`
	Kind  string        `json:"kind"`           // "file" or "directory"
	Path  string        `json:"path,omitempty"` // of an output
	Bytes int64         `json:"bytes"`
}

// maxOrder bounds job.json, state.json and result.json when they are read.
const maxOrder = 8 << 20

// ParseOrder reads job.json.
func ParseOrder(text []byte) (Order, error) { return parse[Order](text, "order/v1", OrderName) }

// ParseTold reads state.json.
func ParseTold(text []byte) (Told, error) { return parse[Told](text, "told/v1", StateName) }

// ParseResult reads result.json.
func ParseResult(text []byte) (Result, error) { return parse[Result](text, "result/v1", ResultName) }

func parse[T any](text []byte, kind, name string) (v T, err error) {
	var head struct {
		Kind string `json:"kind"`
	}
	switch {
	case len(text) > maxOrder:
		err = fault.New(fault.Integrity, "cannot read %s: it has %d bytes", name, len(text))
	default:
		if err = json.Unmarshal(text, &head); err == nil && head.Kind == kind {
			err = json.Unmarshal(text, &v)
		} else if err == nil {
			err = fault.New(fault.Integrity, "its kind is %.40q, not %s", head.Kind, kind)
		}
		if err != nil {
			err = fault.New(fault.Integrity, "cannot read %s: %w", name, err).Hint("mlx version   # the same mlx on both sides?")
		}
	}
	return v, err
}
