package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/snapshot"
	"mlx/internal/train"
	"mlx/internal/train/slurm"
)

// checkpointEvery is how often the checkpoint folder is looked at: a node that is lost costs at most that much work.
const checkpointEvery = time.Minute

// savedCheckpoint is the newest version of the checkpoint folder.
type savedCheckpoint struct {
	mu      sync.Mutex
	root    object.Digest
	release func() error
	wanted  chan struct{} // holds one wish
}

// newest is that version; nil where there is none.
func (s *savedCheckpoint) newest() *object.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.root.IsZero() {
		return nil
	}
	root := s.root
	return &root
}

// handle is what the backend calls the job, for the record of its end; empty where that is a process, which is gone then.
func (j *agentJob) handle() string {
	switch j.body.Job.Type {
	case "local", "ssh":
		return ""
	case "slurm":
		text, err := j.read(slurm.IDName)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	start := run.Variable(j.app.environ, train.StartVariable) // of Ray
	first := train.Ref{ID: j.id}.Name()
	if rest, ok := strings.CutPrefix(run.Variable(j.app.environ, "HOSTNAME"), first+"-"); ok && j.body.Job.Type == "kubernetes" { // NUMBER-…, of a pod
		number, _, _ := strings.Cut(rest, "-")
		start = first + "-" + number
	}
	return train.Ref{ID: j.id, Handle: start}.Name()
}

// wantCheckpoint asks for a version soon.
func (j *agentJob) wantCheckpoint() {
	select {
	case j.saved.wanted <- struct{}{}:
	default: // it is asked for already
	}
}

// keepCheckpoints saves the checkpoint folder now and then, until it is ended.
func (j *agentJob) keepCheckpoints(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(checkpointEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			case <-j.saved.wanted:
			}
			j.keepCheckpoint(ctx)
		}
	}()
	return func() { cancel(); <-gone }
}

// keepCheckpoint saves the checkpoint folder as a version, if anything in it has changed. What is being written at this moment is saved
// the next time.
func (j *agentJob) keepCheckpoint(ctx context.Context) {
	s := &j.saved
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := j.path(train.CheckpointName)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		return
	}
	store, err := j.in.store()
	if err != nil {
		j.say("cannot save the checkpoint: %v", err)
		return
	}
	saved, err := store.Save(ctx, snapshot.SaveOptions{Path: dir, Previous: s.root})
	if err != nil {
		if ctx.Err() == nil {
			j.say("cannot save the checkpoint now: %v", err)
		}
		return
	}
	if saved.Root == s.root {
		if err := saved.Release(); err != nil {
			j.say("%v", err)
		}
		return
	}
	if s.release != nil {
		if err := s.release(); err != nil {
			j.say("%v", err)
		}
	}
	s.root, s.release = saved.Root, saved.Release
	j.pushCheckpoint(ctx, saved.Root)
	j.tell(func(t *train.Told) { t.Checkpoint = &saved.Root })
}
