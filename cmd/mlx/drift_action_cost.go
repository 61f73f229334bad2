package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"mlx/internal/drift"
	"mlx/internal/lineage"
	"mlx/internal/pipeline"
	"mlx/internal/train"
)

// backendPrice is what a run on a backend costs.
type backendPrice struct {
	name  string
	price train.Price
	needs train.Resources // that a run gets
	spot  bool
}

// price is that of the backend on which a run gets resources; this machine is the backend called local.
func (x *acting) price(on string, needs train.Resources) backendPrice {
	p := backendPrice{name: cmp.Or(on, localBackend), needs: needs}
	all, err := x.app.backends()
	if err != nil {
		return p
	}
	b, _ := all.Get(p.name)
	p.price, p.needs, p.spot = costOf(b.Price), needs.Or(resourcesOf(b.Resources)), b.Spot
	return p
}

// stagePrice is that of a stage where it says that it runs.
func (x *acting) stagePrice(ctx context.Context, s pipeline.Stage) backendPrice {
	needs, err := x.app.stageNeeds(ctx, s.Name)
	if err != nil {
		return backendPrice{name: cmp.Or(s.On, localBackend)}
	}
	return x.price(s.On, needs)
}

// free: this machine, of which mlx.yaml gives no price.
func (p backendPrice) free() bool { return p.name == localBackend && p.price.Currency == "" }

// nothing is what is free.
func nothing() drift.Estimate { return drift.Estimate{Cost: &drift.Cost{}} }

func (p backendPrice) cost(seconds float64, basis string) *drift.Cost {
	if p.price.Currency == "" {
		return nil
	}
	c := p.price.Of(p.needs, p.spot, time.Duration(seconds*float64(time.Second)))
	return &drift.Cost{Amount: c.Amount, Currency: c.Currency, Basis: basis}
}

// estimate is what a run will cost: as long as those before it took, else as long as it may take.
func (p backendPrice) estimate(before func() (seconds float64, known bool), limit time.Duration) drift.Estimate {
	switch {
	case p.free():
		return nothing()
	case p.price.Currency == "":
		return drift.Estimate{Why: "backend " + p.name + " has no price"}
	}
	seconds, known := before()
	for _, most := range []time.Duration{limit, p.needs.Time} {
		if !known && most > 0 {
			seconds, known = most.Seconds(), true
		}
	}
	if !known {
		return drift.Estimate{Why: "no earlier run says how long it takes, and backend " + p.name + " has no resources.time"}
	}
	return drift.Estimate{Cost: p.cost(seconds, train.BasisEstimated)}
}

// spent is what a run cost that took so long.
func (p backendPrice) spent(seconds float64) drift.Estimate {
	switch c := p.cost(seconds, train.BasisMeasured); {
	case c != nil:
		return drift.Estimate{Cost: c}
	case p.free() || seconds == 0:
		return nothing()
	}
	return drift.Estimate{Why: "backend " + p.name + " has no price"}
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
