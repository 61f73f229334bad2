package main

import (
	"context"
	"sync"

	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/train"
)

// goesOn says whether a run is in progress, as far as that is known.
func (j job) goesOn() bool {
	switch {
	case j.ended() || j.over:
		return false
	case j.view.Job != nil:
		return true
	}
	return j.view.State == run.Running
}

// lookAtAll asks the backends of runs, and how those ended of which a backend says that they have.
func (a *app) lookAtAll(ctx context.Context, views []run.View) error {
	sights, err := a.look(ctx, views)
	if err != nil {
		return err
	}
	ended := map[string][]run.View{}
	for _, v := range views {
		if s := sights[v.RunID]; s.err == nil && s.status.State == train.Done {
			ended[v.Job.Backend] = append(ended[v.Job.Backend], v)
		}
	}
	links := newLinks()
	defer links.close()
	var asked sync.WaitGroup
	for _, name := range sortedKeys(ended) {
		j, err := a.openJob(ctx, name)
		if err != nil || j.access() != train.AccessHost {
			continue // how they ended is told when they are brought back
		}
		asked.Go(func() {
			ctx, stop := context.WithTimeout(ctx, askWait)
			defer stop()
			for _, v := range ended[name] {
				if err := j.howEnded(ctx, links, v.RunID); err != nil {
					a.streams.Why("%v", err)
					return
				}
			}
		})
	}
	asked.Wait()
	return nil
}

// howEnded reads the result of a job, unless it is known here.
func (j *onJob) howEnded(ctx context.Context, links *onLinks, id object.Digest) error {
	one := *j
	one.id = id
	if hasNote(one.folderOf(), resultNote) {
		return nil
	}
	l, err := links.to(ctx, &one)
	if err == nil {
		_, err = one.result(ctx, l)
	}
	return err
}
