package repo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// WriteFile replaces the file at path with data in one step: a reader sees the old bytes or the new ones, also after a
// crash. The bytes and the folder entry are on disk when it returns. An existing file keeps its permissions.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	old, err := os.Stat(path)
	keep := err == nil && old.Mode().IsRegular() && runtime.GOOS != "windows"
	return writeVia(path, data, mode, func(from, to string) error {
		if keep {
			if err := os.Chmod(from, old.Mode().Perm()); err != nil {
				return err
			}
		}
		return os.Rename(from, to)
	})
}

// createOnce writes a file that nobody else has written; the first of several processes wins and all succeed.
func createOnce(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	err := writeVia(path, data, 0o666, linkNew)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// linkNew gives from the name to as well, and fails when that name is taken. File systems without hard links fall back
// to a rename, which is safe enough for a file of which any version would do.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		_ = os.Remove(from)
		return err
	}
	return os.Rename(from, to)
}

func writeVia(path string, data []byte, mode fs.FileMode, publish func(from, to string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.OpenFile(filepath.Join(dir, ".mlx-"+randomHex(8)+".tmp"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = publish(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder durable. Windows cannot and need not: its renames are journalled.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
