package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/run"
	"mlx/internal/train"
)

type jobWaitOptions struct {
	refs    []string
	timeout string
	within  time.Duration
}

func newJobWait(a *app) *cobra.Command {
	var o jobWaitOptions
	cmd := &cobra.Command{
		Use:   "wait RUN…",
		Short: "Wait for runs and bring back their results",
		Long: `Waits until each of the runs has ended, and brings back the records and outputs of those that a backend executed. - reads
references from stdin, one a line. The status is 0 when all succeeded, and 1 when one did not, or goes on after --timeout.`,
		Example:           "mlx job wait @last\nmlx job wait --timeout 2h @last~1 @last",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs = args
			return jobWaitRun(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringVar(&o.timeout, "timeout", "", "wait no longer than this `TIME`: 5m, 2h")
	return cmd
}

func jobWaitRun(ctx context.Context, a *app, o jobWaitOptions) (err error) {
	if o.timeout != "" {
		if o.within, err = cli.ParseDuration(o.timeout); err != nil {
			return err
		}
	}
	if o.refs, err = a.spelled(ctx, o.refs); err != nil {
		return err
	}
	if _, err := a.recovered(ctx); err != nil {
		return err
	}
	w := waiter{app: a, links: newLinks(), until: a.now().Add(o.within)}
	defer w.links.close()
	for _, ref := range o.refs { // a wrong word waits for nothing
		j, err := a.jobOf(ctx, ref)
		if err != nil {
			return err
		}
		w.left = append(w.left, j)
	}
	for n := 0; ; n++ {
		if err := w.turn(ctx); err != nil {
			return err
		}
		if len(w.left) == 0 {
			return errors.Join(w.troubles...)
		}
		if o.within > 0 && !a.now().Before(w.until) {
			return w.enough()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(train.Pause(n, askPending)):
		}
	}
}

// waiter waits for many runs at once: each backend is asked for all of its jobs with one request.
type waiter struct {
	app      *app
	links    *onLinks
	until    time.Time
	left     []job
	jobs     map[string]*onJob // by the id of the run
	troubles []error
	told     map[string]string
}

// turn looks at all that is left, and takes out what has ended.
func (w *waiter) turn(ctx context.Context) error {
	var views []run.View
	for _, j := range w.left {
		views = append(views, j.view)
	}
	sights, err := w.app.look(ctx, views)
	if err != nil {
		return err
	}
	var left []job
	for _, j := range w.left {
		next, done, err := w.one(ctx, j, sights[j.view.RunID])
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			w.troubles = append(w.troubles, err)
		case !done:
			left = append(left, next)
		default:
			if err := w.tell(next); err != nil {
				return err
			}
		}
	}
	w.left = left
	return nil
}

// one looks at one run. done: it has ended, and its results are here.
func (w *waiter) one(ctx context.Context, j job, s sight) (job, bool, error) {
	a := w.app
	next, err := a.jobOf(ctx, refRun+":"+j.view.ID)
	if err != nil {
		return j, false, err
	}
	if next.view.Job == nil {
		if next.view.State == run.Lost && !next.ended() {
			_, err = a.recovered(ctx)
		}
		return next, next.ended(), err
	}
	on, err := w.open(ctx, next.view)
	if err != nil {
		return next, false, err
	}
	defer on.release()
	if !next.ended() {
		handed, err := on.goOn(ctx, w.links)
		if err != nil {
			w.links.drop(on) // what it left is for no other run
		}
		if err != nil || handed {
			return next, false, err
		}
		if ready, err := w.ready(ctx, on, s); err != nil || !ready {
			return next, false, err
		}
	} else if !on.kept() {
		return next, true, nil
	}
	if _, err = on.collect(ctx, w.links, s); errors.Is(err, errAgain) {
		return next, false, nil
	} else if err != nil {
		if w.links.broke(on, err) {
			w.links.drop(on)
			w.unreachable(on, err.Error())
			return next, false, nil
		}
		return next, false, err
	}
	next, err = a.jobOf(ctx, refRun+":"+j.view.ID)
	return next, err == nil, err
}

func (w *waiter) open(ctx context.Context, v run.View) (*onJob, error) {
	if w.jobs == nil {
		w.jobs, w.told = map[string]*onJob{}, map[string]string{}
	}
	if j := w.jobs[v.ID]; j != nil {
		return j, nil
	}
	j, err := w.app.reopenJob(ctx, v)
	if err == nil {
		w.jobs[v.ID] = j
	}
	return j, err
}

// ready says whether the results of a job can be brought back. A node that can be reached only now gets what it waits for.
func (w *waiter) ready(ctx context.Context, j *onJob, s sight) (bool, error) {
	if err := s.wrong(); err != nil {
		return false, err
	}
	if s.err != nil {
		w.unreachable(j, s.words())
		return false, nil
	}
	if s.over() {
		return true, nil
	}
	if j.access() != train.AccessNode || s.status.State != train.Running {
		return false, nil
	}
	l, err := w.links.to(ctx, j)
	if err == nil && j.plan.Remote == "" && j.kept() {
		if secrets, err := j.app.secretValues(j.body.Job.Secrets); err == nil { // otherwise it has those that it was submitted with
			j.secrets = secrets
		}
		_, err = j.deliverOn(ctx, l)
	}
	if err == nil {
		_, err = j.result(ctx, l)
	}
	if errors.Is(err, errNoResult) && j.keepsCheckpoints() {
		if told, _, toldErr := j.toldThere(ctx, l); toldErr == nil && told.Checkpoint != nil {
			j.keepCheckpoint(ctx, l, *told.Checkpoint)
		}
	}
	if err != nil {
		if !errors.Is(err, errNoResult) {
			w.links.drop(j)
		}
		return false, nil
	}
	return true, nil
}

// unreachable says once why a backend does not answer.
func (w *waiter) unreachable(j *onJob, words string) {
	if w.told[j.name] != words {
		w.told[j.name] = words
		j.app.streams.Note("cannot reach %s, trying again; its runs go on: %s", j.name, words)
	}
}

// tell prints how a run ended.
func (w *waiter) tell(j job) error {
	if j.view.State != run.Succeeded {
		w.app.answer(no)
	}
	row := j.row(w.app.now())
	return w.app.streams.Row(row, func(t *cli.Text) {
		cells := []cli.Cell{cli.Fmt("run %s", cli.ID(j.view.RunID)), stateCell(row.State)}
		if row.Reason != nil && row.State != run.Succeeded {
			cells = append(cells, cli.Str(*row.Reason))
		}
		t.Line(cells...)
	})
}

// enough ends the waiting for what goes on.
func (w *waiter) enough() error {
	for _, j := range w.left {
		w.app.streams.Note("run %s goes on: %s", j.view.RunID.Short(), j.view.State)
	}
	w.app.answer(no)
	return errors.Join(w.troubles...)
}
