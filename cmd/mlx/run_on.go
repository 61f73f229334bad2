package main

import (
	"context"
	"errors"
	"os"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

// submitted is a run that its backend has.
type submitted struct {
	job    *onJob
	links  *onLinks
	id     object.Digest
	handle string
}

// submit plans a run on a backend, records it and hands it over. What was done is done, also if this process ends: the run is found by
// its record, and mlx job attach goes on with it.
func (a *app) submit(ctx context.Context, spec run.Spec, ask onAsk) (s submitted, err error) {
	ask.Links = newLinks()
	defer func() {
		if err != nil {
			ask.Links.close()
		}
	}()
	j, err := a.planOn(ctx, &spec, ask)
	if err != nil {
		return submitted{}, err
	}
	defer j.release()
	if word := run.SecretArgument(spec.Command); word != "" {
		a.streams.Note("the command is recorded as it is, and may hold a secret: %s", word)
		a.streams.Hint("mlx run --on "+shellWord(ask.Backend)+" --secret NAME …", "its value is written nowhere")
	}
	a.explainRun(ctx, &spec)
	if err := j.record(ctx, spec); err != nil {
		return submitted{}, err
	}
	if a.cause != nil {
		a.cause.begun(j.id, spec)
	}
	a.streams.Why("run %s is recorded", j.id.Short())
	if err := j.hand(ctx, ask.Links); err != nil {
		return submitted{}, j.halfway(ctx, err)
	}
	return submitted{job: j, links: ask.Links, id: j.id, handle: j.ref().Handle}, nil
}

// halfway says of an error after the run was recorded how it goes on.
func (j *onJob) halfway(ctx context.Context, err error) error {
	if v, viewErr := j.view(context.WithoutCancel(ctx)); viewErr == nil && v.EndedAt != nil {
		return err // it was refused: there is nothing to go on with
	}
	kind := fault.KindOf(err)
	e := fault.New(kind, "%w", err).About(fault.Ref{Kind: refRun, ID: j.id.Hex()})
	if len(fault.Hints(err)) == 0 {
		e.Hint("mlx job attach %s   # goes on with it", j.id.Short())
	}
	return e.Hint("mlx job cancel %s   # drops it", j.id.Short())
}

// executeOn executes a command on a backend as executeRun does here: what it prints is shown, and its results are brought back. With
// ask.Detach it returns as soon as nothing depends on this process any more.
func (a *app) executeOn(ctx context.Context, spec run.Spec, ask onAsk, l live) (*run.Result, error) {
	s, err := a.submit(ctx, spec, ask)
	if err != nil {
		return nil, err
	}
	defer s.links.close()
	if ask.Detach {
		return s.job.left(ctx, s.links)
	}
	a.streams.Why("run %s is job %s of %s", s.id.Short(), s.handle, ask.Backend)
	return s.job.finish(ctx, s.links, l)
}

// left returns the run as it is left to its backend. Where its node can be reached only while it runs, what it needs is brought first.
func (j *onJob) left(ctx context.Context, links *onLinks) (*run.Result, error) {
	if j.access() == train.AccessNode && j.plan.Remote == "" {
		j.app.streams.Note("run %s gets its files when it has a place on %s: waiting for that", j.id.Short(), j.name)
		if err := j.await(ctx, links); err != nil {
			return nil, j.halfway(ctx, err)
		}
	}
	v, err := j.view(ctx)
	return &run.Result{View: v}, err
}

// await waits until the job has a node, and brings it what it needs.
func (j *onJob) await(ctx context.Context, links *onLinks) error {
	f := newFollower(j, links)
	for {
		done, err := f.look(ctx)
		if done || err != nil {
			return err
		}
		if j.reachable(f.last) {
			_, err := j.deliver(ctx, links)
			if err == nil {
				return nil
			}
			links.drop(j)
			j.app.streams.Why("%v", err)
		}
		if _, err := f.wait(ctx); err != nil {
			return err
		}
	}
}

// finish follows a job to its end and brings its results back.
func (j *onJob) finish(ctx context.Context, links *onLinks, l live) (*run.Result, error) {
	defer j.release()
	var out *printer
	var shown shower // nil without one
	if l.stdout != nil || l.stderr != nil {
		out = &printer{dir: j.mirror().dir, stdout: l.stdout, stderr: l.stderr, cut: func(n int64) {
			j.app.streams.Note("(%s were not kept)", cli.FormatBytes(n))
		}}
	}
	if out != nil {
		shown = out
	}
	v, err := j.toEnd(ctx, links, shown)
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		return nil, err
	}
	result := &run.Result{View: v, Status: statusOfView(v)}
	if out == nil || out.stdout == nil {
		return result, nil
	}
	return result, j.rest(ctx, v, out)
}

// toEnd follows a job through all of its attempts, and brings its results back.
func (j *onJob) toEnd(ctx context.Context, links *onLinks, shown shower) (run.View, error) {
	for {
		last, err := j.follow(ctx, links, shown)
		if errors.Is(err, errDetached) {
			return run.View{}, context.Canceled
		}
		if err != nil {
			return run.View{}, err
		}
		v, err := j.collectAgain(ctx, links, last)
		if err == nil {
			return v, nil
		}
		if !errors.Is(err, errAgain) {
			return v, err
		}
		if shown != nil {
			shown.again()
		}
		if err := paused(ctx, againPause); err != nil {
			return v, err
		}
	}
}

// rest prints what of the output came too late to be followed.
func (j *onJob) rest(ctx context.Context, v run.View, out *printer) error {
	if v.Log == nil || out.pos >= v.Log.Bytes {
		return nil
	}
	files, err := j.store.FS(ctx, v.Log.Root)
	if err != nil {
		return err
	}
	out.reader = run.NewLogReader(files, out.pos)
	defer out.close()
	return out.show()
}

// statusOfView is the exit status of a run as the process that executed it would have had it.
func statusOfView(v run.View) int {
	switch {
	case v.Signal != nil:
		return 128 + run.SignalNumber(*v.Signal)
	case v.ExitStatus != nil && (*v.ExitStatus != 0 || v.State == run.Succeeded || v.State == run.Cancelled):
		return *v.ExitStatus
	}
	return 125
}

// runOn is mlx run --on.
func runOn(ctx context.Context, a *app, o runOptions, ask onAsk) error {
	spec, free, err := a.specOn(ctx, o, ask)
	if err != nil {
		return err
	}
	defer free()
	if o.on.dryRun {
		return a.dryRunOn(ctx, spec, ask)
	}
	result, err := a.executeOn(ctx, spec, ask, live{nil, os.Stdout, os.Stderr, o.captureURI})
	if err != nil {
		return err
	}
	if ask.Detach {
		return a.detached(ctx, o, result.View)
	}
	if err := a.ran(context.WithoutCancel(ctx), o, result); err != nil {
		return err
	}
	a.pushAfter(ctx, result)
	return nil
}

// specOn is what the command line says of a run on a backend.
func (a *app) specOn(ctx context.Context, o runOptions, ask onAsk) (spec run.Spec, free func(), err error) {
	free = func() {}
	r, err := a.repo()
	if err != nil {
		return spec, free, err
	}
	b, err := a.backend(ask.Backend)
	if err == nil {
		err = b.Gives(ask.Backend, repo.Backend{Image: ask.Image, Queue: ask.Queue, Spot: ask.Spot})
	}
	if err != nil {
		return spec, free, err
	}
	if spec, err = o.spec(a, r); err != nil {
		return spec, free, err
	}
	if spec.Code, spec.Patch, err = codeOf(ctx, r, spec.Outs); err != nil {
		return spec, free, err
	}
	paths, used, err := a.usedModels(ctx, o.data)
	if err != nil {
		return spec, free, err
	}
	spec.Used = used
	if o.on.dryRun {
		spec.Data, err = a.dataAsIs(ctx, paths)
		return spec, free, err
	}
	spec.Data, free, err = a.dataFor(ctx, paths, ask)
	return spec, free, err
}

// detached tells of a run that was left to its backend.
func (a *app) detached(ctx context.Context, o runOptions, v run.View) error {
	for _, tag := range o.tags {
		if err := a.tagRun(ctx, v.RunID, tag); err != nil {
			a.streams.Note("%v", err)
		}
	}
	j, err := a.jobWith(v)
	if err != nil {
		return err
	}
	row := j.row(a.now())
	err = a.streams.EmitVerdict(row, false, func(t *cli.Text) {
		t.Line(cli.Fmt("run %s", cli.ID(v.RunID)), stateCell(row.State), cli.Str(row.Backend), cli.Str(row.Handle))
	})
	a.streams.Hint("mlx job attach "+v.RunID.Short(), "follows it and brings its results back")
	return err
}
