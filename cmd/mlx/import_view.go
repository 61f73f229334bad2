package main

import (
	"context"
	"time"

	"mlx/internal/cli"
	"mlx/internal/repo"
)

// importView is import/v1.
type importView struct {
	Kind    string         `json:"kind"`
	Imports []importedView `json:"imports"`
	History *historyView   `json:"history"` // null: only data was asked for
}

type importedView struct {
	Path     string    `json:"path"`
	Snapshot string    `json:"snapshot"`
	Source   string    `json:"source"` // without credentials
	Files    int64     `json:"files"`
	Bytes    int64     `json:"bytes"`
	Rows     *int64    `json:"rows"` // of a query
	Changed  bool      `json:"changed"`
	At       time.Time `json:"at"`
}

func (a *app) emitImported(ctx context.Context, r *repo.Repo, all []imported, h *historyView) error {
	v := importView{Kind: "import/v1", Imports: []importedView{}, History: h}
	for _, d := range all {
		v.Imports = append(v.Imports, importedView{Path: d.body.Path, Snapshot: d.body.Root.Hex(), Source: d.source.Shown, Files: d.body.Files,
			Bytes: d.body.Bytes, Rows: d.rows, Changed: d.changed, At: d.at.UTC()})
	}
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) {
		if len(all) > 0 || h == nil {
			a.importText(all, t)
		}
		if h != nil {
			h.text(t)
		}
	}); err != nil {
		return err
	}
	if h != nil && h.Runs.New > 0 {
		a.streams.Hint("mlx log -k run", "lists them")
	}
	if len(all) == 0 && h != nil {
		return nil
	}
	if len(all) == 0 {
		a.streams.Hint("mlx import SOURCE PATH", "the first import")
		return nil
	}
	return a.hintCommit(ctx, r, versionsOf(all))
}

func versionsOf(all []imported) []saved {
	var versions []saved
	for _, d := range all {
		if d.changed {
			versions = append(versions, d.saved)
		}
	}
	return versions
}

func (a *app) importText(all []imported, t *cli.Text) {
	if len(all) == 0 {
		t.Line(cli.Str("no data was imported"))
		return
	}
	for _, d := range all {
		if !d.changed {
			t.Line(cli.Fmt("imported %s", cli.Path(a.shown(d.body.Path))), cli.Str("nothing changed"))
			continue
		}
		cells := []cli.Cell{cli.Fmt("imported %s", cli.Path(a.shown(d.body.Path))), cli.Num(d.body.Files, "file"), cli.Bytes(d.body.Bytes)}
		if d.rows != nil {
			cells = append(cells, cli.Num(*d.rows, "row"))
		}
		t.Line(append(cells, cli.Fmt("from %s", cli.Str(d.source.Shown)))...)
	}
	if versions := versionsOf(all); len(versions) > 0 {
		a.snapshotText(versions, true, t)
	}
}

// refImport is the kind of a reference to an import.
const refImport = "import"

// importRow is an import as a row of log.
type importRow struct {
	row
	Path     string  `json:"path"`
	Snapshot string  `json:"snapshot"`
	Source   string  `json:"source"`
	Type     string  `json:"type"` // how the source is read: http, bucket, file, dvc, mlx, postgres, exec
	Files    int64   `json:"files"`
	Bytes    int64   `json:"bytes"`
	Rows     *int64  `json:"rows"`
	Query    *string `json:"query"`
}

func (t *teller) imported(e *event) error {
	body, err := importMade.Decode(e.rec)
	if err != nil {
		return err
	}
	e.what = []cli.Cell{cli.Path(body.Path), cli.Num(body.Files, "file")}
	if body.Rows != nil {
		e.what = append(e.what, cli.Num(*body.Rows, "row"))
	}
	e.what = append(e.what, cli.Fmt("from %s", cli.Str(body.Source)))
	e.text = cli.Sentence(e.what...)
	e.value = importRow{row: e.row(importMade.Name()), Path: body.Path, Snapshot: body.Root.Hex(), Source: body.Source, Type: body.Kind,
		Files: body.Files, Bytes: body.Bytes, Rows: body.Rows, Query: some(body.Query)}
	return nil
}
