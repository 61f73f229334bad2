package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"mlx/internal/object"
)

// bunch notes what it is given.
type bunch struct {
	mu    sync.Mutex
	calls [][]Job
	err   error
}

func (b *bunch) SubmitAll(_ context.Context, jobs []Job) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, jobs)
	all := make([]string, len(jobs))
	for i, j := range jobs {
		all[i] = "job of " + j.ID.Short()
	}
	return all, b.err
}

func (b *bunch) Submit(ctx context.Context, j Job) (string, error) {
	all, err := b.SubmitAll(ctx, []Job{j})
	return all[0], err
}
func (b *bunch) Status(context.Context, []Ref) ([]Status, error)         { return nil, nil }
func (b *bunch) Logs(context.Context, Ref, int64) (io.ReadCloser, error) { return nil, nil }
func (b *bunch) Cancel(context.Context, Ref, time.Duration) error        { return nil }
func jobNo(i int) Job                                                    { return Job{Ref: Ref{ID: object.Sum([]byte{byte(i)})}} }
func submitAll(t *testing.T, b *Batch, d Driver, n int) (handles []string, errs []error) {
	handles, errs = make([]string, n), make([]error, n)
	turns := make([]*Turn, n)
	for i := range turns {
		turns[i] = b.Join()
	}
	var group sync.WaitGroup
	for i, turn := range turns {
		group.Go(func() {
			defer turn.Leave()
			handles[i], errs[i] = turn.Submit(t.Context(), d, jobNo(i))
		})
	}
	group.Wait()
	return handles, errs
}

// TestBatch: what joins before it submits is handed over at once, and each gets its own handle.
func TestBatch(t *testing.T) {
	d := &bunch{}
	handles, errs := submitAll(t, &Batch{Settle: time.Millisecond}, d, 20)
	if len(d.calls) != 1 || len(d.calls[0]) != 20 || d.calls[0][3].Array != 20 {
		t.Errorf("%d calls, the first of %d jobs", len(d.calls), len(d.calls[0]))
	}
	for i, h := range handles {
		if want := "job of " + jobNo(i).ID.Short(); h != want || errs[i] != nil {
			t.Errorf("job %d: %q, %v", i, h, errs[i])
		}
	}
}

// TestBatchWaitsForNoOneWhoLeft: one that joined and does not come holds nobody up, and an error is everybody's.
func TestBatchWaitsForNoOneWhoLeft(t *testing.T) {
	d := &bunch{err: errors.New("no such partition")}
	b := &Batch{Settle: time.Millisecond}
	absent := b.Join()
	done := make(chan []error)
	go func() {
		_, errs := submitAll(t, b, d, 3)
		done <- errs
	}()
	absent.Leave()
	for i, err := range <-done {
		if !errors.Is(err, d.err) {
			t.Errorf("job %d: %v", i, err)
		}
	}
}

// TestBatchGivesUp: a job waits for so long, and no longer, for those that said they would come.
func TestBatchGivesUp(t *testing.T) {
	d := &bunch{}
	b := &Batch{Settle: time.Millisecond, Most: 10 * time.Millisecond}
	absent, seat := b.Join(), b.Join()
	if h, err := seat.Submit(t.Context(), d, jobNo(1)); err != nil || h == "" {
		t.Error(h, err)
	}
	absent.Leave()
	if _, errs := submitAll(t, b, d, 4); errs[0] != nil || len(d.calls[1]) != 4 {
		t.Error(errs, len(d.calls[1]))
	}
}

// TestBatchAlone: a driver that takes no arrays gets one job at a time.
func TestBatchAlone(t *testing.T) {
	d := &bunch{}
	one := struct{ Driver }{d}
	if _, errs := submitAll(t, &Batch{}, one, 3); fmt.Sprint(errs) != "[<nil> <nil> <nil>]" || len(d.calls) != 3 {
		t.Error(errs, len(d.calls))
	}
}
