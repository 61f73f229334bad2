package repo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mlx/internal/fault"
)

// lockPause is how long to wait before a lock that somebody holds is tried again.
const lockPause = 50 * time.Millisecond

// Lock takes a lock for each name, in an order that everybody keeps, and waits for whoever holds one; waiting is told
// once, before the first wait. The system gives the locks back when the process ends, however it ends.
func (r *Repo) Lock(ctx context.Context, names []string, waiting func()) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(r.lockPath("")), 0o777); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot lock the pipeline: %w", err)
	}
	var held []*os.File
	release = func() {
		for _, f := range slices.Backward(held) {
			_ = os.Remove(f.Name()) // while it is held, so that nobody else has it; where that cannot be, the file stays
			_ = f.Close()
		}
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = r.lockPath(name)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		f, err := lockNamed(ctx, path, waiting)
		if err != nil {
			release()
			return nil, fault.New(fault.KindOf(err), "cannot lock the pipeline: %w", err)
		}
		if f.waited {
			waiting = nil
		}
		held = append(held, f.File)
	}
	return release, nil
}

// lockPath is the file of a named lock.
func (r *Repo) lockPath(name string) string {
	return filepath.Join(r.Home, "pipeline", fmt.Sprintf("%x.lock", sha256.Sum256([]byte(name))))
}

// Held says whether somebody holds a named lock now.
func (r *Repo) Held(name string) bool {
	f, err := os.OpenFile(r.lockPath(name), os.O_RDWR, 0)
	if err != nil {
		return false // its file is there as long as it is held
	}
	defer f.Close()
	free, err := tryLock(f)
	return err == nil && !free
}

type namedLock struct {
	*os.File
	waited bool
}

// lockNamed returns the file of a lock, held. One that was removed by its last holder is none: it is made again.
func lockNamed(ctx context.Context, path string, waiting func()) (namedLock, error) {
	l := namedLock{}
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return l, err
		}
		held, err := tryLock(f)
		if err == nil && held {
			if ok, err := stillThere(f); ok && err == nil {
				l.File = f
				return l, nil
			} else if err != nil {
				_ = f.Close()
				return l, err
			}
		}
		_ = f.Close()
		if err != nil {
			return l, err
		}
		if held {
			continue
		}
		if l.waited = true; waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return l, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// stillThere says whether an open file is the one that its name leads to.
func stillThere(f *os.File) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Stat(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, now), err
}
