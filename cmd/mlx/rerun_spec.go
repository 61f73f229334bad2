package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/run"
)

// rerunWorktree names the work tree of repeats in records: none of them is @last where somebody works.
const rerunWorktree = "rerun"

// spec is the run once more, in a tree.
func (j *rerunJob) spec(ctx context.Context, t *rerunTree) (run.Spec, error) {
	b := j.body
	s := run.Spec{
		Command: slices.Clone(b.Command), Folder: b.Folder, Experiment: b.Experiment, Params: b.Params, Code: b.Code,
		Timeout: time.Duration(b.TimeoutS * float64(time.Second)), Worktree: rerunWorktree, Parent: j.app.outerRun(),
		RerunOf: j.original.RunID.Hex(), Dir: filepath.Join(t.repo.Root, filepath.FromSlash(b.Folder)),
	}
	if info, err := t.top.Stat(filepath.FromSlash(b.Folder)); err != nil || !info.IsDir() {
		return s, j.cannot(fault.NotFound, "its commit has no folder %s", b.Folder)
	}
	s.Code.Patch = nil
	if b.Code.Patch != nil {
		var err error
		if s.Patch, err = j.patch(ctx); err != nil {
			return s, err
		}
	}
	for _, w := range j.data {
		s.Data = append(s.Data, run.Data{Path: w.Path, Root: w.Root, Kind: string(w.kind)})
	}
	for _, out := range b.Outs {
		if !filepath.IsLocal(filepath.FromSlash(out)) {
			return s, j.cannot(fault.Integrity, "its record names an output %q", out)
		}
		s.Outs = append(s.Outs, run.Out{Path: out, Abs: t.repo.Abs(out)})
	}
	if j.on == "" { // elsewhere it is the program of that machine
		if err := j.program(t, &s); err != nil {
			return s, err
		}
	}
	t.app.environ, s.Env = j.variables()
	j.asStage(ctx, t, &s)
	return s, nil
}

// program finds the command of a relative path. What git ignores, as it does a virtual environment, is no code: it is
// taken from where it is installed.
func (j *rerunJob) program(t *rerunTree, s *run.Spec) error {
	name := s.Command[0]
	if filepath.IsAbs(name) || !strings.ContainsAny(name, `/\`) {
		return nil
	}
	rel := path.Join(s.Folder, filepath.ToSlash(name))
	if _, err := os.Stat(t.repo.Abs(rel)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(j.repo.Abs(rel)); err != nil {
		return j.cannot(fault.NotFound, "there is no program %s", name)
	}
	s.Command[0] = j.repo.Abs(rel)
	return nil
}

// secretValue stands in a record for the value of a variable that looks like a secret.
const secretValue = "(redacted)"

// variables returns the environment of this process without the variables that the run did not have, and those that it
// had as they were.
func (j *rerunJob) variables() (environ, own []string) {
	e := j.body.Environment
	if e == nil {
		return j.app.environ, nil
	}
	for _, name := range sortedKeys(e.Variables) {
		if value := e.Variables[name]; restorable(name, value) {
			own = append(own, name+"="+value)
		}
	}
	environ = slices.DeleteFunc(slices.Clone(j.app.environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		_, had := e.Variables[name]
		return !had && !run.TellsPlace(name) && j.recorded(name)
	})
	return environ, own
}

// restorable says whether a recorded variable can be given again: not one that tells a place, nor one that was not
// recorded in full.
func restorable(name, value string) bool {
	return value != secretValue && !strings.HasSuffix(value, "…") && !run.TellsPlace(name)
}

// recorded says whether the run would have recorded a variable, so that it did not have it.
func (j *rerunJob) recorded(name string) bool {
	return j.here != nil && j.here.Variables[name] != ""
}
