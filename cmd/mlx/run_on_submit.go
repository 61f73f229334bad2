package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// beforeName is the file, in the folder of a job here, that says what its outputs were when it was submitted. A job without it was
// submitted by another clone.
const beforeName = "before.json"

// Why a job is pending that its backend does not have yet. From the second one on it may have it.
const (
	beingSent      = "it is being sent"
	beingSubmitted = "it is being submitted"
)

// jobLock is the lock of whoever hands a job to its backend.
func jobLock(id object.Digest) string { return "job " + id.Hex() }

// folderOf is the folder of a job here.
func (j *onJob) folderOf() string { return filepath.Join(jobsOf(j.repo), j.id.Hex()) }

// there is the name of a file of the job on its node, below the folder of mlx there.
func (j *onJob) there(name string) string { return path.Join("jobs", j.id.Hex(), name) }

func (j *onJob) ref() train.Ref {
	s, _ := run.SeenOf(jobsOf(j.repo), j.id)
	return train.Ref{ID: j.id, Handle: s.Handle}
}

// record makes the run known: from here on anybody who has the records can find it, and it is executed once at most.
func (j *onJob) record(ctx context.Context, spec run.Spec) error {
	runner, err := j.app.runner()
	if err != nil {
		return err
	}
	rec, err := runner.Submit(ctx, spec)
	if err != nil {
		return err
	}
	j.id = rec.ID
	if err := j.begun(rec.Raw, rec.Body); err != nil {
		return err
	}
	return j.keep(ctx)
}

// keep notes what the outputs are before the job is handed over.
func (j *onJob) keep(ctx context.Context) error {
	before, err := j.outputsNow(ctx, j.body.Outs)
	if err == nil {
		err = writeNote(j.folderOf(), beforeName, before)
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what is known of job %s: %w", j.id.Short(), err)
	}
	return nil
}

// begun takes the record of the start into the plan.
func (j *onJob) begun(raw, body []byte) error {
	if err := json.Unmarshal(body, &j.body); err != nil {
		return fault.New(fault.Integrity, "cannot read the record of run %s: %w", j.id.Short(), err)
	}
	j.plan.Order.Run, j.plan.Order.Start = j.id, slices.Clone(raw)
	j.plan.Job.Ref = train.Ref{ID: j.id}
	j.plan.Job.Dir = strings.TrimSuffix(nodeDir(j.backend), "/") + "/jobs/" + j.id.Hex()
	return nil
}

// hand brings the job to its backend, from wherever an earlier attempt to do so was stopped. All steps can be repeated: a job that the
// backend knows, or that has begun, is not handed over again.
func (j *onJob) hand(ctx context.Context, links *onLinks) error {
	release, err := j.repo.Lock(ctx, []string{jobLock(j.id)}, nil)
	if err != nil {
		return err
	}
	defer release()
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); s.Handle != "" {
		return nil
	}
	if err := j.see(func(s *run.Seen) { s.Reason = beingSent }); err != nil {
		return err
	}
	if j.plan.Remote != "" {
		if err := j.push(ctx); err != nil {
			return err
		}
	}
	switch {
	case j.plan.Access == train.AccessHost:
		begun, err := j.deliver(ctx, links)
		if err != nil {
			return err
		}
		if begun {
			return j.given(j.plan.Job.Name())
		}
	case j.plan.Remote != "" || j.plan.Access == train.AccessNone || j.plan.Access == train.AccessAfter:
		if err := j.pack(); err != nil {
			return err
		}
	default:
		j.plan.Job.Secrets = j.secrets
	}
	if err := j.see(func(s *run.Seen) { s.Reason = beingSubmitted }); err != nil {
		return err
	}
	handle, err := j.give(ctx)
	if fault.KindOf(err) == fault.Usage { // it will never take it
		return j.refused(ctx, links, err)
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot submit run %s to %s: %w", j.id.Short(), j.name, err)
	}
	return j.given(cmp.Or(handle, j.plan.Job.Name()))
}

// given keeps that the backend has the job from now on.
func (j *onJob) given(handle string) error {
	return j.see(func(s *run.Seen) { s.Handle, s.Reason, s.Given = handle, "", j.app.now().UTC() })
}

// refused records that the backend takes no such job. Nothing of it stays there.
func (j *onJob) refused(ctx context.Context, links *onLinks, why error) error {
	runner, err := j.app.runner()
	if err != nil {
		return err
	}
	if _, err := runner.Abandon(ctx, j.id, run.Failed, "refused by "+j.name+": "+why.Error(), nil); err != nil {
		return err
	}
	j.tidy(ctx, links)
	refusal := fault.New(fault.Usage, "%s refuses run %s: %w", j.name, j.id.Short(), why)
	if len(fault.Hints(why)) == 0 {
		refusal = refusal.Hint("mlx backend list   # what each of them gives")
	}
	return refusal
}

// give hands the job to the driver, with others where there are some.
func (j *onJob) give(ctx context.Context) (string, error) {
	if j.seat != nil {
		return j.seat.Submit(ctx, j.driver, j.plan.Job)
	}
	return j.driver.Submit(ctx, j.plan.Job)
}

// pack puts what cannot be brought later into the job itself.
func (j *onJob) pack() (err error) {
	if j.plan.Job.Order, err = json.Marshal(j.plan.Order); err != nil {
		return err
	}
	j.plan.Job.Secrets = j.secrets
	if j.plan.Remote == "" {
		j.plan.Job.Bundle = func(w io.Writer) error {
			_, err := j.store.WriteBundle(context.Background(), w, snapshot.BundleOptions{Roots: j.plan.Roots()})
			return err
		}
	}
	return nil
}

// deliver brings what the job needs to its folder on the node. The last file says that all is there. begun: the job is executed there
// already, or was.
func (j *onJob) deliver(ctx context.Context, links *onLinks) (begun bool, err error) {
	l, err := links.to(ctx, j)
	if err != nil {
		return false, err
	}
	return j.deliverOn(ctx, l)
}

// deliverOn is deliver on a connection that is there.
func (j *onJob) deliverOn(ctx context.Context, l *train.Link) (begun bool, err error) {
	files, err := l.List(ctx, j.there(""))
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return false, j.linkError(err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(files, func(f train.File) bool { return f.Name == name })
	}
	if has(train.ReadyName) {
		return has(train.StateName) || has(train.ResultName), nil
	}
	if s, _ := run.SeenOf(jobsOf(j.repo), j.id); formerOf(s) > 0 && j.access() != train.AccessHost {
		if _, err := j.carryOver(ctx, formerOf(s)); err != nil {
			return false, err
		}
	}
	if err := j.deliverNodes(ctx); err != nil {
		return false, j.linkError(err)
	}
	return false, j.deliverTo(ctx, l)
}

// deliverTo brings a node what the job needs.
func (j *onJob) deliverTo(ctx context.Context, l *train.Link) error {
	if err := j.send(ctx, l); err != nil {
		return j.linkError(err)
	}
	order, err := json.Marshal(j.plan.Order)
	if err != nil {
		return err
	}
	var secrets []byte
	for _, name := range slices.Sorted(maps.Keys(j.secrets)) {
		secrets = append(append(secrets, name+"="+j.secrets[name]...), 0)
	}
	if len(secrets) > 0 {
		if err := l.Write(ctx, j.there(train.SecretsName), 0o600, secrets); err != nil {
			return j.linkError(err)
		}
	}
	err = l.Write(ctx, j.there(train.OrderName), 0o644, order)
	if err == nil {
		err = l.Write(ctx, j.there(train.ReadyName), 0o644, nil)
	}
	return j.linkError(err)
}

// send brings the versions that the node lacks.
func (j *onJob) send(ctx context.Context, l *train.Link) error {
	if j.plan.Remote != "" {
		return nil
	}
	var roots []object.Digest
	for _, root := range j.plan.Roots() {
		here, err := j.store.Has(ctx, root)
		if err == nil && !here {
			err = j.notHere(ctx, l, root)
		}
		if err != nil {
			return err
		}
		if here {
			roots = append(roots, root)
		}
	}
	progress := j.app.streams.Progress("sending", "bytes", 0)
	defer progress.Done()
	info, err := l.Send(ctx, j.store, snapshot.BundleOptions{Roots: roots, Held: j.earlierTrees(ctx), Progress: progress})
	if err == nil {
		j.app.streams.Why("sent %s to %s", cli.FormatBytes(info.Bytes), j.name)
	}
	return err
}

// notHere is the error for a version that cannot be sent from this clone; nil where the node has it.
func (j *onJob) notHere(ctx context.Context, l *train.Link, root object.Digest) error {
	if have, err := l.Have(ctx, []object.Digest{root}); err != nil || have[0] {
		return err
	}
	return fault.New(fault.NotFound, "cannot send run %s to %s: version %s is not in this clone", j.id.Short(), j.name, root.Short()).
		Hint("mlx job attach %s   # in the clone that submitted it", j.id.Short())
}

// earlierTrees are work trees that the node may have from earlier runs there: little has changed since.
func (j *onJob) earlierTrees(ctx context.Context) []object.Digest {
	const most = 8
	ledger, err := j.app.ledger()
	if err != nil {
		return nil
	}
	var all []object.Digest
	query := lineage.Query{Where: "job.backend == " + strconv.Quote(j.name), Sort: "-started_at", Limit: most}
	for v, err := range j.app.history(ledger).Views(ctx, query) {
		if err != nil {
			return nil // what is only cheaper must not fail
		}
		if v.Job != nil && v.RunID != j.id && !slices.Contains(all, v.Job.Tree) {
			all = append(all, v.Job.Tree)
		}
	}
	return all
}

// linkError says on which side a transfer failed.
func (j *onJob) linkError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.KindOf(err), "cannot bring run %s to %s: %w", j.id.Short(), j.name, err)
}

// push sends what the job needs, and its record, to the remote that its nodes take it from.
func (j *onJob) push(ctx context.Context) error {
	r, err := j.app.openRemote(ctx, j.plan.Remote)
	if err != nil {
		return err
	}
	var roots []remote.Root
	for _, in := range j.plan.Inputs {
		here, err := j.store.Has(ctx, in.Root)
		if err != nil {
			return err
		}
		if here {
			roots = append(roots, remote.Root{Root: in.Root, Path: in.What, Kind: snapshot.Directory})
		}
	}
	if err := j.app.mayLeave(ctx, r.Name(), roots); err != nil {
		return err
	}
	if _, err := r.Push(ctx, remote.PushOptions{Roots: roots}); err != nil {
		return fault.New(fault.KindOf(err), "cannot push what run %s needs to %s: %w", j.id.Short(), r.Describe(), remoteTrouble(err, r.Name()))
	}
	return nil
}
