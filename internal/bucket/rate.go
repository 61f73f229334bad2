package bucket

import (
	"context"
	"sync"
	"time"
)

// rate is a bucket of tokens that all goroutines share: one token is one byte in either direction.
type rate struct {
	perSecond float64
	now       func() time.Time
	wait      func(context.Context, time.Duration) error

	mu   sync.Mutex
	free time.Time // when the bytes that were granted so far are paid for
}

// burst is how much may flow at once after a silence.
const burst = 100 * time.Millisecond

func newRate(o Options) *rate {
	if o.Limit <= 0 || o.Now == nil {
		return nil
	}
	return &rate{perSecond: float64(o.Limit), now: o.Now, wait: o.Wait}
}

// take waits until n bytes may flow.
func (r *rate) take(ctx context.Context, n int) error {
	if r == nil || n == 0 {
		return ctx.Err()
	}
	r.mu.Lock()
	now := r.now()
	if earliest := now.Add(-burst); r.free.Before(earliest) {
		r.free = earliest
	}
	r.free = r.free.Add(time.Duration(float64(n) / r.perSecond * float64(time.Second)))
	d := r.free.Sub(now)
	r.mu.Unlock()
	if d <= 0 {
		return ctx.Err()
	}
	return r.wait(ctx, d)
}

// piece is how many bytes may be asked for at once, so that nobody waits for long in one piece.
func (r *rate) piece(n int) int {
	if r == nil {
		return n
	}
	return min(n, max(1, int(r.perSecond/10)))
}
