package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"gocloud.dev/blob"

	"mlx/internal/fault"
)

const (
	plainType   = "application/octet-stream"
	partBytes   = 5 << 20 // of an upload in parts, the least that S3 takes: packs go up side by side, each with parts in memory
	partsAtOnce = 2
)

// opener opens a bucket of gocloud. It is called again when credentials have expired.
type opener func(context.Context) (*blob.Bucket, error)

// portable is a driver over gocloud.
type portable struct {
	open   opener
	prefix string
	wire   *wire // nil for a folder

	mu         sync.Mutex
	blob       *blob.Bucket
	generation int
	renewed    bool // opened again, and nothing has succeeded since
}

func newPortable(ctx context.Context, prefix string, open opener, w *wire) (*portable, error) {
	b, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &portable{open: open, prefix: prefix, wire: w, blob: b}, nil
}

func (p *portable) current() (*blob.Bucket, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blob, p.generation
}

// judge classifies the outcome of a call. After expired credentials the bucket is opened once again, with whatever the
// chain of credentials has now, and the call may be tried again.
func (p *portable) judge(ctx context.Context, generation int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err = classify(err)
	var c *cause
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.renewed = false
	}
	if !errors.As(err, &c) || !c.expired {
		return err
	}
	if generation == p.generation {
		if p.renewed {
			return err
		}
		b, openErr := p.open(ctx)
		if openErr != nil {
			return classify(openErr)
		}
		p.blob, p.renewed = b, true // the old one may still carry streams; it holds nothing but idle connections
		p.generation++
	}
	return fault.New(fault.Unavailable, "the credentials have expired and were looked up again")
}

// Get implements Driver.
func (p *portable) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, int64, error) {
	b, generation := p.current()
	if n == 0 {
		a, err := b.Attributes(ctx, p.prefix+key)
		if err := p.judge(ctx, generation, err); err != nil {
			return nil, 0, err
		}
		return io.NopCloser(nothing{}), a.Size, nil
	}
	r, err := b.NewRangeReader(ctx, p.prefix+key, off, n, nil)
	if err := p.judge(ctx, generation, err); err != nil {
		return nil, 0, err
	}
	return &body{Reader: r, ctx: ctx}, r.Size(), nil
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// body classifies the errors of a stream.
type body struct {
	*blob.Reader
	ctx context.Context
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case b.ctx.Err() != nil:
		return n, b.ctx.Err()
	}
	return n, classify(err)
}

// Put implements Driver. It calls Upload with a type: the Close of azureblob's writer panics when a write is refused.
func (p *portable) Put(ctx context.Context, key string, r io.ReadSeeker, size int64, absent bool) (err error) {
	b, generation := p.current()
	source := &exactly{ReadSeeker: r, left: size}
	defer func() {
		if caught := recover(); caught != nil {
			err = fault.New(fault.Internal, "the client library broke down: %v", scrub(fmt.Sprint(caught)))
		}
	}()
	err = b.Upload(ctx, p.prefix+key, source, &blob.WriterOptions{
		ContentType: plainType, IfNotExist: absent, BufferSize: partBytes, MaxConcurrency: partsAtOnce,
		BeforeWrite: inParts(b, absent),
	})
	if err != nil && source.err != nil {
		return source.err // the body could not be read: that is no trouble of the server
	}
	return p.judge(ctx, generation, err)
}

// exactly is a body of a known length: a shorter or longer one is an error, so that no half object comes to be.
type exactly struct {
	io.ReadSeeker
	left int64
	err  error
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.ReadSeeker.Read(p)
	e.left -= int64(n)
	switch {
	case e.left < 0, errors.Is(err, io.EOF) && e.left > 0:
		err = fault.New(fault.Integrity, "the body has not the length that was promised")
		e.err = err
	case err != nil && !errors.Is(err, io.EOF):
		e.err = err
	}
	return n, err
}

// Seek implements io.Seeker, for libraries that read a body again.
func (e *exactly) Seek(off int64, whence int) (int64, error) {
	before, err := e.ReadSeeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	after, err := e.ReadSeeker.Seek(off, whence)
	e.left += before - after
	return after, err
}

// List implements Driver.
func (p *portable) List(ctx context.Context, prefix string, yield func(string, int64, time.Time) bool) error {
	b, generation := p.current()
	it := b.List(&blob.ListOptions{Prefix: p.prefix + prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return p.judge(ctx, generation, nil)
		}
		if err := p.judge(ctx, generation, err); err != nil {
			return err
		}
		if !o.IsDir && !yield(o.Key[len(p.prefix):], o.Size, o.ModTime) {
			return nil
		}
	}
}

// Delete implements Driver.
func (p *portable) Delete(ctx context.Context, key string) error {
	b, generation := p.current()
	err := p.judge(ctx, generation, b.Delete(ctx, p.prefix+key))
	if errors.Is(err, fs.ErrNotExist) && !isNoBucket(err) {
		return nil
	}
	return err
}

// Close implements io.Closer.
func (p *portable) Close() error {
	b, _ := p.current()
	return b.Close()
}

func isNoBucket(err error) bool {
	var c *cause
	return errors.As(err, &c) && c.noBucket
}
