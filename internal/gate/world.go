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
	Temp     string // folder for temporary files
	Now      time.Time
}

// Table is an opened table and the digest of its bytes.
type Table struct {
	*dataset.Table
	Ref Ref
}

// Meaning is what somebody said of the columns of a table.
type Meaning struct {
	Time        string
	TimeZone    string
	PredictedAt string // span relative to Time, such as -2h, or a column
	Key         []string
	Exact       bool
	Columns     map[string]ColumnMeaning
}

// ColumnMeaning is what somebody said of one column.
type ColumnMeaning struct {
	Type        string
	Scale       int
	AvailableAt string // span relative to Time, such as 3h, or a column
	Private     bool
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
	Env     []string // NAME=VALUE, beside the usual ones
	Timeout time.Duration
}

// Reply is what a command did.
type Reply struct {
	Status   int // exit status; 128+n when a signal n ended it
	Stdout   []byte
	Stderr   []byte // its end, bounded
	TimedOut bool
	CPU      time.Duration // user and system
	Memory   int64         // peak, in bytes
}
