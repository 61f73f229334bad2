package main

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

// agentCrew is the processes of the job on this node that can be told to end.
type agentCrew struct {
	mu      sync.Mutex
	members map[*agentMember]bool
	stop    *run.Stop // of the whole job, once somebody wants it to end
	over    chan struct{}
	before  bool // stop is one after which the backend may start the job again
}

// agentMember is one of them.
type agentMember struct {
	stops   chan run.Stop
	signals chan os.Signal
}

func newAgentCrew() *agentCrew {
	return &agentCrew{members: map[*agentMember]bool{}, over: make(chan struct{})}
}

// join adds a process that is about to start. What was told before reaches it at once.
func (c *agentCrew) join() *agentMember {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &agentMember{make(chan run.Stop, 4), make(chan os.Signal, 4)}
	c.members[m] = true
	if c.stop != nil {
		m.stops <- *c.stop
	}
	return m
}

func (c *agentCrew) leave(m *agentMember) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, m)
}

// end ends the processes of the attempt, but for one, which may be nil.
func (c *agentCrew) end(s run.Stop, but *agentMember) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for m := range c.members {
		if m != but {
			m.tell(s)
		}
	}
}

func (m *agentMember) tell(s run.Stop) {
	select {
	case m.stops <- s:
	default: // it was told often enough
	}
}

// close ends the job: what runs now, and what would follow.
func (c *agentCrew) close(s run.Stop, interrupted bool) {
	c.mu.Lock()
	first := c.stop == nil
	if first {
		c.stop, c.before = &s, interrupted
		close(c.over)
	}
	c.mu.Unlock()
	c.end(s, nil) // a second time kills
}

// closed says whether, and why, the job is to end.
func (c *agentCrew) closed() (s *run.Stop, interrupted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop, c.before
}

// warn hands a warning to every process.
func (c *agentCrew) warn(s os.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for m := range c.members {
		select {
		case m.signals <- s:
		default:
		}
	}
}

// listen hears what the backend and the user want of the job, until it is ended: signals, and the file that cancels it.
func (j *agentJob) listen() (end func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(run.Warnings(), syscall.SIGTERM, os.Interrupt)...)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-signals:
				j.heard(ctx, s)
			case <-look.C:
				if stop, _ := j.crew.closed(); stop == nil {
					if s, ok := j.cancelled(); ok {
						j.say("%s", s.Cause)
						j.crew.close(s, false)
					}
				}
			}
		}
	}()
	return func() { signal.Stop(signals); cancel(); <-gone }
}

// warnOfLimit warns the processes that a time limit ends them soon: in the last quarter of it, at most a minute before, unless
// the backend has just done so. Those that do not catch the signal get none.
func (j *agentJob) warnOfLimit(limit time.Duration) (stop func() bool) {
	if limit <= 0 || len(run.Warnings()) == 0 {
		return func() bool { return true }
	}
	before := min(warnBefore, limit/4)
	return time.AfterFunc(limit-before, func() { j.limitNears(before) }).Stop
}

// limitNears warns. A queue may have done so up to a minute early, and its limit began before that of the command.
func (j *agentJob) limitNears(before time.Duration) {
	j.say("%v of the time limit are left", before)
	if j.warnedSince(j.app.now().Add(-2 * warnBefore)) {
		return
	}
	for _, s := range run.Warnings() {
		j.warn(s)
	}
}

// warn warns all processes that they are about to be ended, and saves the checkpoint.
func (j *agentJob) warn(s os.Signal) {
	j.crew.warn(s)
	j.wantCheckpoint()
}

// heard acts on a signal.
func (j *agentJob) heard(ctx context.Context, s os.Signal) {
	if run.IsWarning(s) {
		at := j.app.now().UTC().Truncate(time.Second)
		j.say("the backend warns that it will end the job soon (%v)", s)
		j.tell(func(t *train.Told) { t.Warned = &at })
		j.warn(s)
		return
	}
	stop, interrupted := j.whyStopped(ctx, s)
	j.say("%s", stop.Cause)
	j.crew.close(stop, interrupted)
}

// cancelled reads who wants the job to end.
func (j *agentJob) cancelled() (run.Stop, bool) {
	text, err := j.read(train.CancelName)
	if err != nil || len(text) > maxCancel {
		return run.Stop{}, false
	}
	var c run.Cancel
	if json.Unmarshal(text, &c) != nil {
		c = run.Cancel{By: "somebody"}
	}
	return run.Stop{State: run.Cancelled, Cause: c.Words(), Grace: max(0, time.Duration(c.GraceS*float64(time.Second)))}, true
}

const maxCancel = 64 << 10

// grace is how long a process may take to end where nobody said it.
func (j *agentJob) grace() time.Duration {
	if j.order.Grace > 0 {
		return j.order.Grace
	}
	return runGrace
}

// whyStopped finds out why the backend ends the job, and whether it may start it again.
func (j *agentJob) whyStopped(ctx context.Context, s os.Signal) (stop run.Stop, interrupted bool) {
	if stop, ok := j.cancelled(); ok {
		return stop, false
	}
	stop = run.Stop{State: run.Cancelled, Cause: "ended by the backend: " + signalWord(s), Grace: j.grace()}
	environ := j.app.environ
	switch {
	case run.Variable(environ, "SLURM_JOB_ID") != "":
		why := slurmWhy(askSlurm(ctx, run.Variable(environ, "SLURM_JOB_ID")))
		switch why {
		case whyPreempted:
			return run.Stop{State: run.Killed, Cause: "preempted", Grace: j.grace()}, true
		case whyTime:
			return run.Stop{State: run.Killed, Cause: "time limit of the backend", Grace: j.grace()}, false
		case whyCancelled:
			stop.Cause = "cancelled on the backend"
		}
	case run.Variable(environ, "KUBERNETES_SERVICE_HOST") != "":
		return run.Stop{State: run.Killed, Cause: "preempted: the node asked the pod to end", Grace: j.grace()}, true
	case j.order.Retries.Most > 0 && run.Variable(environ, "SKYPILOT_TASK_ID") != "":
		return run.Stop{State: run.Killed, Cause: "preempted: the machine is taken away", Grace: j.grace()}, true
	}
	return stop, false
}

func signalWord(s os.Signal) string {
	if s == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}

// await returns when all that the job needs has arrived.
func (j *agentJob) await() error {
	pause, until := lookFirst, time.NewTimer(j.wait)
	defer until.Stop()
	for !isThere(j.path(train.ReadyName)) {
		select {
		case <-j.crew.over:
			return nil // close says why
		case <-until.C:
			return fault.New(fault.Unavailable, "cannot execute job %s: what it needs has not arrived after %s", j.id.Short(), cli.FormatDuration(j.wait))
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
	return j.readOrder()
}

// own is where mlx itself is found by the command.
func (j *agentJob) own() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if filepath.Base(self) == "mlx" {
		return filepath.Dir(self), nil
	}
	link := filepath.Join(j.work, "bin", "mlx")
	if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
		return "", err
	}
	_ = os.Remove(link) // of an agent before, perhaps another program
	return filepath.Dir(link), os.Symlink(self, link)
}
