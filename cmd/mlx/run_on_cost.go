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

// afford turns the most that a run may cost into its time limit: that holds whoever is watching, and also where nobody is. A time limit
// that was asked for and costs more is refused.
func (j *onJob) afford(r *train.Resources, most repo.Money, job *run.Job) error {
	if most.Amount <= 0 {
		return nil
	}
	price := j.price
	switch _, asked := j.driver.(train.Pricer); {
	case !price.Known() && asked:
		return fault.New(fault.Usage, "cannot keep the cost below %s: neither mlx.yaml nor %s itself names a price", money(most.Amount, most.Currency), j.name).
			Hint("price: {gpu_hour: 2.10 %s}   # below backends: %s:", most.Currency, j.name)
	case !price.Known():
		return fault.New(fault.Usage, "cannot keep the cost below %s: mlx.yaml names no price of %s", money(most.Amount, most.Currency), j.name).
			Hint("price: {gpu_hour: 2.10 %s}   # below backends: %s:", most.Currency, j.name)
	case price.Currency != most.Currency:
		return fault.New(fault.Usage, "cannot keep the cost below %s: the price of %s is in %s", money(most.Amount, most.Currency), j.name, price.Currency)
	}
	attempts := time.Duration(job.Retries + 1)
	limit := price.Affords(*r, job.Spot, most.Amount) / attempts
	switch hour := price.Of(*r, job.Spot, time.Hour).Amount; {
	case hour <= 0:
		return fault.New(fault.Usage, "cannot keep the cost below %s: the price of %s is of what the run does not ask for",
			money(most.Amount, most.Currency), j.name).
			Hint("mlx run --on %s --gpus 1 …   # or a node_hour in mlx.yaml: mlx backend list shows what has a price", j.name)
	case limit < time.Second:
		return fault.New(fault.Usage, "cannot run on %s: one hour costs %s, so %s is less than a second", j.name,
			money(hour*float64(attempts), price.Currency), money(most.Amount, most.Currency))
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

// tooDear is the cause of a run that --max-cost ended.
func tooDear(job *run.Job, cause string) string {
	most := "--max-cost " + money(job.MaxCost.Amount, job.MaxCost.Currency)
	if job.Retries > 0 { // each of the attempts may use as much as another
		return "its share of " + most + " is used up: " + cause
	}
	return most + " is reached: " + cause
}
