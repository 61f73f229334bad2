package run

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"mlx/internal/fault"
	"mlx/internal/run/internal/series"
	"mlx/internal/snapshot"
)

// Curve is the points of one name in the order in which they were written: steps, milliseconds since 1970 (0 where the time
// is not known) and values.
type Curve = series.Column

// Curves are the series of a run: Names lists them, Column reads one without the others. They belong to one goroutine.
type Curves = series.File

const (
	seriesName = "series"

	maxSeriesBytes = 512 << 20
)

// ReadSeries opens the series of a run that ended. It returns nil where the run has none.
func ReadSeries(ctx context.Context, store *snapshot.Store, s *Series) (*Curves, error) {
	if s == nil {
		return nil, nil
	}
	if s.Bytes > maxSeriesBytes {
		return nil, fault.New(fault.Integrity, "cannot read the series: %d bytes", s.Bytes)
	}
	tree, err := store.FS(ctx, s.Root)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the series: %w", err)
	}
	f, err := tree.Open(seriesName)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the series: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, s.Bytes+1))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the series: %w", err)
	}
	return series.Open(bytes.NewReader(text), int64(len(text)))
}

// LiveSeries reads the series so far of a run in progress, and the last values, from its folder. What a command is writing
// just now, half a line, is left out.
func LiveSeries(dir string) (*Curves, map[string]Number, error) {
	var file bytes.Buffer
	told, err := readTold(dir, &file, Body{})
	if err != nil {
		return nil, nil, err
	}
	curves, err := series.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	return curves, told.values, errors.Join(err, told.trouble(true))
}

// told is what a command said in $MLX_METRICS, beside what was seen of the machine meanwhile.
type told struct {
	values  map[string]Number
	series  series.Summary
	metrics error // what could not be read
	torn    bool  // metrics is about half a line at the end
	machine error
	tracked *story // by clients; may be nil
}

// trouble is what deserves a word. Half a last line deserves none of a command that was stopped while it wrote it.
func (t told) trouble(stopped bool) error {
	if t.torn && stopped {
		return nil
	}
	return t.metrics
}

// readTold reads what lies in the folder of a run, and writes its points to w as a file of series.
func readTold(dir string, w io.Writer, known Body) (told, error) {
	var t told
	out, err := series.NewWriter(w)
	if err != nil {
		return t, fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	table := newMetricsTable(out)
	t.torn, t.metrics = table.readFile(filepath.Join(dir, metricsName), maxMetricsFile)
	var cut bool
	if cut, t.machine = table.readFile(filepath.Join(dir, resourcesName), maxMetricsFile); cut {
		t.machine = nil // mlx itself was killed
	}
	if t.tracked, err = readStory(dir, known); err == nil && t.tracked != nil {
		err = table.tell(t.tracked)
	}
	t.metrics = errors.Join(t.metrics, err)
	t.values = table.values()
	if t.series, err = out.Close(); err != nil {
		return t, fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	return t, nil
}

// collectTold reads metrics and series from the folder of the run into body. bad says that something in the file of
// metrics was not read, so that it must stay where it is.
func (r Runner) collectTold(ctx context.Context, dir string, body *Body) (c collected) {
	t, err := r.saveSeries(ctx, dir, body, &c)
	if len(t.values) > 0 {
		body.Metrics = make(map[string]any, len(t.values))
	}
	for name, n := range t.values {
		body.Metrics[name] = n.stored()
	}
	r.collectTracked(ctx, t.tracked, body, dir, &c)
	bad := t.trouble(body.State != Succeeded)
	c.badMetrics = bad != nil
	for _, trouble := range []error{bad, t.machine, err} {
		if trouble == nil {
			continue
		}
		c.troubles = append(c.troubles, trouble)
		if body.Cause == "" {
			body.Cause = text(trouble.Error())
		}
	}
	return c
}

// saveSeries keeps the points as a snapshot of one file.
func (r Runner) saveSeries(ctx context.Context, dir string, body *Body, c *collected) (told, error) {
	name := filepath.Join(dir, seriesName)
	f, err := os.Create(name)
	if err != nil {
		return told{}, fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	defer os.Remove(name)
	out := bufio.NewWriter(f) // the blocks of many names are short
	t, err := readTold(dir, out, *body)
	if err := errors.Join(err, out.Flush(), f.Close()); err != nil || t.series.Names == 0 {
		return t, err
	}
	kept, err := r.keepSeries(ctx, name, t.series, c)
	if err == nil {
		body.Series = kept
	}
	return t, err
}

// keepSeries keeps a file of points as a snapshot of one file.
func (r Runner) keepSeries(ctx context.Context, path string, sum series.Summary, c *collected) (*Series, error) {
	saved, err := r.Store.Save(ctx, snapshot.SaveOptions{Path: path, Once: true})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	c.releases = append(c.releases, saved.Release)
	digest, err := r.Store.FileDigest(ctx, saved.Root, seriesName)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot keep the metrics: %w", err)
	}
	return &Series{Root: saved.Root, Digest: digest, Bytes: sum.Bytes, Points: sum.Points, Names: sum.Names}, nil
}
