package main

import (
	"context"
	"os"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/snapshot"
)

// checkoutView is the JSON of `mlx checkout`.
type checkoutView struct {
	Kind string         `json:"kind"`
	Data []restoredView `json:"data"`
}

type restoredView struct {
	Path     string   `json:"path"`
	Snapshot string   `json:"snapshot"`
	Files    int64    `json:"files"`
	Bytes    int64    `json:"bytes"`
	Written  int64    `json:"written"`
	Removed  int64    `json:"removed"`
	Changed  bool     `json:"changed"`
	Warnings []string `json:"warnings"`
	root     object.Digest
}

// restore makes one path what is wanted.
func (a *app) restore(ctx context.Context, r *repo.Repo, w restoration, o checkoutOptions) (restoredView, error) {
	store, err := a.store()
	if err != nil {
		return restoredView{}, err
	}
	settings, err := a.settings()
	if err != nil {
		return restoredView{}, err
	}
	mode, _ := settings.Get("link_mode")
	ignore, err := r.Matcher(w.Path)
	if err != nil {
		return restoredView{}, err
	}
	_, absent := os.Lstat(r.Abs(w.Path))
	progress := a.streams.Progress("writing", "bytes", 0)
	done, err := store.Checkout(ctx, snapshot.CheckoutOptions{
		Path: r.Abs(w.Path), Base: w.now.Root, To: w.Root, Kind: w.kind, Only: w.only, Ignore: ignore, Force: o.force,
		ExternalLinks: o.externalLinks, Link: mode == "link", Progress: progress,
	})
	progress.Done()
	if err != nil {
		return restoredView{}, a.notRestored(ctx, err, w, o.at)
	}
	v := restoredView{Path: w.Path, Snapshot: w.Root.Hex(), Files: done.Summary.Files, Bytes: done.Summary.Bytes, Written: done.Written,
		Removed: done.Removed, Changed: done.Written+done.Removed > 0 || absent != nil, Warnings: append([]string{}, done.Warnings...), root: w.Root}
	for _, warning := range done.Warnings {
		a.streams.Note("%s: %s", a.shown(w.Path), warning)
	}
	return v, nil
}

// notRestored words a failure for the person who asked, with what to type next.
func (a *app) notRestored(ctx context.Context, err error, w restoration, at string) error {
	path := a.shown(w.Path)
	e := fault.New(fault.KindOf(err), "cannot check out %s: %w", path, err).About(fault.Ref{Kind: refSnapshot, ID: w.Root.Hex(), Name: w.Path})
	if len(fault.Hints(err)) > 0 {
		return e
	}
	switch fault.KindOf(err) {
	case fault.Conflict:
		save, drop := "mlx snapshot "+a.typed(w.Path), "mlx checkout --force "+a.typed(w.Path)
		if at != "" {
			drop += " --at " + shellWord(at)
		}
		pad := strings.Repeat(" ", max(0, len(drop)-len(save)))
		return e.Hint("%s%s   # keep the change", save, pad).Hint("%s   # drop it", drop)
	case fault.NotFound:
		return a.notHere(ctx, err, w.Path, w.Root)
	case fault.Integrity:
		return e.Hint("mlx verify   # names all that is damaged")
	default:
		return e
	}
}

// bringHint is what to type for a version, of a path as it is typed, that is not in this store.
func (a *app) bringHint(typed string) string {
	if cfg, err := a.config(); err == nil && cfg.Remotes.Len() > 0 {
		return "mlx pull " + typed
	}
	return "mlx config set store DIR   # if another clone on this machine has it"
}

// notHere says of a failure, if that is its reason, that the bytes of a version are not in this store.
func (a *app) notHere(ctx context.Context, err error, path string, root object.Digest) error {
	store, openErr := a.store()
	if openErr != nil || fault.KindOf(err) != fault.NotFound {
		return err
	}
	if here, hasErr := store.Has(ctx, root); hasErr != nil || here {
		return err
	}
	if gone := a.wasErased(ctx, path, root); gone != nil {
		return gone
	}
	return fault.New(fault.NotFound, "cannot read %s: version %s is not on this machine", a.shown(path), root.Short()).
		About(fault.Ref{Kind: refSnapshot, ID: root.Hex(), Name: path}).
		Hint("%s", a.bringHint(a.typed(path)))
}

func (a *app) checkoutText(v checkoutView, o checkoutOptions, t *cli.Text) {
	changed := false
	for _, d := range v.Data {
		if !d.Changed && len(o.paths) == 0 && o.at == "" {
			continue
		}
		changed = true
		path := cli.Path(a.shown(d.Path))
		if !d.Changed {
			t.Line(path, cli.ID(d.root), cli.Str("nothing changed"))
			continue
		}
		t.Line(path, cli.ID(d.root), cli.Num(d.Files, "file"), cli.Bytes(d.Bytes),
			cli.Fmt("(%s written, %s removed)", cli.Count(d.Written), cli.Count(d.Removed)))
	}
	switch {
	case changed:
	case len(v.Data) == 0:
		t.Line(cli.Str("no data is tracked"))
	default:
		t.Line(cli.Str("nothing changed"))
	}
}
