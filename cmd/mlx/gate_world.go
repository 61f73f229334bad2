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
	"mlx/internal/repo"
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
	config  *repo.Config      // that it holds
	modelAt *string           // where the model is laid out, once it is
	found   map[string]*tableFiles
}

// gateWorld gives the functions of a world.
func (a *app) gateWorld(w gateWorld) gate.World {
	w.modelAt, w.found = new(string), map[string]*tableFiles{}
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
	found, err := w.files(ctx, where)
	if err != nil {
		return gate.Table{}, err
	}
	t, err := found.open(ctx, opts, true)
	if err != nil {
		return gate.Table{}, err
	}
	w.app.opened = append(w.app.opened, t)
	return gate.Table{Table: t.Table, Ref: t.Ref}, nil
}

func (w gateWorld) identify(ctx context.Context, where string) (gate.Ref, error) {
	found, err := w.files(ctx, where)
	if err != nil {
		return gate.Ref{}, err
	}
	return found.ref(ctx)
}

// files finds the files of a table, or one that is none, for all who ask: what a report names are the bytes that the checks read. They
// stay until the command ends.
func (w gateWorld) files(ctx context.Context, where string) (*tableFiles, error) {
	typed := w.spelled(where)
	if known, ok := w.found[typed]; ok {
		return known, nil
	}
	if where != w.typed { // else its user named it
		if err := w.app.mayContact(typed); err != nil {
			return nil, err
		}
	}
	found, err := w.app.tableFiles(ctx, typed)
	if err != nil {
		return nil, err
	}
	w.app.opened = append(w.app.opened, found.closes)
	found.closes, w.found[typed] = nil, found
	return found, nil
}

// meaning is what is said of the columns of a table in the file of the gate, else in mlx.yaml.
func (w gateWorld) meaning(where string) (gate.Meaning, bool) {
	if where == w.typed {
		where = w.app.fromRoot(where)
	}
	return w.app.meaningIn(w.config, where)
}

// maxNamedFile bounds a file that a gate names beside its tables.
const maxNamedFile = 1 << 20

func (w gateWorld) text(ctx context.Context, where string) ([]byte, error) {
	found, err := w.files(ctx, where)
	if err != nil {
		return nil, err
	}
	if len(found.files) != 1 {
		return nil, fault.New(fault.Usage, "cannot read %s: it is no single file", where)
	}
	return readWhole(ctx, found.files[0])
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
