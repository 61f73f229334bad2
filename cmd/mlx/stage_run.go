package main

import (
	"context"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/pipeline"
)

// stageRun finds the run that made the outputs of a stage from the inputs now checked out, wherever it ran. The error says
// why there is none.
func (a *app) stageRun(ctx context.Context, word string) (object.Digest, error) {
	all, err := a.stages(ctx)
	if err != nil {
		return object.Digest{}, err
	}
	named, err := selectStages(all, []string{word})
	if err != nil {
		return object.Digest{}, err
	}
	if len(named) > 1 {
		return object.Digest{}, severalStages(word, named)
	}
	for i := range all {
		all[i].Always = false // it is asked for what was made, not for what is to be done
	}
	g, err := pipeline.NewGraph(all)
	if err != nil {
		return object.Digest{}, err
	}
	sel, err := g.Select([]string{named[0].Name}, false)
	if err != nil {
		return object.Digest{}, err
	}
	w, err := a.reproWorld(ctx, g)
	if err != nil {
		return object.Digest{}, err
	}
	world := w.world()
	world.Here = func(context.Context, pipeline.Made) (bool, error) { return true, nil } // wherever its outputs are
	p, err := pipeline.NewPlanner(ctx, g, world, pipeline.Options{}, sel)
	if err != nil {
		return object.Digest{}, err
	}
	planned, err := p.Plan(ctx, sel)
	if lacksObject(err) {
		return object.Digest{}, fault.New(fault.NotFound, "what the stages before %s made is not in the store: %w", word, err).
			Hint("mlx repro %s --pull   # brings it from the remote", shellWord(word))
	}
	if err != nil {
		return object.Digest{}, err
	}
	d := planned[len(planned)-1] // what needs nothing but what is before it
	for _, one := range planned {
		if one.Stage.Name == named[0].Name {
			d = one
		}
	}
	if d.Made == nil {
		return object.Digest{}, fault.New(fault.NotFound, "no run has made stage %s from the inputs now checked out: %s", d.Stage.Name, d.Why).
			Hint("mlx repro %s", shellWord(d.Stage.Name))
	}
	return d.Made.Run, nil
}

func severalStages(word string, named []pipeline.Stage) error {
	names := make([]string, len(named))
	for i, s := range named {
		names[i] = s.Name
	}
	e := fault.New(fault.Conflict, "%s is %d stages: %s", word, len(named), strings.Join(names[:min(len(names), 5)], ", "))
	for _, name := range names[:2] {
		e.Hint("stage:%s", name)
	}
	return e
}

// stage finds the run of a stage; where there is none, what mlx.yaml says of the stage.
func (f *finder) stage() {
	if f.err != nil {
		return
	}
	id, err := f.app.stageRun(f.ctx, f.r.word)
	if err != nil {
		f.config("stages")
		return
	}
	l := f.ledger()
	if l == nil {
		return
	}
	v, err := f.app.history(l).Get(f.ctx, id)
	if err != nil {
		f.err = err
		return
	}
	f.run(l, v)
}
