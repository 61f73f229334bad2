package run

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/run/internal/series"
	"mlx/internal/snapshot"
)

// History returns the points of a metric, the earliest first by time, step and value.
func (t *Tracked) History(ctx context.Context, key string) (Curve, error) {
	t.mu.Lock()
	now := t.state.curves[key]
	body := t.state.body
	old, known := t.state.was[key]
	var fresh points
	if now != nil {
		fresh.Curve = now.copy(key)
	}
	t.mu.Unlock()
	all, err := recordedCurve(ctx, t.r.Store, body.Series, key, old, known)
	if err != nil {
		return Curve{}, err
	}
	all.merge(&fresh.Curve)
	all.sort()
	return all.Curve, nil
}

// HistoryOf returns the points of a metric of a run that ended, in the same order.
func HistoryOf(ctx context.Context, store *snapshot.Store, b *Body, key string) (Curve, error) {
	s := newStory(*b)
	old, known := s.was[key]
	all, err := recordedCurve(ctx, store, b.Series, key, old, known)
	if err == nil {
		all.sort()
	}
	return all.Curve, err
}

// recordedCurve is a curve as the ledger has it: one that is a single point is no series.
func recordedCurve(ctx context.Context, store *snapshot.Store, s *Series, key string, last TrackedMetric, known bool) (*points, error) {
	p := &points{Curve: Curve{Name: key}}
	file, err := ReadSeries(ctx, store, s)
	if err != nil {
		return nil, err
	}
	if file != nil && file.Len(key) > 0 {
		col, err := file.Column(key)
		if err != nil {
			return nil, err
		}
		p.merge(&col)
		return p, nil
	}
	if known {
		p.add(last.Step, last.Time, last.Value)
	}
	return p, nil
}

func (p *points) merge(c *Curve) {
	for i, v := range c.Values {
		p.add(c.Steps[i], c.Times[i], v)
	}
}

// sort puts the points in the order of time, step and value.
func (p *points) sort() {
	order := make([]int, len(p.Values))
	for i := range order {
		order[i] = i
	}
	less := func(a, b int) int {
		switch {
		case p.Times[a] != p.Times[b]:
			return sign(p.Times[a] < p.Times[b])
		case p.Steps[a] != p.Steps[b]:
			return sign(p.Steps[a] < p.Steps[b])
		case p.Values[a] != p.Values[b]:
			return sign(p.Values[a] < p.Values[b])
		}
		return 0
	}
	if slices.IsSortedFunc(order, less) {
		return
	}
	slices.SortStableFunc(order, less)
	sorted := Curve{Name: p.Name}
	for _, i := range order {
		sorted.Steps, sorted.Times, sorted.Values = append(sorted.Steps, p.Steps[i]), append(sorted.Times, p.Times[i]), append(sorted.Values, p.Values[i])
	}
	p.Curve = sorted
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// saveCurves adds points to the series of a run, as a snapshot of one file.
func (r Runner) saveCurves(ctx context.Context, dir string, s *story, body *Body, c *collected) error {
	if len(s.curves) == 0 {
		return nil
	}
	path := filepath.Join(dir, seriesName)
	f, err := os.Create(path)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	defer os.Remove(path)
	out := bufio.NewWriter(f)
	sum, err := r.writeCurves(ctx, out, s)
	if err = errors.Join(err, out.Flush(), f.Close()); err != nil {
		return fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	if sum.Names == 0 {
		return nil
	}
	saved, err := r.Store.Save(ctx, snapshot.SaveOptions{Path: path, Once: true})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	c.releases = append(c.releases, saved.Release)
	digest, err := r.Store.FileDigest(ctx, saved.Root, seriesName)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	body.Series = &Series{Root: saved.Root, Digest: digest, Bytes: sum.Bytes, Points: sum.Points, Names: sum.Names}
	return nil
}

// writeCurves writes what the ledger has and what came since, name by name.
func (r Runner) writeCurves(ctx context.Context, out *bufio.Writer, s *story) (series.Summary, error) {
	w, err := series.NewWriter(out)
	if err != nil {
		return series.Summary{}, err
	}
	old, err := ReadSeries(ctx, r.Store, s.first.Series)
	if err != nil {
		return series.Summary{}, err
	}
	names := slices.Collect(maps.Keys(s.curves))
	if old != nil {
		names = append(names, old.Names()...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		all := &points{}
		if old != nil && old.Len(name) > 0 {
			col, err := old.Column(name)
			if err != nil {
				return series.Summary{}, err
			}
			all.merge(&col)
		} else if m, known := s.was[name]; known {
			all.add(m.Step, m.Time, m.Value)
		}
		if fresh := s.curves[name]; fresh != nil {
			all.merge(&fresh.Curve)
		}
		if err := writeCurve(w, name, &all.Curve); err != nil {
			return series.Summary{}, err
		}
	}
	return w.Close()
}

// writeCurve writes a curve, as far as a file of series can hold it: steps and times have 53 bits there.
func writeCurve(w *series.Writer, name string, c *Curve) error {
	number, err := w.Name(name)
	for i := 0; i < len(c.Values) && err == nil; i++ {
		err = w.Add(number, whole(c.Steps[i]), whole(c.Times[i]), c.Values[i])
	}
	if errors.Is(err, series.ErrFull) {
		return nil // the value that counts is in the record
	}
	return err
}

func whole(n int64) int64 { return max(-series.MaxWhole, min(series.MaxWhole, n)) }
