package main

import (
	"context"
	"encoding/json"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// cancel asks a job to end. Who wants it and why stands where its agent reads it before the backend is told, so that the record of the
// end names both; here as well, for a job that never begins.
func (j *onJob) cancel(ctx context.Context, links *onLinks, why run.Cancel, grace time.Duration) error {
	dropped, err := j.drop(ctx, why)
	if err != nil || dropped {
		return err
	}
	if err := j.noteCancel(ctx, why); err != nil {
		return fault.New(fault.KindOf(err), "cannot cancel run %s: %w", j.id.Short(), err)
	}
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	if j.access() == train.AccessHost || j.access() == train.AccessAfter || j.access() == train.AccessNode && s.State == run.Running {
		text, err := json.Marshal(why)
		if err != nil {
			return err
		}
		l, err := links.to(ctx, j)
		if err == nil {
			err = l.Write(ctx, j.there(train.CancelName), 0o644, text)
		}
		if err == nil && j.access() == train.AccessNode {
			return nil // its files go with it: whoever has fetched them removes it
		}
		if err != nil {
			j.app.streams.Why("the node of run %s is not told why: %v", j.id.Short(), err)
		}
	}
	ref := j.ref()
	if ref.Handle == "" { // it may have been handed over again, by another clone
		if said := lookAt(ctx, j.driver, jobsOf(j.repo), []object.Digest{j.id})[0]; said.err == nil {
			ref = said.status.Ref
		}
	}
	if err := j.driver.Cancel(ctx, ref, grace); err != nil {
		return fault.New(fault.KindOf(err), "cannot cancel run %s on %s: %w", j.id.Short(), j.name, err)
	}
	return nil
}

// noteCancel writes down that the run is to end. From then on nobody here hands it over again.
func (j *onJob) noteCancel(ctx context.Context, why run.Cancel) error {
	release, err := j.repo.Lock(ctx, []string{jobLock(j.id)}, nil)
	if err != nil {
		return err
	}
	defer release()
	if hasNote(j.folderOf(), cancelNote) {
		return nil
	}
	return writeNote(j.folderOf(), cancelNote, why)
}

// drop ends a run that was recorded here and never handed over.
func (j *onJob) drop(ctx context.Context, why run.Cancel) (bool, error) {
	release, err := j.repo.Lock(ctx, []string{jobLock(j.id)}, nil)
	if err != nil {
		return false, err
	}
	defer release()
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	if s.Handle != "" || !j.kept() {
		return false, nil
	}
	runner, err := j.app.runner()
	if err != nil {
		return false, err
	}
	if s.Reason != beingSubmitted { // nobody has asked the backend for anything
		_, err := runner.Abandon(ctx, j.id, run.Cancelled, why.Words(), j.body.Job)
		return err == nil, err
	}
	said := lookAt(ctx, j.driver, jobsOf(j.repo), []object.Digest{j.id})[0]
	if said.err != nil {
		return false, said.err
	}
	if said.status.State != train.Gone || said.status.Cause != train.CauseMissing {
		return false, nil // it got there, and whoever brought it could not write that down
	}
	if _, err := runner.Abandon(ctx, j.id, run.Cancelled, why.Words(), j.body.Job); err != nil {
		return false, err
	}
	return true, nil
}
