package main

import (
	"context"
	"errors"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/history"
	"mlx/internal/run"
	"mlx/internal/source"
)

// historyOf says whether a source is the history of another tool, and of which.
func historyOf(word string) (tool, place string, ok bool) {
	tool, place, ok = strings.Cut(word, ":")
	return tool, place, ok && (tool == "mlflow" || tool == "wandb")
}

// checkHistory refuses what goes with data only.
func (o importOptions) checkHistory() error {
	tool, place, ok := historyOf(o.words[0])
	switch {
	case !ok && len(o.artifacts) > 0 && !strings.HasPrefix(o.words[0], "dvc:"):
		return fault.New(fault.Usage, "cannot look for artifacts: only a history has some").
			Hint("mlx import mlflow:PATH --artifacts FOLDER")
	case !ok:
		return nil
	case place == "":
		return fault.New(fault.Usage, "cannot import %s: say where it is", o.words[0]).Hint("mlx import %s:PATH", tool)
	case len(o.words) > 1:
		return fault.New(fault.Usage, "cannot import %s to %s: a history becomes records, and its files are kept in the store", o.words[0], o.words[1]).
			Hint("mlx import %s", shellWord(o.words[0]))
	case o.query != "" || o.from != "":
		return fault.New(fault.Usage, "cannot import %s with --query or --from: they are for data", o.words[0]).Hint("mlx import %s", shellWord(o.words[0]))
	}
	return nil
}

// importHistoryRun imports runs and models that another tool wrote down.
func importHistoryRun(ctx context.Context, a *app, o importOptions) error {
	tool, place, _ := historyOf(o.words[0])
	h, err := a.openHistory(ctx, tool, place, o)
	if err != nil {
		return err
	}
	defer a.closeHistory(h)
	v, err := a.bring(ctx, h)
	if err != nil {
		return err
	}
	r, err := a.repo()
	if err != nil {
		return err
	}
	return a.emitImported(ctx, r, nil, v)
}

func (a *app) openHistory(ctx context.Context, tool, place string, o importOptions) (*history.History, error) {
	dir, err := a.cwd()
	if err != nil {
		return nil, err
	}
	ho := history.Options{Dir: dir, Artifacts: o.artifacts}
	if tool == "wandb" {
		return history.OpenWandb(ctx, place, ho)
	}
	return history.OpenMLflow(ctx, place, ho)
}

// dvcHistory imports the runs of a whole repository of dvc, once its data is here. nil: they were not asked for, or there are none.
func (a *app) dvcHistory(ctx context.Context, o importOptions) (*historyView, error) {
	place, ok := strings.CutPrefix(o.words0(), "dvc:")
	if !ok || o.from != "" {
		return nil, nil
	}
	dir, err := a.cwd()
	if err != nil {
		return nil, err
	}
	src, err := source.Parse(o.words0(), dir)
	if err != nil || !src.Whole() {
		return nil, err
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	h, err := history.OpenDVC(ctx, place, history.Options{Dir: dir, Tmp: r.Tmp(), Environ: a.environ})
	if err != nil {
		return nil, err
	}
	defer a.closeHistory(h)
	if len(h.Runs) == 0 {
		return nil, nil
	}
	return a.bring(ctx, h)
}

func (a *app) closeHistory(h *history.History) {
	if err := h.Close(); err != nil {
		a.streams.Why("cannot close the history: %v", err)
	}
}

// bring imports a whole history. What of it cannot be brought is told in the view; an error says that not even that is known.
func (a *app) bring(ctx context.Context, h *history.History) (*historyView, error) {
	runner, err := a.runner()
	if err != nil {
		return nil, err
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	release, err := r.Lock(ctx, []string{"import " + h.From}, func() { a.streams.Note("waiting for another import") })
	if err != nil {
		return nil, err
	}
	defer release()
	importer, err := runner.Importer(ctx, h.From)
	if err != nil {
		return nil, err
	}
	b := &bringing{app: a, history: h, importer: importer, view: &historyView{From: h.From, Source: h.Source}}
	importer.Left = func(there string, why error) { h.Left.Add("content of a run", there, plainWords(why)) }
	err = b.runs(ctx)
	if err := errors.Join(err, importer.Close(ctx)); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context, run.Runner) error{b.experiments, b.logged, b.registry} {
		if err := step(ctx, runner); err != nil {
			return nil, err
		}
	}
	if h.Changed() {
		return nil, fault.New(fault.Conflict, "cannot import %s:%s as a whole: somebody wrote to it meanwhile", h.From, h.Source).
			Hint("mlx import %s:%s   # again: what is here already is not read twice", h.From, h.Source)
	}
	b.finish()
	return b.view, nil
}

// bringing is one import of a history.
type bringing struct {
	app      *app
	history  *history.History
	importer *run.Importer
	view     *historyView
}

// runs imports the runs, a level of nesting after the other: a run is recorded before what happened in it.
func (b *bringing) runs(ctx context.Context) error {
	h := b.history
	progress := b.app.streams.Progress("importing", "runs", int64(len(h.Runs)))
	defer progress.Done()
	for _, ref := range h.Runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		progress.Add(1)
		if b.importer.Done(ref.ID) {
			b.view.Runs.Known++
			continue
		}
		parent, err := b.parent(ctx, ref)
		if err != nil {
			return err
		}
		there, err := h.Read(ctx, ref)
		if err == nil {
			_, err = b.importer.Add(ctx, foreignOf(h, there, parent))
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
		case fatal(err):
			return err
		default:
			b.view.Runs.Failed++
			h.Left.Add("run", ref.ID, plainWords(err))
		}
	}
	return b.importer.Flush(ctx)
}

// parent is the id that the parent of a run has here.
func (b *bringing) parent(ctx context.Context, ref history.Ref) (string, error) {
	if ref.Parent == "" {
		return "", nil
	}
	id, ok := b.importer.ID(ref.Parent)
	if !ok {
		if err := b.importer.Flush(ctx); err != nil {
			return "", err
		}
		if id, ok = b.importer.ID(ref.Parent); !ok { // it could not be imported
			b.history.Left.Add("parent", ref.ID, "the run that it happened in was not imported")
			return "", nil
		}
	}
	return id.Hex(), nil
}

// fatal says whether an error is about this machine and not about one run: then nothing more can be imported.
func fatal(err error) bool {
	switch fault.KindOf(err) {
	case fault.Usage, fault.NotFound, fault.Denied, fault.Integrity:
		return false
	case fault.Internal, fault.Conflict, fault.Unavailable, fault.Interrupted:
	}
	return true
}

// plainWords is an error in one line.
func plainWords(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// finish counts what was done.
func (b *bringing) finish() {
	got := b.importer.Brought
	b.view.Runs.New, b.view.Points = got.Runs, got.Points
	b.view.Artifacts = historyFiles{Files: got.Files, Bytes: got.Bytes}
	b.view.Experiments = len(b.history.Experiments)
	b.view.Left = []historyLeft{}
	for _, l := range b.history.Left.List {
		b.view.Left = append(b.view.Left, historyLeft(l))
	}
}
