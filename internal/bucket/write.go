package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"time"

	"mlx/internal/fault"
)

// Write stores size bytes of body under a key that names its content: if the key is taken, by the same bytes.
func (b *Bucket) Write(ctx context.Context, key string, body io.ReadSeeker, size int64) error {
	err := b.try(ctx, func() error {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return b.driver.Put(ctx, key, &metered{ReadSeeker: body, b: b, ctx: ctx}, size, false)
	})
	if err != nil {
		return b.failed(err, "write", key)
	}
	return nil
}

// Create stores data under a key that must be free: fs.ErrExist if it is not. Of any number of callers, at most one gets
// nil. When the reply to the first try was lost, the key may hold what this call wrote: then that is success.
func (b *Bucket) Create(ctx context.Context, key string, data []byte) error {
	lost := false
	err := b.try(ctx, func() error {
		body := &metered{ReadSeeker: bytes.NewReader(data), b: b, ctx: ctx}
		err := b.driver.Put(ctx, key, body, int64(len(data)), true)
		lost = lost || err != nil && fault.KindOf(err) == fault.Unavailable
		return err
	})
	if err != nil && lost && isTaken(err) {
		got, readErr := b.Read(ctx, key, int64(len(data)))
		switch {
		case readErr == nil && bytes.Equal(got, data):
			return nil
		case readErr != nil && fault.KindOf(readErr) != fault.Integrity: // longer than ours: another's
			return b.failed(readErr, "find out who created", key)
		}
	}
	if err != nil {
		return b.failed(err, "create", key)
	}
	return nil
}

// Delete removes an object. One that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.try(ctx, func() error { return b.driver.Delete(ctx, key) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b.failed(err, "delete", key)
	}
	return nil
}

// Object is one line of a listing.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time
}

// List yields the objects whose keys begin with prefix, in the order of keys, each once. An error is the last thing.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		last, any, stopped := "", false, false
		n := 0
		for {
			if ctx.Err() != nil {
				yield(Object{}, b.failed(ctx.Err(), "list", prefix))
				return
			}
			b.requests.Add(1)
			err := b.driver.List(ctx, prefix, func(key string, size int64, modified time.Time) bool {
				if any && key <= last { // a second try begins anew
					return true
				}
				last, any, n = key, true, 0
				stopped = !yield(Object{key, size, modified}, nil)
				return !stopped
			})
			if err == nil || stopped {
				return
			}
			n++
			if err := b.again(ctx, n, err); err != nil {
				yield(Object{}, b.failed(err, "list", prefix))
				return
			}
		}
	}
}

// metered counts what a driver reads of a body and keeps to the rate.
type metered struct {
	io.ReadSeeker
	b   *Bucket
	ctx context.Context
}

func (m *metered) Read(p []byte) (int, error) {
	if len(p) > 0 {
		p = p[:m.b.rate.piece(len(p))]
	}
	n, err := m.ReadSeeker.Read(p)
	m.b.sent.Add(int64(n))
	if wait := m.b.rate.take(m.ctx, n); wait != nil {
		return n, wait
	}
	return n, err
}

func isTaken(err error) bool { return errors.Is(err, fs.ErrExist) }
