package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot/internal/disk"
)

// apply does what was planned. Whatever stops it, doing the checkout again finishes it.
func (c *checkout) apply(ctx context.Context) error {
	if c.o.Progress != nil {
		c.o.Progress.SetTotal(c.ops.bytes)
	}
	steps := []struct {
		list []op
		do   func(*disk.Dir, op) error
	}{
		{c.ops.remove, func(d *disk.Dir, o op) error { return ignoreMissing(d.Remove(o.name)) }},
		{c.ops.rmdir, removeDir},
		{c.ops.mkdir, func(d *disk.Dir, o op) error { return ignoreExisting(d.Mkdir(o.name)) }},
	}
	for _, s := range steps {
		if err := c.each(ctx, s.list, s.do); err != nil {
			return err
		}
	}
	if err := c.writeFiles(ctx); err != nil {
		return err
	}
	if err := c.each(ctx, c.ops.chmod, chmod); err != nil {
		return err
	}
	return c.each(ctx, c.ops.symlink, c.symlink)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func ignoreExisting(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// removeDir removes a folder; one in which somebody's own file lies stays.
func removeDir(d *disk.Dir, o op) error {
	err := ignoreMissing(d.RemoveDir(o.name))
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// each does something in the folder of every op; a folder is opened once for its run of ops.
func (c *checkout) each(ctx context.Context, list []op, do func(*disk.Dir, op) error) error {
	var open *folder
	var d *disk.Dir
	defer func() {
		if d != nil {
			d.Close()
		}
	}()
	for _, o := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if o.f != open || d == nil {
			if d != nil {
				d.Close()
			}
			var err error
			if d, err = o.f.open(c.top); err != nil {
				d = nil
				return fmt.Errorf("open %s: %w", o.f.rel(), err)
			}
			open = o.f
		}
		if err := do(d, o); err != nil {
			return fmt.Errorf("%s: %w", join(o.f.rel(), o.name), err)
		}
	}
	return nil
}

func chmod(d *disk.Dir, o op) error {
	if err := d.SetExecutable(o.name, o.entry.Kind == disk.Executable); err != nil {
		return err
	}
	m, err := d.Stat(o.name)
	if err == nil {
		note(o.item, m)
	}
	return err
}

// note keeps what a file looks like for the index.
func note(t *item, m disk.Meta) {
	kind := t.kind
	t.setMeta(m)
	if !disk.HasExecutable {
		t.kind = kind
	}
}

func (c *checkout) symlink(d *disk.Dir, o op) error {
	target, err := c.r.bytes(o.entry.Sum, o.entry.Recipe, o.entry.Size, maxName)
	if err != nil {
		return err
	}
	name := o.name
	if o.replace {
		if name, err = tempName(); err != nil {
			return err
		}
	}
	if err := d.Symlink(string(target), name); err != nil {
		return err
	}
	if o.replace {
		if err := d.Rename(name, o.name); err != nil {
			return err
		}
	}
	m, err := d.Stat(o.name)
	if err != nil {
		return err
	}
	note(o.item, m)
	c.done.Written++
	return nil
}

// writeFiles writes the files, folders side by side.
func (c *checkout) writeFiles(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan *folder)
	var group sync.WaitGroup
	var written atomic.Int64
	for range min(c.s.o.Jobs, len(c.ops.order)) {
		group.Go(func() {
			w, err := c.newFileWriter(&written)
			if err != nil {
				cancel(err)
			}
			for f := range jobs {
				if ctx.Err() != nil {
					continue
				}
				if err := w.folder(ctx, f, c.ops.write[f]); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, f := range c.ops.order {
		jobs <- f
	}
	close(jobs)
	group.Wait()
	c.done.Written += written.Load()
	return context.Cause(ctx)
}

// fileWriter writes files. It belongs to one goroutine.
type fileWriter struct {
	c       *checkout
	r       *reader
	written *atomic.Int64
}

func (c *checkout) newFileWriter(written *atomic.Int64) (*fileWriter, error) {
	r, err := c.s.reader()
	if err != nil {
		return nil, err
	}
	return &fileWriter{c: c, r: r, written: written}, nil
}

func (w *fileWriter) folder(ctx context.Context, f *folder, list []op) error {
	d, err := f.open(w.c.top)
	if err != nil {
		return fmt.Errorf("open %s: %w", f.rel(), err)
	}
	defer d.Close()
	for _, o := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.file(ctx, d, o); err != nil {
			return fmt.Errorf("%s: %w", join(f.rel(), o.name), err)
		}
		w.written.Add(1)
		if w.c.o.Progress != nil {
			w.c.o.Progress.Add(o.entry.Size)
		}
	}
	return nil
}

// file writes one file under its own name where nothing stands there, else beside it and then over it.
func (w *fileWriter) file(ctx context.Context, d *disk.Dir, o op) (err error) {
	name := o.name
	if o.replace {
		if name, err = tempName(); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				_ = d.Remove(name) // the first error is the one that matters
			}
		}()
	}
	m, linked, err := w.content(ctx, d, name, &o.entry)
	if err != nil {
		return err
	}
	if o.replace {
		if err := d.Rename(name, o.name); err != nil {
			return err
		}
		if m, err = d.Stat(o.name); err != nil { // a rename changes the ctime
			return err
		}
	}
	o.item.linked = linked
	note(o.item, m)
	return nil
}

// content makes a file with the content of an entry.
func (w *fileWriter) content(ctx context.Context, d *disk.Dir, name string, e *treeEntry) (disk.Meta, bool, error) {
	if w.c.o.Link && e.Size > 0 {
		m, linked, ok, err := w.link(ctx, d, name, e)
		if ok || err != nil {
			return m, linked, err
		}
	}
	executable := e.Kind == disk.Executable
	if e.Recipe.IsZero() {
		var b []byte
		if e.Size > 0 {
			var err error
			if b, err = w.r.Read(e.Sum); err != nil {
				return disk.Meta{}, false, err
			}
		}
		if int64(len(b)) != e.Size {
			return disk.Meta{}, false, wrongSize(e, int64(len(b)))
		}
		m, err := d.Write(name, b, executable)
		return m, false, err
	}
	if err := w.long(ctx, d, name, e, executable); err != nil {
		return disk.Meta{}, false, err
	}
	m, err := d.Stat(name)
	return m, false, err
}

func wrongSize(e *treeEntry, n int64) error {
	return fault.New(fault.Integrity, "object %s has %d bytes, the tree says %d", e.Sum.Short(), n, e.Size)
}

func notTheFile(e *treeEntry) error {
	return fault.New(fault.Integrity, "the chunks of object %s do not have its digest", e.Sum.Short())
}

// long writes a file of several chunks, and checks that together they are the file that the tree names: each of them
// may be whole, and the recipe that of another file.
func (w *fileWriter) long(ctx context.Context, d *disk.Dir, name string, e *treeEntry, executable bool) (err error) {
	f, err := d.Create(name, executable)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = d.Remove(name) // the first error is the one that matters
		}
	}()
	whole := sha256.New()
	for row, rerr := range w.r.rows(e.Sum, e.Recipe, e.Size) {
		if err = errors.Join(rerr, ctx.Err()); err != nil {
			break
		}
		var b []byte
		if b, err = w.r.Read(row.ID); err != nil {
			break
		}
		if _, err = f.Write(b); err != nil {
			break
		}
		whole.Write(b) // a hash never fails
	}
	if err == nil && object.Digest(whole.Sum(nil)) != e.Sum {
		err = notTheFile(e)
	}
	return errors.Join(err, f.Close())
}
