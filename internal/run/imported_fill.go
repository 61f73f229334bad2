package run

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

const (
	maxEnded     = object.MaxBytes - 16<<10 // of the last record of a run: its header comes on top
	maxTag       = 4 << 10                  // bytes of a tag that stays in a record which is too long
	maxOutput    = 256 << 20                // of what an imported run printed
	importedTemp = "mlx-import-*"
)

// fill saves what the run brings, or notes what is saved together with others, and writes into the body of w what that became.
func (i *Importer) fill(ctx context.Context, f Foreign, w *waiting) error {
	if f.Points != nil {
		if err := i.series(f, w); err != nil {
			return err
		}
	}
	if f.Artifacts != "" {
		w.pieces = append(w.pieces, bundle{dir: f.Artifacts, what: "artifacts", put: func(b *Body, s part) {
			if s.files > 0 {
				b.tracking().Artifacts = &Output{Path: "artifacts", Root: s.root, Digest: s.root, Kind: string(snapshot.Directory), Files: s.files, Bytes: s.bytes}
			}
		}})
	}
	for at, m := range f.Models {
		w.body.Models = append(w.body.Models, m.LoggedModel)
		if m.Dir != "" {
			w.pieces = append(w.pieces, bundle{dir: m.Dir, what: "model " + m.ID, put: func(b *Body, s part) {
				b.Models[at].Root, b.Models[at].Files, b.Models[at].Bytes = s.root, s.files, s.bytes
			}})
		}
	}
	for _, out := range f.Outs {
		o, free, err := i.runner.save(ctx, out)
		if err != nil {
			i.left(w, err)
			continue
		}
		w.releases = append(w.releases, free)
		w.body.Outputs = append(w.body.Outputs, o)
		i.Brought.Files, i.Brought.Bytes = i.Brought.Files+o.Files, i.Brought.Bytes+o.Bytes
	}
	if f.Output != "" {
		if err := i.log(ctx, f.Output, w); err != nil {
			i.left(w, fault.New(fault.KindOf(err), "output: %w", err))
		}
	}
	return ctx.Err()
}

func (b *Body) tracking() *Tracking {
	if b.Tracking == nil {
		b.Tracking = &Tracking{}
	}
	return b.Tracking
}

// series keeps the points. A name of one point is no series: its step and time stand beside its value.
func (i *Importer) series(f Foreign, w *waiting) error {
	told, err := i.points.write(len(i.waiting), f.Points)
	if err != nil {
		return err
	}
	if len(told.values) > 0 {
		w.body.Metrics = told.values
		if len(told.latest) > 0 {
			w.body.tracking().Latest = told.latest
		}
	}
	i.Brought.Points += told.points
	for _, trouble := range told.troubles {
		i.left(w, trouble)
	}
	if told.summary.Names > 0 {
		w.pieces = append(w.pieces, bundle{dir: filepath.Dir(told.file), file: seriesName, what: "series", put: func(b *Body, s part) {
			b.Series = &Series{Root: s.root, Digest: s.digest, Bytes: told.summary.Bytes, Points: told.summary.Points, Names: told.summary.Names}
		}})
	}
	return nil
}

// log keeps what the run printed, as if all of it had come from its standard output.
func (i *Importer) log(ctx context.Context, path string, w *waiting) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() > maxOutput:
		return fault.New(fault.Usage, "%s is no file of at most %d bytes", path, maxOutput)
	case info.Size() == 0:
		return nil
	}
	dir, err := os.MkdirTemp(i.runner.Tmp, importedTemp)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, outputName)
	if err := copyFile(copied, path); err != nil {
		return err
	}
	if err := os.Chtimes(copied, w.body.StartedAt, w.body.StartedAt); err != nil { // when its first byte came, as far as one knows
		return err
	}
	var c collected
	i.runner.collectLog(ctx, &w.body, dir, &c)
	w.releases = append(w.releases, c.releases...)
	if len(c.troubles) > 0 {
		return c.troubles[0]
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxOutput))
	return errors.Join(err, out.Close())
}

// fitTracking makes text of what is none.
func fitTracking(t *Tracking) {
	if t == nil {
		return
	}
	t.User, t.Status = text(t.User), text(t.Status)
	t.Tags = textMap(t.Tags)
	for at := range t.Datasets {
		d := &t.Datasets[at]
		d.Name, d.Digest, d.SourceType, d.Source = text(d.Name), text(d.Digest), text(d.SourceType), text(d.Source)
		d.Schema, d.Profile, d.Tags = text(d.Schema), text(d.Profile), textMap(d.Tags)
	}
}

func textMap(all map[string]string) map[string]string {
	if len(all) == 0 {
		return nil
	}
	clean := make(map[string]string, len(all))
	for key, value := range all {
		clean[text(key)] = text(value)
	}
	return clean
}

// shorten moves what is too long for a record into a file of its own: all of it is there, and what is short stays.
func (i *Importer) shorten(ctx context.Context, w *waiting) (int, error) {
	b := &w.body
	if b.Tracking != nil {
		if err := i.keepMore(ctx, w); err != nil {
			return 0, err
		}
		t := *b.Tracking
		t.Tags, t.Datasets = make(map[string]string), slices.Clone(t.Datasets)
		for key, value := range b.Tracking.Tags {
			if len(key)+len(value) <= maxTag {
				t.Tags[key] = value
			}
		}
		for at := range t.Datasets {
			t.Datasets[at].Schema, t.Datasets[at].Profile = "", ""
		}
		b.Tracking = &t
	}
	if err := b.fit(); err != nil {
		return 0, err
	}
	for _, cut := range []func(){func() {}, func() { b.tracking().Tags = nil }, func() { b.tracking().Datasets, b.tracking().Latest = nil, nil }} {
		cut()
		encoded, err := object.Encode(b)
		if err == nil && len(encoded) < maxEnded {
			return len(encoded), nil
		}
	}
	return 0, fault.New(fault.Usage, "its parameters and metrics are more than a record holds")
}

func (i *Importer) keepMore(ctx context.Context, w *waiting) error {
	dir, err := os.MkdirTemp(i.runner.Tmp, importedTemp)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	saved, err := i.runner.saveMore(ctx, dir, &w.body)
	if err != nil {
		return err
	}
	w.releases = append(w.releases, saved.Release)
	w.body.Tracking.More = &saved.Root
	return nil
}

// system says whether a name belongs to the machine: MLflow and W&B keep such values beside the others.
func system(name string) bool { return strings.HasPrefix(name, systemPrefix) }
