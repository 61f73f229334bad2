package run

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// Unkept collects what of a folder of artifacts no version can hold: a client that logs a whole working copy sends .git too, and
// must lose neither the rest nor its word about it.
type Unkept struct{ paths []string }

// Ignore implements snapshot.Ignore.
func (l *Unkept) Ignore(rel string, _ bool) bool {
	if snapshot.Holds(path.Base(rel)) {
		return false
	}
	if !slices.Contains(l.paths, rel) {
		l.paths = append(l.paths, rel)
	}
	return true
}

// Err says what was left out; nil: nothing.
func (l *Unkept) Err() error {
	if len(l.paths) == 0 {
		return nil
	}
	return fault.New(fault.Usage, "artifacts %s are not kept: no version may hold a name like this", strings.Join(l.paths[:min(5, len(l.paths))], ", "))
}

// Artifacts says where the files of the run are: in a folder, when some were written since it was recorded, else in a snapshot,
// whose root is zero when there are none.
func (t *Tracked) Artifacts() (dir string, root object.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	folder := filepath.Join(t.Dir, artifactsName)
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		return folder, object.Digest{}
	}
	if a := t.state.body.Tracking.Artifacts; a != nil {
		root = a.Root
	}
	return "", root
}

// Upload returns the folder of all files of the run, to be changed. Call done when they are as they should be: until then the run is
// not recorded.
func (t *Tracked) Upload(ctx context.Context) (dir string, done func(), err error) {
	t.uploads.RLock()
	defer func() {
		if err != nil {
			t.uploads.RUnlock()
		}
	}()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return "", nil, fault.New(fault.Conflict, "cannot add to run %s: it is closed", t.ID.Short())
	}
	dir = filepath.Join(t.Dir, artifactsName)
	if err = t.restore(ctx, dir); err != nil {
		return "", nil, fault.New(fault.KindOf(err), "cannot write artifacts of run %s: %w", t.ID.Short(), err)
	}
	return dir, func() {
		t.mu.Lock()
		t.changed, t.touched = true, t.r.Now()
		t.version++
		t.mu.Unlock()
		t.uploads.RUnlock()
	}, nil
}

// restore makes the folder of artifacts, with those that are recorded. A half restored folder never has its name.
func (t *Tracked) restore(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a := t.state.body.Tracking.Artifacts
	if a == nil {
		return os.MkdirAll(dir, 0o777)
	}
	half := filepath.Join(t.Dir, "."+artifactsName)
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	_, err := t.r.Store.Checkout(ctx, snapshot.CheckoutOptions{Path: half, To: a.Root, Kind: snapshot.Directory, Force: true, ExternalLinks: true})
	if err != nil {
		return err
	}
	return os.Rename(half, dir)
}
