package run

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/snapshot"
)

// A job may execute its command several times. Each attempt has a folder as a run has; only the last one is recorded as the
// run, of the others the record of the end keeps an Attempt with its log.
const (
	attemptName = "attempt" // attemptNote: which one it is
	overName    = "over"    // overNote: the command has ended, so nobody executes it again for this attempt
)

// attemptNote says in the folder which attempt it is of.
type attemptNote struct {
	N     int       `json:"n"`
	Host  string    `json:"host"`
	Began time.Time `json:"began"`
}

// overNote says how a command ended, from the moment it did: whoever comes later, should this process be killed before the
// record is written, needs it.
type overNote struct {
	State           State     `json:"state"`
	Cause           string    `json:"cause,omitempty"`
	ExitStatus      *int      `json:"exit_status,omitempty"`
	Signal          string    `json:"signal,omitempty"`
	EndedAt         time.Time `json:"ended_at"`
	DurationS       float64   `json:"duration_s"`
	CPUSeconds      float64   `json:"cpu_s"`
	PeakMemoryBytes int64     `json:"peak_memory_bytes"`
	Drawn           []Drawn   `json:"drawn,omitempty"`
}

// noteAttempt writes the first of the two.
func noteAttempt(dir string, b *Body) error {
	if err := note(dir, attemptName, attemptNote{b.Attempt, b.Machine.Host, b.StartedAt}); err != nil {
		return fault.New(fault.KindOf(err), "cannot start the run: %w", err)
	}
	return nil
}

// noteOver writes the second. A failure means only that a kill before the record may cost what is known.
func (b *Body) noteOver(dir string) {
	_ = note(dir, overName, overNote{b.State, b.Cause, b.ExitStatus, b.Signal, *b.EndedAt, b.DurationS, b.CPUSeconds, b.PeakMemoryBytes, b.Drawn})
}

func (b *Body) over(o overNote) {
	b.State, b.Cause, b.ExitStatus, b.Signal = o.State, o.Cause, o.ExitStatus, o.Signal
	b.EndedAt, b.DurationS, b.CPUSeconds, b.PeakMemoryBytes = &o.EndedAt, o.DurationS, o.CPUSeconds, o.PeakMemoryBytes
	b.Drawn = o.Drawn
}

// attempt is the body as one of the attempts of its job.
func (b *Body) attempt() Attempt {
	return Attempt{N: b.Attempt, Host: b.Machine.Host, StartedAt: b.StartedAt, EndedAt: b.EndedAt, State: b.State, Cause: b.Cause, Drawn: b.Drawn}
}

// addAttempt adds the last attempt to those that the job knows.
func (b *Body) addAttempt() {
	if b.Job == nil || b.EndedAt == nil {
		return
	}
	j := *b.Job
	j.Attempts = append(append([]Attempt{}, j.Attempts...), b.attempt())
	b.Job = &j
}

// setAside keeps the log of an attempt that another one follows, and moves its folder out of the way.
func (r Runner) setAside(ctx context.Context, s Spec, body *Body, dir string) (*Result, error) {
	r.Mask().body(body)
	a := body.attempt()
	result := &Result{Aside: &a, Status: ownTrouble}
	if body.ExitStatus != nil {
		result.Status = *body.ExitStatus
	}
	size, cut, err := closeLog(dir, r.kept.orUsual())
	if err == nil && size+cut > 0 {
		var saved snapshot.Saved
		if saved, err = r.saveLog(ctx, dir); err == nil {
			a.Log, result.Release = &saved.Root, saved.Release
		}
	}
	if err != nil {
		result.Troubles = append(result.Troubles, fault.New(fault.KindOf(err), "cannot keep the output of attempt %d: %w", a.N, err))
	}
	if err := os.MkdirAll(filepath.Dir(s.Aside), 0o777); err == nil {
		err = os.Rename(dir, s.Aside)
		if errors.Is(err, fs.ErrExist) { // what an earlier agent of the same attempt has left
			_ = errors.Join(os.RemoveAll(s.Aside), os.Rename(dir, s.Aside)) // whether it worked is looked at next
		}
	}
	if _, err := os.Stat(dir); err == nil {
		return nil, fault.New(fault.Unavailable, "cannot make place for attempt %d: %s stays", a.N+1, dir)
	}
	return result, nil
}

// Ending says how an attempt ended that nobody saw end.
type Ending struct {
	State State
	Cause string
}

// TakeUp brings to an end what an agent has left that is gone: it ends the command if that lives on, and records the end of
// the run with what its folder still holds, or sets the attempt aside where s.Again wants another. An attempt whose command is
// known to have ended ends so; another as e says. nil: there is nothing left.
func (r Runner) TakeUp(ctx context.Context, start lineage.Record, s Spec, e Ending) (*Result, error) {
	l, ok := LiveRun(r.Runs, start.ID.Hex())
	if !ok {
		return nil, nil
	}
	claim, err := claimFolder(l.Dir)
	if err != nil {
		return nil, fault.New(fault.Conflict, "cannot take up run %s: somebody watches over it", start.ID.Short())
	}
	defer claim.Close()
	_, body, err := r.openRun(ctx, start.ID)
	if err != nil || body == nil {
		return nil, err
	}
	if l.childSeen(r.Host) == alive {
		_ = askProcess(l.Child.PID, true) // it may have ended meanwhile
	}
	EndRun(start.ID)
	body.Run, body.Attempt, body.Environment, body.Machine = &start.ID, max(1, s.Attempt), s.Environment, Here(r.Host)
	body.Process, body.StartedAt = Self(r.Host, os.Getpid()), r.Now().UTC().Truncate(time.Microsecond)
	if s.Job != nil {
		body.Job = s.Job
	}
	if n, ok := noted[attemptNote](l.Dir, attemptName); ok {
		body.Attempt, body.StartedAt, body.Machine.Host = n.N, n.Began, n.Host
	}
	if o, ok := noted[overNote](l.Dir, overName); ok {
		body.over(o)
	} else {
		l.Cancel = nil // e knows
		r.lose(body, l)
		body.State, body.Cause = e.State, text(e.Cause)
	}
	if s.Again != nil && s.Again(body) {
		return r.setAside(ctx, s, body, l.Dir)
	}
	s.Outs = thoseThatExist(s.Outs, body.State)
	return r.conclude(ctx, started{rec: start, body: body, dir: l.Dir, spec: s}, outcome{status: exitOf(body)})
}

// thoseThatExist are the outputs that can be kept of a command that did not end well.
func thoseThatExist(outs []Out, state State) []Out {
	if state == Succeeded {
		return outs
	}
	var there []Out
	for _, o := range outs {
		if _, err := os.Lstat(o.Abs); err == nil {
			there = append(there, o)
		}
	}
	return there
}

// exitOf is the status that an ended run has for others.
func exitOf(b *Body) int {
	switch {
	case b.ExitStatus != nil:
		return *b.ExitStatus
	case b.State == Succeeded:
		return 0
	}
	return ownTrouble
}

// argv is what is executed.
func (s Spec) argv() []string {
	if len(s.Argv) > 0 {
		return s.Argv
	}
	return s.Command
}
