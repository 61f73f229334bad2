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

type agentRunOptions struct {
	dir  string
	wait string
}

func newAgentRun(a *app) *cobra.Command {
	var o agentRunOptions
	cmd := &cobra.Command{
		Use:   "run DIR",
		Short: "Execute the job in a folder and leave its results there",
		Long: `A backend starts it on each node of a job. It waits until all that the job needs has arrived in DIR, lays out the work tree and the
data, executes the command and records it as mlx run does, and leaves records and results for whoever submitted the job. Its
status is that of the command; 125 is its own trouble.`,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{troubleStatus: "125", needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return agentRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		Hidden:            true,
	}
	cmd.Flags().StringVar(&o.wait, "wait", "1h", "give up when what the job needs has not arrived after this `TIME`")
	return cmd
}

// errInterrupted says that the job goes on elsewhere, or later: the backend starts its agent again.
var errInterrupted = errors.New("interrupted")

func agentRun(ctx context.Context, a *app, o agentRunOptions) error {
	wait, err := cli.ParseDuration(o.wait)
	if err != nil {
		return err
	}
	j, err := openAgentJob(a, o.dir)
	if err != nil {
		return err
	}
	j.wait = wait
	ctx = context.WithoutCancel(ctx) // signals are answered here, one by one
	run.Adopt()
	defer j.listen()()
	if train.MayFollow(a.environ) {
		if err := j.await(); err != nil {
			return err
		}
		if j.place.Node > 0 {
			return j.follow(ctx)
		}
	}
	release, status, err := j.claim()
	if err != nil {
		return err
	}
	if status >= 0 {
		a.child = status
		return nil
	}
	defer release()
	defer j.beat()()
	r, err := j.execute(ctx)
	if errors.Is(err, errInterrupted) {
		j.say("the job is interrupted; its backend starts it again")
		a.child = 128 + 15
		return nil
	}
	if err != nil {
		return j.broke(err)
	}
	j.hold(ctx, r)
	a.child = r.Status
	return nil
}

// execute does the job, and returns its results once they are in its folder.
func (j *agentJob) execute(ctx context.Context) (train.Result, error) {
	if err := j.await(); err != nil {
		return j.close(ctx, nil, err)
	}
	if err := j.prepare(ctx); err != nil {
		return j.close(ctx, nil, err)
	}
	ended, err := j.endedRun(ctx)
	if err != nil {
		return j.close(ctx, nil, err)
	}
	var result *run.Result
	if ended == nil {
		result, err = j.attempts(ctx)
		if errors.Is(err, errInterrupted) {
			return train.Result{}, err
		}
	}
	return j.close(ctx, result, err)
}

// broke reports what kept the agent from leaving results.
func (j *agentJob) broke(err error) error {
	j.say("%v", err)
	return fault.New(fault.KindOf(err), "cannot end job %s: %w", j.order.Run.Short(), err)
}

// hold keeps a node that goes with its files until somebody has fetched them.
func (j *agentJob) hold(ctx context.Context, r train.Result) {
	if j.order.Hold <= 0 || j.order.Remote != "" || r.Pushed {
		return
	}
	j.say("waiting for the results to be fetched, %s at most", cli.FormatDuration(j.order.Hold))
	j.tell(func(t *train.Told) { t.State = toldHolding })
	until := time.NewTimer(j.order.Hold)
	defer until.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	over := j.crew.over
	if _, asked := j.cancelled(); asked { // whoever did that fetches what there is
		over = nil
	}
	for !isThere(j.path(train.CollectedName)) {
		select {
		case <-until.C:
			return
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
