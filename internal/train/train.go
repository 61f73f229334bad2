// Package train hides where a run executes. A Job is the same portable value for every backend; a Driver of four methods
// hands it to ssh, Slurm, Ray, Kubernetes or SkyPilot. What happens on the node is done by mlx itself, the agent: it gets
// code and data by digest, executes and records the run, and leaves the results in the folder of the job. Logs, exit
// status and outputs therefore never depend on what a backend keeps.
//
// Everything that a backend knows of a job is named by the id of the run, so that a repeated submit finds the first one
// and any clone of the project can find the job again.
package train

import (
	"context"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"mlx/internal/object"
)

// Driver is a backend. A driver keeps nothing in memory that matters: it may be another process that asks later.
type Driver interface {
	// Submit makes the backend execute Job.Agent once on each of Job.Resources.Nodes nodes, and returns what the backend
	// calls the job. A job of this id that the backend knows already is left as it is, also if it has ended, unless Job.After
	// names it: then another is made, once, however many ask for it.
	Submit(ctx context.Context, j Job) (handle string, err error)
	// Status tells of jobs, in the order asked, with one request to the backend however many they are. An error says that
	// the backend could not be asked: their state is unknown then, never failed.
	Status(ctx context.Context, jobs []Ref) ([]Status, error)
	// Logs reads what the backend itself shows of a job, from a byte on: the only words of an agent that could not begin.
	Logs(ctx context.Context, job Ref, from int64) (io.ReadCloser, error)
	// Cancel ends a job: TERM to the agent, and after the grace everything of it is killed. Of one that has ended, or that
	// the backend does not know, there is nothing to do.
	Cancel(ctx context.Context, job Ref, grace time.Duration) error
}

// Access says when files can be brought to where a job executes.
type Access int

// The kinds of access.
const (
	AccessHost  Access = iota // any time: the folder of the job lies on a host that can be reached (local, ssh, slurm)
	AccessNode                // while the job executes (kubernetes, sky)
	AccessNone                // never: what the job needs travels with it, what it makes goes through a remote
	AccessAfter               // from when it has begun, also after its end: what the job needs travels with it (ray)
)

// Linker is a driver whose nodes can be reached. What answers on the connection is `mlx agent serve`.
type Linker interface {
	Access() Access
	// Link connects to `mlx agent serve` where the job is, or will be. It brings mlx there if it is not there: NewLink speaks
	// on the connection. Close ends the connection and nothing else. ErrNowhere: the job ended before any node had it.
	Link(ctx context.Context, job Ref) (io.ReadWriteCloser, error)
}

// ErrNowhere says that no node ever had a job, so that nothing of it is left anywhere. ErrNodeGone says that the node that
// had it is gone, and with it what lay there.
var (
	ErrNowhere  = errors.New("no node ever had it")
	ErrNodeGone = errors.New("its node is gone")
)

// Ref names a job of a backend. Handle may be empty where nobody has noted it.
type Ref struct {
	ID     object.Digest
	Handle string
}

// Name is what a job is called on a backend: it fits the rules of all of them. One that was handed over again is called by a
// number behind that, which its handle tells.
func (r Ref) Name() string {
	name := "mlx-" + r.ID.Short()
	if n := r.Number(path.Base(r.Handle)); n > 1 {
		name += "-" + strconv.Itoa(n)
	}
	return name
}

// Number says how many times a job had been handed over when it got a name: 1 for the first name. 0: it is no name of the job.
func (r Ref) Number(name string) int {
	rest, ok := strings.CutPrefix(name, "mlx-"+r.ID.Short())
	if !ok || rest == "" {
		return btoi(ok)
	}
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "-"))
	if err != nil || n < 2 || n > maxHandOvers || rest != "-"+strconv.Itoa(n) {
		return 0
	}
	return n
}

// maxHandOvers bounds the number in a name: nobody asks for more attempts.
const maxHandOvers = 1 << 20

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Next is what a job is called that is about to be handed over. It depends on nothing but what the one before was called, so
// that all who hand it over again make one and the same.
func (j Job) Next() Ref {
	if j.After == "" {
		return Ref{ID: j.ID}
	}
	n := max(1, j.Number(path.Base(j.After)))
	return Ref{ID: j.ID, Handle: Ref{ID: j.ID}.Name() + "-" + strconv.Itoa(n+1)}
}

// Job is what a backend is asked to execute.
type Job struct {
	Ref
	Title     string    // for people who look at the backend: "train of flights"
	Dir       string    // of the job on the node; "~/" is the home folder there
	Resources Resources // that were asked for, with the defaults of the backend
	Queue     string    // partition, local queue
	Image     string    // container that the command runs in; empty for none
	Spot      bool
	Requeue   bool          // the backend may start it again when the node goes: attempts are left
	After     string        // handle of the job of this run that is over for certain and left no result: this one takes its place; empty for the first
	Array     int           // jobs that are submitted together with this one where the backend can; 0 is none
	Warn      time.Duration // before the time limit, the agent gets SIGUSR1 then; 0 is no warning

	Env     map[string]string       // for the agent; nothing secret
	Secrets map[string]string       // only for AccessNode and AccessNone; never part of an object that others can read
	Order   []byte                  // the text of job.json, for AccessNone; elsewhere it is in Dir already
	Bundle  func(w io.Writer) error // versions that the job needs, as a bundle of the store, for AccessNone; nil where a remote has them
}

// Resources are what a job needs. Zero leaves it to the backend.
type Resources struct {
	Nodes   int           `json:"nodes,omitempty"`
	Ranks   int           `json:"ranks,omitempty"` // processes on each node
	GPUs    int           `json:"gpus,omitempty"`  // on each node
	GPUType string        `json:"gpu_type,omitempty"`
	CPUs    int           `json:"cpus,omitempty"` // on each node
	Memory  int64         `json:"memory_bytes,omitempty"`
	Time    time.Duration `json:"time_ns,omitempty"`
}

// State is what a backend says of a job.
type State string

// The states of a job.
const (
	Pending State = "pending"
	Running State = "running"
	Done    State = "done"    // the agent ended: how the run ended stands in its results
	Gone    State = "gone"    // it has ended without the agent's doing, or the backend does not know it: Cause says why
	Unknown State = "unknown" // the backend could not say
)

// Cause is why a job ended without its agent's doing. Retries go by it.
type Cause string

// The causes.
const (
	CauseNone      Cause = ""
	CausePreempted Cause = "preempted" // a spot machine, or a job with priority, took the place
	CauseNode      Cause = "node lost"
	CauseTime      Cause = "time limit"
	CauseMemory    Cause = "out of memory"
	CauseCancelled Cause = "cancelled"
	CauseExit      Cause = "exit status"
	CauseMissing   Cause = "not found" // the backend knows no such job, or no longer
)

// Status is what a backend says of a job at a moment.
type Status struct {
	Ref
	State  State
	Cause  Cause
	Reason string // in the backend's own words: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu"
	Exit   *int   // of the agent, where the backend knows it
	Node   string // where it executes, or did
	Starts int    // how often the backend started it; 0 where it does not say
	Ending bool   // of one that is Gone: something of it may still execute, so that no other may take its place yet

	Began   time.Time     // of the attempt that runs, where that is known
	Ran     time.Duration // for how long it has been running, where the backend tells only that
	Attempt int           // as the agent counts them; 0 is not known
	SpentS  float64       // how long the attempts before it took, as the agent says
}

// Backend is a backend as mlx.yaml and the user's own file describe it.
type Backend struct {
	Name, Type string
	Host       string   // as in the ssh configuration; empty is this machine
	Hosts      []string // of a job with several nodes (ssh)
	Dir        string   // where mlx keeps its things on the nodes
	URL        string   // of the API (ray)
	Context    string   // of kubeconfig
	Namespace  string
	Image      string
	Queue      string
	Options    []string // handed on word for word: #SBATCH lines, arguments of sky launch
	Setup      []string // lines of shell before the command
	Pod        any      // merged into the pod (kubernetes); JSON values
	Agent      string   // file, or image, with the mlx that nodes use; empty for this one
	Resources  Resources
	Spot       bool
}

// Shower is a driver that can tell what its backend shows of a job.
type Shower interface {
	// Shows is all that others can see of a job at the backend: objects, scripts, arguments.
	Shows(ctx context.Context, job Ref) (string, error)
	// Left is what is left at the backend of a job whose results were brought back: processes, objects, entries of a queue.
	// Empty is nothing.
	Left(ctx context.Context, job Ref) (string, error)
}
