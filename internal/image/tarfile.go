package image

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"mlx/internal/fault"
)

// indexTar finds where the files of a tar lie in it, so that each can be read by itself.
func (l *ociLayout) indexTar() error {
	f, err := os.Open(l.name)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read %s: %w", l.name, err)
	}
	places := map[string]span{}
	in := tar.NewReader(f)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(places) >= maxEntries {
			err = errors.New("it holds too many files")
		}
		if err != nil {
			_ = f.Close()
			return fault.New(fault.Integrity, "cannot read %s as an image: %w", l.name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent) // the reader takes no more than it needs
		if err != nil {
			_ = f.Close()
			return fault.New(fault.KindOf(err), "cannot read %s: %w", l.name, err)
		}
		places[path.Clean(h.Name)] = span{at, h.Size}
	}
	l.close = f.Close
	l.size = func(name string) (int64, error) {
		if s, ok := places[name]; ok {
			return s.size, nil
		}
		return 0, fs.ErrNotExist
	}
	l.at = func(name string) (io.ReadCloser, error) {
		s, ok := places[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return io.NopCloser(io.NewSectionReader(f, s.at, s.size)), nil
	}
	return nil
}

type span struct{ at, size int64 }
