package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// Times of servers for which mlx.yaml says nothing.
const (
	serverStarts = 3 * time.Minute
	serverStops  = 30 * time.Second
)

// newRelease is a version of a model, or of each model of its stages, as a service serves it from now on: by the command and the settings of
// mlx.yaml, with the code of the work tree as it is. free lets gc have that code again, if no record came to name the release.
func (a *app) newRelease(ctx context.Context, s repo.Service, c picked) (r deploy.Release, free func() error, err error) {
	for _, p := range c {
		if v := p.version; v.Root.IsZero() {
			return r, nil, fault.New(fault.NotFound, "cannot serve %s: its bytes are not here, and mlx never had them", v.Name()).
				Hint("mlx show %s", shellWord(v.Name()))
		}
	}
	r.Serve = serveOf(s)
	if len(s.Stages) > 0 {
		err = a.releaseOfStages(ctx, s, c, &r)
	} else {
		v := c[0].version
		r.Model, r.Version, r.Record, r.Digest, r.Image = v.Model, v.Version, v.Record, v.Digest, c[0].proven.image
		r.Run, r.Data, r.Commit, err = a.madeBy(ctx, v)
	}
	if err != nil {
		return r, nil, err
	}
	if s.Target != repo.TargetKubernetes { // there the code lies in the package
		if r.Code, free, err = a.servedCode(ctx, s); err != nil {
			return r, nil, err
		}
	}
	if r.Key, err = deploy.KeyOf(r); err != nil {
		return r, free, err
	}
	return r, free, nil
}

// serveOf is how mlx.yaml says that a service starts a server.
func serveOf(s repo.Service) deploy.Serve {
	if len(s.Stages) > 0 {
		return serveOfStages(s)
	}
	preset, _ := local.PresetOf(s.Server, s.Model)
	serve := deploy.Serve{
		Command: cmp.Or(s.Cmd, preset.Command), Ready: cmp.Or(s.Ready, preset.Ready), Protocol: cmp.Or(s.Protocol, preset.Protocol, "json"),
		Start: cmp.Or(s.StartTimeout.Duration, serverStarts), Stop: cmp.Or(s.StopTimeout.Duration, serverStops), Idempotent: s.Idempotent,
	}
	for name, value := range s.Env.All() {
		serve.Env = append(serve.Env, name+"="+value.Value)
	}
	return serve
}

// madeBy is the run that made a version, with what it read and the commit of its code.
func (a *app) madeBy(ctx context.Context, v *registry.Version) (id object.Digest, data []string, commit string, err error) {
	if v.Run == nil {
		return id, nil, "", nil
	}
	l, err := a.ledger()
	if err != nil {
		return id, nil, "", err
	}
	view, err := a.history(l).Get(ctx, *v.Run)
	if fault.KindOf(err) == fault.NotFound {
		return *v.Run, nil, "", nil // the record of the version says which run it was, and nothing more is known
	}
	if err != nil {
		return id, nil, "", err
	}
	for _, d := range view.Data {
		data = append(data, d.ID)
	}
	slices.Sort(data)
	if view.Commit != nil {
		commit = *view.Commit
	}
	return *v.Run, slices.Compact(data), commit, nil
}

// servedCode saves the code that a server needs: the work tree as it is, or the part of it that the service names.
func (a *app) servedCode(ctx context.Context, s repo.Service) (object.Digest, func() error, error) {
	r, err := a.repo()
	if err != nil {
		return object.Digest{}, nil, err
	}
	code, _, err := codeOf(ctx, r, nil)
	if err != nil {
		return object.Digest{}, nil, err
	}
	if len(s.Code) > 0 { // what is too large beside it does not matter
		code.LeftOut = slices.DeleteFunc(code.LeftOut, func(l run.LeftOut) bool {
			return !slices.ContainsFunc(s.Code, func(name string) bool { return within(l.Path, name) })
		})
	}
	tree, err := a.treeOf(ctx, r, run.Spec{Code: code})
	if err != nil {
		return object.Digest{}, nil, err
	}
	if tree, err = tree.only(s.Code); err != nil {
		return object.Digest{}, nil, err
	}
	saved, err := a.saveTree(ctx, r, tree)
	if err != nil {
		return object.Digest{}, nil, err
	}
	if code.Dirty || len(code.Untracked) > 0 {
		a.streams.Note("what is not committed is served as well: the release keeps it")
	}
	return saved.Root, saved.Release, nil
}

// only is the part of a tree that is named by files and folders; all without names.
func (t sentTree) only(names []string) (sentTree, error) {
	if len(names) == 0 {
		return t, nil
	}
	part := sentTree{wanted: map[string]bool{}}
	for _, name := range names {
		before := len(part.files)
		for _, f := range t.files {
			if within(f.Path, name) {
				part.add(f)
			}
		}
		if len(part.files) == before {
			return part, fault.New(fault.NotFound, "cannot serve: code names %q, and git knows no such file", name)
		}
	}
	return part, nil
}
