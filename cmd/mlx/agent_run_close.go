package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// close leaves the results of the job in its folder, whatever became of it. result is nil where the command did not run, or its end was
// recorded before; trouble is why the agent could not do its work.
func (j *agentJob) close(ctx context.Context, result *run.Result, trouble error) (train.Result, error) {
	j.tell(func(t *train.Told) { t.State = toldSaving })
	out := train.Result{Kind: "result/v1", Run: j.id, State: string(run.Failed), Status: ownFailure, Attempt: j.book.Last,
		Packs: []object.Digest{}, Roots: []train.ResultRoot{}}
	if trouble != nil {
		j.say("%v", trouble)
		out.Cause = j.mask().Text(trouble.Error())
		out.Trouble = append(out.Trouble, out.Cause)
	}
	if result != nil {
		out.Status = result.Status
		for _, t := range result.Troubles {
			out.Trouble = append(out.Trouble, j.mask().Text(t.Error()))
		}
	}
	v, err := j.lastRecord(ctx, &out, trouble)
	if err == nil && v != nil {
		err = j.saveRecords(ctx, *v, &out)
	}
	if err != nil {
		j.say("%v", err)
		out.Trouble = append(out.Trouble, j.mask().Text(err.Error()))
	}
	if out.Status == 0 && (out.State != string(run.Succeeded) || len(out.Trouble) > 0) {
		out.Status = ownFailure
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return out, fault.New(fault.Internal, "cannot write %s: %w", train.ResultName, err)
	}
	j.removeSecrets()
	if err := j.write(train.ResultName, append(text, '\n')); err != nil {
		return out, err
	}
	j.in.free(j.releases)
	j.tell(func(t *train.Told) { t.State, t.Why, t.Attempt = toldEnded, out.Cause, out.Attempt })
	j.say("the run has ended: %s", out.State)
	return out, nil
}

func (j *agentJob) removeSecrets() {
	if err := os.Remove(j.path(train.SecretsName)); err != nil && !os.IsNotExist(err) {
		j.say("cannot remove the secrets: %v", err)
	}
}

// ownFailure is the status of a job that the agent could not execute.
const ownFailure = 125

func (j *agentJob) mask() run.Mask { return run.NewMask(j.secretValues()) }

// lastRecord returns the run with its end, which it records where nobody has: the job was cancelled before the command began, or could
// not be laid out. nil: there is no ledger to record it in.
func (j *agentJob) lastRecord(ctx context.Context, out *train.Result, trouble error) (*run.View, error) {
	if stop, _ := j.crew.closed(); stop != nil && trouble == nil {
		out.State, out.Cause = string(stop.State), stop.Cause
	}
	if j.in == nil || j.start.ID.IsZero() {
		return nil, nil
	}
	v, err := j.endedRun(ctx)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound { // the start could not even be imported
			return nil, nil
		}
		return nil, err
	}
	if v == nil {
		runner, err := j.in.runner()
		if err != nil {
			return nil, err
		}
		runner.Secrets = j.secretValues()
		ended, err := runner.Abandon(ctx, j.id, run.State(out.State), out.Cause, j.jobSoFar(*out, trouble != nil))
		if err != nil {
			return nil, err
		}
		v = &ended
	}
	out.State, out.Record = string(v.State), v.Record
	if v.Cause != nil {
		out.Cause = *v.Cause
	}
	if v.ExitStatus != nil && out.Status == ownFailure {
		out.Status = *v.ExitStatus
	}
	return v, nil
}

// jobSoFar is the job with what its attempts have used, where none is recorded as the run. One that was begun and of which nothing is
// left is one of them: out says how it ended where the agent itself could not go on with it.
func (j *agentJob) jobSoFar(out train.Result, trouble bool) *run.Job {
	now := j.app.now().UTC().Truncate(time.Microsecond)
	if j.book.Last > len(j.book.Attempts) {
		a := j.lostAttempt()
		if trouble {
			a.State, a.Cause, a.EndedAt = run.State(out.State), out.Cause, &now
		}
		j.book.Attempts = append(j.book.Attempts, a)
	}
	b := run.Body{Job: j.job(), EndedAt: &now}
	closeJob(&b)
	return b.Job
}

// saveRecords makes packs of what was recorded here, and sends all of it where the job has a remote.
func (j *agentJob) saveRecords(ctx context.Context, v run.View, out *train.Result) error {
	l, err := j.in.ledger()
	if err != nil {
		return err
	}
	ids, err := j.made(ctx, l)
	if err != nil {
		return err
	}
	packs, err := l.Packs(ctx, ids)
	if err != nil {
		return err
	}
	for _, p := range packs {
		if err := j.write(train.RecordPack(p.Pack), p.Data); err != nil {
			return err
		}
		out.Packs = append(out.Packs, p.Pack)
	}
	if out.Roots, err = j.roots(ctx, l, ids); err != nil {
		return err
	}
	out.Attempt = v.Attempt
	return j.push(ctx, out)
}

// made are the records that the ledger of the job has beside those that it began with.
func (j *agentJob) made(ctx context.Context, l *lineage.Ledger) ([]object.Digest, error) {
	ids, err := l.IDs(ctx)
	if err != nil {
		return nil, err
	}
	before := map[object.Digest]bool{j.id: true}
	if j.remote != nil {
		before = j.remote.before
	}
	return slices.DeleteFunc(ids, func(id object.Digest) bool { return before[id] }), nil
}

// roots are the versions that those records name and that are here, but for what the job was given.
func (j *agentJob) roots(ctx context.Context, l *lineage.Ledger, ids []object.Digest) ([]train.ResultRoot, error) {
	store, err := j.in.store()
	if err != nil {
		return nil, err
	}
	all, seen := []train.ResultRoot{}, map[object.Digest]bool{}
	for _, root := range j.wanted() {
		seen[root] = true
	}
	for _, id := range ids {
		rec, err := l.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		body, ok := runBody(rec)
		if !ok {
			continue
		}
		for _, r := range rootsOfRun(body) {
			if seen[r.Root.Root] {
				continue
			}
			seen[r.Root.Root] = true
			if here, err := store.Has(ctx, r.Root.Root); err != nil || !here {
				continue
			}
			all = append(all, train.ResultRoot{Root: r.Root.Root, Kind: string(r.Kind), Path: r.Path, Bytes: r.bytes})
		}
	}
	return all, nil
}
