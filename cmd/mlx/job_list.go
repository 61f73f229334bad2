package main

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

type jobListOptions struct {
	all   bool
	on    string
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
now, its command and its last metrics. The end of a run whose mlx was killed is recorded first. Each backend is asked once for all of
its runs; one that does not answer within 5 seconds leaves their state unknown. What has ended on a backend is listed until mlx job
wait or attach has brought its results back.`,
		Example: "mlx job list\nmlx job list --all --json\nmlx job list --watch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return jobListRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.all, "all", false, "also those that ended")
	flags.StringVar(&o.on, "on", "", "only those of `BACKEND`; local is this machine")
	flags.BoolVar(&o.watch, "watch", false, "go on until none is in progress; not on a terminal, print what is new")
	completeFlag(cmd, "on", a.completeBackends)
	return cmd
}

func jobListRun(ctx context.Context, a *app, o jobListOptions) error {
	if !o.watch {
		jobs, err := a.jobs(ctx, o)
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
		jobs, err := a.jobs(ctx, o)
		if err != nil {
			return err
		}
		if err := a.printChanged(jobs, told); err != nil {
			return err
		}
		if !slices.ContainsFunc(jobs, job.goesOn) {
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
func (a *app) jobs(ctx context.Context, o jobListOptions) ([]job, error) {
	runner, err := a.recovered(ctx)
	if err != nil {
		return nil, err
	}
	views, err := a.unfinished(ctx, runner)
	if err != nil {
		return nil, err
	}
	if !o.all { // runs that ended may have been on one that is no longer there
		err = a.knowsBackend(o.on, views)
	}
	if err != nil {
		return nil, err
	}
	if err := a.lookAtAll(ctx, slices.DeleteFunc(views, o.leavesOut)); err != nil {
		return nil, err
	}
	if o.all {
		views = nil
		for v, err := range a.history(runner.Ledger).Views(ctx, lineage.Query{}) {
			if err != nil {
				return nil, err
			}
			views = append(views, v)
		}
	} else if views, err = a.unfinished(ctx, runner); err != nil { // as the backends have told
		return nil, err
	}
	var jobs []job
	for _, v := range slices.DeleteFunc(views, o.leavesOut) {
		j, err := a.jobWith(v)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	if !o.all {
		slices.SortFunc(jobs, func(x, y job) int { return x.view.At.Compare(y.view.At) })
	}
	return jobs, nil
}

// knowsBackend refuses a name that neither a backend nor a run in progress has: an empty list would say that nothing goes on there.
func (a *app) knowsBackend(name string, views []run.View) error {
	if name == "" || slices.ContainsFunc(views, func(v run.View) bool { return v.Job != nil && v.Job.Backend == name }) {
		return nil
	}
	known, err := a.backendNames()
	if err != nil || slices.Contains(known, name) {
		return err
	}
	return noBackend(name, known)
}

// leavesOut says whether a run is of no backend that is wanted: it is not asked for either.
func (o jobListOptions) leavesOut(v run.View) bool {
	on := localBackend
	if v.Job != nil {
		on = v.Job.Backend
	}
	return o.on != "" && o.on != on
}

// unfinished are the runs that have a folder here or no end: those in progress on this machine, and those of backends whose results are
// not all here.
func (a *app) unfinished(ctx context.Context, runner run.Runner) ([]run.View, error) {
	var views []run.View
	listed := map[object.Digest]bool{}
	history := a.history(runner.Ledger)
	for v, err := range history.Views(ctx, lineage.Query{Where: "kind == " + strconv.Quote(run.Started.Name()) + " and job != null"}) {
		if err != nil {
			return nil, err
		}
		listed[v.RunID], views = true, append(views, v)
	}
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{runner.Runs, jobsOf(r)} {
		live, err := run.LiveRuns(dir)
		if err != nil {
			return nil, err
		}
		for _, l := range live {
			if listed[l.ID] {
				continue
			}
			v, err := history.Get(ctx, l.ID)
			if err != nil {
				a.streams.Why("%v", err) // a folder of a run that another ledger knows
				continue
			}
			if v.EndedAt == nil || dir != runner.Runs {
				views = append(views, v)
			}
		}
	}
	return views, nil
}

// redraw clears the terminal of who watches; false: it is none, and what is new is printed below what was.
func (a *app) redraw() (bool, error) {
	if !a.streams.OutTTY || a.streams.JSON {
		return false, nil
	}
	const home = "\x1b[H\x1b[2J"
	return true, a.streams.Raw([]byte(home))
}

func (a *app) printJobs(jobs []job) error {
	header := []string{"RUN", "STATE", "BACKEND", "FOR", "CPU", "MEMORY", "COMMAND", "METRICS"}
	return a.streams.List(header, a.jobRows(jobs))
}

func (a *app) jobRows(jobs []job) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		now := a.now()
		rows, told := make([]jobView, len(jobs)), false
		for i, j := range jobs {
			rows[i] = j.row(now)
			told = told || len(rows[i].Metrics) > 0 || rows[i].Reason != nil
		}
		room := 0
		if told {
			room = commandRoom(a.streams.Width)
		}
		for i, j := range jobs {
			if !yield(cli.Item{Value: rows[i], Cells: rows[i].cells(j, room)}, nil) {
				return
			}
		}
	}
}

// commandRoom is how much of a command a table shows on a terminal of a width, so that beside a long one there is still to be read why a run
// waits, or what it has measured. 0: all of it.
func commandRoom(width int) int {
	const others, least = 58, 16 // what the columns before it take, and what tells one command from another
	if width == 0 {
		return 0
	}
	return max(least, (width-others)/2)
}

// printChanged draws the table anew on a terminal. Elsewhere it prints the rows whose state is news.
func (a *app) printChanged(jobs []job, told map[string]run.State) error {
	if drawn, err := a.redraw(); err != nil {
		return err
	} else if drawn {
		return a.printJobs(jobs)
	}
	var news []job
	for _, j := range jobs {
		if state := j.row(a.now()).State; told[j.view.ID] != state {
			told[j.view.ID] = state
			news = append(news, j)
		}
	}
	return a.printJobs(news)
}
