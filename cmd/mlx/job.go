package main

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
	"mlx/internal/train"
)

func newJob(a *app) *cobra.Command {
	return noun("job", "List runs in progress, follow them, stop them, bring back their results",
		newJobList(a), newJobLogs(a), newJobAttach(a), newJobWait(a), newJobCancel(a), newJobSSH(a))
}

// jobView is job/v1: the execution of a run. A field is never left out.
type jobView struct {
	Kind      string     `json:"kind"`
	Run       string     `json:"run"`
	Backend   string     `json:"backend"`
	Handle    string     `json:"handle"` // what the backend calls it; of this machine the process id of the command, empty once it is gone
	State     run.State  `json:"state"`
	Reason    *string    `json:"reason"`
	Nodes     int        `json:"nodes"`
	GPUs      int        `json:"gpus"`
	GPUType   *string    `json:"gpu_type"`
	QueuedS   *float64   `json:"queued_s"`
	Deadline  *time.Time `json:"deadline"`
	Cost      *run.Cost  `json:"cost"`      // so far, or in all
	Collected bool       `json:"collected"` // its end is recorded and its outputs are in their places

	Attempt     int                   `json:"attempt"`
	Name        *string               `json:"name"`
	Command     []string              `json:"command"`
	Host        string                `json:"host"`
	StartedAt   *time.Time            `json:"started_at"`
	DurationS   *float64              `json:"duration_s"` // so far
	CPUPercent  *float64              `json:"cpu_percent"`
	MemoryBytes *int64                `json:"memory_bytes"`
	Metrics     map[string]run.Number `json:"metrics"` // as last written

	StartedKnown bool          `json:"started_known"` // false: it was only seen running, from started_at on, and may have begun before
	Hosts        []string      `json:"hosts"`         // in the order of their ranks, of one that has ended
	Attempts     []attemptView `json:"attempts"`      // that are over
	Facts        []factView    `json:"facts"`         // about the nodes
}

// attemptView is one execution of the command of a job.
type attemptView struct {
	N         int        `json:"n"`
	Host      string     `json:"host"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	State     run.State  `json:"state"`
	Cause     *string    `json:"cause"`
	Log       *string    `json:"log"`
}

// factView is something about a node. Bad is what a person should know without having asked.
type factView struct {
	Host string `json:"host"`
	What string `json:"what"`
	Text string `json:"text"`
	Bad  bool   `json:"bad"`
}

// job is a run with the folder that it has while it is in progress.
type job struct {
	view run.View
	live run.Live
	here bool // live is there

	seen  run.Seen     // of one on a backend: what was seen of it last
	found train.Result // how it ended there, when over
	over  bool
	kept  bool        // not all of its results are in their places
	price train.Price // of one that costs something now
	cost  *run.Cost   // of one that has ended
}

// jobOf finds the run that a reference names.
func (a *app) jobOf(ctx context.Context, typed string) (job, error) {
	t, err := a.resolve(ctx, typed, refRun)
	if err != nil {
		return job{}, err
	}
	l, err := a.ledger()
	if err != nil {
		return job{}, err
	}
	v, err := a.history(l).Get(ctx, t.ID)
	if err != nil {
		return job{}, err
	}
	return a.jobWith(v)
}

func (a *app) jobWith(v run.View) (job, error) {
	r, err := a.repo()
	if err != nil {
		return job{}, err
	}
	j := job{view: v}
	if v.Job != nil {
		j.live, j.here = a.liveOf(v.RunID)
		j.seen, _ = run.SeenOf(jobsOf(r), v.RunID)
		if stopped := j.seen.Reason == beingSent || j.seen.Reason == beingSubmitted; stopped && j.seen.Handle == "" && !r.Held(jobLock(v.RunID)) {
			j.seen.Reason = "its submit was stopped: mlx job attach " + v.RunID.Short() + " goes on with it"
			j.view.Cause = &j.seen.Reason
		}
		j.found, j.over = readNote[train.Result](filepath.Join(jobsOf(r), v.ID), resultNote)
		j.kept = hasNote(filepath.Join(jobsOf(r), v.ID), beforeName)
		if v.EndedAt != nil {
			j.cost = a.costOfEnded(v)
		} else if at, _ := j.began(); !at.IsZero() {
			j.price = a.priceOf(v.Job)
		}
		return j, nil
	}
	j.live, j.here = run.LiveRun(runsOf(r), v.ID)
	return j, nil
}

// recovered records what has ended, after which a run that is still unfinished is in progress or was lost elsewhere.
func (a *app) recovered(ctx context.Context) (run.Runner, error) {
	runner, err := a.runner()
	if err == nil {
		a.recoverRuns(ctx, runner)
	}
	return runner, err
}

func (j job) ended() bool { return j.view.EndedAt != nil }

// row is the job as JSON shows it.
func (j job) row(now time.Time) jobView {
	v := j.view
	row := jobView{
		Kind: "job/v1", Run: v.ID, Backend: "local", State: v.State, Reason: v.Cause, Nodes: 1, Collected: j.ended(), Name: v.Name,
		Command: v.Command, Host: v.Machine.Host, StartedAt: v.StartedAt, DurationS: v.DurationS, Metrics: v.Metrics,
		StartedKnown: v.StartedAt != nil, Hosts: []string{}, Attempts: []attemptView{}, Facts: []factView{},
	}
	if e := v.Environment; e != nil && len(e.GPUs) > 0 {
		row.GPUs, row.GPUType = len(e.GPUs), &e.GPUs[0].Name
	}
	if v.TimeoutS != nil && v.StartedAt != nil {
		at := v.StartedAt.Add(time.Duration(*v.TimeoutS * float64(time.Second)))
		row.Deadline = &at
	}
	row.Attempt = v.Attempt
	if v.Job != nil {
		j.onBackend(&row, now)
	}
	if j.ended() || row.StartedAt == nil {
		return row
	}
	so := now.Sub(*row.StartedAt).Seconds()
	row.DurationS = &so
	if j.here {
		g := j.live.Glance()
		row.CPUPercent, row.MemoryBytes = g.CPUPercent, g.MemoryBytes
		if row.Metrics = g.Metrics; row.Metrics == nil {
			row.Metrics = map[string]run.Number{}
		}
		if j.live.Child != nil {
			row.Handle = strconv.Itoa(j.live.Child.PID)
		}
	}
	return row
}

// jobMetrics is how many metrics a row of a table has room for.
const jobMetrics = 2

// cells are the row of a table; room is how much of the command a person sees, 0 for all of it.
func (v jobView) cells(j job, room int) []cli.Cell {
	role := cli.RolePlain
	switch v.State {
	case run.Succeeded:
		role = cli.RolePass
	case run.Failed, run.Killed, run.Lost:
		role = cli.RoleFail
	case run.Cancelled, run.Unobserved:
		role = cli.RoleWarn
	case run.Running, run.Pending:
	}
	cpu, memory, lasted := cli.None(), cli.None(), cli.None()
	if v.CPUPercent != nil {
		cpu = cli.Fmt("%s%%", cli.Str(strconv.FormatFloat(*v.CPUPercent, 'f', 0, 64)))
	}
	if v.MemoryBytes != nil {
		memory = cli.Bytes(*v.MemoryBytes)
	}
	if v.DurationS != nil {
		if lasted = cli.Duration(seconds(*v.DurationS)); !v.StartedKnown && !j.ended() {
			lasted = cli.Fmt("~%s", lasted)
		}
	}
	var numbers []cli.Cell
	format := ""
	for _, name := range slices.Sorted(maps.Keys(v.Metrics))[:min(jobMetrics, len(v.Metrics))] {
		numbers = append(numbers, cli.Str(name), cli.Float(float64(v.Metrics[name])))
		format += "%s %s  "
	}
	metrics := cli.None()
	if v.Reason != nil && j.view.Job != nil && !j.ended() {
		metrics = cli.Str(*v.Reason)
	}
	if len(numbers) > 0 {
		metrics = cli.Fmt(format[:len(format)-2], numbers...)
	}
	command := ranLine(j.view)
	shown := command
	if room > 0 {
		shown = shortened(command, room)
	}
	return []cli.Cell{cli.ID(j.view.RunID), cli.Word(role, string(v.State)), cli.Str(v.Backend), lasted, cpu, memory, cli.Said(shown, command), metrics}
}

// completeJobs offers the runs in progress.
func (a *app) completeJobs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	r, err := a.repo()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	l, err := a.ledger()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	running, err := run.LiveRuns(runsOf(r))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	onBackends, err := run.LiveRuns(jobsOf(r))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	running = append(running, onBackends...)
	var all []string
	for _, one := range running[:min(completed, len(running))] {
		if v, err := a.history(l).Get(cmd.Context(), one.ID); err == nil {
			all = append(all, one.ID.Short()+"\t"+v.Text)
		}
	}
	return append(all, "@last\tthe newest run here"), cobra.ShellCompDirectiveNoFileComp
}

// elsewhere is the error for a run that another machine executes.
func (j job) elsewhere(cannot string) error {
	host := j.view.Machine.Host
	if j.view.Job != nil {
		host = j.view.Job.Backend
	}
	return fault.New(fault.Unavailable, "cannot %s run %s: it runs on %s", cannot, j.view.RunID.Short(), host).
		About(fault.Ref{Kind: refRun, ID: j.view.ID})
}
