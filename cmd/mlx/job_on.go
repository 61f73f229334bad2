package main

import (
	"cmp"
	"strconv"
	"time"

	"mlx/internal/run"
)

// onBackend fills in what is known of a job on a backend.
func (j job) onBackend(row *jobView, now time.Time) {
	on := j.view.Job
	row.Backend, row.Nodes, row.GPUs, row.Handle = on.Backend, max(1, on.Nodes), on.GPUs, cmp.Or(on.Handle, j.seen.Handle)
	row.GPUType, row.Collected = nil, j.ended() && !j.kept
	if on.GPUType != "" {
		row.GPUType = &on.GPUType
	}
	row.told(on)
	if j.ended() {
		row.QueuedS, row.Cost = on.QueuedS, j.cost
		return
	}
	row.StartedAt, row.StartedKnown, row.Deadline, row.Attempt = nil, false, nil, max(j.view.Attempt, j.seen.Attempt)
	if row.Host = j.seen.Host; row.Reason == nil && j.seen.Reason != "" {
		row.Reason = &j.seen.Reason
	}
	if n := goesOnWith(on, j.seen); n > 0 && row.Reason != nil {
		reason := *row.Reason + "; mlx job wait " + j.view.RunID.Short() + " begins attempt " + strconv.Itoa(n) + " if its place was lost"
		row.Reason = &reason
	}
	queued := now.Sub(on.SubmittedAt).Seconds()
	if began, known := j.began(); !began.IsZero() {
		queued = max(0, began.Sub(on.SubmittedAt).Seconds())
		row.StartedAt, row.StartedKnown = &began, known
		if limit := j.view.TimeoutS; limit != nil && known {
			at := began.Add(seconds(*limit))
			row.Deadline = &at
		}
		row.Cost = spent(on, j.price, useSoFar(j.seen, now))
	}
	row.QueuedS = &queued
	if j.over {
		reason := "not collected: mlx job wait " + j.view.RunID.Short()
		row.State, row.Reason = run.State(j.found.State), &reason
	}
}

// began is when the attempt in progress began, as the node or the backend says; else when it was first seen running.
func (j job) began() (at time.Time, known bool) {
	if !j.seen.Began.IsZero() {
		return j.seen.Began, true
	}
	return j.seen.Since, false
}

// told fills in what a job has told of its attempts and of its nodes.
func (v *jobView) told(on *run.Job) {
	v.Hosts = append(v.Hosts, on.Hosts...)
	for _, at := range on.Attempts {
		one := attemptView{N: at.N, Host: at.Host, StartedAt: at.StartedAt, EndedAt: at.EndedAt, State: at.State, Cause: orNull(at.Cause)}
		if at.Log != nil {
			log := at.Log.Hex()
			one.Log = &log
		}
		v.Attempts = append(v.Attempts, one)
	}
	for _, f := range on.Facts {
		v.Facts = append(v.Facts, factView{Host: f.Host, What: f.What, Text: f.Text, Bad: f.Bad})
	}
}
