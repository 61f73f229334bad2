package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
	"mlx/internal/tracking"
)

// gateWorld is where the checks on one subject find tables and files.
type gateWorld struct {
	app   *app
	run   *run.View // whose outputs come first; nil when a table is judged
	typed string    // the table that is judged, as typed here

	version *registry.Version // that was named; nil when a run or a table was
	file    string            // in which the gate is written
	modelAt *string           // where the model is laid out, once it is
}

// gateWorld gives the functions of a world.
func (a *app) gateWorld(w gateWorld) gate.World {
	w.modelAt = new(string)
	return gate.World{Table: w.table, Identify: w.identify, Meaning: w.meaning, File: w.text, Features: w.features, Size: w.size, Scan: w.scan,
		Command: w.command, Serve: w.serve, Allow: w.allow, Temp: os.TempDir(), Now: a.now()}
}

// spelled is the name of a table or file in mlx.yaml as somebody would type it here. What the run wrote goes before what lies in the
// project now.
func (w gateWorld) spelled(where string) string {
	if where == w.typed {
		return where
	}
	if w.run != nil {
		for _, o := range w.run.Outputs {
			if within(where, o.Path) {
				return refRun + ":" + w.run.ID + ":" + where
			}
		}
	}
	return w.app.fromConfig(where)
}

// fromConfig is a word of mlx.yaml, where paths start at the root of the project, as somebody would type it here.
func (a *app) fromConfig(where string) string {
	if where == "" || where == "-" || isTableURL(where) {
		return where
	}
	if r := readRef(where); r.kind != "" || r.inner != "" {
		return where
	}
	here := a.shown(where)
	if there(here) || strings.ContainsAny(where, "*?[/") && !strings.Contains(where, "@") {
		return here
	}
	return where
}

func (w gateWorld) table(ctx context.Context, where string) (gate.Table, error) {
	opts, err := w.app.tableOptions(where, w.meaning)
	if err != nil {
		return gate.Table{}, err
	}
	open := w.app.openTableOf
	if where == w.typed {
		open = w.app.openTable // its user named it
	}
	t, err := open(ctx, w.spelled(where), opts)
	if err != nil {
		return gate.Table{}, err
	}
	w.app.opened = append(w.app.opened, t)
	return gate.Table{Table: t.Table, Ref: t.Ref}, nil
}

func (w gateWorld) identify(ctx context.Context, where string) (gate.Ref, error) {
	if err := w.mayRead(where); err != nil {
		return gate.Ref{}, err
	}
	return w.app.identifyTable(ctx, w.spelled(where))
}

// mayRead refuses a URL that a gate names and that its user has not allowed, before anything is asked of it.
func (w gateWorld) mayRead(where string) error {
	if where == w.typed {
		return nil // its user named it, or it was allowed as what the gate is for
	}
	return w.app.mayRead(where)
}

func (w gateWorld) meaning(where string) (gate.Meaning, bool) { return w.app.tableMeaning(where) }

// maxNamedFile bounds a file that a gate names beside its tables.
const maxNamedFile = 1 << 20

func (w gateWorld) text(ctx context.Context, where string) ([]byte, error) {
	if err := w.mayRead(where); err != nil {
		return nil, err
	}
	files, err := w.app.tableFiles(ctx, w.spelled(where))
	if err != nil {
		return nil, err
	}
	if len(files.files) != 1 {
		return nil, files.close(fault.New(fault.Usage, "cannot read %s: it is no single file", where))
	}
	text, err := readWhole(ctx, files.files[0])
	return text, files.close(err)
}

func readWhole(ctx context.Context, f dataset.File) ([]byte, error) {
	in, err := f.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxNamedFile+1))
	if err == nil && len(text) > maxNamedFile {
		err = fault.New(fault.Usage, "cannot read %s: it is longer than %d bytes", f.Name, maxNamedFile)
	}
	return text, err
}

// features are the columns that the signature of the run's first logged model names.
func (w gateWorld) features(ctx context.Context) ([]string, error) {
	if w.run == nil {
		return nil, nil
	}
	for _, m := range w.run.Models {
		if m.Root.IsZero() {
			continue
		}
		text, err := w.app.fileOf(ctx, m.Root, "MLmodel")
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if names := tracking.ModelInputs(text); err != nil || names != nil {
			return names, err
		}
	}
	return nil, nil
}

// fileOf reads a small file of a version.
func (a *app) fileOf(ctx context.Context, root object.Digest, name string) ([]byte, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	tree, err := store.FS(ctx, root)
	if err != nil {
		return nil, err
	}
	return fs.ReadFile(tree, name)
}
