package main

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

// agentRemote is where a job gets what it needs, and sends what it makes.
type agentRemote struct {
	mu     sync.Mutex // a remote belongs to one goroutine
	remote *remote.Remote
	before map[object.Digest]bool // records that were there when the job began
}

// fetch brings what the job needs into the store of the node. What is not in the remote either is an error.
func (j *agentJob) fetch(ctx context.Context) error {
	store, err := j.in.store()
	if err != nil {
		return err
	}
	if j.order.Remote != "" && j.remote == nil {
		if err := j.openRemote(ctx); err != nil {
			return err
		}
	}
	var absent []object.Digest
	for _, root := range j.wanted() {
		here, err := store.Has(ctx, root)
		if err != nil {
			return err
		}
		if !here {
			absent = append(absent, root)
		}
	}
	switch {
	case len(absent) == 0:
		return nil
	case j.remote == nil:
		return fault.New(fault.NotFound, "cannot lay out job %s: version %s has not arrived", j.id.Short(), absent[0].Short())
	}
	j.remote.mu.Lock()
	defer j.remote.mu.Unlock()
	r := j.remote.remote
	done, err := r.Fetch(ctx, remote.FetchOptions{Roots: absent})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot fetch what job %s needs from %s: %w", j.id.Short(), r.Describe(), err)
	}
	j.releases = append(j.releases, done.Release)
	return nil
}

// openRemote opens the remote of the order, with the credentials of this machine.
func (j *agentJob) openRemote(ctx context.Context) error {
	a := j.in
	place := repo.Remote{URL: j.order.Remote, Region: j.order.Region}
	o := a.remoteOptions("")
	o.ID, o.Dir, o.Place = j.order.Ledger, j.repo.Remotes(), place.URL
	var err error
	if o.Store, err = a.store(); err != nil {
		return err
	}
	if o.Ledger, err = a.ledger(); err != nil {
		return err
	}
	if o.Bucket, err = a.openBucket(ctx, place); err != nil {
		return err
	}
	r, err := remote.Open(o)
	if err != nil {
		return err
	}
	j.remote = &agentRemote{remote: r, before: map[object.Digest]bool{j.id: true}}
	a.opened = append(a.opened, r)
	if _, err := r.Sync(ctx); err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", r.Describe(), err)
	}
	ids, err := o.Ledger.IDs(ctx)
	for _, id := range ids {
		j.remote.before[id] = true
	}
	j.resumeFromRemote()
	return err
}

// push sends what was made. A failure leaves it all here, and says so.
func (j *agentJob) push(ctx context.Context, out *train.Result) error {
	if j.remote == nil {
		return nil
	}
	var roots []remote.Root
	for _, r := range out.Roots {
		roots = append(roots, remote.Root{Root: r.Root, Path: r.Path, Kind: snapshot.Kind(r.Kind)})
	}
	j.remote.mu.Lock()
	defer j.remote.mu.Unlock()
	if _, err := j.remote.remote.Push(ctx, remote.PushOptions{Roots: roots}); err != nil {
		return fault.New(fault.KindOf(err), "cannot push the results of job %s: %w", j.id.Short(), err)
	}
	out.Pushed = true
	return nil
}

// checkpointPath is what a remote calls the checkpoints of a job, with the number of the attempt behind it: who comes to a new node finds
// there where to go on.
func (j *agentJob) checkpointPath() string { return "checkpoint/" + j.id.Hex() + "/" }

// resumeFromRemote finds the newest checkpoint that an agent of this job has pushed, on another node, and which attempt that was.
func (j *agentJob) resumeFromRemote() {
	if j.book.Last > 0 {
		return
	}
	for _, r := range j.remote.remote.Roots() {
		number, ok := strings.CutPrefix(r.Path, j.checkpointPath())
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < j.book.Last || n < 1 {
			continue
		}
		root := r.Root
		j.order.Resume, j.book.Last = &root, n
	}
	for n := 1; n <= j.book.Last; n++ {
		j.book.Attempts = append(j.book.Attempts, j.formerAttempt(n))
	}
}

// pushCheckpoint sends a version of the checkpoint folder, so that another node can go on from it.
func (j *agentJob) pushCheckpoint(ctx context.Context, root object.Digest) {
	if j.remote == nil {
		return
	}
	j.remote.mu.Lock()
	defer j.remote.mu.Unlock()
	o := remote.PushOptions{Roots: []remote.Root{{Root: root, Path: j.checkpointPath() + strconv.Itoa(j.book.Last), Kind: snapshot.Directory}}}
	if _, err := j.remote.remote.Push(ctx, o); err != nil {
		j.say("cannot push the checkpoint: %v", err)
	}
}
