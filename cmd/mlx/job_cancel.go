package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

type jobCancelOptions struct {
	refs   []string
	grace  string
	reason string
	within time.Duration
}

// After the grace a command is killed; its mlx then needs a moment to record the end.
const (
	cancelPause  = 50 * time.Millisecond
	cancelMargin = time.Second
	cancelLimit  = 30 * time.Second
)

func newJobCancel(a *app) *cobra.Command {
	var o jobCancelOptions
	cmd := &cobra.Command{
		Use:   "cancel RUN…",
		Short: "Stop runs",
		Long: `Asks the command of each run to end, kills it when it has not after --grace, and waits until the end is recorded: the run is
cancelled, by whom and why. - reads references from stdin, one a line.`,
		Example: `mlx job cancel @last
mlx job cancel run:baseline --grace 5s -m "the loss is NaN"`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs = args
			return jobCancelRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.grace, "grace", "30s", "kill a command that has not ended after this `TIME`; default 30s")
	flags.StringVarP(&o.reason, "message", "m", "", "`WHY`, for the record")
	return cmd
}

func jobCancelRun(ctx context.Context, a *app, o jobCancelOptions) (err error) {
	if o.within, err = cli.ParseDuration(o.grace); err != nil {
		return err
	}
	if o.refs, err = a.spelled(ctx, o.refs); err != nil {
		return err
	}
	runner, err := a.recovered(ctx)
	if err != nil {
		return err
	}
	c := canceller{app: a, runner: runner, options: o, links: newLinks(), why: run.Cancel{By: a.user(), Why: o.reason, GraceS: o.within.Seconds()}}
	defer c.links.close()
	var jobs []job
	for _, ref := range o.refs { // a wrong word stops nothing
		j, err := a.jobOf(ctx, ref)
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	var troubles []error
	changed := make([]bool, len(jobs))
	for i, j := range jobs {
		if changed[i], err = c.ask(ctx, j); err != nil {
			changed[i], troubles = false, append(troubles, err)
		}
	}
	start := a.now()
	for i, j := range jobs {
		switch {
		case changed[i]:
			if j, err = c.wait(ctx, j, start); err == nil {
				err = c.tell(j, true)
			}
		case j.ended():
			err = c.tell(j, false)
		default:
			continue // its trouble is known
		}
		if err != nil {
			troubles = append(troubles, err)
		}
	}
	return errors.Join(troubles...)
}

type canceller struct {
	app     *app
	runner  run.Runner
	options jobCancelOptions
	links   *onLinks
	why     run.Cancel
}

// ask asks a run to end. false: there is nothing to wait for.
func (c canceller) ask(ctx context.Context, j job) (bool, error) {
	if j.ended() {
		return false, nil
	}
	if j.view.Job != nil {
		on, err := c.app.reopenJob(ctx, j.view)
		if err != nil {
			return false, err
		}
		return true, on.cancel(ctx, c.links, c.why, c.options.within)
	}
	if !j.here || !j.view.Watched(c.runner.Host) {
		return false, j.elsewhere("cancel")
	}
	return true, c.runner.AskToEnd(j.view, j.live, c.why, false)
}

// wait returns the job once it has ended.
func (c canceller) wait(ctx context.Context, j job, start time.Time) (job, error) {
	if j.view.Job != nil {
		return c.waitOn(ctx, j, start)
	}
	killed := false
	for {
		next, err := c.app.jobOf(ctx, refRun+":"+j.view.ID)
		if err != nil || next.ended() {
			return next, err
		}
		if next.view.State == run.Lost {
			c.app.recoverRuns(ctx, c.runner)
		}
		waited := c.app.now().Sub(start)
		if limit := c.options.within + c.margin(); waited > limit && !killed {
			killed = true
			if err := c.runner.AskToEnd(j.view, next.live, c.why, true); err != nil {
				return j, err
			}
		}
		if waited > c.options.within+cancelLimit {
			return j, fault.New(fault.Unavailable, "cannot cancel run %s: it did not end", j.view.RunID.Short()).
				Hint("mlx job list   # shows whether it is still there")
		}
		select {
		case <-ctx.Done():
			return j, ctx.Err()
		case <-time.After(cancelPause):
		}
	}
}

// margin leaves the killing to the mlx that watches, which knows the grace as well; but it takes no grace of none.
func (c canceller) margin() time.Duration {
	if c.options.within == 0 {
		return 0
	}
	return cancelMargin
}

// jobChange is the JSON of `job cancel`.
type jobChange struct {
	jobView
	Changed bool `json:"changed"`
}

func (c canceller) tell(j job, changed bool) error {
	row := j.row(c.app.now())
	return c.app.streams.EmitVerdict(jobChange{row, changed}, false, func(t *cli.Text) {
		cells := []cli.Cell{cli.Fmt("run %s", cli.ID(j.view.RunID)), cli.Str(string(row.State))}
		if row.Reason != nil {
			cells = append(cells, cli.Str(*row.Reason))
		}
		if !changed {
			cells = append(cells, cli.Str("nothing changed"))
		}
		t.Line(cells...)
	})
}

// waitOn returns a job of a backend once its end is recorded here.
func (c canceller) waitOn(ctx context.Context, j job, start time.Time) (job, error) {
	w, forced := waiter{app: c.app, links: c.links}, false
	for n := 0; ; n++ {
		sights, err := c.app.look(ctx, []run.View{j.view})
		if err != nil {
			return j, err
		}
		next, done, err := w.one(ctx, j, sights[j.view.RunID])
		if done || err != nil {
			return next, err
		}
		waited := c.app.now().Sub(start)
		if waited > c.options.within+cancelLimit/2 && !forced {
			forced = true
			if err := c.force(ctx, j); err != nil {
				return j, err
			}
		}
		if waited > c.options.within+cancelLimit {
			return j, fault.New(fault.Unavailable, "cannot tell whether run %s was cancelled: %s has not said that it ended", j.view.RunID.Short(), j.view.Job.Backend).
				Hint("mlx job list   # shows whether it is still there")
		}
		select {
		case <-ctx.Done():
			return j, ctx.Err()
		case <-time.After(train.Pause(n, askPending)):
		}
	}
}

// force ends the place of a job whose agent was asked to end the run and does not: its results are lost.
func (c canceller) force(ctx context.Context, j job) error {
	on, err := c.app.reopenJob(ctx, j.view)
	if err != nil || on.access() != train.AccessNode {
		return err
	}
	defer on.release()
	return on.driver.Cancel(ctx, on.ref(), 0)
}
