package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"

	"mlx/internal/fault"
)

const copyBytes = 256 << 10

// Read returns a whole object of at most limit bytes. A longer one is an error of kind integrity, before it is read.
func (b *Bucket) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	var buf *bytes.Buffer
	t := transfer{b: b, key: key, n: -1}
	t.begin = func(size int64) (io.Writer, error) {
		if size > limit {
			return nil, fault.New(fault.Integrity, "it has %d bytes, at most %d are allowed", size, limit)
		}
		buf = bytes.NewBuffer(make([]byte, 0, size))
		return buf, nil
	}
	if err := t.run(ctx); err != nil {
		return nil, b.failed(err, "read", key)
	}
	return buf.Bytes(), nil
}

// ReadRange returns exactly n bytes from off. The caller bounds n.
func (b *Bucket) ReadRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	if n < 0 || off < 0 {
		return nil, b.failed(fault.New(fault.Integrity, "no range begins at %d with %d bytes", off, n), "read", key)
	}
	buf := bytes.NewBuffer(nil)
	t := transfer{b: b, key: key, off: off, n: n}
	t.begin = func(int64) (io.Writer, error) { // the object is long enough: only now memory is spent
		buf.Grow(int(n))
		return buf, nil
	}
	if err := t.run(ctx); err != nil {
		return nil, b.failed(err, "read", key)
	}
	return buf.Bytes(), nil
}

// ReadTo writes exactly n bytes from off to w, each once and in order, however often the connection breaks.
func (b *Bucket) ReadTo(ctx context.Context, key string, off, n int64, w io.Writer) error {
	if n < 0 || off < 0 {
		return b.failed(fault.New(fault.Integrity, "no range begins at %d with %d bytes", off, n), "read", key)
	}
	t := transfer{b: b, key: key, off: off, n: n, begin: func(int64) (io.Writer, error) { return w, nil }}
	if err := t.run(ctx); err != nil {
		return b.failed(err, "read", key)
	}
	return nil
}

// Size returns the length of an object.
func (b *Bucket) Size(ctx context.Context, key string) (int64, error) {
	var size int64
	err := b.try(ctx, func() error {
		body, n, err := b.driver.Get(ctx, key, 0, 0)
		if err != nil {
			return err
		}
		size = n
		return body.Close()
	})
	if err != nil {
		return 0, b.failed(err, "look at", key)
	}
	return size, nil
}

// transfer is one download that goes on where it broke.
type transfer struct {
	b      *Bucket
	key    string
	off, n int64 // n < 0: all of the object
	begin  func(size int64) (io.Writer, error)

	w     io.Writer // nil until begin was called
	size  int64     // of the whole object, as first seen
	done  int64     // bytes that reached w
	stuck int       // tries in a row without a new byte
}

// sink marks an error of the place that bytes go to: reading again cannot help.
type sink struct{ error }

func (s sink) Unwrap() error { return s.error }

func (t *transfer) run(ctx context.Context) error {
	if t.n == 0 {
		_, err := t.begin(0)
		return err
	}
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		before := t.done
		err := t.once(ctx)
		if err == nil {
			return nil
		}
		var local sink
		if errors.As(err, &local) {
			return local.error
		}
		if t.stuck++; t.done > before {
			t.stuck = 1
		}
		if again := t.b.again(ctx, t.stuck, err); again != nil {
			return t.final(again)
		}
	}
}

// final turns bodies that always end early, though politely, into what they are: an object that is too short.
func (t *transfer) final(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && t.stuck >= t.b.o.Tries {
		return fault.New(fault.Integrity, "%d of %d bytes came, again and again", t.done, t.n)
	}
	return err
}

func (t *transfer) once(ctx context.Context) error {
	ask := t.n - t.done
	if t.n < 0 {
		ask = -1
	}
	t.b.requests.Add(1)
	body, size, err := t.b.driver.Get(ctx, t.key, t.off+t.done, ask)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := t.seen(size); err != nil {
		return err
	}
	return t.copy(ctx, body)
}

// seen checks the size of the object, which is the same in every reply, and begins to write at the first one.
func (t *transfer) seen(size int64) error {
	if t.w != nil {
		if size != t.size {
			return fault.New(fault.Integrity, "it changed from %d to %d bytes while it was read", t.size, size)
		}
		return nil
	}
	if t.n < 0 {
		t.n = size - t.off
	}
	if t.n < 0 || t.off+t.n > size {
		return fault.New(fault.Integrity, "it has %d bytes, %d from %d were asked for", size, t.n, t.off)
	}
	w, err := t.begin(size)
	if err != nil {
		return sink{err}
	}
	t.w, t.size = w, size
	return nil
}

func (t *transfer) copy(ctx context.Context, body io.Reader) error {
	buf := make([]byte, t.b.rate.piece(int(min(copyBytes, max(t.n-t.done, 1)))))
	for t.done < t.n {
		n, err := body.Read(buf[:min(int64(len(buf)), t.n-t.done)])
		t.b.received.Add(int64(n))
		if wait := t.b.rate.take(ctx, n); wait != nil {
			return wait
		}
		if _, err := t.w.Write(buf[:n]); err != nil {
			return sink{err}
		}
		t.done += int64(n)
		switch {
		case err == nil || t.done == t.n:
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return fault.New(fault.Unavailable, "the connection ended after %d of %d bytes: %w", t.done, t.n, io.ErrUnexpectedEOF)
		case fault.KindOf(err) == fault.Internal: // a broken body is a broken connection
			return fault.New(fault.Unavailable, "the connection broke after %d of %d bytes: %w", t.done, t.n, err)
		default:
			return err
		}
	}
	return nil
}
