package main

import (
	"math"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
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

// afford turns the most that a run may cost into its time limit: that holds whoever is watching, and also where nobody is. A time limit
// that was asked for and costs more is refused.
func (j *onJob) afford(r *train.Resources, most repo.Money, job *run.Job) error {
	if most.Amount <= 0 {
		return nil
	}
	price := costOf(j.backend.Price)
	switch {
	case !price.Known():
		return fault.New(fault.Usage, "cannot keep the cost below %s: mlx.yaml names no price of %s", money(most.Amount, most.Currency), j.name).
			Hint("price: {gpu_hour: 2.10 %s}   # below backends: %s:", most.Currency, j.name)
	case price.Currency != most.Currency:
		return fault.New(fault.Usage, "cannot keep the cost below %s: the price of %s is in %s", money(most.Amount, most.Currency), j.name, price.Currency)
	}
	attempts := time.Duration(job.Retries + 1)
	limit := price.Affords(*r, job.Spot, most.Amount) / attempts
	if limit < time.Second {
		return fault.New(fault.Usage, "cannot run on %s: one hour costs %s, so %s is less than a second", j.name,
			money(price.Of(*r, job.Spot, time.Hour).Amount*float64(attempts), price.Currency), money(most.Amount, most.Currency))
	}
	if r.Time > limit {
		e := price.Of(*r, job.Spot, r.Time*attempts)
		return fault.New(fault.Usage, "cannot run on %s: %s may cost %s (%s), more than %s", j.name, cli.FormatDuration(r.Time*attempts),
			money(math.Round(e.Amount*100)/100, e.Currency), e.How, money(most.Amount, most.Currency)).
			Hint("--time %s   # what that pays for", repo.Duration{Duration: limit.Truncate(time.Second)}.Text())
	}
	if job.CostLimit = r.Time == 0; job.CostLimit {
		r.Time = limit.Truncate(time.Second)
		j.app.streams.Note("it may run for %s: that costs %s", cli.FormatDuration(r.Time), money(most.Amount, most.Currency))
	}
	job.MaxCost = &run.Cost{Amount: most.Amount, Currency: most.Currency, Basis: train.BasisEstimated, How: price.Of(*r, job.Spot, r.Time).How}
	return nil
}

// priced notes what an hour of the job costs, so that the node that records its end can say what all of it did.
func (j *onJob) priced(r train.Resources, job *run.Job) {
	if price := costOf(j.backend.Price); price.Known() {
		c := price.Of(r, job.Spot, time.Hour)
		job.HourCost = &run.Cost{Amount: c.Amount, Currency: c.Currency, Basis: c.Basis, How: c.How}
	}
}

// costOfRun is what the attempts of a job cost, the last of which lasted for some seconds. nil: nobody knows a price.
func costOfRun(job *run.Job, seconds float64) *run.Cost {
	if job.HourCost == nil {
		return nil
	}
	for _, a := range job.Attempts {
		if a.EndedAt != nil && !a.StartedAt.IsZero() {
			seconds += max(0, a.EndedAt.Sub(a.StartedAt).Seconds())
		}
	}
	c := *job.HourCost
	hours := seconds / time.Hour.Seconds()
	c.Amount = math.Round(c.Amount*hours*1e6) / 1e6
	c.How = cli.FormatFloat(math.Round(hours*1e4)/1e4) + " x (" + c.How + ")"
	return &c
}

// tooDear is the cause of a run that --max-cost ended.
func tooDear(job *run.Job, cause string) string {
	most := "--max-cost " + money(job.MaxCost.Amount, job.MaxCost.Currency)
	if job.Retries > 0 { // each of the attempts may use as much as another
		return "its share of " + most + " is used up: " + cause
	}
	return most + " is reached: " + cause
}
