//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mlx/internal/deploy"
	deploykube "mlx/internal/deploy/kube"
	"mlx/internal/gate"
)

// patience is how long anything may take that is waited for.
const patience = 8 * time.Minute

// fleet are the rollouts of all services, each with its controller.
type fleet struct {
	book deploy.Book
	all  []*driven
}

// driven is one service.
type driven struct {
	name   string
	driver *deploykube.Driver

	mu    sync.Mutex
	seen  map[int]time.Time // when a step was seen, by its number
	woken chan struct{}
	turn  chan struct{} // something was seen
	err   error
}

func newFleet(b *bench, cluster *deploykube.Cluster, book deploy.Book) *fleet {
	f := &fleet{book: book}
	for i := range b.services {
		name := serviceName(i)
		f.all = append(f.all, &driven{name: name, driver: b.driver(cluster, name), seen: map[int]time.Time{},
			woken: make(chan struct{}, 1), turn: make(chan struct{}, 1)})
	}
	return f
}

// each does something with all services at once, and tells how long that took.
func (f *fleet) each(do func(d *driven) error) (time.Duration, error) {
	began, errs := time.Now(), make([]error, len(f.all))
	var work sync.WaitGroup
	for i, d := range f.all {
		work.Go(func() { errs[i] = do(d) })
	}
	work.Wait()
	return time.Since(began), errors.Join(errs...)
}

// plan writes a rollout into the ledger.
func (f *fleet) plan(ctx context.Context, name string, to deploy.Release, strategy deploy.Strategy) (deploy.Rollout, error) {
	return f.book.Plan(ctx, deploy.Planning{Spec: deploy.Spec{Service: name, To: to, Strategy: strategy, Replicas: 1, StartTimeout: patience}})
}

// drive carries a rollout out as mlx does: there is no verdict on a step, so that it goes on when somebody says so.
func (f *fleet) drive(ctx context.Context, d *driven, r deploy.Rollout) error {
	c := deploy.Controller{Driver: d.driver, Records: f.book, Now: time.Now, Sleep: d.sleep, Tell: d.tell,
		Judge: func(_ context.Context, r deploy.Rollout, _ deploy.Actual) (deploy.Judgement, error) {
			if r.State == deploy.StateStep {
				return deploy.Judgement{}, nil
			}
			return deploy.Judgement{Verdict: gate.Pass}, nil
		}}
	_, err := c.Drive(ctx, d.name, r.ID)
	return err
}

// sleep waits until somebody says something.
func (d *driven) sleep(ctx context.Context, span time.Duration) {
	over := time.NewTimer(span)
	defer over.Stop()
	select {
	case <-ctx.Done():
	case <-over.C:
	case <-d.woken:
	}
}

func (d *driven) tell(n deploy.News) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n.Err != nil {
		d.err = n.Err
	}
	if n.Seen && n.After.State == deploy.StateStep {
		d.seen[n.After.Step] = time.Now()
		select {
		case d.turn <- struct{}{}:
		default:
		}
	}
}

// until waits until a step of a service is seen.
func (d *driven) until(ctx context.Context, step int) error {
	for {
		d.mu.Lock()
		_, ok := d.seen[step]
		err := d.err
		d.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("step %d of %s is not seen: %w", step, d.name, errors.Join(ctx.Err(), err))
		case <-d.turn:
		}
	}
}

// goOn says that a service is to take the next step now, as mlx service resume --now does.
func (f *fleet) goOn(ctx context.Context, d *driven) error {
	_, err := f.book.Ask(ctx, deploy.Asking{Service: d.name, Word: deploy.Now})
	if err == nil {
		d.woken <- struct{}{}
	}
	return err
}
