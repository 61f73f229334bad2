package dataset

import (
	"context"
	"io"
	"io/fs"

	"mlx/internal/fault"
)

// FromFS is a file of a file system. It must not change: where its size or time is another when it is opened, that is an error. It can be
// read anywhere if the file system can.
func FromFS(fsys fs.FS, name, shown string) (File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return File{}, fault.New(fault.KindOf(err), "cannot read %s: %w", shown, err)
	}
	if !info.Mode().IsRegular() {
		return File{}, fault.New(fault.Usage, "cannot read %s: it is no file", shown)
	}
	s := steadyFile{fsys: fsys, name: name, shown: shown, info: info}
	f := File{Name: shown, Size: info.Size(), Open: func(ctx context.Context) (io.ReadCloser, error) { return s.open(ctx) }}
	probe, err := s.open(context.Background())
	if err != nil {
		return File{}, err
	}
	if _, ok := probe.(Random); ok {
		f.At = s.at
	}
	return f, probe.Close()
}

// steadyFile is a file as it was when it was first looked at.
type steadyFile struct {
	fsys        fs.FS
	name, shown string
	info        fs.FileInfo
}

func (s steadyFile) open(ctx context.Context) (fs.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.fsys.Open(s.name)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", s.shown, err)
	}
	info, err := f.Stat()
	if err == nil && (info.Size() != s.info.Size() || !info.ModTime().Equal(s.info.ModTime())) {
		err = fault.New(fault.Conflict, "cannot read %s: it changed while it was read", s.shown)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s steadyFile) at(ctx context.Context) (Random, error) {
	f, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	r, ok := f.(Random)
	if !ok {
		f.Close()
		return nil, fault.New(fault.Internal, "cannot read %s: it was readable anywhere and no longer is", s.shown)
	}
	return r, nil
}
