package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/snapshot"
)

// abs is where a path of the pipeline lies on disk.
func (w *reproWorld) abs(rel string) string { return filepath.Join(w.root(), filepath.FromSlash(rel)) }

// mayWrite refuses outputs that git keeps: a stage would overwrite what only a commit can bring back.
func (w *reproWorld) mayWrite(s pipeline.Stage) error {
	files, err := w.tracked()
	if err != nil {
		return err
	}
	for _, o := range s.Outs {
		if !o.InGit && !o.Metrics && files.Hold(o.Path) {
			return fault.New(fault.Conflict, "cannot run stage %s: git keeps its output %s%s", s.Name, w.app.shown(o.Path), s.Line()).In(s.At).
				Hint("git rm -r -q --cached %s   # then commit", w.app.typed(o.Path))
		}
		if above := pointerAbove(w.repo, o.Path); above != "" {
			return fault.New(fault.Conflict, "cannot run stage %s: its output %s is data that %s tracks%s", s.Name, w.app.shown(o.Path),
				w.app.shown(above+snapshot.Suffix), s.Line()).In(s.At).Hint("git rm %s   # then commit", w.app.typed(above+snapshot.Suffix))
		}
		if _, err := w.repo.Rel(w.repo.Abs(o.Path)); err != nil {
			return fault.New(fault.Usage, "cannot run stage %s: its output %s leads out of the project%s", s.Name, o.Path, s.Line()).In(s.At)
		}
	}
	return nil
}

// tellLoss says which outputs were changed by hand: they are derived, so they are made anew.
func (w *reproWorld) tellLoss(ctx context.Context, s pipeline.Stage) error {
	if w.sample != nil {
		return nil
	}
	var paths []string
	for _, o := range s.Outs {
		paths = append(paths, o.Path)
	}
	standing, err := w.identify(ctx, paths)
	if err != nil {
		return err
	}
	for _, o := range s.Outs {
		id, there := standing[o.Path]
		if !there || o.Persist {
			continue
		}
		known, err := w.known(ctx, id.Root)
		if err != nil {
			return err
		}
		if !known {
			w.app.streams.Note("%s is in no record: stage %s makes it anew", w.app.shown(o.Path), s.Name)
		}
	}
	return nil
}

// makeRoom removes what a stage is about to write, and makes the folders for it.
func (w *reproWorld) makeRoom(s pipeline.Stage, out string, keep bool) error {
	file := w.abs(out)
	if !keep {
		if err := os.RemoveAll(file); err != nil {
			return fault.New(fault.KindOf(err), "cannot run stage %s: %w", s.Name, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return fault.New(fault.KindOf(err), "cannot run stage %s: %w", s.Name, err)
	}
	return nil
}

// leaveToMLX lets git ignore an output that mlx keeps.
func (w *reproWorld) leaveToMLX(o pipeline.Out) error {
	if o.InGit || w.sample != nil {
		return nil
	}
	if files, err := w.tracked(); err != nil || o.Metrics && files.Hold(o.Path) {
		return err
	}
	_, err := w.repo.IgnoreData(o.Path)
	return err
}

// restore puts what a run made in the place of what stands there.
func (w *reproWorld) restore(ctx context.Context, s pipeline.Stage, m pipeline.Made) error {
	if err := w.mayWrite(s); err != nil {
		return err
	}
	if err := w.tellLoss(ctx, s); err != nil {
		return err
	}
	declared := map[string]pipeline.Out{}
	for _, o := range s.Outs {
		declared[o.Path] = o
	}
	for _, o := range m.Outs {
		if err := w.restoreOne(ctx, s, o); err != nil {
			return fault.New(fault.KindOf(err), "cannot restore %s: %w", w.app.shown(o.Path), err)
		}
		if err := w.leaveToMLX(declared[o.Path]); err != nil {
			return err
		}
	}
	return nil
}

func (w *reproWorld) restoreOne(ctx context.Context, s pipeline.Stage, o pipeline.MadeOut) error {
	if w.remote != nil {
		if err := w.remote.fetch(ctx, o.Root); err != nil {
			return err
		}
	}
	kind := snapshot.Kind(o.Kind)
	info, err := os.Lstat(w.abs(o.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.makeRoom(s, o.Path, err == nil && info.IsDir() == (kind == snapshot.Directory)); err != nil {
		return err
	}
	settings, err := w.app.settings()
	if err != nil {
		return err
	}
	mode, _ := settings.Get("link_mode")
	progress := w.app.streams.Progress("writing", "bytes", 0)
	_, err = w.store.Checkout(ctx, snapshot.CheckoutOptions{Path: w.abs(o.Path), To: o.Root, Kind: kind, Force: true, Link: mode == "link",
		Progress: progress})
	progress.Done()
	return err
}
