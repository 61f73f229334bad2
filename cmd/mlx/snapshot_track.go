package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

// mayTrack refuses what cannot become tracked data, and says how it can.
func (a *app) mayTrack(ctx context.Context, r *repo.Repo, word, rel string) error {
	if word == "" {
		return fault.New(fault.Usage, "cannot snapshot a path of no letters").Hint("mlx snapshot PATH   # without PATH: all tracked data that changed")
	}
	if part := internalPart(rel); part != "" {
		return fault.New(fault.Usage, "cannot snapshot %s: %s belongs to git or mlx itself", word, part).Hint("mlx snapshot PATH   # a file or folder of data")
	}
	if rel == "." {
		return fault.New(fault.Usage, "cannot snapshot %s: it is the project itself", word).Hint("mlx snapshot PATH   # a file or folder in it")
	}
	if pointerAbove(r, rel) != "" || projectAbove(r, rel) != "" {
		return a.untracked(r, "snapshot", word, rel)
	}
	switch info, err := os.Lstat(r.Abs(rel)); {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "cannot snapshot %s: there is no such file or folder", word).Hint("mlx status   # lists tracked data")
	case err != nil:
		return fault.New(fault.KindOf(err), "cannot snapshot %s: %w", word, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return fault.New(fault.Usage, "cannot snapshot %s: it is a symbolic link, and what it leads to is not part of it", word).
			Hint("cp -rL %[1]s %[2]s && mlx snapshot %[2]s", shellWord(word), shellWord(word+".copy"))
	}
	if ignored, err := r.PointerIgnored(rel); err != nil {
		return err
	} else if ignored {
		return fault.New(fault.Conflict, "cannot snapshot %s: git ignores %s, so no commit could name the version", word, word+repo.PointerExt).
			Hint("git check-ignore -v %s   # shows the rule", shellWord(word+repo.PointerExt))
	}
	t, err := r.IsTracked(ctx, rel)
	if err != nil || t.Files == 0 {
		return err
	}
	path := shellWord(word)
	move := "git rm -r -q --cached " + path + " && mlx snapshot " + path
	if t.LFS {
		return fault.New(fault.Conflict, "cannot snapshot %s: git-lfs keeps it", word).
			Hint("git lfs pull && git lfs untrack %s && %s   # then commit", path, move)
	}
	return fault.New(fault.Conflict, "cannot snapshot %s: git keeps %s of it", word, cli.FormatNum(int64(t.Files), "file")).
		Hint("%s   # then commit; old commits keep their bytes", move)
}

// internalPart returns the part of a path in which git or mlx keep their own files, or "".
func internalPart(rel string) string {
	for part := range strings.SplitSeq(rel, "/") {
		if strings.EqualFold(part, ".git") || strings.EqualFold(part, ".mlx") {
			return part
		}
	}
	return ""
}

// projectAbove returns the folder below the root of this project that holds a path and is a project of its own, or "".
func projectAbove(r *repo.Repo, rel string) string {
	found := ""
	for p := rel; p != "." && p != "/" && p != ""; p = path.Dir(p) {
		if info, err := os.Stat(r.Abs(path.Join(p, repo.ConfigName))); err == nil && info.Mode().IsRegular() {
			found = p
		}
	}
	return found
}

// noteTracked tells when git keeps data as well that mlx tracks already.
func (a *app) noteTracked(ctx context.Context, r *repo.Repo, rel string) error {
	t, err := r.IsTracked(ctx, rel)
	if err == nil && t.Files > 0 {
		a.streams.Note("git keeps %s of %s as well: git rm -r -q --cached %s", cli.FormatNum(int64(t.Files), "file"), a.shown(rel), a.typed(rel))
	}
	return err
}
