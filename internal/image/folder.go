package image

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
)

// maxEntries bounds the files of a layer.
const maxEntries = 1 << 22

// folder is a tar of a tree of files that is the same wherever and whenever it is made.
type folder struct {
	files   fs.FS
	entries []entry
	size    int64
	read    func(bytes int64) // is told of what was read
}

type entry struct {
	name   string // in the tar
	source string // in files; empty: a folder that only leads to others
	info   tar.Header
}

// newFolder lists the files of a tree below a folder of a layer, in the order of their names. It reads no content.
func newFolder(ctx context.Context, files fs.FS, below string) (*folder, error) {
	f := &folder{files: files, read: func(int64) {}}
	for dir := below; dir != "." && dir != ""; dir = path.Dir(dir) {
		f.entries = append(f.entries, entry{name: dir + "/", info: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}})
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		if len(f.entries) >= maxEntries {
			return fault.New(fault.Usage, "cannot package more than %d files", maxEntries)
		}
		return f.add(below, name, d)
	})
	if err != nil {
		return nil, err
	}
	// By the whole name: a folder ends with a slash and comes before what is in it.
	slices.SortFunc(f.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return f, f.measure()
}

func (f *folder) add(below, name string, d fs.DirEntry) error {
	e := entry{name: path.Join(below, name), source: name}
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		e.name += "/"
		e.info = tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}
	case d.Type()&fs.ModeSymlink != 0:
		to, err := fs.ReadLink(f.files, name)
		if err != nil {
			return err
		}
		if path.IsAbs(to) || !fs.ValidPath(path.Join(path.Dir(name), to)) {
			return fault.New(fault.Usage, "cannot package %s: it is a symbolic link that leads out of the package", name)
		}
		e.info = tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: to}
	case d.Type().IsRegular():
		mode := int64(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		e.info = tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: info.Size()}
	default:
		return fault.New(fault.Usage, "cannot package %s: it is neither a file, a folder nor a link", name)
	}
	f.entries = append(f.entries, e)
	return nil
}

// measure finds the size of the tar: that of its headers, which are made without content, and of its files in blocks of 512 bytes.
func (f *folder) measure() error {
	for _, e := range f.entries {
		var n counter
		if err := tar.NewWriter(&n).WriteHeader(e.header()); err != nil {
			return fault.New(fault.Usage, "cannot package %s: %w", e.name, err)
		}
		f.size += int64(n) + (e.info.Size+511)/512*512
	}
	f.size += 1024 // two empty blocks end a tar
	return nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func (e entry) header() *tar.Header {
	h := e.info
	h.Name, h.ModTime = e.name, time.Unix(0, 0).UTC()
	return &h
}

// write writes the tar. Files must still have the size that they had.
func (f *folder) write(ctx context.Context, w io.Writer) error {
	t := tar.NewWriter(w)
	buffer := make([]byte, 1<<20)
	for _, e := range f.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.WriteHeader(e.header()); err != nil {
			return err
		}
		if e.info.Typeflag != tar.TypeReg {
			continue
		}
		if err := f.content(t, e, buffer); err != nil {
			return err
		}
	}
	return t.Close()
}

func (f *folder) content(t *tar.Writer, e entry, buffer []byte) error {
	in, err := f.files.Open(e.source)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.CopyBuffer(onlyWriter{t}, countingReader{in, f.read}, buffer) // one byte too many is an error of the writer
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != e.info.Size {
		err = fault.New(fault.Conflict, "cannot package %s: it changed while it was read", e.source)
	}
	return err
}

// countingReader tells how much is read.
type countingReader struct {
	r    io.Reader
	read func(int64)
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.read(int64(n))
	return n, err
}

// onlyWriter and onlyReader hide what else a type can do, so that the buffer is used.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
