package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"mlx/internal/bucket"
	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
	"mlx/internal/source"
)

// importer imports one path after the other.
type importer struct {
	saver
	fetch *source.Fetcher
	meter *meter
}

// meter passes on progress to whatever is told at the time.
type meter struct{ to *cli.Progress }

func (m *meter) SetTotal(n int64) { m.to.SetTotal(n) }
func (m *meter) Add(n int64)      { m.to.Add(n) }

func (a *app) importer() (*importer, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	i := &importer{saver: saver{app: a, repo: r}, meter: &meter{}}
	if i.ledger, err = a.ledger(); err != nil {
		return nil, err
	}
	if i.store, err = a.store(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Tmp(), 0o755); err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot import: %w", err)
	}
	sweepStages(r.Tmp(), a.host(), a.now())
	i.fetch = source.New(source.Options{
		Dir: r.Root, Tmp: r.Tmp(), Environ: a.environ, Buckets: bucket.Options{Now: a.now, Note: a.streams.Why},
		Config: repo.ReadParams, From: a.fetchFrom, Progress: i.meter,
	})
	return i, nil
}

func (i *importer) close() {
	if err := i.fetch.Close(); err != nil {
		i.app.streams.Why("cannot remove a clone: %v", err)
	}
}

// imported is what became of one import.
type imported struct {
	saved
	source source.Source
	rows   *int64
	at     time.Time
}

// run imports one path. The order is that of a snapshot: bytes in the store, then the records, then the ignore rule and the
// pointer, then the work tree. Whoever is killed in between leaves a pointer and a store that agree.
func (i *importer) run(ctx context.Context, job importJob) (imported, error) {
	pointer, tracked, err := i.app.pointerAt(i.repo, job.path)
	if err != nil {
		return imported{}, err
	}
	if err := i.mayImport(ctx, job, pointer, tracked); err != nil {
		return imported{}, err
	}
	known, err := i.known(ctx, job, pointer)
	if err != nil {
		return imported{}, err
	}
	stage, err := newStage(i.repo.Tmp(), i.app.host())
	if err != nil {
		return imported{}, fault.New(fault.KindOf(err), "cannot import %s: %w", job.source.Shown, err)
	}
	defer os.RemoveAll(stage)
	at := i.app.now()
	dest := filepath.Join(stage, path.Base(job.path))
	i.meter.to = i.app.streams.Progress("importing", "bytes", 0)
	res, err := i.fetch.Fetch(ctx, source.Request{Source: job.source, Query: job.query, Dest: dest, Pins: known.pins, Base: known.base})
	i.meter.to.Done()
	if err != nil {
		return imported{}, i.withheld(job, err)
	}
	done := imported{source: job.source, rows: res.Rows, at: at}
	if !res.Changed {
		return done, i.unchanged(ctx, &done, job, known, res)
	}
	return done, i.keep(ctx, &done, job, known, res, dest)
}

// withheld adds what helps where credentials that were left out of the record are missing now.
func (i *importer) withheld(job importJob, err error) error {
	if job.again == nil || !job.source.Withheld || fault.KindOf(err) != fault.Denied {
		return err
	}
	return fault.New(fault.Denied, "%w", err).Hint("mlx import URL %s   # with its credentials: they are not recorded", i.app.typed(job.path))
}

// atHand is the version of a path that came from the same source before.
type atHand struct {
	pointer snapshot.Pointer
	tracked bool
	body    importBody
	rec     lineage.Record // zero: none
	last    object.Digest  // newest import record of the path, whatever its source
	pins    []source.Pin
	base    fs.FS // nil when its bytes are not here
}

func (i *importer) known(ctx context.Context, job importJob, pointer snapshot.Pointer) (atHand, error) {
	k := atHand{pointer: pointer, tracked: !pointer.Root.IsZero()}
	_, newest, err := i.lastImport(ctx, job.path, object.Digest{})
	if err != nil || newest.ID.IsZero() {
		return k, err
	}
	k.last = newest.ID
	if k.tracked {
		if k.body, k.rec, err = i.lastImport(ctx, job.path, pointer.Root); err != nil {
			return k, err
		}
	}
	if k.rec.ID.IsZero() && job.again != nil {
		return k, fault.New(fault.Conflict, "cannot update %s: its version %s is not the one that was imported", i.app.shown(job.path), pointer.Root.Short()).
			Hint("%s   # replaces it", commandLine(append(job.source.Words(), i.app.shown(job.path))))
	}
	if k.body.Source != job.source.Shown || k.body.Query != job.query {
		return k, nil
	}
	here, err := i.store.Has(ctx, pointer.Root)
	if err != nil {
		return k, err
	}
	if !here && job.again == nil {
		return k, nil // who asks for it by name wants the bytes
	}
	if k.pins, err = i.pins(ctx, k.body, k.rec); err != nil || !here {
		return k, err
	}
	k.base, err = i.store.FS(ctx, pointer.Root)
	return k, err
}

// unchanged tells that the source has what the pointer names. Pins that moved without the bytes are recorded, so that the
// next update need not read again.
func (i *importer) unchanged(ctx context.Context, done *imported, job importJob, k atHand, res source.Result) error {
	done.body = savedBody{Path: job.path, Root: k.pointer.Root, Kind: string(k.pointer.Kind), Files: k.pointer.Files, Bytes: k.pointer.Bytes,
		Pointer: job.path + snapshot.Suffix}
	if done.rows == nil {
		done.rows = k.body.Rows
	}
	if !slices.Equal(res.Pins, k.pins) {
		body := i.bodyOf(*done, job, res)
		if _, err := i.appendImport(ctx, body, k.last); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(i.repo.Abs(job.path)); !errors.Is(err, fs.ErrNotExist) || k.base == nil {
		return nil
	}
	_, err := i.app.restore(ctx, i.repo, restoration{dataAt: dataAt{job.path, k.pointer.Root}, kind: k.pointer.Kind, now: k.pointer}, checkoutOptions{})
	return err
}

func (i *importer) bodyOf(done imported, job importJob, res source.Result) importBody {
	return importBody{Path: job.path, Root: done.body.Root, Source: job.source.Shown, Kind: string(job.source.Kind), Files: done.body.Files,
		Bytes: done.body.Bytes, Pins: res.Pins, Withheld: job.source.Withheld, Query: job.query, Rows: res.Rows, Server: res.Server,
		At: done.at.UTC().Format(time.RFC3339Nano)}
}

// keep makes what was brought a version, records it and puts it where it belongs.
func (i *importer) keep(ctx context.Context, done *imported, job importJob, k atHand, res source.Result, dest string) error {
	ignore, err := i.repo.Matcher(job.path)
	if err != nil {
		return err
	}
	progress := i.app.streams.Progress("saving", "bytes", 0)
	kept, err := i.store.Save(ctx, snapshot.SaveOptions{Path: dest, Previous: k.pointer.Root, Ignore: ignore, Once: true, Progress: progress})
	progress.Done()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot import %s: %w", job.source.Shown, err)
	}
	defer i.release(kept)
	if !k.tracked {
		if err := i.sameOrAbsent(ctx, job, kept); err != nil {
			return err
		}
	}
	done.body = bodyOf(job.path, k.pointer.Root, kept, "")
	done.changed = !k.tracked || kept.Root != k.pointer.Root
	if done.changed {
		if done.rec, err = snapshotSaved.Append(ctx, i.ledger, lineage.Entry[savedBody]{Body: done.body}); err != nil {
			return err
		}
	}
	if _, err := i.appendImport(ctx, i.bodyOf(*done, job, res), k.last); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(i.repo.Abs(job.path)), 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot import to %s: %w", i.app.shown(job.path), err)
	}
	if done.changed {
		if err := i.point(&done.saved, k.pointer, kept); err != nil {
			return err
		}
	}
	return i.place(ctx, job, k, kept, dest)
}

func (i *importer) release(kept snapshot.Saved) {
	if err := kept.Release(); err != nil {
		i.app.streams.Why("cannot release snapshot %s: %v", kept.Root.Short(), err)
	}
}

// place puts the version into the work tree: by a rename where nothing is there, else as a checkout, which looks again
// whether anything would be lost. What another repository made may hold links, which a checkout judges as well.
func (i *importer) place(ctx context.Context, job importJob, k atHand, kept snapshot.Saved, dest string) error {
	full := i.repo.Abs(job.path)
	if _, err := os.Lstat(full); errors.Is(err, fs.ErrNotExist) && job.source.Kind != source.Mlx {
		if os.Rename(dest, full) == nil {
			return nil
		}
	}
	_, err := i.app.restore(ctx, i.repo, restoration{dataAt: dataAt{job.path, kept.Root}, kind: kept.Summary.Kind, now: k.pointer}, checkoutOptions{})
	return err
}
