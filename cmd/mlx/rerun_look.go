package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
	"mlx/internal/snapshot"
)

// lack notes something without which the run cannot be repeated.
func (j *rerunJob) lack(err *fault.Error) { j.lacks = append(j.lacks, err) }

func (j *rerunJob) need(what, command string) {
	j.needs = append(j.needs, run.Need{What: what, Command: command})
}

// cannot begins the words of what is lacking.
func (j *rerunJob) cannot(kind fault.Kind, format string, args ...any) *fault.Error {
	return fault.New(kind, "cannot rerun %s: %s", j.original.RunID.Short(), fmt.Sprintf(format, args...))
}

// look finds out what the run needs, without changing anything.
func (j *rerunJob) look(ctx context.Context) error {
	steps := []func(context.Context) error{j.lookCode, j.lookKept, j.lookData, j.lookStage, j.fetch, j.settle}
	if j.on == "" {
		steps = append(steps, j.lookProgram, j.lookAround)
	} else if _, err := j.app.backend(j.on); err != nil {
		return err
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lookCode asks for the commit and what belongs to it.
func (j *rerunJob) lookCode(ctx context.Context) error {
	commit := j.body.Code.Commit
	switch {
	case j.repo.NoGit && commit == "":
		j.need("code: the run was recorded outside git, so that what is here now runs", "")
		return nil
	case j.repo.NoGit:
		j.lack(j.cannot(fault.NotFound, "commit %.7s is in git, and this project is outside it", commit))
		return nil
	case commit == "":
		j.lack(j.cannot(fault.NotFound, "the run has no commit to go back to").Hint("git commit   # then run it anew with mlx run"))
		return nil
	}
	here, err := j.repo.HasCommit(ctx, commit)
	if err != nil {
		return err
	}
	if !here {
		hint := "git fetch --all"
		if head, err := j.repo.Head(ctx); err == nil && head.Shallow {
			hint = "git fetch --unshallow"
		}
		missing := j.cannot(fault.NotFound, "commit %.7s is not in this clone", commit).Hint("%s", hint)
		if j.body.Code.Remote != "" {
			missing.Hint("git fetch %s   # where it was run", shellWord(j.body.Code.Remote))
		}
		j.lack(missing)
		return nil
	}
	subs, err := j.repo.Submodules(ctx, commit)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		if !j.repo.HasSubmodule(ctx, sub) {
			j.lack(j.cannot(fault.NotFound, "commit %.7s of submodule %s is not in this clone", sub.Commit, sub.Path).
				Hint("git submodule update --init -- %s", shellWord(sub.Path)))
		}
	}
	return nil
}

// lookKept asks for the uncommitted changes and the untracked files.
func (j *rerunJob) lookKept(ctx context.Context) error {
	code := j.body.Code
	if code.Patch != nil {
		if err := j.wantsRoot(ctx, absentVersion{root: *code.Patch, what: "version " + code.Patch.Short() + " of its uncommitted changes"}); err != nil {
			return err
		}
	}
	if code.Files != nil {
		if err := j.wantsRoot(ctx, absentVersion{root: *code.Files, what: "version " + code.Files.Short() + " of its untracked files"}); err != nil {
			return err
		}
	}
	if e := j.body.Environment; e != nil && e.Python != nil && !e.Python.List.IsZero() {
		if err := j.wantsRoot(ctx, absentVersion{root: e.Python.List, what: "the list of its packages", may: true}); err != nil {
			return err
		}
	}
	if code.Dirty && code.Patch == nil && len(code.LeftOut) == 0 {
		j.lack(j.cannot(fault.NotFound, "its uncommitted changes were not kept"))
	}
	if code.Files == nil && code.UntrackedCount > 0 {
		j.need(fmt.Sprintf("code: %s untracked, not kept: %s", cli.FormatNum(int64(code.UntrackedCount), "file"), few(code.Untracked)), "")
	}
	for _, l := range code.LeftOut {
		if usual(l) {
			continue // installed or made again
		}
		j.need(fmt.Sprintf("code: %s was left out: %s", l.Path, l.Why), "")
	}
	return nil
}

// few names the first of many.
func few(words []string) string {
	const most = 3
	if more := len(words) - most; more > 0 {
		return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(words, ", ")
}

// lookData asks for the versions that the run read.
func (j *rerunJob) lookData(ctx context.Context) error {
	for _, d := range j.body.Data {
		if err := j.wants(ctx, restoration{dataAt: dataAt{d.Path, d.Root}, kind: snapshot.Kind(d.Kind)}); err != nil {
			return err
		}
	}
	return nil
}

func (j *rerunJob) wants(ctx context.Context, w restoration) error {
	if !filepath.IsLocal(filepath.FromSlash(w.Path)) || w.Path == "." {
		return j.cannot(fault.Integrity, "its record names data at %q", w.Path)
	}
	if slices.ContainsFunc(j.data, func(d restoration) bool { return within(w.Path, d.Path) }) {
		return nil
	}
	j.data = append(j.data, w)
	return j.wantsRoot(ctx, absentVersion{root: w.Root, path: w.Path, what: "version " + w.Root.Short() + " of " + j.app.shown(w.Path)})
}

// kindOfVersion says whether a version is a folder or a single file, which records of earlier versions do not tell. One
// file of the very name of its path is that file.
func (j *rerunJob) kindOfVersion(ctx context.Context, store *snapshot.Store, w restoration) (snapshot.Kind, error) {
	kind, err := j.app.kindAt(ctx, j.repo, target{Kind: refSnapshot}, w)
	if err != nil || kind == snapshot.File {
		return kind, err
	}
	files, err := store.FS(ctx, w.Root)
	if err != nil {
		return "", err
	}
	entries, err := fs.ReadDir(files, ".")
	if err == nil && len(entries) == 1 && entries[0].Type().IsRegular() && entries[0].Name() == path.Base(w.Path) {
		return snapshot.File, nil
	}
	return snapshot.Directory, err
}

// lookStage asks for what a stage read that is neither code nor declared data: outputs of earlier stages.
func (j *rerunJob) lookStage(ctx context.Context) error {
	if j.stage == nil {
		return nil
	}
	if j.stage.Sample {
		j.lack(j.cannot(fault.Usage, "it ran stage %s on samples, which are not kept", j.stage.Name).Hint("mlx repro --sample"))
		return nil
	}
	l, err := j.app.ledger()
	if err != nil {
		return err
	}
	for _, dep := range j.stage.Deps {
		if j.isCode(ctx, dep.Path) || slices.ContainsFunc(j.data, func(d restoration) bool { return within(dep.Path, d.Path) }) {
			continue
		}
		prefix, err := object.ParsePrefix(dep.Digest.Hex())
		if err != nil {
			return err
		}
		matches, err := l.Find(ctx, prefix)
		if err != nil {
			return err
		}
		w := restoration{dataAt: dataAt{dep.Path, dep.Digest}, kind: snapshot.Directory}
		for _, m := range matches {
			if t, ok := explain(m); ok && t.Kind == refSnapshot {
				w.Root, w.kind = t.ID, outputKind(t, dep.Digest)
				break
			}
		}
		if err := j.wants(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// outputKind is the kind of a version found by a digest: that of a file is not that of its version.
func outputKind(t target, digest object.Digest) snapshot.Kind {
	if t.ID != digest {
		return snapshot.File
	}
	return ""
}

// isCode says whether git, or the kept untracked files, bring a path.
func (j *rerunJob) isCode(ctx context.Context, rel string) bool {
	return j.repo.InCommit(ctx, j.body.Code.Commit, rel) || j.keptFile(ctx, rel)
}

// keptFile says whether a path is among the untracked files that were kept.
func (j *rerunJob) keptFile(ctx context.Context, rel string) bool {
	root := j.body.Code.Files
	store, err := j.app.store()
	if root == nil || err != nil {
		return false
	}
	files, err := store.FS(ctx, *root)
	if err != nil {
		return false
	}
	_, err = fs.Stat(files, rel)
	return err == nil
}

// lookProgram asks whether the command can be found.
func (j *rerunJob) lookProgram(ctx context.Context) error {
	name := j.body.Command[0]
	if !strings.ContainsAny(name, `/\`) {
		if _, err := exec.LookPath(name); err != nil && !errors.Is(err, exec.ErrDot) {
			j.lack(j.cannot(fault.NotFound, "there is no program %q here", name).Hint("command -v %s   # finds what the shell would run", shellWord(name)))
		}
		return nil
	}
	if filepath.IsAbs(name) {
		if _, err := os.Stat(name); err != nil {
			j.lack(j.cannot(fault.NotFound, "there is no program %s here", name))
		}
		return nil
	}
	if j.pending || len(j.lacks) > 0 {
		return nil // what would hold it is not here
	}
	rel := path.Join(j.body.Folder, filepath.ToSlash(name))
	if _, err := os.Stat(j.repo.Abs(rel)); err != nil && !j.isCode(ctx, rel) {
		j.lack(j.cannot(fault.NotFound, "there is no program %s: neither its commit nor this work tree has it", name))
	}
	return nil
}
