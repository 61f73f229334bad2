package main

import (
	"context"
	"sync"

	"mlx/internal/deploy"
	"mlx/internal/gate"
)

// What hosts are asked beside what every target is.
const (
	askStrength = "strength" // of a strength, answered by a strengthSaid
	askPeriods  = "periods"  // of nothing, answered by []deploy.Period
)

// maxCarried is how much the requests of a warm-up may be that are brought to where servers are.
const maxCarried = 16 << 20

// size is how many bytes requests have.
func (w warmed) size() int {
	n := 0
	for _, b := range w.bodies {
		n += len(b)
	}
	return n
}

// strengthSaid is what came of the requests on one host.
type strengthSaid struct {
	Verdict gate.Verdict `json:"verdict"`
	Reason  string       `json:"reason"`
}

// askAll asks all hosts for the same at once, and returns what they say in their order.
func askAll[T any](ctx context.Context, t *hostsTarget, what string, of any) ([]T, error) {
	said, errs := make([]T, len(t.Members)), make([]error, len(t.Members))
	var asking sync.WaitGroup
	for i, m := range t.Members {
		asking.Go(func() { errs[i] = m.Target.(*hostMember).Ask(ctx, what, of, &said[i]) }) //nolint:forcetypeassert // newHostsTarget has made them
	}
	asking.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, t.Members[i].At(err)
		}
	}
	return said, nil
}

// strong has every host warm its own servers up, and put them under its part of the load. One that does not hold it is enough.
func (t *hostsTarget) strong(ctx context.Context, of strength) (deploy.Judgement, error) {
	of.Rate /= float64(len(t.Members))
	said, err := askAll[strengthSaid](ctx, t, askStrength, of)
	if err != nil {
		return deploy.Judgement{}, err
	}
	names := make([]string, len(said))
	for i, m := range t.Members {
		names[i] = "host " + m.Name
	}
	return strongTogether(names, said), nil
}

// strongTogether is what several have said who each asked servers of their own. Without a verdict of one of them they are looked at again.
func strongTogether(names []string, said []strengthSaid) deploy.Judgement {
	if len(said) == 0 {
		return deploy.Judgement{}
	}
	all := deploy.Judgement{Verdict: gate.Pass}
	for i, one := range said {
		switch {
		case one.Verdict == "": // it has no servers yet
			return deploy.Judgement{}
		case one.Verdict == gate.Pass && all.Reason == "":
			all.Reason = one.Reason
		case one.Verdict != gate.Pass && all.Verdict != gate.Fail:
			all = deploy.Judgement{Verdict: one.Verdict, Reason: names[i] + ": " + one.Reason}
		}
	}
	return all
}

// periods are what all hosts have answered.
func (t *hostsTarget) periods(ctx context.Context) ([]deploy.Period, error) {
	said, err := askAll[[]deploy.Period](ctx, t, askPeriods, nil)
	var all []deploy.Period
	for _, one := range said {
		all = append(all, one...)
	}
	return all, err
}
