package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

// The states of an agent, in Told.State.
const (
	toldWaiting     = "waiting"
	toldFetching    = "fetching"
	toldRunning     = "running"
	toldSaving      = "saving"
	toldEnded       = "ended"
	toldHolding     = "holding"
	toldInterrupted = "interrupted"
)

// agentBook is what agents of one job, which may follow each other on several hosts, note for each other.
type agentBook struct {
	Kind     string        `json:"kind"`           // "book/v1"
	Last     int           `json:"last"`           // attempt that was begun last, from 1
	Began    time.Time     `json:"began,omitzero"` // when that was
	Attempts []run.Attempt `json:"attempts,omitempty"`
	Start    agentStart    `json:"start"` // of the agent that wrote it
}

// bookName is its file.
const bookName = "attempts.json"

// agentStart is what the backend calls this start of the agent.
type agentStart struct {
	Job   string `json:"job,omitempty"`   // of the backend: Slurm's number, the name of the pod, the id of the submission
	Count int    `json:"count,omitempty"` // how often the backend started that before
}

// startOfAgent reads it from the environment.
func startOfAgent(environ []string) agentStart {
	number := func(name string) int {
		n, err := strconv.Atoi(run.Variable(environ, name))
		if err != nil {
			return 0
		}
		return n
	}
	switch {
	case run.Variable(environ, "SLURM_JOB_ID") != "":
		return agentStart{"slurm " + run.Variable(environ, "SLURM_JOB_ID"), number("SLURM_RESTART_COUNT")}
	case run.Variable(environ, train.StartVariable) != "": // of a driver that knows better
		return agentStart{"start " + run.Variable(environ, train.StartVariable), number(train.StartCountVariable)}
	case run.Variable(environ, "KUBERNETES_SERVICE_HOST") != "":
		return agentStart{Job: "pod " + run.Variable(environ, "HOSTNAME")}
	case run.Variable(environ, "SKYPILOT_TASK_ID") != "":
		return agentStart{Job: "sky " + run.Variable(environ, "SKYPILOT_TASK_ID")}
	}
	return agentStart{}
}

// follows says whether s is a start of the backend that came after another one, so that the other one is certainly over.
func (s agentStart) follows(before agentStart) bool {
	if s.Job == "" || before.Job == "" {
		return false
	}
	return s.Job != before.Job || s.Count > before.Count
}

// claim makes this the one agent that executes the job. A status of 0 or more: the job has ended with it.
func (j *agentJob) claim() (release func(), status int, err error) {
	release, ok, err := repo.TryLock(j.path("claim"))
	if err == nil && !ok {
		err = fault.New(fault.Conflict, "cannot execute job %s: another agent does", j.id.Short())
	}
	if err != nil {
		return nil, -1, err
	}
	defer func() {
		if err != nil || status >= 0 {
			release()
		}
	}()
	if r, ok := j.result(); ok {
		j.say("the run has ended already: %s", r.State)
		return release, r.Status, nil
	}
	if err := j.readBook(); err != nil {
		return release, -1, err
	}
	host, start := j.app.host(), startOfAgent(j.app.environ)
	if text, err := j.read(train.StateName); err == nil {
		before, err := train.ParseTold(text)
		if err != nil {
			return release, -1, err
		}
		other := before.State != toldInterrupted && before.Host != host && !start.follows(j.book.Start)
		if other && j.app.now().Sub(before.At) < staleAfter {
			return release, -1, fault.New(fault.Conflict, "cannot execute job %s: an agent on %s does, and nothing says that it is gone", j.id.Short(), before.Host).
				Hint("mlx job list   # whoever submitted it sees the state of the job")
		}
		if other && start.Job == "" {
			return release, -1, fault.New(fault.Conflict, "cannot execute job %s: an agent on %s began it, and the backend does not say that this is a new start",
				j.id.Short(), before.Host)
		}
		j.told.Checkpoint, j.told.Attempt, j.before = before.Checkpoint, before.Attempt, before.At
	}
	j.book.Start = start
	return release, -1, nil
}

// staleAfter is how long an agent may give no sign of life before another one on another host may think it gone at all.
const staleAfter = time.Minute

// result reads result.json, if there is one.
func (j *agentJob) result() (train.Result, bool) {
	text, err := j.read(train.ResultName)
	if err != nil {
		return train.Result{}, false
	}
	r, err := train.ParseResult(text)
	return r, err == nil && r.Run == j.id
}

// readBook reads what agents before this one noted.
func (j *agentJob) readBook() error {
	book, err := noted[agentBook](j, bookName)
	if errors.Is(err, fs.ErrNotExist) {
		j.book.Kind = "book/v1"
		return nil
	}
	if err == nil && (book.Kind != "book/v1" || book.Last < 0) {
		err = errors.New("it is no book/v1")
	}
	if err != nil {
		return fault.New(fault.Integrity, "cannot read %s of job %s: %w", bookName, j.id.Short(), err)
	}
	j.book = book
	return nil
}

func (j *agentJob) writeBook() error { return j.note(bookName, j.book) }

// tell changes what the agent tells of itself, and writes it down.
func (j *agentJob) tell(change func(*train.Told)) {
	if j.place.Node > 0 {
		return // node 0 gives the signs of life of the job
	}
	j.telling.Lock()
	defer j.telling.Unlock()
	if change != nil {
		change(&j.told)
	}
	j.told.At = j.app.now().UTC().Truncate(time.Millisecond)
	text, err := json.Marshal(j.told)
	if err == nil { // where the folder is gone, it is not made again
		err = repo.WriteFile(j.path(train.StateName), append(text, '\n'), 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		j.say("cannot give a sign of life: %v", err)
	}
}

// beat gives signs of life until it is ended.
func (j *agentJob) beat() (end func()) {
	j.tell(nil)
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(beatEvery)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				j.tell(nil)
			}
		}
	}()
	return func() { close(over); <-gone }
}
