package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Clone makes name a reflink of the file at an absolute path: both share their blocks until one is written.
// errors.ErrUnsupported where the file system has none.
func (d *Dir) Clone(path, name string, executable bool) error {
	src, err := os.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := d.Create(name, executable)
	if err != nil {
		return err
	}
	err = unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
	if cerr := dst.Close(); err == nil {
		return cerr
	}
	if rerr := d.Remove(name); rerr != nil {
		return rerr
	}
	return errors.ErrUnsupported
}
