package train

import (
	"context"
	"sync"
	"time"

	"mlx/internal/fault"
)

// Batcher is a driver that can hand many jobs to its backend at once: those that ask for the same become one array. It
// returns their handles in the order of the jobs. The same call finds what an earlier one has submitted.
type Batcher interface {
	SubmitAll(ctx context.Context, jobs []Job) ([]string, error)
}

// Batch collects jobs of one backend that are submitted side by side, so that a Batcher gets them together. Where the
// driver is none, each is submitted by itself. The zero value is ready.
type Batch struct {
	Settle time.Duration // how long it waits for others to say that they will come; 0 is 100 ms
	Most   time.Duration // how long a job waits for those that said so; 0 is 30 s

	mu     sync.Mutex
	coming int // that have joined, and were neither submitted nor left
	wait   []*waiting
	timer  *time.Timer
}

type waiting struct {
	ctx    context.Context
	driver Batcher
	job    Job
	handle string
	err    error
	done   chan struct{}
}

// Turn is the place of one job in a batch.
type Turn struct {
	b    *Batch
	over bool // it was submitted, or will not be
}

// Join says that a job will be submitted. The others wait for it until it is, or until Leave is called: do that in any case.
func (b *Batch) Join() *Turn {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.coming++
	return &Turn{b: b}
}

// Leave says that no job will be submitted, if none was.
func (s *Turn) Leave() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.leave()
	s.b.settle()
}

func (s *Turn) leave() {
	if s.over {
		return
	}
	s.over = true
	s.b.coming--
}

// Submit is Driver.Submit, together with the others that have joined.
func (s *Turn) Submit(ctx context.Context, d Driver, j Job) (string, error) {
	b := s.b
	many, ok := d.(Batcher)
	if !ok {
		s.Leave()
		return d.Submit(ctx, j)
	}
	w := &waiting{ctx: ctx, driver: many, job: j, done: make(chan struct{})}
	b.mu.Lock()
	b.wait = append(b.wait, w)
	if len(b.wait) == 1 {
		most := b.Most
		if most == 0 {
			most = 30 * time.Second
		}
		b.timer = time.AfterFunc(most, b.flush)
	}
	s.leave()
	b.settle()
	b.mu.Unlock()
	select {
	case <-w.done:
		return w.handle, w.err
	case <-ctx.Done():
		return "", ctx.Err() // it may be submitted all the same: the next submit of this id finds it
	}
}

// settle submits soon what waits, if nobody else is to come.
func (b *Batch) settle() {
	if len(b.wait) == 0 || b.coming > 0 {
		return
	}
	settle := b.Settle
	if settle == 0 {
		settle = 100 * time.Millisecond
	}
	n := len(b.wait)
	time.AfterFunc(settle, func() {
		b.mu.Lock()
		still := len(b.wait) == n && b.coming == 0
		b.mu.Unlock()
		if still {
			b.flush()
		}
	})
}

// flush submits what waits.
func (b *Batch) flush() {
	b.mu.Lock()
	all := b.wait
	b.wait = nil
	if b.timer != nil {
		b.timer.Stop()
	}
	b.mu.Unlock()
	if len(all) == 0 {
		return
	}
	jobs := make([]Job, len(all))
	for i, w := range all {
		jobs[i] = w.job
		jobs[i].Array = len(all)
	}
	handles, err := all[0].driver.SubmitAll(all[0].ctx, jobs)
	if err == nil && len(handles) != len(jobs) {
		err = fault.New(fault.Internal, "the backend told of %d jobs and was given %d", len(handles), len(jobs))
	}
	for i, w := range all {
		if w.err = err; err == nil {
			w.handle = handles[i]
		}
		close(w.done)
	}
}
