package main

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/run"
)

type jobListOptions struct {
	all   bool
	watch bool
}

// watchPause is the time between two looks of --watch.
const watchPause = time.Second

func newJobList(a *app) *cobra.Command {
	var o jobListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs in progress, here and on backends",
		Long: `For each run its state, for how long it has been running, the processor time (100 % is one processor) and memory that it uses
now, its command and its last metrics. The end of a run whose mlx was killed is recorded first.`,
		Example: "mlx job list\nmlx job list --all --json\nmlx job list --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return jobListRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.all, "all", false, "also those that ended")
	flags.BoolVar(&o.watch, "watch", false, "go on until none is in progress; not on a terminal, print what is new")
	return cmd
}

func jobListRun(ctx context.Context, a *app, o jobListOptions) error {
	if !o.watch {
		jobs, err := a.jobs(ctx, o.all)
		if err != nil {
			return err
		}
		if len(jobs) == 0 && !o.all && a.streams.OutTTY {
			a.streams.Note("no run is in progress: mlx job list --all")
		}
		return a.printJobs(jobs)
	}
	told := make(map[string]run.State)
	for {
		jobs, err := a.jobs(ctx, o.all)
		if err != nil {
			return err
		}
		if err := a.printChanged(jobs, told); err != nil {
			return err
		}
		if !slices.ContainsFunc(jobs, func(j job) bool { return j.view.State == run.Running }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // whoever watched has seen enough
		case <-time.After(watchPause):
		}
	}
}

// jobs lists the runs in progress, the one started first first; with all also those that ended.
func (a *app) jobs(ctx context.Context, all bool) ([]job, error) {
	runner, err := a.recovered(ctx)
	if err != nil {
		return nil, err
	}
	var jobs []job
	if all {
		for v, err := range a.history(runner.Ledger).Views(ctx, lineage.Query{}) {
			if err != nil {
				return nil, err
			}
			j, err := a.jobWith(v)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, j)
		}
		return jobs, nil
	}
	live, err := run.LiveRuns(runner.Runs)
	if err != nil {
		return nil, err
	}
	for _, l := range live {
		v, err := a.history(runner.Ledger).Get(ctx, l.ID)
		if err != nil {
			a.streams.Why("%v", err) // a folder of a run that another ledger knows
			continue
		}
		if j := (job{view: v, live: l, here: true}); !j.ended() {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, func(x, y job) int { return x.view.At.Compare(y.view.At) })
	return jobs, nil
}

func (a *app) printJobs(jobs []job) error {
	header := []string{"RUN", "STATE", "FOR", "CPU", "MEMORY", "COMMAND", "METRICS"}
	return a.streams.List(header, a.jobRows(jobs))
}

func (a *app) jobRows(jobs []job) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		now := a.now()
		for _, j := range jobs {
			row := j.row(now)
			if !yield(cli.Item{Value: row, Cells: row.cells(j)}, nil) {
				return
			}
		}
	}
}

// printChanged draws the table anew on a terminal. Elsewhere it prints the rows whose state is news.
func (a *app) printChanged(jobs []job, told map[string]run.State) error {
	if a.streams.OutTTY && !a.streams.JSON {
		const home = "\x1b[H\x1b[2J"
		if err := a.streams.Raw([]byte(home)); err != nil {
			return err
		}
		return a.printJobs(jobs)
	}
	var news []job
	for _, j := range jobs {
		if told[j.view.ID] != j.view.State {
			told[j.view.ID] = j.view.State
			news = append(news, j)
		}
	}
	return a.printJobs(news)
}
