package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// Times of following a job.
const (
	tellAfter   = 2 * time.Second  // a job that waits is told of from then on
	askPending  = 2 * time.Second  // between two questions about one that waits
	askRunning  = 5 * time.Second  // and about one whose node tells by itself
	retryMost   = 30 * time.Second // between two tries to reach a backend
	missingMost = 10 * time.Second // a job just submitted may be unknown to its backend for this long
)

// errDetached ends a following whose user wants no more of it. The run goes on.
var errDetached = errors.New("detached")

// lackError says that this clone lacks what the node needs: to try again helps nobody.
type lackError struct{ error }

// follower follows one job to its end.
type follower struct {
	job      *onJob
	links    *onLinks
	out      shower // nil: its output is not shown
	signals  chan os.Signal
	handsOff bool // it is only looked at: nothing that happens here touches the job

	began   time.Time
	last    sight
	told    string // reason that was told last
	tries   int    // questions without news
	attempt int

	keeper    checkpointKeeper
	mirrors   context.Context //nolint:containedctx // of the copying that is under way
	mirroring chan error      // of the copying that is under way; nil: there is none
	stop      context.CancelFunc
	failed    int // copyings in a row that broke
	stopping  bool
}

func newFollower(j *onJob, links *onLinks) *follower {
	return &follower{job: j, links: links, began: j.app.now(), stop: func() {}, keeper: checkpointKeeper{busy: make(chan struct{}, 1)}}
}

// watch is follow for somebody who only looks: to stop it stops nothing else.
func (j *onJob) watch(ctx context.Context, links *onLinks, out shower) (sight, error) {
	f := newFollower(j, links)
	f.out, f.handsOff = out, true
	defer func() { f.endMirror() }()
	return f.turns(ctx)
}

// follow waits until the results of the job can be fetched, or until it is known that there will be none.
func (j *onJob) follow(ctx context.Context, links *onLinks, out shower) (sight, error) {
	f := newFollower(j, links)
	f.out, f.signals = out, make(chan os.Signal, 4)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(f.signals, s)
		}
	}
	defer signal.Stop(f.signals)
	defer func() { f.endMirror() }()
	return f.turns(context.WithoutCancel(ctx)) // the signal is for the command
}

func (f *follower) turns(ctx context.Context) (sight, error) {
	for {
		done, err := f.turn(ctx)
		if done || err != nil {
			return f.last, err
		}
		if done, err = f.wait(ctx); done || err != nil {
			return f.last, err
		}
	}
}

// turn asks the backend once and does what follows from the answer.
func (f *follower) turn(ctx context.Context) (done bool, err error) {
	if done, err = f.look(ctx); done || err != nil {
		return done, err
	}
	if f.job.reachable(f.last) && f.mirroring == nil && f.job.begunAgain(ctx, f.links) {
		f.startMirror(ctx)
	}
	return false, nil
}

// look asks the backend once, and tells what it says. done: it says that the job is over.
func (f *follower) look(ctx context.Context) (done bool, err error) {
	j := f.job
	asked, cancel := context.WithTimeout(ctx, lookWait)
	s := lookAt(asked, j.driver, jobsOf(j.repo), []object.Digest{j.id})[0]
	cancel()
	if err := s.wrong(); err != nil {
		return false, err
	}
	if s.err == nil && s.status.State == train.Gone && s.status.Cause == train.CauseMissing && j.app.now().Sub(f.began) < missingMost && !f.stopping && f.last.status.State != train.Running {
		s.status.State = train.Pending // not known yet
	}
	if s.err != nil || s.status.State != f.last.status.State || s.words() != f.last.words() {
		f.tries = 0
	}
	f.last = s
	if err := j.see(func(was *run.Seen) { *was = s.seen(*was, j.app.now()) }); err != nil {
		return false, err
	}
	f.tell(s)
	switch {
	case s.over():
		return true, nil
	case s.err == nil && s.status.State == train.Pending:
		if err := f.deadline(ctx); err != nil {
			return false, err
		}
	}
	return false, nil
}

// reachable says whether files of the job can be read now.
func (j *onJob) reachable(s sight) bool {
	switch j.access() {
	case train.AccessHost:
		return true
	case train.AccessNode, train.AccessAfter:
		return s.err == nil && s.status.State == train.Running
	case train.AccessNone:
	}
	return false
}

// tell says what a person who waits wants to know, when it is news.
func (f *follower) tell(s sight) {
	j, words := f.job, ""
	switch {
	case s.err != nil:
		words = "cannot reach " + j.name + ", trying again; the run goes on there: " + s.words()
	case s.status.State == train.Pending && j.app.now().Sub(f.began) >= tellAfter:
		words = "run " + j.id.Short() + " waits on " + j.name
		if s.words() != "" {
			words += ": " + s.words()
		}
	case s.status.State == train.Running && f.told != "":
		f.told = ""
		j.app.streams.Note("run %s runs on %s", j.id.Short(), j.name)
	}
	if words != "" && words != f.told {
		f.told = words
		j.app.streams.Note("%s", words)
	}
}

// deadline ends a job that has waited for longer than mlx.yaml allows.
func (f *follower) deadline(ctx context.Context) error {
	j := f.job
	most := j.backend.Pending.Duration
	if most == 0 || f.handsOff || j.app.now().Sub(j.waitsSince()) < most || f.stopping {
		return nil
	}
	if f.last.status.Cause == train.CauseMissing { // it never got there: whoever submits it goes on with it
		return nil
	}
	f.stopping = true
	why := "it waited for " + cli.FormatDuration(most) + " on " + j.name
	if f.last.words() != "" {
		why += ": " + f.last.words()
	}
	j.app.streams.Note("run %s is cancelled: %s", j.id.Short(), why)
	if err := writeNote(j.folderOf(), cancelNote, run.Cancel{By: j.app.user(), Why: why}); err != nil {
		return err
	}
	return j.driver.Cancel(ctx, j.ref(), 0)
}

// waitsSince is when the backend got the job: what it took to send it is no waiting of the backend's.
func (j *onJob) waitsSince() time.Time {
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); !s.Given.IsZero() {
		return s.Given
	}
	return j.body.Job.SubmittedAt // another clone handed it over
}

// wait waits for the next turn: for a while, for a signal, or for the end of the copying. done: the results are there.
func (f *follower) wait(ctx context.Context) (done bool, err error) {
	most := askPending
	switch {
	case f.last.err != nil:
		most = retryMost
	case f.mirroring != nil && f.last.status.State == train.Running:
		most = askRunning
	}
	timer := time.NewTimer(train.Pause(f.tries, most))
	defer timer.Stop()
	f.tries++
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case err := <-f.mirroring:
		f.mirroring = nil
		f.stop()
		if err == nil {
			f.last = sight{status: train.Status{Ref: f.job.ref(), State: train.Done}}
			if f.job.access() == train.AccessNode { // it stays until its results have been fetched
				f.last.status.State = train.Running
			}
			return true, nil
		}
		f.links.drop(f.job)
		if lack, ok := errors.AsType[*lackError](err); ok {
			return false, lack.error
		}
		if f.failed++; errors.Is(err, syscall.EPIPE) {
			return false, err // nobody reads the output
		}
		f.job.app.streams.Why("the connection to %s broke: %v", f.job.name, err)
		f.tries = max(0, f.failed-1)
		return f.rest(ctx, train.Pause(f.tries, retryMost))
	case s := <-f.signals:
		return false, f.signalled(ctx, s)
	case <-timer.C:
		return false, nil
	}
}

// rest waits before the connection is tried again.
func (f *follower) rest(ctx context.Context, d time.Duration) (bool, error) {
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case s := <-f.signals:
		return false, f.signalled(ctx, s)
	case <-time.After(d):
		return false, nil
	}
}

// signalled hands the first signal on to the command, as that of a run of this machine; a second one, or a terminal that went away,
// leaves the run alone.
func (f *follower) signalled(ctx context.Context, s os.Signal) error {
	j := f.job
	if f.stopping || s == syscall.SIGHUP {
		j.app.streams.Note("run %s goes on on %s: mlx job attach %s, or mlx job cancel %s", j.id.Short(), j.name, j.id.Short(), j.id.Short())
		return errDetached
	}
	f.stopping = true
	j.app.streams.Note("run %s is asked to end; once more leaves it running", j.id.Short())
	go func() {
		why := run.Cancel{By: j.app.user(), Why: "interrupted", GraceS: runGrace.Seconds()}
		if err := j.cancel(ctx, f.links, why, runGrace); err != nil {
			j.app.streams.Note("%v", err)
		}
	}()
	return nil
}

// startMirror begins to copy what the run writes.
func (f *follower) startMirror(ctx context.Context) {
	ended := make(chan error, 1)
	f.mirroring = ended
	ctx, f.stop = context.WithCancel(ctx)
	f.mirrors = ctx
	m := f.job.mirror()
	m.told = f.heard
	if f.out != nil {
		m.grew, m.again = f.out.show, f.out.again
	}
	go func() {
		l, err := f.links.to(ctx, f.job)
		if err != nil {
			ended <- err
			return
		}
		if f.job.access() == train.AccessNode && f.job.plan.Remote == "" {
			if _, err := f.job.deliverOn(ctx, l); err != nil {
				if fault.KindOf(err) == fault.NotFound {
					err = &lackError{err}
				}
				ended <- err
				return
			}
		}
		if f.out != nil {
			if err := f.out.show(); err != nil {
				ended <- err
				return
			}
		}
		ended <- m.follow(ctx, l)
	}()
}

func (f *follower) endMirror() {
	f.stop()
	f.keeper.end()
	if f.mirroring != nil {
		if err := <-f.mirroring; err != nil { // what it did not bring comes with the results
			f.job.app.streams.Why("%v", err)
		}
		f.mirroring = nil
	}
	if f.out != nil {
		_ = f.out.show() // what came last; the whole output is in the record
		f.out.close()
	}
}

// heard takes a sign of life of the agent.
func (f *follower) heard(t train.Told) error {
	j := f.job
	f.failed = 0
	if t.Attempt > 1 && t.Attempt != f.attempt {
		words := ""
		if t.Why != "" {
			words = ": " + t.Why
		}
		j.app.streams.Note("run %s: attempt %d on %s%s", j.id.Short(), t.Attempt, t.Host, words)
	}
	f.attempt = t.Attempt
	if !f.handsOff {
		f.keeper.keep(f.mirrors, f.links, j, t)
	}
	return j.see(func(s *run.Seen) {
		s.State, s.Reason, s.Attempt, s.Heard, s.Host, s.Began, s.SpentS = run.Running, "", t.Attempt, true, t.Host, t.Began, t.SpentS
	})
}
