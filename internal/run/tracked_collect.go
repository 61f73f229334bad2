package run

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/run/internal/series"
)

// readStory reads what clients told of a run in progress, over what is known of it. nil: nothing.
func readStory(dir string, known Body) (*story, error) {
	f, err := os.Open(filepath.Join(dir, trackedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read what clients told: %w", err)
	}
	defer f.Close()
	s := newStory(known)
	if _, err := replay(f, s.apply); err != nil {
		return s, fault.New(fault.KindOf(err), "cannot read what clients told: %w", err)
	}
	return s, nil
}

// tell adds the points that clients told of to those of the command.
func (t *metricsTable) tell(s *story) error {
	for _, name := range slices.Sorted(maps.Keys(s.curves)) {
		id, err := t.intern([]byte(name))
		var limit errLimit
		if errors.As(err, &limit) || errors.Is(err, series.ErrFull) {
			continue // it is in the file beside the record
		}
		if err != nil {
			return err
		}
		curve, row := s.curves[name], &t.rows[id]
		if last := s.latest[name]; row.count == 0 || last.Step >= row.step {
			row.step, row.value = last.Step, Number(last.Value)
		}
		row.count += int64(len(curve.Values))
		for i := 0; t.series != nil && i < len(curve.Values); i++ {
			err := t.series.Add(row.number, whole(curve.Steps[i]), whole(curve.Times[i]), curve.Values[i])
			if errors.Is(err, series.ErrFull) {
				return errLimit("too many points")
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// collectTracked adds what clients told of the run to its body. How it ended is what became of its command, whatever they say.
func (r Runner) collectTracked(ctx context.Context, s *story, body *Body, dir string, c *collected) {
	if s == nil {
		return
	}
	b := s.copy()
	body.Experiment, body.Tracking, body.Models, body.Used = b.Experiment, b.Tracking, b.Models, b.Used
	if body.Name == "" {
		body.Name = b.Name
	}
	for name, value := range b.Params {
		if _, known := body.Params[name]; !known {
			if body.Params == nil {
				body.Params = map[string]any{}
			}
			body.Params[name] = value
		}
	}
	err := r.saveArtifacts(ctx, dir, body, c)
	c.keep = err != nil // the files are in the folder, and nowhere else
	for name, n := range b.Metrics {
		if _, known := body.Metrics[name]; !known {
			body.setMetric(name, n)
		}
	}
	if err = errors.Join(err, r.spill(ctx, dir, body, c)); err != nil {
		c.troubles = append(c.troubles, err)
	}
}

// recoverTracked records a run that clients told of, when nobody else does. A run that rests goes on later.
func (r Runner) recoverTracked(ctx context.Context, l Live, t *Tracked) (*View, error) {
	first := t.state.first
	if !t.state.over() {
		if l.rests(r.Now()) || !l.over(first, r.Host, r.Now()) {
			return nil, t.drop()
		}
		r.lose(&first, l)
		t.lose(first)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, errors.Join(err, t.drop())
	}
	v, err := History{Ledger: r.Ledger, Host: r.Host, Now: r.Now, Runs: r.Runs}.Get(ctx, t.ID)
	return &v, err
}

// drop leaves the folder as it is.
func (t *Tracked) drop() error { return t.Close(false) }

// lose makes the end of the run that of b, which nobody saw.
func (t *Tracked) lose(b Body) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.state.body
	s.State, s.Cause, s.EndedAt, s.DurationS, s.PeakMemoryBytes = b.State, b.Cause, b.EndedAt, b.DurationS, b.PeakMemoryBytes
	t.state.lost, t.changed = true, true
}

// ofClients opens a run that clients told of and nobody watches. nil: it is none, or there is nothing to do.
func (r Runner) ofClients(ctx context.Context, l Live) (*Tracked, error) {
	if _, err := os.Stat(filepath.Join(l.Dir, trackedName)); err != nil {
		return nil, nil
	}
	started, err := r.Ledger.Get(ctx, l.ID)
	if err != nil || !Started.Is(started) {
		return nil, nil
	}
	body, heads, err := r.newest(ctx, started)
	if err != nil || body.Tracking == nil && body.EndedAt == nil {
		return nil, err
	}
	if err := Unfold(ctx, r.Store, &body); err != nil {
		return nil, err
	}
	return r.tracked(&Tracked{ID: l.ID, Dir: l.Dir, started: started}, body, heads)
}

// TrackedBefore goes on with the runs of clients that have a folder and that nobody writes: those of a server that was stopped. What
// ended is recorded. What cannot be gone on with does not keep others from it; the errors are joined.
func (r Runner) TrackedBefore(ctx context.Context) ([]*Tracked, error) {
	live, err := LiveRuns(r.Runs)
	if err != nil {
		return nil, err
	}
	var all []*Tracked
	var troubles []error
	for _, l := range live {
		t, err := r.trackedBefore(ctx, l)
		troubles = append(troubles, err)
		if t != nil {
			all = append(all, t)
		}
	}
	return all, errors.Join(troubles...)
}

func (r Runner) trackedBefore(ctx context.Context, l Live) (*Tracked, error) {
	claim, err := claimFolder(l.Dir)
	if err != nil {
		return nil, nil // somebody writes it
	}
	t, err := r.ofClients(ctx, l)
	if err != nil || t == nil {
		return nil, errors.Join(err, claim.Close())
	}
	t.claim = claim
	_ = os.Remove(filepath.Join(l.Dir, restingName)) // there may be none
	if done, err := t.Record(ctx); err != nil || done {
		return nil, errors.Join(err, t.drop())
	}
	return t, nil
}
