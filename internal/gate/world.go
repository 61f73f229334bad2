package gate

import (
	"context"
	"time"

	"mlx/internal/dataset"
	"mlx/internal/lineage"
)

// Subject is what is judged.
type Subject struct {
	For     Ref
	As      string             // what it was called, as "flights@production"
	Table   string             // where the judged table stands, when a table is judged
	Data    []Ref              // what the run read
	Metrics map[string]float64 // NaN and infinities among them; nil when the subject has none
	Params  map[string]any     // of the run
	Unknown []lineage.Record   // about it, of kinds that are not known and without which nobody may judge
	World   World
	Against *Subject // what it is compared with; nil while there is nothing
}

// World is how checks reach what they judge. The composition root gives the functions; relative names of tables and files are found in
// the outputs of the subject first, then in the project.
type World struct {
	Table    func(ctx context.Context, where string) (Table, error)
	Identify func(ctx context.Context, where string) (Ref, error) // names the bytes of a table or file without reading it as one
	Meaning  func(where string) (Meaning, bool)                   // what mlx.yaml or a schema file says of the columns
	File     func(ctx context.Context, where string) ([]byte, error)
	Features func(ctx context.Context) ([]string, error) // columns that the model says it reads; empty when it says nothing
	Size     func(ctx context.Context) (int64, error)    // bytes of the model
	Scan     func(ctx context.Context) (Scanned, error)
	Command  func(ctx context.Context, c Call) (Reply, error)
	Serve    func(ctx context.Context, c Call) (*Server, error) // starts a command that answers on $PORT of this machine
	Allow    func(ctx context.Context, address string) error    // refuses a URL that the user has not allowed to be contacted
	Temp     string                                             // folder for temporary files
	Now      time.Time
}

// Table is an opened table and the digest of its bytes.
type Table struct {
	*dataset.Table
	Ref Ref
}

// Meaning is what somebody said of the columns of a table.
type Meaning struct {
	Time        string                   `json:"time,omitempty"`
	TimeZone    string                   `json:"time_zone,omitempty"`
	PredictedAt string                   `json:"predicted_at,omitempty"` // span relative to Time, such as -2h, or a column
	Key         []string                 `json:"key,omitempty"`
	Exact       bool                     `json:"exact,omitempty"`
	Columns     map[string]ColumnMeaning `json:"columns,omitempty"`
}

// ColumnMeaning is what somebody said of one column.
type ColumnMeaning struct {
	Type        string `json:"type,omitempty"`
	Scale       int    `json:"scale,omitempty"`
	AvailableAt string `json:"available_at,omitempty"` // span relative to Time, such as 3h, or a column
	Private     bool   `json:"private,omitempty"`
}

// Scanned is the answer of a scan of the model for code that would run on loading.
type Scanned struct {
	Verdict Verdict
	Text    string
	Record  *Ref // that keeps it, if one does
}

// Call is a command to run in the project, with the files of the subject named by variables of its environment.
type Call struct {
	Command string
	Stdin   []byte
	Env     []string          // NAME=VALUE, beside the usual ones
	Files   map[string]string // variables that name a table or file of the gate, laid out for the command
	Timeout time.Duration
	File    string // in which the command is written
	Pinned  string // of a rule of another repository: what its user allows to run its commands
	GPU     bool   // the use of GPUs is to be looked at
}

// Reply is what a command did.
type Reply struct {
	Status   int // exit status; 128+n when a signal n ended it
	Stdout   []byte
	Stderr   []byte // its end, bounded
	TimedOut bool
	TooLong  bool          // it printed more than MaxReply bytes
	CPU      time.Duration // user and system
	Memory   int64         // peak, in bytes
}

// MaxReply bounds what a command may print: predictions of a few thousand rows fit many times.
const MaxReply = 64 << 20

// Server is a command that keeps running and answers on a port of this machine.
type Server struct {
	Address string               // 127.0.0.1:PORT
	Ended   func() (Reply, bool) // how it ended, if it did by itself
	Errors  func() []byte        // the end of what it wrote on stderr
	Usage   func() Usage
	Stop    func()
}

// Usage is what a server and all that it started have used since it began.
type Usage struct {
	Known  bool          // false: this system does not say
	CPU    time.Duration // user and system
	Memory int64         // peak, in bytes
	GPU    *float64      // highest use of a GPU of the machine, 0 to 1; nil when nothing tells
	GPUMem *int64        // highest memory in use on the GPUs of the machine, in bytes
}
