package main

import (
	"cmp"
	"strconv"
	"time"

	"mlx/internal/run"
	"mlx/internal/train"
)

// onBackend fills in what is known of a job on a backend.
func (j job) onBackend(row *jobView, now time.Time) {
	on := j.view.Job
	row.Backend, row.Nodes, row.GPUs, row.Handle = on.Backend, max(1, on.Nodes), on.GPUs, cmp.Or(on.Handle, j.seen.Handle)
	row.GPUType, row.Collected = nil, j.ended() && !j.kept
	if on.GPUType != "" {
		row.GPUType = &on.GPUType
	}
	if j.ended() {
		row.QueuedS, row.Cost = on.QueuedS, on.Cost
		return
	}
	row.StartedAt, row.Attempt = nil, max(j.view.Attempt, j.seen.Attempt)
	if row.Host = j.seen.Host; row.Reason == nil && j.seen.Reason != "" {
		row.Reason = &j.seen.Reason
	}
	if n := goesOnWith(on, j.seen); n > 0 && row.Reason != nil {
		reason := *row.Reason + "; mlx job wait " + j.view.RunID.Short() + " begins attempt " + strconv.Itoa(n) + " if its place was lost"
		row.Reason = &reason
	}
	queued := now.Sub(on.SubmittedAt).Seconds()
	if began := j.seen.Began; !began.IsZero() {
		queued = max(0, began.Sub(on.SubmittedAt).Seconds())
		row.StartedAt = &began
		if on.TimeS > 0 {
			at := began.Add(time.Duration(on.TimeS * float64(time.Second)))
			row.Deadline = &at
		}
		if j.price.Known() {
			c := j.price.Of(resourcesIn(on), on.Spot, now.Sub(began))
			row.Cost = &run.Cost{Amount: c.Amount, Currency: c.Currency, Basis: c.Basis, How: c.How}
		}
	}
	row.QueuedS = &queued
	if j.over {
		reason := "not collected: mlx job wait " + j.view.RunID.Short()
		row.State, row.Reason = run.State(j.found.State), &reason
	}
}

// priceOf is what a backend costs; nothing where that is not known.
func (a *app) priceOf(backend string) train.Price {
	b, err := a.backend(backend)
	if err != nil {
		return train.Price{}
	}
	return costOf(b.Price)
}
