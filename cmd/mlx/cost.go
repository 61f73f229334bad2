package main

import (
	"context"
	"time"

	"mlx/internal/repo"
	"mlx/internal/run"
	"mlx/internal/train"
)

// costOf is what a backend costs, as mlx.yaml says it. The currency is that of whichever price is given.
func costOf(p repo.Price) train.Price {
	out := train.Price{GPUHour: p.GPUHour.Amount, CPUHour: p.CPUHour.Amount, MemoryHour: p.MemoryHour.Amount, NodeHour: p.NodeHour.Amount, Spot: p.Spot.Value}
	for _, m := range []repo.Money{p.GPUHour, p.CPUHour, p.MemoryHour, p.NodeHour} {
		if m.Currency != "" {
			out.Currency = m.Currency
		}
	}
	return out
}

// recordedPrice is a price as the record of a run keeps it: what a run has cost does not change with mlx.yaml.
func recordedPrice(p train.Price) *run.Price {
	if !p.Known() {
		return nil
	}
	return &run.Price{Currency: p.Currency, GPUHour: p.GPUHour, CPUHour: p.CPUHour, MemoryHour: p.MemoryHour, NodeHour: p.NodeHour, JobHour: p.JobHour, Spot: p.Spot}
}

// priceIn is that price.
func priceIn(p *run.Price) train.Price {
	if p == nil {
		return train.Price{}
	}
	return train.Price{Currency: p.Currency, GPUHour: p.GPUHour, CPUHour: p.CPUHour, MemoryHour: p.MemoryHour, NodeHour: p.NodeHour, JobHour: p.JobHour, Spot: p.Spot}
}

// priceOf is what a run on a backend costs: as its record says, else as mlx.yaml does now. Nothing where neither is known.
func (a *app) priceOf(on *run.Job) train.Price {
	if on.Price != nil {
		return priceIn(on.Price)
	}
	b, err := a.backend(on.Backend)
	if err != nil {
		return train.Price{}
	}
	return costOf(b.Price)
}

// spent is what a run on a backend has cost; nil where nothing has a price.
func spent(on *run.Job, p train.Price, u train.Use) *run.Cost {
	if !p.Known() {
		return nil
	}
	c := p.OfUse(resourcesIn(on), on.Spot, u)
	return &run.Cost{Amount: c.Amount, Currency: c.Currency, Basis: c.Basis, How: c.How}
}

// useOf is for how long the attempts of a job had their places. last is when the run ended.
func useOf(on *run.Job, last time.Time) train.Use {
	spans := make([]train.Span, len(on.Attempts))
	for i, at := range on.Attempts {
		spans[i].Began = at.StartedAt
		if at.EndedAt != nil {
			spans[i].Ended = *at.EndedAt
		}
	}
	u := train.Used(spans, last)
	for _, at := range on.Attempts {
		u.Assumed = u.Assumed || at.State == run.Lost // it had its place until its last sign of life at least
	}
	return u
}

// useSoFar is the same of a job of which only what was seen is known.
func useSoFar(s run.Seen, now time.Time) train.Use {
	u := train.Use{Lasted: seconds(s.SpentS), Attempts: max(1, s.Attempt)}
	switch {
	case !s.Began.IsZero():
		u.Lasted += max(0, now.Sub(s.Began))
	case !s.Since.IsZero():
		u.Lasted, u.Assumed = u.Lasted+max(0, now.Sub(s.Since)), true
	default:
		u.Attempts = max(1, formerOf(s)) // the next one has no place yet
	}
	return u
}

// costOfEnded is what a run on a backend has cost in all.
func (a *app) costOfEnded(v run.View) *run.Cost {
	if v.Job.Cost != nil || v.EndedAt == nil || len(v.Job.Attempts) == 0 {
		return v.Job.Cost
	}
	return spent(v.Job, a.priceOf(v.Job), useOf(v.Job, *v.EndedAt))
}

// askPrice finds out what a job will cost: by mlx.yaml, else by asking the backend, where that can be asked.
func (j *onJob) askPrice(ctx context.Context, r train.Resources, job *run.Job) train.Price {
	p := costOf(j.backend.Price)
	asker, ok := j.driver.(train.Pricer)
	if p.Known() || !ok {
		return p
	}
	hour, err := asker.Price(ctx, train.Job{Resources: r, Queue: job.Queue, Image: job.Image, Spot: job.Spot})
	if err != nil {
		j.app.streams.Why("%s does not say what it costs: %v", j.name, err)
		return p
	}
	if hour > 0 {
		p.JobHour, p.Currency = hour, train.PriceCurrency
	}
	return p
}
