package gate

import (
	"context"
	"fmt"
	"math"
	"strconv"
)

// costCheck holds what 1000 predictions cost against a limit: the CPU time that the server uses under load, at the price that the gate
// names for an hour of it.
type costCheck struct {
	session *session
	rule    Rule
}

func (s *session) cost(r Rule) (Check, error) {
	if err := s.only(r, "min", "max", "load", "table", "rows"); err != nil {
		return nil, err
	}
	if r.Max == nil {
		return nil, s.wrong(r, "%s has no limit", r.quoted()).Hint("max: 0.02 EUR   # for 1000 predictions")
	}
	if err := s.soundLoad(r); err != nil {
		return nil, err
	}
	if p := s.spec.Model.Price; p != nil && p.Unit != r.Max.Unit {
		return nil, s.wrong(r, "the price %s and the limit %s are in different currencies", p.Text, r.Max.Text)
	} else if p == nil && len(r.Max.Unit) != 3 {
		return nil, s.wrong(r, "a cost is written with its currency, not %s", r.Max.Text).Hint("max: 0.02 EUR   # for 1000 predictions")
	}
	return costCheck{s, r}, nil
}

// Check measures the load. Without a price, and for a server that mlx did not start, it cannot tell.
func (c costCheck) Check(ctx context.Context, about Subject) ([]Finding, error) {
	s, r := c.session, c.rule
	price := s.spec.Model.Price
	if price == nil {
		f := r.finding()
		f.Verdict, f.Shown, f.Needs = Inconclusive, "cannot tell: the gate names no price", r.needs()
		f.Note = "model: {price: 0.05 " + r.Max.Unit + "} is that of one CPU for an hour"
		return []Finding{f}, nil
	}
	return s.eachLoad(ctx, about, r, func(run *loadRun) Finding { return c.judged(run, *price) })
}

// judged is the finding of the rule about a load, at the price of a CPU hour.
func (c costCheck) judged(run *loadRun, price Bound) Finding {
	cpu, _, why := run.measure("cpu")
	v := cpu / 3600 * price.Value
	f := c.rule.judged(v)
	f.Shown = strconv.FormatFloat(v, 'g', 3, 64) + " " + price.Unit + " for 1000 predictions"
	f.Note = fmt.Sprintf("%s; a CPU hour costs %s", run.told(), price.Text)
	if math.IsNaN(v) {
		f.Shown = "cannot tell: " + why
	}
	if weak := run.weak(); weak != "" {
		f.Verdict, f.Note = Inconclusive, "invalid: "+weak
	}
	return f
}
