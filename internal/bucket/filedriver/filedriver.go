// Package filedriver hides how a folder keeps objects so that many processes can write at once: names that stay inside,
// files that appear whole or not at all, and keys that exactly one creator gets. It is a driver of gocloud.dev/blob.
package filedriver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

var (
	errKey         = errors.New("a key is UTF-8 and not empty")
	errUnsupported = errors.New("a folder cannot do this")
)

type bucket struct {
	root *os.Root

	mu    sync.Mutex
	swept map[string]bool // folders in which dead files were looked for
}

// Open returns the driver of a folder that is there. Everything happens inside it: symbolic links do not lead out.
func Open(folder string) (driver.Bucket, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	return &bucket{root: root, swept: make(map[string]bool)}, nil
}

// Close implements driver.Bucket.
func (b *bucket) Close() error { return b.root.Close() }

// ErrorCode implements driver.Bucket.
func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gcerrors.NotFound
	case errors.Is(err, fs.ErrExist):
		return gcerrors.FailedPrecondition
	case errors.Is(err, fs.ErrPermission):
		return gcerrors.PermissionDenied
	case errors.Is(err, errUnsupported):
		return gcerrors.Unimplemented
	case errors.Is(err, errKey):
		return gcerrors.InvalidArgument
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return gcerrors.DeadlineExceeded
	}
	return gcerrors.Unknown
}

// As implements driver.Bucket: there is no type of a driver to get.
func (b *bucket) As(any) bool { return false }

// ErrorAs implements driver.Bucket.
func (b *bucket) ErrorAs(err error, target any) bool { return errors.As(err, target) }

func asNothing(any) bool { return false }

func before(hook func(func(any) bool) error) error {
	if hook == nil {
		return nil
	}
	return hook(asNothing)
}

// look returns a key's file. What is no regular file is no object.
func (b *bucket) look(key string) (string, fs.FileInfo, error) {
	file, err := fileOf(key)
	if err != nil {
		return "", nil, err
	}
	info, err := b.root.Lstat(file)
	if isNotThere(err) || err == nil && !info.Mode().IsRegular() {
		return "", nil, fmt.Errorf("%s: %w", file, fs.ErrNotExist)
	}
	return file, info, err
}

// Attributes implements driver.Bucket.
func (b *bucket) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	file, info, err := b.look(key)
	if err != nil {
		return nil, err
	}
	a, err := b.readAttrs(file)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{
		CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition, ContentEncoding: a.ContentEncoding,
		ContentLanguage: a.ContentLanguage, ContentType: a.ContentType, Metadata: a.Metadata,
		ModTime: info.ModTime(), Size: info.Size(),
		ETag:   fmt.Sprintf("\"%x-%x\"", info.ModTime().UnixNano(), info.Size()),
		AsFunc: asNothing,
	}, nil
}

type reader struct {
	io.Reader
	io.Closer
	attrs driver.ReaderAttributes
}

// Attributes implements driver.Reader.
func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }

// As implements driver.Reader.
func (r *reader) As(any) bool { return false }

// NewRangeReader implements driver.Bucket.
func (b *bucket) NewRangeReader(_ context.Context, key string, off, n int64, opts *driver.ReaderOptions) (driver.Reader, error) {
	file, _, err := b.look(key)
	if err != nil {
		return nil, err
	}
	if err := before(opts.BeforeRead); err != nil {
		return nil, err
	}
	a, err := b.readAttrs(file)
	if err != nil {
		return nil, err
	}
	f, err := b.root.Open(file)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat() // of what is open: the name may be another file by now
	if err != nil {
		f.Close()
		return nil, err
	}
	if n < 0 {
		n = max(0, info.Size()-off)
	}
	return &reader{
		Reader: io.NewSectionReader(f, off, n), Closer: f,
		attrs: driver.ReaderAttributes{ContentType: a.ContentType, ModTime: info.ModTime(), Size: info.Size()},
	}, nil
}

// Copy implements driver.Bucket.
func (b *bucket) Copy(ctx context.Context, to, from string, opts *driver.CopyOptions) error {
	file, _, err := b.look(from)
	if err != nil {
		return err
	}
	a, err := b.readAttrs(file)
	if err != nil {
		return err
	}
	if err := before(opts.BeforeCopy); err != nil {
		return err
	}
	f, err := b.root.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := b.newWriter(ctx, to, a, false)
	if err != nil {
		return err
	}
	if err := w.Upload(f); err != nil {
		w.drop()
		return err
	}
	return w.Close()
}

// Delete implements driver.Bucket. Folders that become empty go, too.
func (b *bucket) Delete(_ context.Context, key string, opts *driver.DeleteOptions) error {
	file, _, err := b.look(key)
	if err != nil {
		return err
	}
	if err := before(opts.BeforeDelete); err != nil {
		return err
	}
	if err := b.root.Remove(file); err != nil {
		return err
	}
	if err := b.root.Remove(sidecarOf(file)); err != nil && !isNotThere(err) {
		return err
	}
	return b.prune(file)
}

// SignedURL implements driver.Bucket: a folder has no URLs that others could use.
func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errUnsupported
}

var _ driver.Bucket = (*bucket)(nil)
