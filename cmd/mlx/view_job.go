package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"

	"mlx/internal/cli"
	"mlx/internal/run"
	"mlx/internal/train"
)

// jobWaiting is what needs attention of a run on a backend that has ended and whose results are not here.
const jobWaiting = "job"

// fillJob puts into the view of a run what is known of its job. No connection is opened.
func (a *app) fillJob(v *run.View) {
	if v.Job == nil || a == nil {
		return
	}
	j, err := a.jobWith(*v)
	if err != nil {
		return
	}
	if text, err := json.Marshal(j.row(a.now())); err == nil {
		v.JobShown = text
	}
}

// onWords tell of a run on a backend where, in which attempt and for how much, after how it ended.
func onWords(v run.View) []cli.Cell {
	if v.Job == nil {
		return nil
	}
	cells := []cli.Cell{cli.Fmt("on %s", cli.Str(v.Job.Backend))}
	if v.Attempt > 1 {
		cells = append(cells, cli.Fmt("attempt %s", cli.Count(int64(v.Attempt))))
	}
	if c := v.Job.Cost; c != nil {
		cells = append(cells, costCell(c))
	}
	return cells
}

func costCell(c *run.Cost) cli.Cell {
	amount := strconv.FormatFloat(c.Amount, 'f', 2, 64)
	if c.Amount > 0 && c.Amount < 0.01 {
		amount = amountWords(c.Amount)
	}
	return cli.Fmt("%s %s", cli.Str(amount+" "+c.Currency), cli.Shown(cli.RoleDim, c.Basis))
}

// jobText tells of a run on a backend what was asked for, and what became of it.
func (a *app) jobText(v run.View, t *cli.Text) {
	on := v.Job
	if on == nil {
		return
	}
	where := []cli.Cell{cli.Fmt("%s (%s)", cli.Str(on.Backend), cli.Str(on.Type))}
	j, err := a.jobWith(v)
	row := jobView{}
	if err == nil {
		row = j.row(a.now())
	}
	if row.Handle != "" {
		where = append(where, cli.Fmt("job %s", cli.Str(row.Handle)))
	}
	where = append(where, resourceCells(on)...)
	t.KeyValue(2, "backend", where...)
	if row.Reason != nil && v.EndedAt == nil {
		t.KeyValue(2, "state", cli.Str(*row.Reason))
	}
	for _, at := range on.Attempts {
		cells := []cli.Cell{cli.Count(int64(at.N)), stateCell(at.State), cli.Fmt("on %s", cli.Str(at.Host))}
		if at.Cause != "" {
			cells = append(cells, cli.Str(at.Cause))
		}
		if len(on.Attempts) > 1 {
			t.KeyValue(2, "attempt", cells...)
		}
	}
	if row.QueuedS != nil {
		t.KeyValue(2, "queued", cli.Duration(seconds(*row.QueuedS)))
	}
	if row.Cost != nil {
		cells := []cli.Cell{costCell(row.Cost), cli.Str(row.Cost.How)}
		if !t.TTY() {
			cells = append(cells, cli.Str(row.Cost.Basis))
		}
		t.KeyValue(2, "cost", cells...)
	}
	for _, f := range on.Facts {
		word := cli.Str(f.What)
		if f.Bad {
			word = cli.Word(cli.RoleWarn, f.What)
		}
		if f.Bad || a.streams.Verbose { // the rest matters to those who look for something
			t.KeyValue(2, "node", word, cli.Str(f.Host), cli.Str(f.Text))
		}
	}
}

// resourceCells are the resources of a job in words.
func resourceCells(on *run.Job) []cli.Cell {
	var cells []cli.Cell
	if on.Nodes > 1 {
		cells = append(cells, cli.Num(int64(on.Nodes), "node"))
	}
	if on.GPUs > 0 {
		what := cli.Fmt("%s GPU", cli.Count(int64(on.GPUs)))
		if on.GPUType != "" {
			what = cli.Fmt("%s GPU %s", cli.Count(int64(on.GPUs)), cli.Str(on.GPUType))
		}
		cells = append(cells, what)
	}
	if on.CPUs > 0 {
		cells = append(cells, cli.Fmt("%s CPU", cli.Count(int64(on.CPUs))))
	}
	if on.MemoryBytes > 0 {
		cells = append(cells, cli.Memory(on.MemoryBytes))
	}
	if on.TimeS > 0 {
		cells = append(cells, cli.Fmt("at most %s", cli.Duration(seconds(on.TimeS))))
	}
	return cells
}

// waitingJobs are the runs on backends that have ended, as far as that was seen, and whose results are not here.
func (a *app) waitingJobs(ctx context.Context) ([]attentionView, error) {
	all := []attentionView{}
	r, err := a.repo()
	if err != nil {
		return all, err
	}
	known, err := run.LiveRuns(jobsOf(r))
	if err != nil || len(known) == 0 {
		return all, err
	}
	l, err := a.ledger()
	if err != nil {
		return all, err
	}
	for _, one := range known {
		v, err := a.history(l).Get(ctx, one.ID)
		if err != nil || v.Job == nil {
			continue // a folder of a run that another ledger knows
		}
		seen, _ := run.SeenOf(jobsOf(r), one.ID)
		found, over := readNote[train.Result](filepath.Join(jobsOf(r), v.ID), resultNote)
		at := attentionView{What: jobWaiting, Name: one.ID.Short(), At: seen.At, Record: v.ID}
		switch {
		case over:
			at.Text = found.State
		case v.EndedAt != nil:
			at.Text = string(v.State)
		case seen.Ready:
			at.Text = "ended"
		default:
			continue
		}
		at.Text += " on " + v.Job.Backend + ", not collected: mlx job wait " + one.ID.Short()
		all = append(all, at)
	}
	return all, nil
}
