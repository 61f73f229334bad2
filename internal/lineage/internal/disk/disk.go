// Package disk hides how bytes are made to survive a crash and how files are read without copying, on each system.
// It uses only what also works on network file systems: exclusive creation, link, rename; no lock of any kind.
package disk

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// Publish writes data to a new file in tmpDir, makes it durable and links it to path, which therefore is there whole or
// not at all. It fails with fs.ErrExist if path is already there.
func Publish(tmpDir, path string, data []byte) error {
	tmp, err := Stage(tmpDir, data)
	if err != nil {
		return err
	}
	defer os.Remove(tmp) // a leftover is swept later
	return Link(tmp, path)
}

// Stage makes data durable in a new file in tmpDir, for Link.
func Stage(tmpDir string, data []byte) (tmp string, err error) { return temporary(tmpDir, data, true) }

// Link gives a staged file the name path and takes its first one away. If path is already there it fails with fs.ErrExist, and the file
// stays.
func Link(tmp, path string) error {
	if err := os.Link(tmp, path); err != nil && !sameFile(tmp, path) {
		return err // on NFS a link can be reported as failed after it was made: hence the comparison
	}
	_ = os.Remove(tmp) // a leftover is swept later
	return SyncDir(filepath.Dir(path))
}

// Replace puts data at path whatever was there, whole or not at all, but does not wait until it is durable:
// for derived files only.
func Replace(tmpDir, path string, data []byte) error {
	tmp, err := temporary(tmpDir, data, false)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

func temporary(dir string, data []byte, durable bool) (string, error) {
	// Not os.CreateTemp: that gives nobody else the right to read, and a ledger may be shared.
	name := filepath.Join(dir, "new-"+strconv.FormatUint(rand.Uint64(), 36))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// List returns the names in dir; a missing folder is empty.
func List(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}
