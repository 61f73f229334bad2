package train

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// askKind is the kind of a question about the jobs of a host, and of its answer.
const askKind = "jobs/v1"

// maxQuestion bounds a question: what is asked of some ten thousand jobs.
const maxQuestion = 4 << 20

// jobsQuestion is what a driver asks `mlx agent jobs`. One of its fields says what.
type jobsQuestion struct {
	Kind    string           `json:"kind"`
	Prepare *prepareQuestion `json:"prepare,omitempty"`
	Start   *startQuestion   `json:"start,omitempty"`
	Jobs    []jobQuestion    `json:"jobs,omitempty"`
	Log     *logQuestion     `json:"log,omitempty"`
	Stop    *stopQuestion    `json:"stop,omitempty"`
}

type startQuestion struct {
	Run   object.Digest `json:"run"`
	Rank  int           `json:"rank"`
	Nodes int           `json:"nodes"`
	Env   []string      `json:"env,omitempty"`
	Again bool          `json:"again,omitempty"` // also if it was started before and went without a result
	Needs Resources     `json:"needs,omitzero"`
}

type jobQuestion struct {
	Run  object.Digest `json:"run"`
	Rank int           `json:"rank"`
}

type logQuestion struct {
	Run  object.Digest `json:"run"`
	From int64         `json:"from"`
}

type stopQuestion struct {
	Run   object.Digest `json:"run"`
	Rank  int           `json:"rank"`
	Grace time.Duration `json:"grace_ns"`
}

// jobsReply is the answer.
type jobsReply struct {
	Kind     string       `json:"kind"`
	Trouble  *jobsTrouble `json:"trouble,omitempty"`
	Prepared *prepared    `json:"prepared,omitempty"`
	Agent    *agent       `json:"agent,omitempty"`
	Jobs     []jobSaid    `json:"jobs,omitempty"`
	Log      []byte       `json:"log,omitempty"`
}

type jobsTrouble struct {
	Kind uint8  `json:"kind"`
	Text string `json:"text"`
}

// agent is what is kept in the folder of a job of an agent that was started there.
type agent struct {
	Kind   string `json:"kind"` // "agent/v1"
	Host   string `json:"host"`
	Boot   string `json:"boot"`
	PID    int    `json:"pid"`
	Start  string `json:"start"` // of the process, against reuse of its number
	Nodes  int    `json:"nodes"`
	Starts int    `json:"starts"` // how often it was started
}

// jobSaid is what a host says of a job.
type jobSaid struct {
	State  State  `json:"state"`
	Cause  Cause  `json:"cause,omitempty"`
	Reason string `json:"reason,omitempty"`
	Exit   *int   `json:"exit,omitempty"`
	Agent  agent  `json:"agent"`

	Began   time.Time `json:"began,omitzero"` // of the attempt that runs
	Attempt int       `json:"attempt,omitempty"`
	SpentS  float64   `json:"spent_s,omitempty"`
}

func (s jobSaid) status(of Ref) Status {
	return Status{Ref: of, State: s.State, Cause: s.Cause, Reason: s.Reason, Exit: s.Exit, Node: s.Agent.Host, Starts: s.Agent.Starts,
		Began: s.Began, Attempt: s.Attempt, SpentS: s.SpentS}
}

// NodeJobs answers questions about the jobs in a folder of this host.
type NodeJobs struct {
	Root    string
	Program string // mlx
	Host    string // name of this machine
	Environ []string
	Now     func() time.Time
}

// Answer reads one question and writes the answer.
func (n NodeJobs) Answer(ctx context.Context, in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(io.LimitReader(in, maxQuestion+1))
	if err != nil {
		return err
	}
	var q jobsQuestion
	var r jobsReply
	if len(text) > maxQuestion {
		err = fault.New(fault.Usage, "the question has more than %d bytes", maxQuestion)
	} else if q, err = parse[jobsQuestion](text, askKind, "the question"); err == nil {
		r, err = n.answer(ctx, q)
	}
	if err != nil {
		r = jobsReply{Trouble: &jobsTrouble{uint8(fault.KindOf(err)), err.Error()}}
	}
	r.Kind = askKind
	return json.NewEncoder(out).Encode(r)
}

func (n NodeJobs) answer(ctx context.Context, q jobsQuestion) (r jobsReply, err error) {
	switch {
	case q.Prepare != nil:
		r.Prepared, err = n.prepare(*q.Prepare)
	case q.Start != nil:
		r.Agent, err = n.start(*q.Start)
	case q.Log != nil:
		r.Log, err = readFrom(filepath.Join(n.folder(q.Log.Run), AgentLogName), q.Log.From)
	case q.Stop != nil:
		err = n.stop(ctx, *q.Stop)
	default:
		for _, j := range q.Jobs {
			r.Jobs = append(r.Jobs, n.state(j))
		}
	}
	return r, err
}

func (n NodeJobs) folder(id object.Digest) string { return filepath.Join(n.Root, "jobs", id.Hex()) }

// rankName is the name of a file that each rank has.
func rankName(name string, rank int) string {
	if rank == 0 {
		return name
	}
	ext := filepath.Ext(name)
	return name[:len(name)-len(ext)] + "-" + strconv.Itoa(rank) + ext
}

// AgentName is the file, in the folder of a job, that says which process its agent is.
const AgentName = "agent.json"

func (n NodeJobs) agent(id object.Digest, rank int) (agent, bool) {
	a, err := readNote[agent](filepath.Join(n.folder(id), rankName(AgentName, rank)), "agent/v1")
	return a, err == nil
}

func readNote[T any](file, kind string) (v T, err error) {
	f, err := os.Open(file)
	if err != nil {
		return v, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxOrder+1))
	if err != nil {
		return v, err
	}
	return parse[T](text, kind, filepath.Base(file))
}

// state says how it is with a job. Its result counts more than its process, and is looked for once more when that is gone.
func (n NodeJobs) state(j jobQuestion) jobSaid {
	dir := n.folder(j.Run)
	a, known := n.agent(j.Run, j.Rank)
	said := jobSaid{Agent: a, State: Running}
	ended := func() bool {
		if j.Rank != 0 {
			return false // only the first node has a result
		}
		r, err := readNote[Result](filepath.Join(dir, ResultName), "result/v1")
		if err == nil {
			said.State, said.Exit = Done, &r.Status
		}
		return err == nil
	}
	switch {
	case ended():
	case !known:
		said.State, said.Cause, said.Reason = Gone, CauseMissing, "nothing was started there"
	case a.Host != n.Host:
		said.State, said.Reason = Unknown, "it was started on "+a.Host+", and "+n.Host+" answers"
	case a.Boot != bootOf():
		if !ended() {
			said.State, said.Cause, said.Reason = Gone, CauseNode, a.Host+" was started anew"
		}
	case !a.lives():
		if !ended() {
			said.State, said.Cause, said.Reason = Gone, CauseNone, n.lastWords(j)
		}
	default:
		if t, err := readNote[Told](filepath.Join(dir, StateName), "told/v1"); err == nil && j.Rank == 0 {
			said.Began, said.Attempt, said.SpentS = t.Began, t.Attempt, t.SpentS
		}
	}
	return said
}

func (a agent) lives() bool { return a.PID > 0 && a.Start != "" && procStart(a.PID) == a.Start }

// lastWords says why there is no result, as far as the agent said it.
func (n NodeJobs) lastWords(j jobQuestion) string {
	const most = 2000
	file := filepath.Join(n.folder(j.Run), rankName(AgentLogName, j.Rank))
	var from int64
	if info, err := os.Stat(file); err == nil {
		from = max(0, info.Size()-most)
	}
	text, err := readFrom(file, from)
	if words := lastLine(string(text), ""); err == nil && words != "" {
		return "mlx there ended without a result; its last words: " + words
	}
	return "mlx there was killed"
}

// maxLog is how much of the words of an agent is told at once.
const maxLog = 4 << 20

func readFrom(file string, from int64) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, max(0, from), maxLog))
}
