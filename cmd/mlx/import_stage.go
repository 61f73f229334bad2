package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// oldStage is the age at which what an import left behind goes, whoever made it.
const oldStage = 7 * 24 * time.Hour

// newStage makes a folder for what is being brought. Its name says who may still be at work in it.
func newStage(tmp, host string) (string, error) {
	return os.MkdirTemp(tmp, fmt.Sprintf("import-%s-%d-*", hostMark(host), os.Getpid()))
}

func hostMark(host string) string {
	sum := sha256.Sum256([]byte(host))
	return hex.EncodeToString(sum[:4])
}

// sweepStages removes what imports left that were killed.
func sweepStages(tmp, host string, now time.Time) {
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), "import-")
		clone := strings.HasPrefix(e.Name(), "clone-")
		if !ours && !clone {
			continue
		}
		info, err := e.Info()
		var pid int
		_, scanErr := fmt.Sscanf(rest, hostMark(host)+"-%d-", &pid)
		if err == nil && (now.Sub(info.ModTime()) > oldStage || scanErr == nil && ended(pid)) {
			os.RemoveAll(filepath.Join(tmp, e.Name()))
		}
	}
}

// ended reports whether no process of this machine has a number. When it cannot tell, age decides.
func ended(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil || runtime.GOOS == "windows" {
		return err != nil
	}
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// mayImport refuses a path that cannot be data, or where something would be lost, before anything is brought.
func (i *importer) mayImport(ctx context.Context, job importJob, pointer snapshot.Pointer, tracked bool) error {
	a, rel := i.app, job.path
	shown := a.shown(rel)
	if job.again != nil {
		if ok, err := i.approved(job.source, job.query); err != nil {
			return err
		} else if !ok {
			return i.unapproved(job)
		}
	}
	if !tracked {
		if err := i.mayBecomeData(ctx, rel); err != nil {
			return err
		}
	}
	_, err := os.Lstat(i.repo.Abs(rel))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.New(fault.KindOf(err), "cannot import to %s: %w", shown, err)
	case !tracked && (job.source.Kind == source.DVC || job.source.Kind == source.Local):
		return nil // it is compared when the bytes are known: they may well be the same
	case !tracked:
		return i.inTheWay(rel)
	}
	return i.clean(ctx, rel, snapshot.StatusOptions{Base: pointer.Root, Kind: pointer.Kind})
}

func (i *importer) inTheWay(rel string) error {
	return fault.New(fault.Conflict, "cannot import to %s: what is there is in no snapshot", i.app.shown(rel)).
		Hint("mlx snapshot %s   # keep it as a version before the new one", i.app.typed(rel))
}

// clean refuses data that differs from a version.
func (i *importer) clean(ctx context.Context, rel string, o snapshot.StatusOptions) error {
	ignore, err := i.repo.Matcher(rel)
	if err != nil {
		return err
	}
	o.Path, o.Ignore = i.repo.Abs(rel), ignore
	for change, err := range i.store.Status(ctx, o) {
		if err != nil {
			return fault.New(fault.KindOf(err), "cannot import to %s: %w", i.app.shown(rel), i.app.notHere(ctx, err, rel, o.Base))
		}
		return fault.New(fault.Conflict, "cannot import to %s: %s was %s and is in no snapshot", i.app.shown(rel), cli.FormatPath(change.Path), change.Action).
			Hint("mlx snapshot %s           # keep the change", i.app.typed(rel)).Hint("mlx checkout --force %s   # drop it", i.app.typed(rel))
	}
	return nil
}

// sameOrAbsent refuses to take the place of a file or folder that mlx does not know, unless it is the same.
func (i *importer) sameOrAbsent(ctx context.Context, job importJob, kept snapshot.Saved) error {
	if _, err := os.Lstat(i.repo.Abs(job.path)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := i.clean(ctx, job.path, snapshot.StatusOptions{Base: kept.Root, Kind: kept.Summary.Kind}); err != nil {
		return i.inTheWay(job.path)
	}
	return nil
}

// mayBecomeData refuses what git or mlx keep already.
func (i *importer) mayBecomeData(ctx context.Context, rel string) error {
	a, r := i.app, i.repo
	shown := a.shown(rel)
	switch {
	case internalPart(rel) != "":
		return fault.New(fault.Usage, "cannot import to %s: %s belongs to git or mlx itself", shown, internalPart(rel)).Hint("mlx import SOURCE PATH")
	case rel == ".":
		return fault.New(fault.Usage, "cannot import to %s: it is the project itself", shown).Hint("mlx import SOURCE PATH   # a file or folder in it")
	case pointerAbove(r, rel) != "" || projectAbove(r, rel) != "":
		return a.untracked(r, "import", shown, rel)
	}
	paths, err := r.Pointers(ctx)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if within(p, rel) {
			return fault.New(fault.Conflict, "cannot import to %s: %s in it is tracked by itself", shown, a.shown(p)).Hint("mlx import SOURCE PATH   # another path")
		}
	}
	if ignored, err := r.PointerIgnored(rel); err != nil {
		return err
	} else if ignored {
		return fault.New(fault.Conflict, "cannot import to %s: git ignores %s, so no commit could name the version", shown, shown+repo.PointerExt).
			Hint("git check-ignore -v %s   # shows the rule", shellWord(shown+repo.PointerExt))
	}
	if t, err := r.IsTracked(ctx, rel); err != nil || t.Files == 0 {
		return err
	}
	return fault.New(fault.Conflict, "cannot import to %s: git keeps it", shown).Hint("git rm -r -q --cached %s   # then commit", a.typed(rel))
}
