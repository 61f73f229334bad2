package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// selectData returns the tracked data that the words of a command line name: a tracked path, a folder with tracked
// paths in it, or a pattern; without words all of it. A word that names none is given to other, which may take it.
func (a *app) selectData(ctx context.Context, words []string, other func(word, rel string) error) ([]string, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	all, err := r.Pointers(ctx)
	if err != nil || len(words) == 0 {
		return all, err
	}
	var chosen []string
	for _, word := range words {
		rel, err := r.Rel(word)
		if err != nil {
			return nil, err
		}
		found := matching(all, rel)
		if len(found) == 0 {
			if err := other(word, rel); err != nil {
				return nil, err
			}
		}
		chosen = append(chosen, found...)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// matching returns the tracked paths that rel is, holds or, as a pattern, fits.
func matching(all []string, rel string) []string {
	if bare := strings.TrimSuffix(rel, repo.PointerExt); slices.Contains(all, bare) {
		return []string{bare} // the pointer file stands for its data
	}
	var found []string
	for _, p := range all {
		if within(p, rel) || strings.ContainsAny(rel, "*?[") && repo.Match(rel, p) {
			found = append(found, p)
		}
	}
	return found
}

// untracked is the error for a word that names no tracked data.
func (a *app) untracked(r *repo.Repo, command, word, rel string) error {
	doing := command
	switch command {
	case "checkout":
		doing = "check out"
	case "status":
		doing = "show the status of"
	case "diff":
		doing = "compare"
	}
	if other := projectAbove(r, rel); other != "" {
		inner := "."
		if rel != other {
			inner = strings.TrimPrefix(rel, other+"/")
		}
		return fault.New(fault.Usage, "cannot %s %s: %s is a project of its own", doing, word, a.shown(other)).
			Hint("mlx -C %s %s %s", a.typed(other), command, shellWord(inner))
	}
	if above := pointerAbove(r, rel); above != "" {
		return fault.New(fault.Usage, "cannot %s %s: it is part of %s, which is one version as a whole", doing, word, a.shown(above)).
			Hint("mlx %s %s", command, a.typed(above))
	}
	if _, err := os.Lstat(r.Abs(rel)); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "cannot %s %s: there is no such data", doing, word).Hint("mlx status   # lists tracked data")
	}
	return fault.New(fault.NotFound, "cannot %s %s: it is not tracked", doing, word).Hint("mlx snapshot %s", shellWord(word))
}

// typed is a path of the repository as the user would type it here, quoted where a shell needs that.
func (a *app) typed(rel string) string { return shellWord(a.shown(rel)) }

// ranLine is what a run executed, as its user knows it: of a stage its name and the line that the shell was given.
func ranLine(v run.View) string {
	if n := len(v.Command); v.Stage != nil && n > 1 {
		return v.Stage.Name + ": " + v.Command[n-1]
	}
	return commandLine(v.Command)
}

// commandLine writes a command as a shell takes it.
func commandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
	}
	return strings.Join(quoted, " ")
}

// shellWord quotes text for a shell where it must be.
func shellWord(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n'\"$&;|<>()*?[]#~`\\!{}") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
