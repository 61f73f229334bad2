package main

import (
	"context"
	"errors"
	"sync"

	"mlx/internal/train"
)

// deliveries is to how many nodes things are brought at once: they share the way out of here.
const deliveries = 4

// deliverNodes brings what a job needs to its nodes beside the first, where each has files of its own. The first comes last: when it
// has everything, all have.
func (j *onJob) deliverNodes(ctx context.Context) error {
	nodes, ok := j.linker.(train.NodeLinker)
	if !ok || j.body.Job == nil {
		return nil
	}
	var wait sync.WaitGroup
	turn := make(chan struct{}, deliveries)
	errs := make([]error, max(1, j.body.Job.Nodes))
	for node := 1; node < len(errs); node++ {
		wait.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			errs[node] = j.deliverNode(ctx, nodes, node)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (j *onJob) deliverNode(ctx context.Context, nodes train.NodeLinker, node int) error {
	raw, err := nodes.LinkNode(ctx, j.ref(), node)
	if err != nil {
		return err
	}
	l := train.NewLink(raw)
	defer func() { _ = l.Close() }() // every answer was read
	if _, err := l.Hello(ctx); err != nil {
		return err
	}
	return j.deliverTo(ctx, l)
}
