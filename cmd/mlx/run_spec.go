package main

import (
	"slices"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// spec is what the command line says of the run.
func (o runOptions) spec(a *app, r *repo.Repo) (run.Spec, error) {
	s := run.Spec{Command: o.command, Name: o.name, Experiment: o.experiment, Parent: a.outerRun()}
	var err error
	if s.Worktree, err = a.worktree(); err != nil {
		return s, err
	}
	if s.Dir, err = a.cwd(); err != nil {
		return s, err
	}
	if s.Folder, err = r.Rel(s.Dir); err != nil {
		return s, err
	}
	if o.timeout != "" {
		if s.Timeout, err = cli.ParseDuration(o.timeout); err != nil {
			return s, err
		}
	}
	if s.Params, err = o.readParams(); err != nil {
		return s, err
	}
	for _, tag := range o.tags {
		if _, err := parseTag(tag); err != nil {
			return s, err
		}
	}
	for _, path := range o.outs {
		rel, err := r.Rel(path)
		if err != nil {
			return s, err
		}
		out := run.Out{Path: rel, Abs: r.Abs(rel)}
		if !slices.Contains(s.Outs, out) {
			s.Outs = append(s.Outs, out)
		}
	}
	return s, nil
}

func (o runOptions) readParams() (map[string]any, error) {
	params := make(map[string]any)
	if o.paramsFile != "" {
		document, err := repo.ReadParams(o.paramsFile)
		if err != nil {
			return nil, err
		}
		if params, err = run.Flatten(document); err != nil {
			return nil, err
		}
	}
	for _, p := range o.params {
		key, value, err := run.Param(p)
		if err != nil {
			return nil, err
		}
		params[key] = value
	}
	return params, nil
}

// outerRun is the id of the run that this process is part of, if any.
func (a *app) outerRun() string {
	for _, v := range a.environ {
		if id, ok := strings.CutPrefix(v, "MLX_RUN_ID="); ok {
			if d, err := object.ParseDigest(id); err == nil {
				return d.Hex()
			}
		}
	}
	return ""
}
