package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// formerNote is the file, in the folder of a job here, that says what is known of attempts whose nodes are gone.
const formerNote = "former.json"

// errAgain says that a job whose place was lost goes on: it was handed over again, or will be as soon as it is certain that nothing of it
// executes any more.
var errAgain = errors.New("it goes on with another attempt")

// againPause is the time between two looks at a job that is not certain to be over.
const againPause = 500 * time.Millisecond

// again hands a job over again that its backend lost and does not start anew, as the next attempt of the same run. It does nothing where
// the run has to end: no attempts are left, somebody wanted that, or the backend does not say that the place was lost. l is a connection
// to what is left of the job, nil where nothing can be reached. Whoever calls holds the lock of the job.
func (j *onJob) again(ctx context.Context, l *train.Link, links *onLinks, last sight) (err error) {
	defer func() {
		if errors.Is(err, errAgain) && j.access() != train.AccessHost {
			links.drop(j) // it leads to a node that the job is on no more
		}
	}()
	most := j.body.Job.Retries
	if most == 0 || !last.over() || hasNote(j.folderOf(), cancelNote) {
		return nil
	}
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	if h := last.status.Handle; h != "" && s.Handle != "" && s.Handle != h && s.Handle != (train.Ref{ID: j.id}).Name() {
		return errAgain // somebody was faster: the answer is about the one before
	}
	var told train.Told
	if l != nil {
		var cancelled bool
		if told, cancelled, err = j.toldThere(ctx, l); err != nil || cancelled {
			return err
		}
	}
	used := max(told.Attempt, s.Attempt, last.status.Starts)
	if l == nil && j.access() == train.AccessHost || used > most || !j.lostItsPlace(last.status, told, used > 0) {
		return nil
	}
	if last.status.Ending || last.status.Cause == train.CauseMissing && j.app.now().Sub(told.At) < staleAfter {
		return errAgain // not before it is certain
	}
	return cmp.Or(j.handAgain(ctx, l, last, told, used), errAgain)
}

// lostItsPlace says whether a job is over because a machine went, or its place on one was given to others: not where the run itself, or
// somebody, ended it. began: an attempt of it had begun.
func (j *onJob) lostItsPlace(st train.Status, told train.Told, began bool) bool {
	if told.State == toldInterrupted { // the agent left it to be gone on with
		return true
	}
	if st.State != train.Gone {
		return false
	}
	switch st.Cause {
	case train.CausePreempted, train.CauseNode:
		return true
	case train.CauseNone, train.CauseExit: // the agent was killed
		return began
	case train.CauseMissing:
		if j.access() == train.AccessNode { // a Job that is deleted is not wanted any more; clouds forget a machine that they have taken
			return began && j.backend.Type == "sky" && j.backend.Remote != ""
		}
		return told.Attempt > 0 // what it left is there: nobody has brought that back
	case train.CauseTime, train.CauseMemory, train.CauseCancelled:
	}
	return false
}

// toldThere reads what the agent last said on its node, and whether somebody there wants the job to end.
func (j *onJob) toldThere(ctx context.Context, l *train.Link) (told train.Told, cancelled bool, err error) {
	files, err := l.List(ctx, j.there(""))
	if fault.KindOf(err) == fault.NotFound {
		return told, false, nil
	}
	for _, f := range files {
		cancelled = cancelled || f.Name == train.CancelName
	}
	if err != nil || cancelled {
		return told, cancelled, err
	}
	text, err := l.ReadAll(ctx, j.there(train.StateName))
	if fault.KindOf(err) == fault.NotFound {
		return told, false, nil
	}
	if err == nil {
		told, err = train.ParseTold(text)
	}
	return told, false, err
}

// handAgain gives the job to the backend once more, after an attempt that is over for certain.
func (j *onJob) handAgain(ctx context.Context, l *train.Link, last sight, told train.Told, used int) error {
	fail := func(err error) error {
		return fault.New(fault.KindOf(err), "cannot begin attempt %d of run %s on %s: %w", used+1, j.id.Short(), j.name, err).
			Hint("mlx job attach %s   # tries again", j.id.Short()).Hint("mlx job cancel %s   # drops it", j.id.Short())
	}
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	_, cause := j.outcome(last)
	switch c := last.status.Cause; {
	case told.State == toldInterrupted && told.Why != "":
		cause = told.Why
	case c == train.CauseNone || c == train.CauseExit:
		cause = lostAgent
	}
	if err := j.noteFormer(used, train.Former{Host: cmp.Or(told.Host, s.Host), Began: cmp.Or(told.Began, s.Began), Cause: cause}); err != nil {
		return fail(err)
	}
	if l != nil && j.keepsCheckpoints() && told.Checkpoint != nil {
		j.keepCheckpoint(ctx, l, *told.Checkpoint)
	}
	from := "its checkpoint folder"
	if j.access() != train.AccessHost {
		var err error
		if j.secrets, err = j.app.secretValues(j.body.Job.Secrets); err == nil {
			from, err = j.carryOver(ctx, used)
		}
		if err == nil && (j.access() != train.AccessNode || j.plan.Remote != "") {
			err = j.pack()
		}
		if err != nil {
			return fail(err)
		}
		j.plan.Job.Secrets = j.secrets
		if from == "" && j.leftCheckpoint(ctx, l) {
			from = "its checkpoint folder, if it gets the same node"
		}
	} else if !j.leftCheckpoint(ctx, l) {
		from = ""
	}
	j.plan.Job.After = cmp.Or(last.status.Handle, s.Handle, j.ref().Name())
	handle, err := j.driver.Submit(ctx, j.plan.Job)
	if err != nil {
		return fail(err)
	}
	words := "goes on from " + from
	if from == "" {
		words = "begins anew, because no checkpoint is left"
	}
	j.app.streams.Note("run %s: attempt %d: %s; it %s", j.id.Short(), used+1, cause, words)
	err = j.see(func(s *run.Seen) {
		*s = run.Seen{State: run.Pending, Handle: cmp.Or(handle, s.Handle), Attempt: used + 1, Given: j.app.now().UTC(), SpentS: spentUntil(*s, told)}
	})
	return errors.Join(err, j.mirror().restart())
}

// spentUntil is for how long a job had its places whose last attempt is over, in seconds: until its agent, or else the backend, was heard.
func spentUntil(s run.Seen, told train.Told) float64 {
	at := s.At
	if !told.Began.IsZero() && told.Attempt >= s.Attempt {
		s.Began, s.SpentS, at = told.Began, told.SpentS, told.At
	}
	lose(&s, at)
	return s.SpentS
}

// leftCheckpoint says whether something is in the checkpoint folder on the node.
func (j *onJob) leftCheckpoint(ctx context.Context, l *train.Link) bool {
	if l == nil {
		return false
	}
	files, err := l.List(ctx, j.there(train.CheckpointName))
	return err == nil && len(files) > 0
}

// noteFormer keeps what is known of the attempt of this number, which is over.
func (j *onJob) noteFormer(n int, f train.Former) error {
	all, _ := readNote[[]train.Former](j.folderOf(), formerNote)
	for len(all) < n {
		all = append(all, train.Former{Cause: "its node is gone"})
	}
	if n > 0 {
		all = all[:n]
		all[n-1] = f
	}
	return writeNote(j.folderOf(), formerNote, all)
}

// carryOver puts into the order what an agent needs to go on with on a node that knows nothing of the attempts before. It says from where
// the command goes on; nothing: from its beginning.
func (j *onJob) carryOver(ctx context.Context, used int) (from string, err error) {
	all, _ := readNote[[]train.Former](j.folderOf(), formerNote)
	for len(all) < used {
		all = append(all, train.Former{Cause: "its node is gone"})
	}
	j.plan.Order.Former = all[:used]
	if j.plan.Remote != "" {
		return "the newest checkpoint in " + j.plan.Remote, nil
	}
	root, ok := readNote[object.Digest](j.folderOf(), checkpointNote)
	if ok {
		if ok, err = j.store.Has(ctx, root); err != nil {
			return "", err
		}
	}
	switch {
	case ok:
		j.plan.Order.Resume = &root
		j.plan.Inputs = append(j.plan.Inputs, train.Input{What: "checkpoint", Root: root})
		return "checkpoint " + root.Short(), nil
	case j.plan.Order.Resume != nil:
		return "the checkpoint that it began with", nil
	}
	return "", nil
}

// formerOf is how many attempts of a job were made before the one that a node without any word of it begins.
func formerOf(s run.Seen) int {
	if !s.Heard {
		return max(0, s.Attempt-1)
	}
	return s.Attempt
}

// begunAgain says whether what lies on the node of a job is no more that of an attempt that is over: its output was shown.
func (j *onJob) begunAgain(ctx context.Context, links *onLinks) bool {
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	if n := formerOf(s); n > 0 && !s.Heard && j.access() == train.AccessHost {
		l, err := links.to(ctx, j)
		if err != nil {
			return true // whoever copies says why
		}
		told, _, err := j.toldThere(ctx, l)
		if err != nil || told.Attempt > n {
			return true
		}
		_, err = j.result(ctx, l)
		return !errors.Is(err, errNoResult)
	}
	return true
}

// goesOnWith says of a job that is gone which attempt waits for somebody to hand it over; 0 for none.
func goesOnWith(on *run.Job, s run.Seen) int {
	if next := max(1, s.Attempt) + 1; s.State == run.Unobserved && s.Ready && next <= on.Retries+1 {
		return next
	}
	return 0
}

// paused waits for a while.
func paused(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
