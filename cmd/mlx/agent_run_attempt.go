package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

// attempts executes the command until it succeeds, nobody wants another attempt, or the backend takes the place away.
func (j *agentJob) attempts(ctx context.Context) (*run.Result, error) {
	j.facts = j.askFacts(ctx)
	defer j.facts.end()
	began := j.app.now()
	if j.book.Last > 0 {
		j.keepCheckpoint(ctx) // what an agent before this one has left there
	}
	result, err := j.takeUp(ctx)
	for err == nil && (result == nil || result.Aside != nil) {
		if result != nil {
			if err := j.keepAttempt(result); err != nil {
				return nil, err
			}
		}
		if stop, interrupted := j.crew.closed(); stop != nil {
			if interrupted && j.attemptsLeft() {
				j.tell(func(t *train.Told) { t.State, t.Why = toldInterrupted, stop.Cause })
				return nil, errInterrupted
			}
			return nil, nil // close says why
		}
		j.countFormer()
		result, err = j.attempt(ctx, began)
	}
	return result, err
}

// countFormer counts the attempts that were made elsewhere since this folder last saw one.
func (j *agentJob) countFormer() {
	for n := len(j.book.Attempts) + 1; n <= len(j.order.Former); n++ {
		j.book.Attempts = append(j.book.Attempts, j.formerAttempt(n))
	}
	j.book.Last = max(j.book.Last, len(j.book.Attempts))
}

// formerAttempt is an attempt that was made elsewhere, as far as that is known here.
func (j *agentJob) formerAttempt(n int) run.Attempt {
	a := run.Attempt{N: n, State: run.Lost, Cause: "its node is gone"}
	if n <= len(j.order.Former) {
		f := j.order.Former[n-1]
		a.Host, a.StartedAt, a.Cause = f.Host, f.Began, f.Cause
	}
	return a
}

// attemptsLeft says whether the job may begin another attempt.
func (j *agentJob) attemptsLeft() bool { return j.book.Last <= j.order.Retries.Most }

// keepAttempt notes an attempt that another one follows.
func (j *agentJob) keepAttempt(result *run.Result) error {
	j.book.Attempts = append(j.book.Attempts, *result.Aside)
	if result.Release != nil {
		j.releases = append(j.releases, result.Release)
	}
	for _, trouble := range result.Troubles {
		j.say("%v", trouble)
	}
	j.say("attempt %d is over: %s", result.Aside.N, result.Aside.Cause)
	return j.writeBook()
}

// takeUp brings to an end what an agent before this one has begun and not ended. nil: there is nothing.
func (j *agentJob) takeUp(ctx context.Context) (*run.Result, error) {
	if j.book.Last == len(j.book.Attempts) {
		return nil, nil
	}
	runner, err := j.in.runner()
	if err != nil {
		return nil, err
	}
	runner.Secrets = j.secretValues()
	j.keepCheckpoint(ctx)
	s := j.spec(j.book.Last, time.Time{})
	s.Again = func(b *run.Body) bool { return j.again(b, true) }
	result, err := runner.TakeUp(ctx, j.start, s, run.Ending{State: run.Lost, Cause: lostAgent})
	if err != nil || result != nil {
		return result, err
	}
	if !j.attemptsLeft() { // it was about to begin, or its folder is gone with its node
		j.crew.close(run.Stop{State: run.Lost, Cause: lostAgent}, false)
		return nil, nil
	}
	a := j.lostAttempt()
	return &run.Result{Aside: &a}, nil
}

// lostAttempt is the attempt that was begun last, where nothing is left of it.
func (j *agentJob) lostAttempt() run.Attempt {
	a := run.Attempt{N: j.book.Last, Host: j.app.host(), StartedAt: j.book.Began, State: run.Lost, Cause: lostAgent}
	if a.StartedAt.IsZero() {
		a.StartedAt = j.app.now().UTC().Truncate(time.Microsecond)
	}
	if at := j.before; at.After(a.StartedAt) { // it cost until then at least
		a.EndedAt = &at
	} else {
		a.EndedAt = &a.StartedAt
	}
	return a
}

// lostAgent is the cause of an attempt that nobody saw end.
const lostAgent = "its agent was gone before the command ended"

// again says whether an attempt that ended so is followed by another. lost: nobody saw it end.
func (j *agentJob) again(b *run.Body, lost bool) bool {
	stop, interrupted := j.crew.closed()
	switch {
	case !j.attemptsLeft() || b.State == run.Succeeded || b.State == run.Cancelled:
		return false
	case stop != nil:
		return interrupted
	case lost && b.State == run.Lost:
		return true
	case b.TimeoutS > 0 && b.DurationS >= b.TimeoutS:
		return false
	}
	status := ownFailure
	if j.failedStatus != 0 {
		status = j.failedStatus
	} else if b.ExitStatus != nil {
		status = *b.ExitStatus
	} else if b.Signal != "" {
		status = 128 + run.SignalNumber(b.Signal)
	}
	return len(j.order.Retries.On) == 0 || slices.Contains(j.order.Retries.On, status)
}

// attempt executes the command once.
func (j *agentJob) attempt(ctx context.Context, began time.Time) (*run.Result, error) {
	at := j.app.now().UTC().Truncate(time.Microsecond)
	j.book.Last++
	j.book.Began = at
	if err := j.writeBook(); err != nil {
		return nil, err
	}
	j.tell(func(t *train.Told) {
		t.State, t.Attempt, t.Began, t.Warned = toldRunning, j.book.Last, at, nil
		t.SpentS = useOf(j.job(), at).Lasted.Seconds()
		t.Folder = train.SourceName + "/.mlx/runs/" + j.id.Hex()
	})
	j.say("attempt %d begins", j.book.Last)
	spec := j.spec(j.book.Last, began)
	spec.Again = func(b *run.Body) bool { return j.again(b, false) }
	me := j.crew.join()
	defer j.crew.leave(me)
	others, err := j.startRanks(spec, me)
	if err != nil {
		return nil, err
	}
	spec.Ended = func(b *run.Body) {
		others.over(b)
		j.keepCheckpoint(ctx)
		j.completeJob(b)
		run.EndRest()
	}
	defer j.keepCheckpoints(ctx)()
	stdout, stderr := j.streams()
	j.in.job = &liveJob{start: j.start, signals: me.signals, stops: me.stops, secrets: j.secretValues(), grace: j.grace()}
	defer j.warnOfLimit(spec.Timeout)()
	return j.in.executeRun(ctx, spec, live{stdout: stdout, stderr: stderr})
}

// spec is the command as the record of the start says, where the job has laid it out. began is when the first attempt of this agent did:
// the time limit is one for all of them.
func (j *agentJob) spec(n int, began time.Time) run.Spec {
	b := j.body
	s := run.Spec{
		Command: b.Command, Argv: j.argv(), Dir: j.source(filepath.FromSlash(b.Folder)), Folder: b.Folder, Params: b.Params, Data: b.Data, Used: b.Used,
		Worktree: b.Worktree, Attempt: n, Job: j.job(), Aside: j.path(train.AttemptsName, strconv.Itoa(n)),
		RerunOf: b.RerunOf, Because: b.Because, Stage: b.Stage, After: j.after,
	}
	for _, out := range b.Outs {
		s.Outs = append(s.Outs, run.Out{Path: out, Abs: j.source(filepath.FromSlash(out))})
	}
	if limit := time.Duration(b.TimeoutS * float64(time.Second)); limit > 0 {
		s.Timeout = limit
		if !began.IsZero() {
			s.Timeout = max(time.Second, limit-j.app.now().Sub(began))
		}
	}
	s.Env, s.Close = j.variables(0), closeJob
	return s
}

// job is the job with what agents of it have noted so far.
func (j *agentJob) job() *run.Job {
	job := *j.body.Job
	job.Attempts, job.Checkpoint, job.Handle = j.book.Attempts, j.saved.newest(), j.handle()
	return &job
}

// variables is what the command finds in its environment on this node, as the process of this number.
func (j *agentJob) variables(local int) []string {
	env := slices.Concat(j.order.Env, j.secrets)
	for _, m := range j.order.Models {
		for _, name := range m.Env {
			env = append(env, name+"="+j.modelPath(m))
		}
	}
	env = append(env, "MLX_CHECKPOINT="+filepath.Join(j.work, train.CheckpointName))
	if own, err := j.own(); err == nil {
		env = append(env, "PATH="+own+string(os.PathListSeparator)+run.Variable(append(slices.Clone(j.app.environ), env...), "PATH"))
	} else {
		j.say("the command finds no mlx: %v", err)
	}
	if j.facts != nil && j.facts.tmp != "" {
		env = append(env, "TMPDIR="+j.facts.tmp)
	}
	return append(env, j.seat(local).Env(j.app.environ)...)
}

// seat is the place of a process in the job.
func (j *agentJob) seat(local int) train.Seat {
	return train.Seat{Place: j.place, Local: local, Ranks: j.order.Ranks, GPUs: j.body.Job.GPUs}
}

// argv is the command behind the lines of shell and the words that the backend wants before it; nil where there are none.
func (j *agentJob) argv() []string {
	if len(j.order.Setup)+len(j.order.Wrap) == 0 {
		return nil
	}
	var script strings.Builder
	for _, line := range j.order.Setup {
		script.WriteString(line + "\n")
	}
	script.WriteString("exec " + commandLine(j.order.Wrap) + ` "$@"`)
	return append([]string{"sh", "-c", script.String(), "mlx"}, j.body.Command...)
}

// completeJob adds to the record what only the node knows.
func (j *agentJob) completeJob(b *run.Body) {
	job := *b.Job
	first := b.StartedAt
	if len(j.book.Attempts) > 0 && !j.book.Attempts[0].StartedAt.IsZero() {
		first = j.book.Attempts[0].StartedAt
	}
	queued := max(0, first.Sub(job.SubmittedAt).Seconds())
	job.QueuedS = &queued
	if job.CostLimit && job.MaxCost != nil && strings.HasPrefix(b.Cause, run.TimeLimit) {
		b.Cause = tooDear(&job, b.Cause)
	}
	if b.Environment != nil && b.Environment.Python != nil {
		j.packages = b.Environment.Python.List
	}
	hosts, facts := j.nodes()
	job.Hosts, job.Facts, job.Checkpoint = hosts, facts, j.saved.newest()
	b.Job = &job
}

// lenient shows what it can: a log that breaks is no reason to end the command.
type lenient struct{ to io.Writer }

// Write never fails.
func (l *lenient) Write(b []byte) (int, error) {
	if l.to != nil {
		if _, err := l.to.Write(b); err != nil {
			l.to = nil
		}
	}
	return len(b), nil
}

// streams are the agent's own, one where they are one file: only so does what is written keep its order. Nothing where that file is in
// the folder of the job: what the command writes is kept there already.
func (j *agentJob) streams() (stdout, stderr io.Writer) {
	if sameFile(j.path(train.AgentLogName), os.Stdout) {
		return nil, nil
	}
	out := &lenient{os.Stdout}
	a, errA := os.Stdout.Stat()
	b, errB := os.Stderr.Stat()
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return out, out
	}
	return out, &lenient{os.Stderr}
}

// endedRun is the record of the end, if an agent before this one has written it.
func (j *agentJob) endedRun(ctx context.Context) (*run.View, error) {
	if j.in == nil {
		return nil, nil
	}
	l, err := j.in.ledger()
	if err != nil {
		return nil, err
	}
	v, err := j.in.history(l).Get(ctx, j.id)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read run %s: %w", j.id.Short(), err)
	}
	if v.EndedAt == nil {
		return nil, nil
	}
	return &v, nil
}
