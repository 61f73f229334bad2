package filedriver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob/driver"
)

const (
	copyBytes = 1 << 20
	mkdirs    = 100 // times that a folder may vanish before a file is in it

	tempPrefix = ".tmp-" // no key has a name that begins with a dot
	deadAfter  = 24 * time.Hour
)

// NewTypedWriter implements driver.Bucket.
func (b *bucket) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	if err := before(opts.BeforeWrite); err != nil {
		return nil, err
	}
	a := attrs{
		CacheControl: opts.CacheControl, ContentDisposition: opts.ContentDisposition, ContentEncoding: opts.ContentEncoding,
		ContentLanguage: opts.ContentLanguage, ContentType: contentType, Metadata: opts.Metadata,
	}
	w, err := b.newWriter(ctx, key, a, opts.IfNotExist)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// writer collects an object in a file that no listing shows, and gives it its name in Close.
type writer struct {
	ctx    context.Context
	b      *bucket
	f      *os.File
	temp   string
	file   string
	attrs  attrs
	absent bool
	failed error
}

func (b *bucket) newWriter(ctx context.Context, key string, a attrs, absent bool) (*writer, error) {
	file, err := fileOf(key)
	if err != nil {
		return nil, err
	}
	f, name, err := b.temp(file)
	if err != nil {
		return nil, err
	}
	return &writer{ctx: ctx, b: b, f: f, temp: name, file: file, attrs: a, absent: absent}, nil
}

// temp makes an empty file beside file, in a folder that is made if need be.
func (b *bucket) temp(file string) (*os.File, string, error) {
	folder := filepath.Dir(file)
	for n := 1; ; n++ {
		if err := b.mkdir(folder); err != nil {
			return nil, "", err
		}
		name := filepath.Join(folder, tempPrefix+rand.Text())
		f, err := b.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			b.sweep(folder, f)
			return f, name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || n == mkdirs { // the folder was empty, and another took it away
			return nil, "", err
		}
	}
}

// sweep removes what writers that were killed have left in a folder, once. Now is when f was made, by the clock of the file
// system; who still writes has written since yesterday. A failure leaves garbage and does no harm.
func (b *bucket) sweep(folder string, f *os.File) {
	b.mu.Lock()
	done := b.swept[folder]
	b.swept[folder] = true
	b.mu.Unlock()
	now, err := f.Stat()
	if done || err != nil {
		return
	}
	d, err := b.root.Open(folder)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		batch, err := d.ReadDir(1024)
		for _, e := range batch {
			if !strings.HasPrefix(e.Name(), tempPrefix) {
				continue
			}
			if info, err := e.Info(); err == nil && now.ModTime().Sub(info.ModTime()) > deadAfter {
				_ = b.root.Remove(filepath.Join(folder, e.Name()))
			}
		}
		if err != nil {
			return
		}
	}
}

// Write implements driver.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.f.Write(p)
	w.failed = errors.Join(w.failed, err)
	return n, err
}

// Upload implements driver.Uploader.
func (w *writer) Upload(r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, copyBytes))
	w.failed = errors.Join(w.failed, err)
	return err
}

// Close implements driver.Writer.
func (w *writer) Close() error {
	if err := errors.Join(w.failed, w.ctx.Err()); err != nil {
		w.drop()
		return err
	}
	if err := w.f.Sync(); err != nil {
		w.drop()
		return err
	}
	if err := w.f.Close(); err != nil {
		w.drop()
		return err
	}
	if err := w.name(); err != nil {
		w.drop()
		return err
	}
	return w.b.sync(filepath.Dir(w.file))
}

// name gives the file its name: with absent by a link, which exactly one of many gets, else by a rename.
func (w *writer) name() error {
	if !w.absent {
		if err := w.b.root.Rename(w.temp, w.file); err != nil {
			return err
		}
		return w.b.writeAttrs(w.file, w.attrs)
	}
	err := w.b.root.Link(w.temp, w.file)
	if errors.Is(err, fs.ErrExist) && w.linked() {
		err = nil
	}
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("the file system has no hard links, without which a key cannot be created only once: %w", fs.ErrPermission)
	}
	if err != nil {
		return err
	}
	if err := w.b.root.Remove(w.temp); err != nil {
		return err
	}
	if w.attrs.plain() {
		return nil
	}
	return w.b.writeAttrs(w.file, w.attrs)
}

// linked finds out whether the link is ours although the call failed: a network file system can lose a reply.
func (w *writer) linked() bool {
	ours, err := w.b.root.Lstat(w.temp)
	if err != nil {
		return false
	}
	there, err := w.b.root.Lstat(w.file)
	return err == nil && os.SameFile(ours, there)
}

// drop takes away what did not become an object.
func (w *writer) drop() {
	_ = w.f.Close()
	_ = w.b.root.Remove(w.temp)
	_ = w.b.prune(w.file)
}

// mkdir makes a folder and its parents, each durable in its parent.
func (b *bucket) mkdir(folder string) error {
	if info, err := b.root.Stat(folder); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(folder)
	if parent != folder {
		if err := b.mkdir(parent); err != nil {
			return err
		}
	}
	err := b.root.Mkdir(folder, 0o777)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the parent was taken away: temp begins again
		return nil
	case errors.Is(err, fs.ErrExist):
		if info, err := b.root.Stat(folder); err == nil && !info.IsDir() {
			return fmt.Errorf("%s: %w", folder, syscall.ENOTDIR)
		}
		return nil
	case err != nil:
		return err
	}
	return b.sync(parent)
}

// prune makes a removal durable and takes away the folders above a file that are empty.
func (b *bucket) prune(file string) error {
	folder := filepath.Dir(file)
	for folder != "." && b.root.Remove(folder) == nil {
		folder = filepath.Dir(folder)
	}
	return b.sync(folder)
}

// sync makes the names in a folder durable, where the system can.
func (b *bucket) sync(folder string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := b.root.Open(folder)
	if isNotThere(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// isNotThere is true for a name that does not lead to a file, also because it leads through one.
func isNotThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
