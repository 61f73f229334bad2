package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// delivery saves a piece at a place of the file system. What stands there is left alone unless it is the same.
type delivery struct {
	app  *app
	p    piece
	dest string

	kind         string
	files, bytes int64
	digest       object.Digest
	changed      bool
}

// save writes the piece beside its place and gives it its name when it is whole.
func (d *delivery) save(ctx context.Context) error {
	fsys, inner, info, err := look(ctx, d.p)
	if err != nil {
		return err
	}
	d.kind = typeOf(info.Mode())
	d.digest, _ = info.Sys().(object.Digest)
	switch {
	case info.IsDir():
		return d.folder(ctx, inner)
	case !info.Mode().IsRegular():
		return d.linkRefused(fsys, inner)
	}
	d.files, d.bytes = 1, info.Size()
	return d.file(fsys, inner, info)
}

// look opens the version of a piece and describes what the piece names in it.
func look(ctx context.Context, p piece) (fs.FS, string, fs.FileInfo, error) {
	fsys, err := p.from.store.FS(ctx, p.Root)
	if err != nil {
		return nil, "", nil, err
	}
	inner, err := insideName(fsys, p.located)
	if err != nil {
		return nil, "", nil, err
	}
	info, err := fs.Lstat(fsys, inner)
	return fsys, inner, info, err
}

func (d *delivery) linkRefused(fsys fs.FS, inner string) error {
	to, err := fs.ReadLink(fsys, inner)
	if err != nil {
		return err
	}
	return fault.New(fault.Usage, "cannot get %s: it is a symbolic link to %s", d.p.name(), to).Hint("get what it points to, or the folder that holds both")
}

// file saves a regular file. Its bytes are compared with its digest while they are read.
func (d *delivery) file(fsys fs.FS, inner string, info fs.FileInfo) error {
	there, err := os.Lstat(d.dest)
	switch {
	case err == nil && there.IsDir():
		return fault.New(fault.Conflict, "cannot save %s: a folder stands there", d.dest).
			Hint("mlx get -o %s …   # into it", shellWord(filepath.Join(d.dest, filepath.Base(d.p.name()))))
	case err == nil:
		same, err := d.sameFile(there, info)
		if err != nil || same {
			return err
		}
		return d.taken()
	case !errors.Is(err, fs.ErrNotExist):
		return d.failed(err)
	}
	in, err := fsys.Open(inner)
	if err != nil {
		return err
	}
	defer in.Close()
	temp := d.temp()
	out, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666|info.Mode().Perm()&0o111)
	if err != nil {
		return d.failed(err)
	}
	defer os.Remove(temp) // after a link there are two names; after a failure it is half a file
	progress := d.app.streams.Progress("writing", "bytes", info.Size())
	_, err = io.Copy(out, &tallied{in, progress.Add})
	progress.Done()
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err = os.Link(temp, d.dest); err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(temp, d.dest) // a file system without hard links
	}
	if errors.Is(err, fs.ErrExist) {
		return d.taken()
	}
	d.changed = err == nil
	return d.failed(err)
}

// tallied tells how many bytes pass.
type tallied struct {
	io.Reader
	add func(int64)
}

func (c *tallied) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.add(int64(n))
	return n, err
}

// sameFile says whether a file that stands there is the one to be saved.
func (d *delivery) sameFile(there, info fs.FileInfo) (bool, error) {
	if !there.Mode().IsRegular() || there.Size() != info.Size() {
		return false, nil
	}
	f, err := os.Open(d.dest)
	if err != nil {
		return false, d.failed(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return false, d.failed(err)
	}
	return object.Digest(h.Sum(nil)) == d.digest, nil
}

// taken is the error for a target at which something else stands.
func (d *delivery) taken() error {
	return fault.New(fault.Conflict, "cannot save %s: something else stands there", d.dest).Hint("mlx get -o OTHER …   # under another name")
}

func (d *delivery) failed(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) { // it must not look like a path that the version lacks
		return fault.New(fault.Usage, "cannot save %s: there is no folder %s", d.dest, filepath.Dir(d.dest)).Hint("mkdir -p %s", shellWord(filepath.Dir(d.dest)))
	}
	return fault.New(fault.KindOf(err), "cannot save %s: %w", d.dest, err)
}

// temp is a name beside the target.
func (d *delivery) temp() string {
	return filepath.Join(filepath.Dir(d.dest), ".mlx-get-"+rand.Text())
}

// folder saves a folder as a checkout does.
func (d *delivery) folder(ctx context.Context, inner string) error {
	o := d.p.from
	root, err := o.store.Folder(ctx, d.p.Root, inner)
	if err != nil {
		return err
	}
	d.digest = root
	if here, err := o.store.Has(ctx, root); err != nil {
		return err
	} else if !here {
		return fault.New(fault.NotFound, "cannot read %s: version %s is not on this machine", d.p.name(), d.p.Root.Short())
	}
	index, err := o.scratch("")
	if err != nil {
		return err
	}
	store, err := snapshot.Open(snapshot.Options{Dir: o.dir, Index: index, Now: d.app.now})
	if err != nil {
		return err
	}
	o.closes = append(o.closes, store.Close)
	switch same, err := d.sameFolder(ctx, store, root); {
	case err != nil:
		return err
	case same:
		sum, err := store.Stat(ctx, root)
		d.files, d.bytes = sum.Files, sum.Bytes
		return err
	}
	return d.checkOut(ctx, store, root)
}

// sameFolder says whether the folder stands there already. Anything else there is a conflict, but for an empty folder.
func (d *delivery) sameFolder(ctx context.Context, store *snapshot.Store, root object.Digest) (bool, error) {
	there, err := os.Lstat(d.dest)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, d.failed(err)
	}
	if !there.IsDir() {
		return false, d.taken()
	}
	if list, err := os.ReadDir(d.dest); err == nil && len(list) == 0 && os.Remove(d.dest) == nil {
		return false, nil
	}
	whole, err := filepath.Abs(d.dest)
	if err != nil {
		return false, d.failed(err)
	}
	for c, err := range store.Status(ctx, snapshot.StatusOptions{Path: whole, Base: root, Kind: snapshot.Directory}) {
		if err != nil {
			return false, err
		}
		return false, fault.New(fault.Conflict, "cannot save %s: a folder stands there that differs, as in %s", d.dest, c.Path).
			Hint("mlx get -o OTHER …   # under another name")
	}
	return true, nil
}

func (d *delivery) checkOut(ctx context.Context, store *snapshot.Store, root object.Digest) error {
	whole, err := filepath.Abs(d.temp())
	if err != nil {
		return d.failed(err)
	}
	if _, err := os.Lstat(filepath.Dir(whole)); err != nil {
		return d.failed(err)
	}
	defer os.RemoveAll(whole)
	progress := d.app.streams.Progress("writing", "bytes", 0)
	done, err := store.Checkout(ctx, snapshot.CheckoutOptions{Path: whole, To: root, Kind: snapshot.Directory, Progress: progress})
	progress.Done()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot save %s: %w", d.dest, err)
	}
	for _, warning := range done.Warnings {
		d.app.streams.Note("%s: %s", d.dest, warning)
	}
	d.files, d.bytes = done.Summary.Files, done.Summary.Bytes
	if err := os.MkdirAll(whole, 0o777); err != nil { // an empty version writes nothing
		return d.failed(err)
	}
	err = os.Rename(whole, d.dest)
	d.changed = err == nil
	return d.failed(err)
}

// printer writes a file to stdout. Done again, it goes on where it was.
func (a *app) printer(ctx context.Context, p piece) func() error {
	var written int64
	return func() error {
		fsys, inner, info, err := look(ctx, p)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fault.New(fault.Usage, "cannot print %s: it is a %s", p.name(), typeOf(info.Mode())).Hint("mlx get -o FOLDER …   # saves it")
		}
		in, err := fsys.Open(inner)
		if err != nil {
			return err
		}
		defer in.Close()
		if _, err := io.CopyN(io.Discard, in, written); err != nil {
			return err
		}
		n, err := io.Copy(a.streams.Out, in)
		written += n
		return err
	}
}
