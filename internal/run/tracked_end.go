package run

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// End writes down that the run ended, as the client says, and records it. The status is a word of the dialect.
func (t *Tracked) End(ctx context.Context, status string, at time.Time) error {
	at = at.UTC().Truncate(time.Microsecond)
	if err := t.Log(ctx, Entry{Status: status, EndedAt: &at}); err != nil {
		return err
	}
	_, err := t.Record(ctx)
	return err
}

// Record brings a run that ended into the ledger, with everything that was told of it, and lets go of its folder: from then on the
// handle takes nothing more, and TrackAgain goes on. done is false where the run goes on, where somebody writes files to it at this
// moment, and of a joined run.
func (t *Tracked) Record(ctx context.Context) (done bool, err error) {
	if t.joined || !t.uploads.TryLock() {
		return false, nil
	}
	defer t.uploads.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return true, nil
	}
	if !t.state.over() {
		return false, nil
	}
	told, err := t.append(context.WithoutCancel(ctx))
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot record run %s: %w", t.ID.Short(), err)
	}
	t.closed = true
	err = errors.Join(told, t.journal.close(), os.RemoveAll(t.Dir)) // what stays is read again and found to be recorded
	if t.claim != nil {
		err = errors.Join(err, t.claim.Close())
	}
	return true, err
}

// Close lets go of a run that was not recorded. Its folder stays, so that it can be gone on with: with rest nobody takes it for lost
// meanwhile.
func (t *Tracked) Close(rest bool) error {
	t.uploads.Lock()
	defer t.uploads.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	err := t.journal.close()
	if rest && !t.joined {
		err = errors.Join(err, os.WriteFile(filepath.Join(t.Dir, restingName), nil, 0o666))
	}
	if t.claim != nil {
		err = errors.Join(err, t.claim.Close())
	}
	return err
}

// append writes the record, unless the ledger says all of it already. told is what has no place in it.
func (t *Tracked) append(ctx context.Context) (told, err error) {
	if !t.changed {
		return nil, nil
	}
	var saved collected
	body := t.state.record(t.r.Now())
	defer func() {
		for _, free := range saved.releases {
			_ = free() // it is recorded, or it is not needed: what stays behind is removed by gc
		}
	}()
	if err = t.r.saveCurves(ctx, t.Dir, t.state, &body, &saved); err != nil {
		return nil, err
	}
	if err = t.r.saveArtifacts(ctx, t.Dir, &body, &saved); err != nil {
		return nil, err
	}
	told = errors.Join(saved.troubles...)
	if t.recorded() {
		if same(body, t.state.first) {
			return told, nil
		}
		body.amended(t.r.Now())
	}
	if err = t.r.spill(ctx, t.Dir, &body, &saved); err != nil {
		return nil, err
	}
	rec, err := Ended.Append(ctx, t.r.Ledger, lineage.Entry[Body]{Body: body, Prev: t.heads, In: inputs(body)})
	if err == nil {
		t.heads, t.changed = []object.Digest{rec.ID}, false
	}
	return told, err
}

// recorded says whether the ledger has an end of the run.
func (t *Tracked) recorded() bool { return t.heads[0] != t.ID }

// same says whether two bodies are one record.
func same(a, b Body) bool {
	x, errX := object.Encode(a)
	y, errY := object.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// amended says that the record follows one of the end. What is added in one go is one addition.
func (b *Body) amended(now time.Time) {
	by := "client"
	if b.Tracking.User != "" {
		by = b.Tracking.User
	}
	add := Addition{By: text(by), At: now.UTC().Truncate(time.Microsecond)}
	if n := len(b.Added); n > 0 && b.Added[n-1].By == add.By && len(b.Added[n-1].Metrics)+len(b.Added[n-1].Outputs) == 0 {
		b.Added = append(b.Added[:n-1:n-1], add)
		return
	}
	b.Added = append(b.Added[:len(b.Added):len(b.Added)], add)
}

// saveArtifacts keeps the files that were logged as one snapshot.
func (r Runner) saveArtifacts(ctx context.Context, dir string, body *Body, c *collected) error {
	folder := filepath.Join(dir, artifactsName)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil
	}
	var left Unkept
	saved, err := r.Store.Save(ctx, snapshot.SaveOptions{Path: folder, Once: true, Ignore: left.Ignore})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot keep the artifacts: %w", err)
	}
	if err := left.Err(); err != nil {
		c.troubles = append(c.troubles, err)
	}
	c.releases = append(c.releases, saved.Release)
	if saved.Summary.Files == 0 {
		body.Tracking.Artifacts = nil
		return nil
	}
	body.Tracking.Artifacts = &Output{Path: artifactsName, Root: saved.Root, Digest: saved.Root, Kind: string(saved.Summary.Kind),
		Files: saved.Summary.Files, Bytes: saved.Summary.Bytes}
	return nil
}
