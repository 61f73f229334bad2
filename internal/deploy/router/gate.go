package router

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// errFull says that a request can neither be served now nor wait.
var errFull = errors.New("too many requests are under way")

// gate lets so many in at once, and lets so many wait.
type gate struct {
	slots   chan struct{}
	queue   int64
	waiting atomic.Int64
}

func newGate(slots, queue int) *gate {
	return &gate{slots: make(chan struct{}, slots), queue: int64(queue)}
}

// enter waits for a place, at most as long as is given; leave must be called after it, unless there is an error.
func (g *gate) enter(ctx context.Context, patience time.Duration) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.queue {
		return errFull
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return errFull
	}
}

func (g *gate) leave() { <-g.slots }

func (g *gate) inside() int { return len(g.slots) }
