package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

// linkWait is how long connecting to a node may take.
const linkWait = 30 * time.Second

// onLinks are the connections to nodes, one for each place that jobs lie in. They are opened when first needed, or before.
type onLinks struct {
	mu    sync.Mutex
	all   map[string]*train.Link
	early map[string]error // of those that were tried before they were needed; whoever needs one first gets it
	stop  func()           // ends such a try
}

func newLinks() *onLinks {
	return &onLinks{all: map[string]*train.Link{}, early: map[string]error{}, stop: func() {}}
}

// place is where the files of a job lie: the backend, or its node.
func (j *onJob) place() string {
	if j.plan.Access == train.AccessHost || j.access() == train.AccessHost {
		return j.name
	}
	return j.name + " " + j.id.Hex()
}

// begin connects to the host of a job that is still to be planned, which takes as long as most plans do. It returns at once.
func (o *onLinks) begin(ctx context.Context, j onJob) {
	if j.access() != train.AccessHost {
		return
	}
	ctx, o.stop = context.WithCancel(ctx)
	o.mu.Lock() // whoever needs it waits
	go func() {
		defer o.mu.Unlock()
		l, err := connect(ctx, &j)
		if err != nil {
			o.early[j.name] = err
			return
		}
		o.all[j.name] = l
	}()
}

// to connects to the node of a job. A connection that failed is made anew.
func (o *onLinks) to(ctx context.Context, j *onJob) (*train.Link, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.all[j.place()]; l != nil {
		return l, nil
	}
	if err := o.early[j.place()]; err != nil {
		delete(o.early, j.place())
		return nil, err
	}
	l, err := connect(ctx, j)
	if err == nil {
		o.all[j.place()] = l
	}
	return l, err
}

// connect opens a connection and says hello on it.
func connect(ctx context.Context, j *onJob) (*train.Link, error) {
	if j.linker == nil || j.access() == train.AccessNone {
		return nil, fault.New(fault.Unavailable, "nodes of %s cannot be reached", j.name)
	}
	ctx, stop := context.WithTimeout(ctx, linkWait)
	defer stop()
	raw, err := j.linker.Link(ctx, j.ref())
	if err != nil {
		return nil, err
	}
	l := train.NewLink(raw)
	if _, err := l.Hello(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// drop closes the connection to a job, which failed.
func (o *onLinks) drop(j *onJob) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.all[j.place()]; l != nil {
		_ = l.Close() // it is of no use any more
		delete(o.all, j.place())
	}
}

// broke says whether an error is that of a connection to a job which ended, or could not be made: it may be better later.
func (o *onLinks) broke(j *onJob, err error) bool {
	if fault.KindOf(err) != fault.Unavailable || j.linker == nil || j.access() == train.AccessNone {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.all[j.place()]
	return l == nil || l.Dead()
}

// collectAgain is collect that is repeated while the connection breaks, until somebody has seen enough of it.
func (j *onJob) collectAgain(ctx context.Context, links *onLinks, last sight) (run.View, error) {
	told := ""
	for tries := 0; ; tries++ {
		v, err := j.collect(context.WithoutCancel(ctx), links, last)
		if err == nil || !links.broke(j, err) {
			return v, err
		}
		links.drop(j)
		if words := err.Error(); words != told {
			told = words
			j.app.streams.Note("cannot reach %s, trying again; the results of run %s stay there: %s", j.name, j.id.Short(), words)
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-time.After(train.Pause(tries, retryMost)):
		}
	}
}

// close ends all connections.
func (o *onLinks) close() {
	o.stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for place, l := range o.all {
		_ = l.Close() // everything that was asked on it was answered
		delete(o.all, place)
	}
}
