package main

import (
	"context"
	"slices"
	"time"

	"mlx/internal/object"
	"mlx/internal/pipeline"
	"mlx/internal/run"
)

// lock makes this process the only one that makes these outputs in this worktree, and the only one that makes something
// of this key anywhere.
func (w *reproWorld) lock(ctx context.Context, s pipeline.Stage, key object.Digest) (pipeline.Lock, error) {
	if w.sample != nil {
		return pipeline.Lock{Release: func() {}}, nil
	}
	var l pipeline.Lock
	var err error
	waiting := func() {
		l.Waited = true
		w.app.streams.Note("stage %s is being made by another mlx repro: waiting for it", s.Name)
	}
	names := make([]string, 0, len(s.Outs))
	for _, o := range s.Outs {
		names = append(names, "out "+w.repo.Root+"\x00"+o.Path)
	}
	outs, err := w.repo.Lock(ctx, names, waiting)
	if err != nil {
		return l, err
	}
	made, err := w.repo.Lock(ctx, []string{"key " + key.Hex()}, waiting)
	if err != nil {
		outs()
		return l, err
	}
	l.Release = func() { made(); outs() }
	waited, err := w.awaitOrphans(ctx, s)
	if err != nil {
		l.Release()
		return l, err
	}
	l.Waited = l.Waited || waited
	return l, nil
}

// orphanPause is how long repro waits before it asks again whether a command lives on.
const orphanPause = 100 * time.Millisecond

// awaitOrphans waits for commands in this worktree that lived on when their mlx was killed, if they may still write what the
// stage writes or reads. They are not ended here: whoever started them may want them.
func (w *reproWorld) awaitOrphans(ctx context.Context, s pipeline.Stage) (waited bool, err error) {
	l, err := w.app.ledger()
	if err != nil {
		return false, err
	}
	worktree, err := w.app.worktree()
	if err != nil {
		return false, err
	}
	runner := run.Runner{Ledger: l, Host: w.app.host(), Runs: runsOf(w.repo), Now: w.app.now}
	told := map[object.Digest]bool{}
	for {
		orphans, err := runner.Orphans(ctx)
		if err != nil {
			return waited, err
		}
		busy := false
		for _, o := range orphans {
			out := disturbs(o.Body.Outs, s)
			if o.Body.Worktree != worktree || out == "" {
				continue
			}
			if busy = true; !told[o.ID] {
				told[o.ID] = true
				w.app.streams.Note("stage %s waits: mlx of run %s was killed, but its command lives on and may still write %s (mlx job cancel %s ends it)",
					s.Name, o.ID.Short(), w.app.shown(out), o.ID.Short())
			}
		}
		if !busy {
			return waited, nil
		}
		waited = true
		select {
		case <-ctx.Done():
			return waited, ctx.Err()
		case <-time.After(orphanPause):
		}
	}
}

// disturbs names the first of the outputs that touches what a stage writes or reads.
func disturbs(outs []string, s pipeline.Stage) string {
	mine := slices.Clone(s.Deps)
	for _, o := range s.Outs {
		mine = append(mine, o.Path)
	}
	for _, out := range outs {
		if slices.ContainsFunc(mine, func(p string) bool { return within(p, out) || within(out, p) }) {
			return out
		}
	}
	return ""
}
