package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

type agentEndOptions struct {
	dir   string
	state string
	cause string
}

func newAgentEnd(a *app) *cobra.Command {
	var o agentEndOptions
	cmd := &cobra.Command{
		Use:   "end DIR",
		Short: "Record the end of a job whose agent is gone",
		Long: `Records the end of the run with what the folder of the job still holds of it: output, metrics, checkpoint and the outputs that exist.
What still lives of it is ended. A job that has ended, or whose agent is at work, is left alone.`,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return agentEnd(cmd.Context(), a, o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		Hidden:            true,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.state, "state", "lost", "how it ended, `STATE`: lost, cancelled or killed")
	flags.StringVar(&o.cause, "cause", lostAgent, "why, in words, `TEXT`")
	completeFlag(cmd, "state", completeWords(string(run.Lost), string(run.Cancelled), string(run.Killed)))
	return cmd
}

func agentEnd(ctx context.Context, a *app, o agentEndOptions) error {
	state := run.State(o.state)
	if state != run.Lost && state != run.Cancelled && state != run.Killed {
		return fault.New(fault.Usage, "cannot end the job as %q", o.state).Hint("mlx agent end --state lost DIR")
	}
	j, err := openAgentJob(a, o.dir)
	if err != nil {
		return err
	}
	release, ok, err := repo.TryLock(j.path("claim"))
	if err == nil && !ok {
		err = fault.New(fault.Conflict, "cannot end job %s: its agent is at work", j.id.Short())
	}
	if err != nil {
		return err
	}
	defer release()
	r, ok := j.result()
	if !ok {
		if r, err = j.endAs(ctx, run.Ending{State: state, Cause: o.cause}); err != nil {
			return err
		}
	}
	return a.streams.EmitVerdict(r, false, func(t *cli.Text) { t.Line(cli.Hex(r.Run.Hex(), 12), cli.Str(r.State), cli.Str(r.Cause)) })
}

// endAs records the end of a run that nobody else will record.
func (j *agentJob) endAs(ctx context.Context, e run.Ending) (train.Result, error) {
	err := errors.Join(j.readBook(), j.readOrder())
	if text, err := j.read(train.StateName); err == nil {
		if told, err := train.ParseTold(text); err == nil { // else the last attempt lasted for as long as is known otherwise
			j.before = told.At
		}
	}
	if err == nil {
		j.crew.close(run.Stop{State: e.State, Cause: e.Cause}, false)
		err = j.reenter(ctx)
	}
	if err != nil || j.in == nil {
		return j.close(ctx, nil, err)
	}
	ended, err := j.endedRun(ctx)
	if err != nil || ended != nil {
		return j.close(ctx, nil, err)
	}
	runner, err := j.in.runner()
	if err != nil {
		return j.close(ctx, nil, err)
	}
	runner.Secrets = j.secretValues()
	j.keepCheckpoint(ctx)
	s := j.spec(max(1, j.book.Last), time.Time{})
	result, err := runner.TakeUp(ctx, j.start, s, e)
	return j.close(ctx, result, err)
}

// reenter opens the project that an agent before this one has laid out, if it came so far.
func (j *agentJob) reenter(ctx context.Context) error {
	if !isThere(j.source(".mlx", "clone-id")) {
		return nil
	}
	r, err := findProject(j.source())
	if err != nil {
		return err
	}
	j.inside(r)
	l, err := j.in.ledger()
	if err != nil {
		return err
	}
	j.start, err = l.ImportRecord(ctx, j.start.Raw, j.id)
	return err
}

// findProject opens the project in the work tree of a job.
func findProject(src string) (*repo.Repo, error) {
	r, err := repo.Find(src)
	if err == nil && (r.Root != src || !r.NoGit) {
		err = fault.New(fault.Integrity, "cannot open %s: it is no work tree of a job", src)
	}
	return r, err
}
