package main

import (
	"context"
	"path"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/registry"
	"mlx/internal/run"
)

// trainedOn is data that the run of a model's version read.
type trainedOn struct {
	path   string
	typed  string         // as somebody would type it
	digest *object.Digest // what it must be, where nothing else makes it certain
}

// modelNamed is the version that NAME@STAGE, NAME@v3 and the like name, with PATH of NAME@STAGE:PATH.
func (a *app) modelNamed(ctx context.Context, where string) (*registry.Version, string, error) {
	r := readRef(where)
	t, err := a.resolve(ctx, refModel+":"+r.word, refModel)
	if err != nil {
		return nil, "", err
	}
	_, v, err := a.modelVersion(ctx, t)
	return v, r.inner, err
}

// trainingData finds what the version was trained with that a monitor calls NAME@STAGE: the one table that its run read.
func (t *driftTurn) trainingData(ctx context.Context, where string) (driftData, error) {
	a := t.app
	v, inner, err := a.modelNamed(ctx, where)
	if err != nil {
		return driftData{}, err
	}
	if v.Run == nil {
		return driftData{}, fault.New(fault.NotFound, "cannot find the training data of %s: no run is recorded that made it", v.Name()).
			In(t.monitor.At).Hint("edit mlx.yaml   # reference: a table, a profile or REF:PATH")
	}
	view, err := a.runOf(ctx, target{Kind: refRun, ID: *v.Run})
	if err != nil {
		return driftData{}, err
	}
	data, err := trainingTable(v, view, inner)
	if err != nil {
		return driftData{}, err
	}
	d, err := a.driftTable(ctx, data.typed)
	if err != nil {
		return d, fault.New(fault.KindOf(err), "cannot read the training data of %s: %w", v.Name(), err)
	}
	if data.digest != nil && d.ref.ID != *data.digest {
		err := fault.New(fault.NotFound, "cannot read the training data of %s: %s was not committed as the run read it", v.Name(), data.path)
		return d, d.found.close(err)
	}
	d.name, d.table = "training data of "+v.Name(), data.path
	d.ref.Name = d.name
	if err := d.means(a); err != nil {
		return d, d.found.close(err)
	}
	return d, nil
}

// trainingTable is the one table among what a run read, or the one at a path.
func trainingTable(v *registry.Version, view run.View, inner string) (trainedOn, error) {
	read := readBy(view)
	var tables []trainedOn
	for _, d := range read {
		switch {
		case inner != "" && within(inner, d.path):
			d.typed, d.path = strings.TrimSuffix(d.typed, d.path)+inner, inner
			return d, nil
		case inner == "" && maybeTable(d.path):
			tables = append(tables, d)
		}
	}
	if len(tables) == 1 {
		return tables[0], nil
	}
	if inner != "" || len(tables) == 0 {
		what := "a table"
		if inner != "" {
			what = inner
		}
		return trainedOn{}, fault.New(fault.NotFound, "cannot find the training data of %s: nothing is recorded that says its run read %s", v.Name(), what).
			Hint("mlx show %s   # what it read", view.RunID.Short())
	}
	names := make([]string, len(tables))
	for i, d := range tables {
		names[i] = d.path
	}
	err := fault.New(fault.Usage, "cannot tell which training data of %s is meant: its run read %s", v.Name(), strings.Join(names, ", "))
	for _, d := range tables[:2] {
		_ = err.Hint("reference: %s:%s   # in mlx.yaml", v.Name(), d.path)
	}
	return trainedOn{}, err
}

// readBy is what a run read: data that mlx keeps and, of a stage, files that git keeps.
func readBy(v run.View) []trainedOn {
	var all []trainedOn
	for _, d := range v.Data {
		all = append(all, trainedOn{path: d.Name, typed: refRun + ":" + v.ID + ":" + d.Name})
	}
	if v.Stage == nil || v.Commit == nil {
		return all
	}
	for i, dep := range v.Stage.Deps {
		known := false
		for _, d := range all {
			known = known || d.path == dep.Path
		}
		if !known && dataset.NamesTable(dep.Path) {
			all = append(all, trainedOn{path: dep.Path, typed: refGit + ":" + *v.Commit + ":" + dep.Path, digest: &v.Stage.Deps[i].Digest})
		}
	}
	return all
}

// maybeTable says whether a path can be one of data: a folder, or a file with the name of a table.
func maybeTable(name string) bool { return path.Ext(name) == "" || dataset.NamesTable(name) }
