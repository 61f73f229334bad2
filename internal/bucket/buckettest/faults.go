package buckettest

import (
	"context"
	"io"
	"io/fs"
	"sync"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/fault"
)

// Call is one call of a driver. Op is get, put, create, list or delete; N counts all calls from 1.
type Call struct {
	N       int
	Op, Key string
}

// Fault is what goes wrong in one call. The zero value is nothing.
type Fault struct {
	Err   error // what the call returns; without After it does nothing else
	After bool  // the call takes place, and then returns Err: its reply is lost
	Cut   int64 // > 0: the body of a get breaks after so many bytes
	Clean bool  // with Cut: the body just ends, without an error
	Flip  int64 // > 0: that byte of the body, from 1, is wrong
	Stale bool  // a listing lacks what was written since the listing before it
}

// Faulty is a driver that does what Plan says. Plan is called for each call, one at a time.
type Faulty struct {
	bucket.Driver
	Plan func(Call) Fault

	mu    sync.Mutex
	calls int
	fresh map[string]bool // written since the last listing
}

// Faults wraps a driver. A nil plan lets all calls through.
func Faults(d bucket.Driver, plan func(Call) Fault) *Faulty {
	return &Faulty{Driver: d, Plan: plan, fresh: make(map[string]bool)}
}

// Calls counts the calls so far.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *Faulty) next(op, key string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.Plan == nil {
		return Fault{}
	}
	return f.Plan(Call{f.calls, op, key})
}

// Get implements bucket.Driver.
func (f *Faulty) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, int64, error) {
	x := f.next("get", key)
	if x.Err != nil {
		return nil, 0, x.Err
	}
	body, size, err := f.Driver.Get(ctx, key, off, n)
	if err != nil || x.Cut == 0 && x.Flip == 0 {
		return body, size, err
	}
	return &broken{ReadCloser: body, Fault: x}, size, nil
}

// Put implements bucket.Driver.
func (f *Faulty) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, absent bool) error {
	op := "put"
	if absent {
		op = "create"
	}
	x := f.next(op, key)
	if x.Err != nil && !x.After {
		return x.Err
	}
	if err := f.Driver.Put(ctx, key, body, size, absent); err != nil {
		return err
	}
	f.mu.Lock()
	f.fresh[key] = true
	f.mu.Unlock()
	return x.Err
}

// List implements bucket.Driver. With Err and After the first half of the objects is listed, and then Err returned.
func (f *Faulty) List(ctx context.Context, prefix string, yield func(string, int64, time.Time) bool) error {
	x := f.next("list", prefix)
	if x.Err != nil && !x.After {
		return x.Err
	}
	f.mu.Lock()
	hidden := f.fresh
	f.fresh = make(map[string]bool)
	f.mu.Unlock()
	var found []bucket.Object
	err := f.Driver.List(ctx, prefix, func(key string, size int64, modified time.Time) bool {
		if !x.Stale || !hidden[key] {
			found = append(found, bucket.Object{Key: key, Size: size, Modified: modified})
		}
		return true
	})
	if err != nil {
		return err
	}
	if x.Err != nil {
		found = found[:len(found)/2]
	}
	for _, o := range found {
		if !yield(o.Key, o.Size, o.Modified) {
			return nil
		}
	}
	return x.Err
}

// Delete implements bucket.Driver.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	x := f.next("delete", key)
	if x.Err != nil && !x.After {
		return x.Err
	}
	if err := f.Driver.Delete(ctx, key); err != nil {
		return err
	}
	return x.Err
}

// broken is a body with a wrong byte, or one that ends too early.
type broken struct {
	io.ReadCloser
	Fault
	done int64
}

func (b *broken) Read(p []byte) (int, error) {
	if b.Cut > 0 && b.done >= b.Cut {
		if b.Clean {
			return 0, io.EOF
		}
		return 0, Down()
	}
	if b.Cut > 0 {
		p = p[:min(int64(len(p)), b.Cut-b.done)]
	}
	n, err := b.ReadCloser.Read(p)
	if at := b.Flip - 1 - b.done; b.Flip > 0 && at >= 0 && at < int64(n) {
		p[at] ^= 0x40
	}
	b.done += int64(n)
	return n, err
}

// Down is the error of a server that cannot answer now.
func Down() error { return fault.New(fault.Unavailable, "the server answered 503") }

// Denied is the error of a server that refuses.
func Denied() error { return fault.New(fault.Denied, "the server answered 403: %w", fs.ErrPermission) }

// Full is the error of a disk without space.
func Full() error { return fault.New(fault.Unavailable, "no space left on device") }

// Busy is the error of a server that wants to be left alone for a while.
func Busy(d time.Duration) error { return fault.New(fault.Unavailable, "%w", busy{d}) }

type busy struct{ d time.Duration }

func (b busy) Error() string { return "the server answered 429 SlowDown" }

func (b busy) RetryAfter() time.Duration { return b.d }
