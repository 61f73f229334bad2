package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/repo"
)

// snapshotView is snapshot/v1.
type snapshotView struct {
	Kind      string      `json:"kind"`
	Snapshots []savedView `json:"snapshots"`
}

type savedView struct {
	ID          string     `json:"id"`
	Path        string     `json:"path"`
	Type        string     `json:"type"` // "directory" or "file"
	Files       int64      `json:"files"`
	Bytes       int64      `json:"bytes"`
	BytesStored int64      `json:"bytes_stored"`
	Previous    *string    `json:"previous"`
	Changed     bool       `json:"changed"`
	Message     *string    `json:"message"`
	Tags        []string   `json:"tags"`
	Pointer     string     `json:"pointer"`
	At          *time.Time `json:"at"` // null when this clone has no record of it
}

// emitSaved prints what was saved, and the usual next step.
func (a *app) emitSaved(ctx context.Context, r *repo.Repo, o snapshotOptions, all []saved) error {
	v := snapshotView{Kind: "snapshot/v1", Snapshots: []savedView{}}
	l, err := a.ledger()
	if err != nil {
		return err
	}
	known, err := tags(ctx, l)
	if err != nil {
		return err
	}
	for _, s := range all {
		view, err := a.viewOfSaved(ctx, s)
		if err != nil {
			return err
		}
		for _, t := range known[s.body.Root] {
			view.Tags = append(view.Tags, t.shown())
		}
		v.Snapshots = append(v.Snapshots, view)
	}
	if err := a.streams.EmitVerdict(v, false, func(t *cli.Text) { a.snapshotText(all, len(o.paths) > 0, t) }); err != nil {
		return err
	}
	return a.hintCommit(ctx, r, all)
}

func (a *app) viewOfSaved(ctx context.Context, s saved) (savedView, error) {
	rec, body := s.rec, s.body
	if !s.changed {
		body.Message, body.BytesStored = "", 0
		l, err := a.ledger()
		if err != nil {
			return savedView{}, err
		}
		where := "root == " + strconv.Quote(body.Root.String()) + " and path == " + strconv.Quote(body.Path)
		for found, err := range l.Select(ctx, lineage.Query{Nouns: []string{"snapshot"}, Where: where, Limit: 1}) {
			if err != nil {
				return savedView{}, err
			}
			old, err := snapshotSaved.Decode(found)
			if err != nil {
				return savedView{}, err
			}
			rec, body.Message = found, old.Message
		}
	}
	v := savedView{ID: body.Root.Hex(), Path: body.Path, Type: body.Kind, Files: body.Files, Bytes: body.Bytes, BytesStored: body.BytesStored,
		Changed: s.changed, Message: some(body.Message), Tags: []string{}, Pointer: body.Pointer}
	if body.Previous != nil {
		v.Previous = some(body.Previous.Hex())
	}
	if !rec.ID.IsZero() {
		at := rec.At.UTC()
		v.At = &at
	}
	return v, nil
}

// snapshotText prints a line for each version that was saved. Of data that was named one by one, it also says what has
// not changed.
func (a *app) snapshotText(all []saved, named bool, t *cli.Text) {
	var wrote []string
	changed := false
	for _, s := range all {
		if s.changed {
			changed = true
			stored := cli.Fmt("(%s stored)", cli.Bytes(s.body.BytesStored))
			if s.body.Previous != nil {
				stored = cli.Fmt("(%s stored)", cli.Change(s.body.BytesStored))
			}
			t.Line(cli.Fmt("snapshot %s", cli.ID(s.body.Root)), cli.Path(a.shown(s.body.Path)), cli.Num(s.body.Files, "file"), cli.Bytes(s.body.Bytes), stored)
		} else if named {
			changed = true
			t.Line(cli.Fmt("snapshot %s", cli.ID(s.body.Root)), cli.Path(a.shown(s.body.Path)), cli.Str("nothing changed"))
		}
		for _, file := range s.wrote {
			if !slices.Contains(wrote, file) {
				wrote = append(wrote, file)
			}
		}
	}
	switch {
	case len(all) == 0:
		t.Line(cli.Str("no data is tracked"))
	case !changed:
		t.Line(cli.Str("nothing changed"))
	case len(wrote) > 0:
		t.Heading(cli.Fmt("wrote %s", cli.Path(a.shownList(wrote))))
	}
}

// shownList is a list of files for a sentence.
func (a *app) shownList(files []string) string {
	shown := make([]string, len(files))
	for i, f := range files {
		shown[i] = cli.FormatPath(a.shown(f))
	}
	if last := len(shown) - 1; last > 0 {
		return strings.Join(shown[:last], ", ") + " and " + shown[last]
	}
	return strings.Join(shown, "")
}

// hintCommit proposes to commit new pointer files.
func (a *app) hintCommit(ctx context.Context, r *repo.Repo, all []saved) error {
	var files []string
	for _, s := range all {
		for _, file := range s.wrote {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	if len(all) == 0 {
		a.streams.Hint("mlx snapshot PATH", "the file or folder to track")
	}
	if len(files) == 0 || r.NoGit {
		return nil
	}
	if t, err := r.IsTracked(ctx, repo.ConfigName); err != nil {
		return err
	} else if t.Files == 0 {
		files = slices.Insert(files, 0, repo.ConfigName)
	}
	for i, file := range files {
		files[i] = a.typed(file)
	}
	a.streams.Hint("git add "+strings.Join(files, " ")+" && git commit", "")
	return nil
}
