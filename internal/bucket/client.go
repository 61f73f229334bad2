package bucket

import (
	"context"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options says how a bucket behaves. The zero value is ready: no limit, real timers, six tries.
type Options struct {
	Limit  int64                                      // bytes per second in both directions together, 0 = none; needs Now
	Now    func() time.Time                           // nil: no clock, so no limit and no check of the clock
	Wait   func(context.Context, time.Duration) error // nil: a real timer
	Jitter func() float64                             // in [0,1), nil: math/rand/v2
	Tries  int                                        // of one call, 0: 6
	Note   func(format string, args ...any)           // nil: nobody wants to know why something is tried again
	Env    func(name string) (value string)           // the environment, nil: only what the clouds' libraries read themselves
}

const defaultTries = 6

// Bucket is a place of objects that tries again, keeps to a rate, counts, and says what went wrong in plain words.
// It may be used by many goroutines at once.
type Bucket struct {
	driver                   Driver
	url                      string
	o                        Options
	rate                     *rate
	requests, sent, received atomic.Int64
}

// New returns a bucket over any driver. The URL is for people; what could be a secret in it is dropped.
func New(d Driver, url string, o Options) *Bucket {
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Tries <= 0 {
		o.Tries = defaultTries
	}
	if o.Note == nil {
		o.Note = func(string, ...any) {}
	}
	return &Bucket{driver: d, url: plainURL(url), o: o, rate: newRate(o)}
}

// URL names the bucket for people: scheme, bucket and prefix, never a user, a password or a query.
func (b *Bucket) URL() string { return b.url }

// Requests counts the calls of the driver, those that were tried again included.
func (b *Bucket) Requests() int64 { return b.requests.Load() }

// Sent counts the bytes of bodies that were given to the driver.
func (b *Bucket) Sent() int64 { return b.sent.Load() }

// Received counts the bytes of bodies that came from the driver.
func (b *Bucket) Received() int64 { return b.received.Load() }

// Close gives back what the driver holds. The bucket must not be used afterwards.
func (b *Bucket) Close() error {
	if c, ok := b.driver.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// plainURL drops what could be a secret: user, password, query and fragment.
func plainURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		scheme, _, _ := strings.Cut(raw, ":")
		return scheme + "://…"
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
