package main

import (
	"context"
	"errors"

	"mlx/internal/object"
	"mlx/internal/train"
)

// checkpointNote is the file, in the folder of a job here, that names the newest version of its checkpoint folder in the store of this clone.
const checkpointNote = "checkpoint.json"

// keepsCheckpoints says whether versions of the checkpoint folder have to be brought here while the job executes, for an attempt on
// another node: its own takes them along, and there is no remote that has them.
func (j *onJob) keepsCheckpoints() bool {
	return j.body.Job.Retries > 0 && j.backend.Remote == "" && (j.access() == train.AccessNode || j.access() == train.AccessAfter)
}

// keepCheckpoint brings a version of the checkpoint folder here. One that cannot be had is no reason to end anything: the next may be.
func (j *onJob) keepCheckpoint(ctx context.Context, l *train.Link, root object.Digest) {
	before, known := readNote[object.Digest](j.folderOf(), checkpointNote)
	if known && before == root {
		return
	}
	here, err := j.store.Has(ctx, root)
	if err == nil && !here {
		var held []object.Digest
		if known {
			if ok, hasErr := j.store.Has(ctx, before); ok && hasErr == nil {
				held = append(held, before)
			}
		}
		got, fetchErr := l.Fetch(ctx, j.store, []object.Digest{root}, held, nil)
		if err = fetchErr; err == nil {
			defer func() { _ = got.Release() }() // it is young enough to stay until the next one
		}
	}
	if err == nil {
		err = writeNote(j.folderOf(), checkpointNote, root)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		j.app.streams.Why("checkpoint %s of run %s is not here: %v", root.Short(), j.id.Short(), err)
	}
}

// checkpointKeeper brings checkpoints here beside the output that is followed, one at a time.
type checkpointKeeper struct {
	busy chan struct{} // holds one
	last object.Digest // that was asked for
}

// keep asks for what an agent has told of. While one is on its way the next has to wait for another sign of life.
func (k *checkpointKeeper) keep(ctx context.Context, links *onLinks, j *onJob, told train.Told) {
	if !j.keepsCheckpoints() || told.Checkpoint == nil || *told.Checkpoint == k.last {
		return
	}
	select {
	case k.busy <- struct{}{}:
	default:
		return
	}
	root := *told.Checkpoint
	k.last = root
	go func() {
		defer func() { <-k.busy }()
		if l, err := links.to(ctx, j); err == nil {
			j.keepCheckpoint(ctx, l, root)
		}
	}()
}

// end waits for what is on its way, which the end of its context stops.
func (k *checkpointKeeper) end() {
	k.busy <- struct{}{}
	<-k.busy
}
