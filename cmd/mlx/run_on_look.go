package main

import (
	"cmp"
	"context"
	"path/filepath"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// Times that a backend has to answer.
const (
	askWait  = 5 * time.Second  // where many backends are asked for a list
	lookWait = 30 * time.Second // where one job is followed
)

// sight is what a backend says of a job: a state of the run, or that there is nothing more to come from the backend.
type sight struct {
	status train.Status
	err    error // the backend could not be asked
}

// over says whether the backend is done with the job, one way or the other.
func (s sight) over() bool {
	return s.err == nil && (s.status.State == train.Done || s.status.State == train.Gone)
}

// wrong is the trouble that no waiting mends: the backend is described wrongly here. nil: there is none.
func (s sight) wrong() error {
	if fault.KindOf(s.err) == fault.Usage {
		return s.err
	}
	return nil
}

// words is what a backend says of a job, for people.
func (s sight) words() string {
	switch {
	case s.err != nil:
		return s.err.Error()
	case s.status.Reason != "":
		return s.status.Reason
	}
	return string(s.status.Cause)
}

// suffix is what a reason adds to what is known already.
func suffix(why, known string) string {
	if why == "" || why == known {
		return ""
	}
	return ": " + why
}

// seen is the sight as it is kept for whoever asks next without asking the backend.
func (s sight) seen(before run.Seen, now time.Time) run.Seen {
	after := before
	after.At, after.Reason = now.UTC(), ""
	switch st := s.status; {
	case s.err != nil, st.State == train.Unknown:
		after.State, after.Reason = run.Unobserved, s.words()
	case st.State == train.Pending:
		after.State, after.Reason = run.Pending, s.words()
		lose(&after, before.At)
	case st.State == train.Running:
		after.State = run.Running
		begin(&after, st, now)
	case st.State == train.Done:
		after.State, after.Ready = run.Running, true
		after.Reason = "it has ended: mlx job wait brings its results back"
	case st.State == train.Gone:
		after.State, after.Ready = run.Unobserved, true
		after.Reason = "it is gone: " + cmp.Or(s.words(), "nobody says why") + "; mlx job wait records its end"
	}
	if s.err == nil {
		after.Handle = cmp.Or(s.status.Handle, after.Handle)
		after.Host = cmp.Or(s.status.Node, after.Host)
	}
	return after
}

// begin notes since when a job is running. What the agent says is better than what the backend says, and that better than the first look.
func begin(s *run.Seen, st train.Status, now time.Time) {
	switch {
	case st.Attempt > 0 && !st.Began.IsZero():
		s.Attempt, s.Heard, s.Began, s.SpentS = st.Attempt, true, st.Began, st.SpentS
	case !s.Began.IsZero():
	case !st.Began.IsZero():
		s.Began = st.Began
	case st.Ran > 0:
		s.Began = now.UTC().Add(-st.Ran).Truncate(time.Second)
	case s.Since.IsZero():
		s.Since = now.UTC()
	}
}

// lose notes that a job that was running waits again: what it had cost until it was last seen stays.
func lose(s *run.Seen, at time.Time) {
	if began := s.Began; !began.IsZero() || !s.Since.IsZero() {
		if began.IsZero() {
			began = s.Since
		}
		s.SpentS += max(0, at.Sub(began).Seconds())
	}
	s.Began, s.Since = time.Time{}, time.Time{}
}

// lookAt asks the driver of one backend for some of its jobs, all at once, and keeps what it says.
func lookAt(ctx context.Context, driver train.Driver, jobs string, ids []object.Digest) []sight {
	refs := make([]train.Ref, len(ids))
	for i, id := range ids {
		s, _ := run.SeenOf(jobs, id)
		refs[i] = train.Ref{ID: id, Handle: s.Handle}
	}
	said, err := driver.Status(ctx, refs)
	if err == nil && len(said) != len(ids) {
		err = fault.New(fault.Internal, "the backend told of %d jobs and was asked for %d", len(said), len(ids))
	}
	all := make([]sight, len(ids))
	for i := range ids {
		if all[i].err = err; err == nil {
			all[i].status = said[i]
		}
	}
	return all
}

// look asks the backends of some runs, each with one request and all side by side, and keeps what they say. What could not be asked is
// unknown, and why.
func (a *app) look(ctx context.Context, runs []run.View) (map[object.Digest]sight, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	byBackend, known := map[string][]object.Digest{}, map[object.Digest]bool{}
	for _, v := range runs {
		if v.Job == nil || v.EndedAt != nil {
			continue
		}
		s, there := run.SeenOf(jobsOf(r), v.RunID)
		if there && s.Handle == "" && hasNote(filepath.Join(jobsOf(r), v.ID), beforeName) {
			continue // it was never handed over, by this clone: there is nobody to ask
		}
		if !there && a.hasEnded(ctx, v.RunID) {
			continue // somebody has brought it back since these runs were looked for
		}
		known[v.RunID] = there
		byBackend[v.Job.Backend] = append(byBackend[v.Job.Backend], v.RunID)
	}
	all := map[object.Digest]sight{}
	var mu sync.Mutex
	var asked sync.WaitGroup
	for _, name := range sortedKeys(byBackend) {
		ids := byBackend[name]
		driver, _, err := a.driver(ctx, name) // what it opens is shared, so one after the other
		asked.Go(func() {
			ctx, stop := context.WithTimeout(ctx, askWait)
			defer stop()
			said := make([]sight, len(ids))
			if err == nil {
				said = lookAt(ctx, driver, jobsOf(r), ids)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, id := range ids {
				if err != nil {
					said[i].err = err
				}
				if ctx.Err() != nil && said[i].err != nil {
					said[i].err = fault.New(fault.Unavailable, "cannot reach %s: no answer within %s", name, askWait)
				}
				all[id] = said[i]
			}
		})
	}
	asked.Wait()
	if err := a.seeAll(ctx, all, known); err != nil {
		return nil, err
	}
	return all, ctx.Err()
}

// maybeElsewhere says that "lost" would be a guess: the backend has nothing of a job, and this is not the clone that hands it over. That
// one may not have come so far yet, or has brought back the results, after which a backend keeps nothing.
func (j *onJob) maybeElsewhere(last sight) bool {
	if j.mine() || hasNote(j.folderOf(), cancelNote) {
		return false
	}
	return last.status.Cause == train.CauseMissing || j.access() == train.AccessNode && last.status.State == train.Done
}
