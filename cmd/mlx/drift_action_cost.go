package main

import (
	"context"
	"slices"
	"strconv"
	"time"

	"mlx/internal/drift"
	"mlx/internal/lineage"
	"mlx/internal/repo"
)

// backendPrice is what an hour on a backend costs.
type backendPrice struct {
	name string
	hour repo.Money // of all GPUs that a run gets; no currency: it costs nothing here, or nobody says what
	free bool       // this machine, of which mlx.yaml gives no price
	most time.Duration
}

// price is that of the backend on which a stage runs; this machine is the backend called local.
func (x *acting) price(on string) backendPrice {
	if on == "" {
		on = "local"
	}
	p := backendPrice{name: on}
	c, err := x.app.config()
	if err != nil {
		return p
	}
	b, declared := c.Backends.Get(on)
	p.free = on == "local" && b.Price.GPUHour.Currency == ""
	p.hour = repo.Money{Amount: b.Price.GPUHour.Amount * float64(b.Resources.GPUs), Currency: b.Price.GPUHour.Currency}
	if declared {
		p.most = b.Resources.Time.Duration
	}
	return p
}

// nothing is what is free.
func nothing() drift.Estimate { return drift.Estimate{Cost: &drift.Cost{}} }

func (p backendPrice) cost(seconds float64, basis string) *drift.Cost {
	if p.hour.Currency == "" {
		return nil
	}
	return &drift.Cost{Amount: p.hour.Amount * seconds / time.Hour.Seconds(), Currency: p.hour.Currency, Basis: basis}
}

// estimate is what a run will cost: as long as those before it took, else as long as it may take.
func (p backendPrice) estimate(before func() (seconds float64, known bool), limit time.Duration) drift.Estimate {
	switch {
	case p.free:
		return nothing()
	case p.hour.Currency == "":
		return drift.Estimate{Why: "backend " + p.name + " has no price"}
	}
	seconds, known := before()
	for _, most := range []time.Duration{limit, p.most} {
		if !known && most > 0 {
			seconds, known = most.Seconds(), true
		}
	}
	if !known {
		return drift.Estimate{Why: "no earlier run says how long it takes, and backend " + p.name + " has no resources.time"}
	}
	return drift.Estimate{Cost: p.cost(seconds, "estimated")}
}

// addCost adds estimates of one currency.
func addCost(a, b drift.Estimate) drift.Estimate {
	switch {
	case a.Why != "" || b.Cost == nil:
		return drift.Estimate{Why: a.Why + b.Why}
	case a.Cost == nil || a.Cost.Amount == 0:
		return b
	case b.Cost.Amount == 0:
		return a
	case a.Cost.Currency != b.Cost.Currency:
		return drift.Estimate{Why: "it is in " + a.Cost.Currency + " and in " + b.Cost.Currency}
	}
	return drift.Estimate{Cost: &drift.Cost{Amount: a.Cost.Amount + b.Cost.Amount, Currency: a.Cost.Currency, Basis: a.Cost.Basis}}
}

// lastRuns is how many runs say how long the next will take.
const lastRuns = 5

// tookBefore is the longest of the last runs that succeeded, in seconds.
func (x *acting) tookBefore(ctx context.Context, where string) (float64, bool) {
	var all []float64
	for v, err := range x.app.history(x.ledger).Views(ctx, lineage.Query{Where: where + ` and state == "succeeded"`, Limit: lastRuns}) {
		if err != nil {
			return 0, false
		}
		if v.DurationS != nil {
			all = append(all, *v.DurationS)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	return slices.Max(all), true
}

// tookStage is the same of a stage.
func (x *acting) tookStage(ctx context.Context, name string) (float64, bool) {
	return x.tookBefore(ctx, "stage.name == "+strconv.Quote(name))
}
