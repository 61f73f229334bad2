package main

import (
	"context"
	"path"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/repo"
)

// readPipeline reads mlx.yaml and every dvc.yaml, expands their stages and checks that they fit together.
func (a *app) readPipeline(ctx context.Context) (*repo.Pipeline, error) {
	if a.pipeline != nil {
		return a.pipeline, nil
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	p, err := r.Pipeline(ctx, c)
	if err == nil {
		a.pipeline = p
	}
	return p, err
}

// stages returns all stages of the project, in the order of their files, with the values of their parameters. That what they read
// is there is for missingDeps to say, of the stages that are to run.
func (a *app) stages(ctx context.Context) ([]pipeline.Stage, error) {
	p, err := a.readPipeline(ctx)
	if err != nil {
		return nil, err
	}
	if len(p.Steps) == 0 {
		return nil, fault.New(fault.NotFound, "cannot find stages: neither mlx.yaml nor a dvc.yaml has any").
			Hint("edit mlx.yaml   # stages: {train: {cmd: python train.py, deps: [train.py], outs: [model.pkl]}}")
	}
	bad := p.TryParams()
	all := make([]pipeline.Stage, len(p.Steps))
	for i := range p.Steps {
		all[i] = stageOf(&p.Steps[i])
		all[i].Bad = bad[i]
	}
	return all, nil
}

func stageOf(s *repo.Step) pipeline.Stage {
	out := pipeline.Stage{Name: s.Name, Group: s.Group, Cmd: s.Cmd, Folder: s.Folder, Env: s.Env, Timeout: s.Timeout, Retries: s.Retries,
		On: s.On, Always: s.Always, Frozen: s.Frozen, Register: s.Register, At: s.At}
	for _, d := range s.Deps {
		out.Deps = append(out.Deps, d.Path)
	}
	for _, o := range s.Outs {
		out.Outs = append(out.Outs, pipeline.Out{Path: o.Path, Metrics: o.Metrics, Persist: o.Persist, InGit: o.InGit})
	}
	out.Params = paramsOf(s)
	return out
}

func paramsOf(s *repo.Step) []pipeline.Param {
	var all []pipeline.Param
	for _, p := range s.Params {
		all = append(all, pipeline.Param{File: p.File, Key: p.Key, Value: p.Value, Missing: p.Missing})
	}
	slices.SortStableFunc(all, func(x, y pipeline.Param) int {
		return strings.Compare(x.File+"\x00"+x.Key, y.File+"\x00"+y.Key)
	})
	return all
}

// missingDeps is an error when one of the stages reads what no stage makes and what is not there; elsewhere, if not nil, says of a
// path that it can be fetched.
func (a *app) missingDeps(ctx context.Context, chosen []pipeline.Stage, elsewhere func(path string) bool) error {
	r, err := a.repo()
	if err != nil {
		return err
	}
	p, err := a.readPipeline(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(chosen))
	for i, s := range chosen {
		names[i] = s.Name
	}
	return p.MissingDeps(r, names, elsewhere)
}

// selectStages returns the stages that words name, in the order of all; no words are all stages. A word is a name, a group (all
// stages of its matrix), a pattern, the path of an output below the root, or one of these behind stage:.
func selectStages(all []pipeline.Stage, words []string) ([]pipeline.Stage, error) {
	if len(words) == 0 {
		return all, nil
	}
	named := make(map[string][]int, 2*len(all))
	for i := range all {
		s := &all[i]
		named[s.Name] = append(named[s.Name], i)
		if s.Group != s.Name {
			named[s.Group] = append(named[s.Group], i)
		}
	}
	chosen := make([]bool, len(all))
	for _, typed := range words {
		word := strings.TrimPrefix(typed, "stage:")
		found := named[word]
		if found == nil && strings.ContainsAny(word, "*?[") {
			found = matchStages(all, word)
		}
		if found == nil {
			found = makerOf(all, path.Clean(word))
		}
		if found == nil {
			return nil, unknownStage(all, typed, word)
		}
		for _, i := range found {
			chosen[i] = true
		}
	}
	var out []pipeline.Stage
	for i, yes := range chosen {
		if yes {
			out = append(out, all[i])
		}
	}
	return out, nil
}

// fromHere puts the paths of outputs that are typed below the current folder where they are below the root; other words stay.
func (a *app) fromHere(all []pipeline.Stage, words []string) []string {
	r, err := a.repo()
	if err != nil {
		return words
	}
	out := slices.Clone(words)
	for i, word := range words {
		if slices.ContainsFunc(all, func(s pipeline.Stage) bool { return s.Name == word || s.Group == word }) {
			continue
		}
		if rel, err := r.Rel(a.wherever(word)); err == nil && makerOf(all, rel) != nil {
			out[i] = rel
		}
	}
	return out
}

// matchStages finds the stages whose name or group matches a pattern; * also crosses slashes, which values of a matrix may have.
func matchStages(all []pipeline.Stage, pattern string) []int {
	flat := strings.NewReplacer("/", "\x01")
	pattern = flat.Replace(pattern)
	var found []int
	for i := range all {
		name, err := path.Match(pattern, flat.Replace(all[i].Name))
		if err != nil {
			return nil
		}
		if group, _ := path.Match(pattern, flat.Replace(all[i].Group)); name || group {
			found = append(found, i)
		}
	}
	return found
}

// makerOf finds the stage that writes a path, or the folder that it is in.
func makerOf(all []pipeline.Stage, name string) []int {
	for i := range all {
		for _, out := range all[i].Outs {
			if out.Path == name || strings.HasPrefix(name, out.Path+"/") {
				return []int{i}
			}
		}
	}
	return nil
}

func unknownStage(all []pipeline.Stage, typed, word string) error {
	var groups, known []string
	for i := range all {
		if !slices.Contains(groups[max(0, len(groups)-1):], all[i].Group) {
			groups = append(groups, all[i].Group)
		}
		if known = append(known, all[i].Name); all[i].Group != all[i].Name {
			known = append(known, all[i].Group)
		}
		for _, out := range all[i].Outs {
			known = append(known, out.Path)
		}
	}
	e := fault.New(fault.NotFound, "cannot find stage %q", typed)
	if near := fault.Nearest(word, known); near != "" {
		return e.Hint("did you mean %q?", near)
	}
	if len(groups) > 20 {
		return e.Hint("mlx lineage   # shows all %d", len(groups))
	}
	return e.Hint("stages are %s", strings.Join(groups, ", "))
}
