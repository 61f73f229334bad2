package bucket

import (
	"context"
	"errors"
	"time"

	"mlx/internal/fault"
)

const (
	firstPause   = 200 * time.Millisecond
	longestPause = 20 * time.Second
	longestAsked = 2 * time.Minute // of what a server may ask for with Retry-After
)

// delayed is an error of a server that said how long to wait.
type delayed interface{ RetryAfter() time.Duration }

// pause says how long to wait after try n (from 1): exponential with full jitter, or what the server asked for.
func (b *Bucket) pause(n int, err error) time.Duration {
	longest := min(firstPause<<min(n-1, 10), longestPause)
	d := time.Duration(b.o.Jitter() * float64(longest))
	var asked delayed
	if errors.As(err, &asked) {
		d = max(d, min(asked.RetryAfter(), longestAsked))
	}
	return d
}

// again waits before the next try and says whether there is one: nil, or the error to give up with.
// n is the number of tries that failed in a row.
func (b *Bucket) again(ctx context.Context, n int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if fault.KindOf(err) != fault.Unavailable || n >= b.o.Tries {
		return err
	}
	d := b.pause(n, err)
	b.o.Note("try %d of %d failed, next in %v: %v", n, b.o.Tries, d.Round(time.Millisecond), err)
	return b.o.Wait(ctx, d)
}

// try calls do until it succeeds, fails for good, or has failed too often.
func (b *Bucket) try(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.requests.Add(1)
		err := do()
		if err == nil {
			return nil
		}
		if err := b.again(ctx, n, err); err != nil {
			return err
		}
	}
}

// failed says what could not be done, keeping the kind of err.
func (b *Bucket) failed(err error, what, key string) error {
	kind := fault.KindOf(err)
	if isTaken(err) {
		kind = fault.Conflict
	}
	return fault.New(kind, "cannot %s %s/%s: %w", what, b.url, key, err)
}
