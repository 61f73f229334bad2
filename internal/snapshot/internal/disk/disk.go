// Package disk reads and writes files below one folder, by name relative to an open directory.
//
// It hides the operating system: on Unix raw calls on directory handles (half the cost of os.Open per file, no path
// longer than the kernel takes, no symlink followed on the way), elsewhere os.Root. No call leaves the folder.
package disk

import (
	"errors"
	"io/fs"
)

// Kind of a directory entry.
type Kind uint8

// The kinds. Other is a socket, a device or a pipe.
const (
	File Kind = iota + 1
	Executable
	Symlink
	Directory
	Other
)

func (k Kind) String() string {
	switch k {
	case File:
		return "file"
	case Executable:
		return "executable"
	case Symlink:
		return "symlink"
	case Directory:
		return "folder"
	case Other:
		return "socket, pipe or device"
	}
	return "unknown"
}

// Regular says whether the entry has content.
func (k Kind) Regular() bool { return k == File || k == Executable }

// Meta is what tells whether a file was changed. Times are nanoseconds since 1970. Ino and Ctime are 0 where the
// operating system has none.
type Meta struct {
	Kind         Kind
	Size         int64
	Mtime, Ctime int64
	Ino          uint64
	Dev          uint64
	Links        uint64
}

// Same says whether two observations of a file show no change.
func (m Meta) Same(o Meta) bool {
	return m.Kind == o.Kind && m.Size == o.Size && m.Mtime == o.Mtime && m.Ctime == o.Ctime && m.Ino == o.Ino
}

// missing says whether err means that there is no such entry.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Lookup is Stat that returns false for a name that is not there.
func (d *Dir) Lookup(name string) (Meta, bool, error) {
	m, err := d.Stat(name)
	if missing(err) {
		return Meta{}, false, nil
	}
	return m, err == nil, err
}

// MkdirOpen opens the folder name, and makes it first where it is missing.
func (d *Dir) MkdirOpen(name string) (*Dir, error) {
	c, err := d.Open(name)
	if !missing(err) {
		return c, err
	}
	if err := d.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return d.Open(name)
}
