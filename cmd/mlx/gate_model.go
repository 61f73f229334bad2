package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// tempDir is a folder that is removed when the command ends.
type tempDir string

// Close removes the folder.
func (d tempDir) Close() error { return os.RemoveAll(string(d)) }

func (a *app) tempFolder() (string, error) {
	dir, err := os.MkdirTemp("", "mlx-gate-*")
	if err != nil {
		return "", fault.New(fault.KindOf(err), "cannot lay out files for a command: %w", err)
	}
	a.opened = append(a.opened, tempDir(dir))
	return dir, nil
}

func copyTableFile(ctx context.Context, f dataset.File, dir string) (err error) {
	in, err := f.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(dir, filepath.Base(f.Name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// judgedModel are the bytes of the model that is judged: of the version that was named, else the model that the run logged, else the one
// output of the run that is no table and no text.
func (w gateWorld) judgedModel(ctx context.Context) (exactBytes, error) {
	if w.version != nil {
		return bytesOf(w.version), nil
	}
	if w.run == nil {
		return exactBytes{}, fault.New(fault.NotFound, "a table is judged, and no model")
	}
	var models []exactBytes
	var outputs []string
	for _, m := range w.run.Models {
		if !m.Root.IsZero() {
			models = append(models, exactBytes{name: m.Name, path: m.Name, digest: m.Root, root: m.Root, inner: "."})
		}
	}
	if len(models) == 0 {
		for _, o := range w.run.Outputs {
			if o.Kind != "file" || !noModel(o.Path) {
				outputs = append(outputs, o.Path)
			}
		}
	}
	if n := len(models) + len(outputs); n != 1 {
		err := fault.New(fault.NotFound, "cannot tell which output of run %s is the model: %s could be", w.run.RunID.Short(), cli.FormatNum(int64(n), "output"))
		return exactBytes{}, err.Hint("mlx gate --for NAME@vN   # a version of a model says it")
	}
	if len(models) == 1 {
		return models[0], nil
	}
	at, err := w.app.locate(ctx, target{Kind: refRun, ID: w.run.RunID, Inner: outputs[0]})
	if err != nil {
		return exactBytes{}, err
	}
	return w.app.located(ctx, outputs[0], at)
}

// noModel says of an output whether its name is that of a table, of a text or of a picture.
func noModel(name string) bool {
	switch strings.ToLower(path.Ext(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"))) {
	case ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".txt", ".md", ".html", ".png", ".svg", ".log", ".yaml", ".yml":
		return true
	case ".json":
		return !strings.Contains(strings.ToLower(path.Base(name)), "model")
	}
	return false
}

// size is the number of bytes of the model.
func (w gateWorld) size(ctx context.Context) (int64, error) {
	m, err := w.openModel(ctx)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	err = fs.WalkDir(m.fsys, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

// openModel opens the model that is judged, as a scan would.
func (w gateWorld) openModel(ctx context.Context) (scanSubject, error) {
	b, err := w.judgedModel(ctx)
	if err != nil {
		return scanSubject{}, err
	}
	m, err := w.app.model(ctx, b)
	if err != nil {
		return scanSubject{}, err
	}
	return scanOf(b, m), nil
}

// laidOutModel is the path of a copy of the model, made once.
func (w gateWorld) laidOutModel(ctx context.Context) (string, error) {
	if *w.modelAt != "" {
		return *w.modelAt, nil
	}
	m, err := w.openModel(ctx)
	if err != nil {
		return "", err
	}
	dir, err := w.app.tempFolder()
	if err != nil {
		return "", err
	}
	at := filepath.Join(dir, "model")
	if one, ok := m.fsys.(oneFile); ok {
		at = filepath.Join(dir, path.Base(one.name))
	} else {
		dir = at
	}
	if err := os.CopyFS(dir, m.fsys); err != nil {
		return "", fault.New(fault.KindOf(err), "cannot lay out the model: %w", err)
	}
	*w.modelAt = at
	return at, nil
}

// scan looks for code that would run when the model is loaded.
func (w gateWorld) scan(ctx context.Context) (gate.Scanned, error) {
	m, err := w.openModel(ctx)
	if err != nil {
		return gate.Scanned{}, err
	}
	report, rec, err := w.app.scan(ctx, m)
	if err != nil {
		return gate.Scanned{}, err
	}
	text := fmt.Sprintf("nothing in %s", cli.FormatNum(int64(len(report.Files)), "file"))
	if len(report.Findings) > 0 {
		f := report.Findings[0]
		text = fmt.Sprintf("%s in %s", f.What, insideOf(f))
		if more := len(report.Findings) + report.Dropped - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	return gate.Scanned{Verdict: gate.Verdict(report.Verdict), Text: text, Record: &gate.Ref{Kind: "scan", ID: rec.ID}}, nil
}
