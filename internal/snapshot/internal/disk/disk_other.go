//go:build !unix

package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// HasExecutable says whether files have an executable bit here.
const HasExecutable = false

// Dir is an open directory.
type Dir struct{ root *os.Root }

// OpenDir opens the folder at an absolute path.
func OpenDir(path string) (*Dir, error) {
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: r}, nil
}

// Open opens a folder in d. A symlink is refused.
func (d *Dir) Open(name string) (*Dir, error) {
	st, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a folder")}
	}
	r, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Dir{root: r}, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Names appends the names in d, in no order.
func (d *Dir) Names(names []string) ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return names, err
	}
	defer f.Close()
	more, err := f.Readdirnames(-1)
	return append(names, more...), err
}

func metaOf(st fs.FileInfo) Meta {
	m := Meta{Size: st.Size(), Mtime: st.ModTime().UnixNano(), Links: 1}
	switch t := st.Mode().Type(); {
	case t == 0:
		m.Kind = File
	case t == fs.ModeSymlink:
		m.Kind = Symlink
	case t == fs.ModeDir:
		m.Kind = Directory
	default:
		m.Kind = Other
	}
	return m
}

// Stat describes an entry of d; a symlink itself, not what it names.
func (d *Dir) Stat(name string) (Meta, error) {
	st, err := d.root.Lstat(name)
	if err != nil {
		return Meta{}, err
	}
	return metaOf(st), nil
}

// Read reads a whole file of at most len(buf) bytes into buf and returns how many there are, with its state before and
// after. A longer file fills buf.
func (d *Dir) Read(name string, buf []byte) (n int, before, after Meta, err error) {
	f, err := d.OpenFile(name)
	if err != nil {
		return 0, before, after, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, before, after, err
	}
	n, err = io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, before, after, err
	}
	end, err := f.Stat()
	if err != nil {
		return n, before, after, err
	}
	return n, metaOf(st), metaOf(end), nil
}

// OpenFile opens a file for reading.
func (d *Dir) OpenFile(name string) (*os.File, error) { return d.root.Open(name) }

// Create makes a file that must not exist.
func (d *Dir) Create(name string, _ bool) (*os.File, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// Write makes a file that must not exist, with its whole content, and returns its state.
func (d *Dir) Write(name string, data []byte, executable bool) (Meta, error) {
	f, err := d.Create(name, executable)
	if err != nil {
		return Meta{}, err
	}
	_, err = f.Write(data)
	st, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close()); err != nil {
		_ = d.Remove(name) // the first error is the one that matters
		return Meta{}, err
	}
	return metaOf(st), nil
}

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string) error { return d.root.Mkdir(name, 0o777) }

// Remove removes a file or a symlink.
func (d *Dir) Remove(name string) error { return d.root.Remove(name) }

// RemoveDir removes an empty folder.
func (d *Dir) RemoveDir(name string) error { return d.root.Remove(name) }

// Rename renames within d, over what has the new name.
func (d *Dir) Rename(from, to string) error { return d.root.Rename(from, to) }

// Symlink makes a symlink.
func (d *Dir) Symlink(target, name string) error { return d.root.Symlink(target, name) }

// Readlink returns the target of a symlink.
func (d *Dir) Readlink(name string) (string, error) { return d.root.Readlink(name) }

// SetExecutable does nothing: there is no executable bit here.
func (d *Dir) SetExecutable(string, bool) error { return nil }

// Link is not done here: a checkout copies.
func (d *Dir) Link(string, name string) error {
	return &fs.PathError{Op: "link", Path: name, Err: errors.ErrUnsupported}
}
