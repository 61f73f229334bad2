package run

import (
	"bufio"
	"cmp"
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
	recorded, was := t.state.body.Series, t.state.was
	var fresh Curve
	if now != nil {
		fresh = now.copy(key)
	}
	t.mu.Unlock()
	all, err := recordedCurve(ctx, t.r.Store, recorded, was, key)
	if err != nil {
		return Curve{}, err
	}
	all.merge(&fresh)
	all.sort()
	return all.Curve, nil
}

// HistoryOf returns the points of a metric of a run that ended, in the same order.
func HistoryOf(ctx context.Context, store *snapshot.Store, b *Body, key string) (Curve, error) {
	all, err := recordedCurve(ctx, store, b.Series, newStory(*b).was, key)
	if err != nil {
		return Curve{}, err
	}
	all.sort()
	return all.Curve, nil
}

// recordedCurve is a curve as the ledger has it.
func recordedCurve(ctx context.Context, store *snapshot.Store, s *Series, was map[string]TrackedMetric, key string) (*points, error) {
	file, err := ReadSeries(ctx, store, s)
	if err != nil {
		return nil, err
	}
	return curveIn(file, was, key)
}

// curveIn is a curve of a series, which may be nil, or else the point that counts: one that is a single point is no series.
func curveIn(file *Curves, was map[string]TrackedMetric, key string) (*points, error) {
	p := &points{Curve: Curve{Name: key}}
	if file != nil && file.Len(key) > 0 {
		col, err := file.Column(key)
		if err != nil {
			return nil, err
		}
		p.merge(&col)
	} else if last, known := was[key]; known {
		p.add(last.Step, last.Time, last.Value)
	}
	return p, nil
}

func (p *points) merge(c *Curve) {
	for i, v := range c.Values {
		p.add(c.Steps[i], c.Times[i], v)
	}
}

// sort puts the points in the order of time, step and value; NaN is the least.
func (p *points) sort() {
	order := make([]int, len(p.Values))
	for i := range order {
		order[i] = i
	}
	compare := func(a, b int) int {
		return cmp.Or(cmp.Compare(p.Times[a], p.Times[b]), cmp.Compare(p.Steps[a], p.Steps[b]), cmp.Compare(p.Values[a], p.Values[b]))
	}
	if slices.IsSortedFunc(order, compare) {
		return
	}
	slices.SortStableFunc(order, compare)
	sorted := Curve{Name: p.Name}
	for _, i := range order {
		sorted.Steps, sorted.Times, sorted.Values = append(sorted.Steps, p.Steps[i]), append(sorted.Times, p.Times[i]), append(sorted.Values, p.Values[i])
	}
	p.Curve = sorted
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
	kept, err := r.keepSeries(ctx, path, sum, c)
	if err == nil {
		body.Series = kept
	}
	return err
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
		all, err := curveIn(old, s.was, name)
		if err != nil {
			return series.Summary{}, err
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
