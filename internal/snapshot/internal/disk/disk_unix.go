//go:build unix

package disk

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// HasExecutable says whether files have an executable bit here.
const HasExecutable = true

// Dir is an open directory.
type Dir struct {
	fd  int
	buf []byte
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// retry repeats a call that a signal interrupted.
func retry(op, name string, call func() error) error {
	for {
		err := call()
		if err == nil {
			return nil
		}
		if err != unix.EINTR { //nolint:errorlint // a raw errno, never wrapped
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
}

// OpenDir opens the folder at an absolute path.
func OpenDir(path string) (*Dir, error) {
	d := &Dir{}
	err := retry("open", path, func() (err error) { d.fd, err = unix.Open(path, dirFlags, 0); return err })
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Open opens a folder in d. A symlink is refused.
func (d *Dir) Open(name string) (*Dir, error) {
	c := &Dir{buf: d.buf}
	err := retry("open", name, func() (err error) {
		c.fd, err = unix.Openat(d.fd, name, dirFlags|unix.O_NOFOLLOW, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Names appends the names in d, in no order.
func (d *Dir) Names(names []string) ([]string, error) {
	if d.buf == nil {
		d.buf = make([]byte, 64<<10)
	}
	for {
		var n int
		err := retry("readdir", ".", func() (err error) { n, err = unix.ReadDirent(d.fd, d.buf); return err })
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(d.buf[:n], -1, names)
	}
}

func metaOf(st *unix.Stat_t) Meta {
	m := Meta{Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Ino: st.Ino, Dev: uint64(st.Dev), Links: uint64(st.Nlink)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		m.Kind = File
		if st.Mode&0o100 != 0 {
			m.Kind = Executable
		}
	case unix.S_IFLNK:
		m.Kind = Symlink
	case unix.S_IFDIR:
		m.Kind = Directory
	default:
		m.Kind = Other
	}
	return m
}

// Stat describes an entry of d; a symlink itself, not what it names.
func (d *Dir) Stat(name string) (Meta, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Meta{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return metaOf(&st), nil
}

// Read reads a whole file of at most len(buf) bytes into buf and returns how many there are, with its state before and
// after. A longer file fills buf.
func (d *Dir) Read(name string, buf []byte) (n int, before, after Meta, err error) {
	var fd int
	err = retry("open", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return 0, before, after, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, before, after, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	before = metaOf(&st)
	for n < len(buf) {
		var k int
		err := retry("read", name, func() (err error) { k, err = unix.Read(fd, buf[n:]); return err })
		if err != nil {
			return n, before, after, err
		}
		if k == 0 {
			break
		}
		if n += k; int64(n) == before.Size && n < len(buf) {
			break // a growth after this shows in the second stat
		}
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return n, before, after, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return n, before, metaOf(&st), nil
}

// OpenFile opens a file for reading. A symlink is refused.
func (d *Dir) OpenFile(name string) (*os.File, error) {
	return d.open(name, unix.O_RDONLY, 0)
}

// Create makes a file that must not exist.
func (d *Dir) Create(name string, executable bool) (*os.File, error) {
	mode := uint32(0o666)
	if executable {
		mode = 0o777
	}
	return d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, mode)
}

func (d *Dir) open(name string, flags int, mode uint32) (*os.File, error) {
	var fd int
	err := retry("open", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Write makes a file that must not exist, with its whole content, and returns its state.
func (d *Dir) Write(name string, data []byte, executable bool) (Meta, error) {
	mode := uint32(0o666)
	if executable {
		mode = 0o777
	}
	var fd int
	err := retry("create", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return Meta{}, err
	}
	defer unix.Close(fd)
	for len(data) > 0 {
		var n int
		err := retry("write", name, func() (err error) { n, err = unix.Write(fd, data); return err })
		if err != nil {
			_ = d.Remove(name) // the first error is the one that matters
			return Meta{}, err
		}
		if n == 0 {
			return Meta{}, &fs.PathError{Op: "write", Path: name, Err: io.ErrShortWrite}
		}
		data = data[n:]
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Meta{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return metaOf(&st), nil
}

// Mkdir makes a folder.
func (d *Dir) Mkdir(name string) error {
	return retry("mkdir", name, func() error { return unix.Mkdirat(d.fd, name, 0o777) })
}

// Remove removes a file or a symlink.
func (d *Dir) Remove(name string) error {
	return retry("remove", name, func() error { return unix.Unlinkat(d.fd, name, 0) })
}

// RemoveDir removes an empty folder.
func (d *Dir) RemoveDir(name string) error {
	return retry("remove", name, func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) })
}

// Rename renames within d, over what has the new name.
func (d *Dir) Rename(from, to string) error {
	return retry("rename", from, func() error { return unix.Renameat(d.fd, from, d.fd, to) })
}

// Symlink makes a symlink.
func (d *Dir) Symlink(target, name string) error {
	return retry("symlink", name, func() error { return unix.Symlinkat(target, d.fd, name) })
}

// Readlink returns the target of a symlink.
func (d *Dir) Readlink(name string) (string, error) {
	for size := 256; ; size *= 4 {
		b := make([]byte, size)
		n, err := unix.Readlinkat(d.fd, name, b)
		if err != nil {
			return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
		}
		if n < size {
			return string(b[:n]), nil
		}
	}
}

// SetExecutable sets or clears the executable bits, as the umask would have.
func (d *Dir) SetExecutable(name string, on bool) error {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	mode := uint32(st.Mode) & 0o777
	if mode &^= 0o111; on {
		mode |= mode & 0o444 >> 2
	}
	return retry("chmod", name, func() error { return unix.Fchmodat(d.fd, name, mode, 0) })
}

// Link makes name a hard link of the file at an absolute path.
func (d *Dir) Link(path, name string) error {
	return retry("link", name, func() error { return unix.Linkat(unix.AT_FDCWD, path, d.fd, name, 0) })
}
