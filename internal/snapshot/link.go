package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/snapshot/internal/disk"
)

// link makes name from the link cache: a reflink of the cached file, else a read-only hard link of it. ok is false where
// the file system has neither; then the caller copies.
func (w *fileWriter) link(ctx context.Context, d *disk.Dir, name string, e *treeEntry) (m disk.Meta, linked, ok bool, err error) {
	cached, err := w.cached(ctx, e)
	if err != nil {
		return m, false, false, err
	}
	switch err := d.Clone(cached, name, e.Kind == disk.Executable); {
	case err == nil:
		m, err = d.Stat(name)
		return m, false, true, err
	case !errors.Is(err, errors.ErrUnsupported):
		return m, false, false, err
	}
	if err := d.Link(cached, name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return m, false, false, err
		}
		return m, false, false, nil // another device, or no hard links
	}
	m, err = d.Stat(name)
	return m, true, true, err
}

// cached returns the file of the link cache with the content of an entry, and makes it where it is missing. Its bytes
// are checked chunk by chunk when it is made; it is read-only from then on.
func (w *fileWriter) cached(ctx context.Context, e *treeEntry) (string, error) {
	name, mode := e.Sum.Hex(), fs.FileMode(0o444)
	if e.Kind == disk.Executable {
		name, mode = name+"-x", 0o555
	}
	dir := filepath.Join(w.c.s.links(), name[:2])
	path := filepath.Join(dir, name)
	if st, err := os.Lstat(path); err == nil && st.Size() == e.Size && st.Mode().Perm()&0o222 == 0 {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("make the link cache: %w", err)
	}
	tmp, err := tempName()
	if err != nil {
		return "", err
	}
	d, err := disk.OpenDir(dir)
	if err != nil {
		return "", err
	}
	defer d.Close()
	if err := w.long(ctx, d, tmp, e, e.Kind == disk.Executable); err != nil {
		_ = d.Remove(tmp) // the first error is the one that matters
		return "", err
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, tmp), mode), os.Rename(filepath.Join(dir, tmp), path)); err != nil {
		return "", fmt.Errorf("fill the link cache: %w", err)
	}
	return path, nil
}
