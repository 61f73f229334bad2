package source

import (
	"context"
	"encoding/hex"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
)

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// local copies a file or folder of this machine.
func (f *Fetcher) local(ctx context.Context, q Request) (Result, error) {
	items, err := localItems(ctx, q.Source.given)
	if err != nil {
		return Result{}, err
	}
	return f.assemble(ctx, q, items)
}

// maxItems bounds how many files one import may have.
const maxItems = 5_000_000

func localItems(ctx context.Context, top string) ([]item, error) {
	info, err := os.Stat(top)
	if err != nil {
		return nil, bare(err)
	}
	if info.Mode().IsRegular() {
		it, err := localItem(top, "", info)
		return []item{it}, err
	}
	if !info.IsDir() {
		return nil, fault.New(fault.Usage, "it is neither a file nor a folder")
	}
	if top, err = filepath.EvalSymlinks(top); err != nil {
		return nil, bare(err)
	}
	var items []item
	err = filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return firstOf(ctx.Err(), err)
		}
		if d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(top, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		it, err := localItem(p, filepath.ToSlash(rel), info)
		if items = append(items, it); len(items) > maxItems {
			return fault.New(fault.Usage, "more than %d files", maxItems)
		}
		return err
	})
	if err == nil && len(items) == 0 {
		err = fault.New(fault.NotFound, "there is no file in it")
	}
	return items, err
}

func localItem(full, name string, info fs.FileInfo) (item, error) {
	it := item{pin: Pin{Name: name, Bytes: info.Size(), Modified: info.ModTime().UTC().Format(time.RFC3339Nano)}}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(full)
		if err != nil {
			return it, bare(err)
		}
		if filepath.IsAbs(to) || !filepath.IsLocal(filepath.Join(filepath.Dir(filepath.FromSlash(name)), to)) {
			return it, fault.New(fault.Usage, "%s is a symbolic link that leads out of the folder", name).Hint("cp -rL FOLDER COPY   # and import the copy")
		}
		it.link = to
		return it, nil
	case !info.Mode().IsRegular():
		return it, fault.New(fault.Usage, "%s is neither a file nor a folder", name)
	}
	it.exec = info.Mode()&0o100 != 0
	it.read = func(ctx context.Context, w io.Writer) error { return copySteady(ctx, full, info, w) }
	return it, nil
}

// copySteady copies a file and refuses one that changes meanwhile.
func copySteady(ctx context.Context, full string, before fs.FileInfo, w io.Writer) error {
	in, err := os.Open(full)
	if err != nil {
		return bare(err)
	}
	defer in.Close()
	if _, err := io.CopyBuffer(w, &stoppable{ctx, in}, make([]byte, 1<<18)); err != nil {
		return err
	}
	after, err := in.Stat()
	if err != nil {
		return bare(err)
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return fault.New(fault.Unavailable, "it changed while it was read, so nothing of it was kept")
	}
	return nil
}

type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}

// bare drops the path of a system error: the message around it names the source already.
func bare(err error) error {
	if e, ok := err.(*fs.PathError); ok { //nolint:errorlint // only the outermost is dropped
		return e.Err
	}
	return err
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
