package main

import (
	"context"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/gate"
)

// How often what a service has answered is looked at, and written down. What a release counts between the last look and its end is lost.
const (
	totalsLook  = time.Second
	totalsWrite = time.Minute
	totalsSoon  = 5 * time.Second // when something failed
)

// countTotals keeps what the service answers, until the context ends.
func (s *served) countTotals(ctx context.Context) {
	totals, err := local.OpenTotals(s.dir)
	if err != nil {
		s.app.streams.Note("what %s answers is not counted for its error budget: %v", s.name, err)
		return
	}
	write := func() {
		if err := totals.Write(); err != nil {
			s.app.streams.Note("what %s answers cannot be kept for its error budget: %v", s.name, err)
		}
	}
	look, soon, writing := time.NewTicker(totalsLook), time.NewTicker(totalsSoon), time.NewTicker(totalsWrite)
	defer look.Stop()
	defer soon.Stop()
	defer writing.Stop()
	for {
		select {
		case <-ctx.Done():
			write()
			return
		case <-writing.C:
			write()
		case <-soon.C:
			if totals.Failed() {
				write()
			}
		case <-look.C:
			s.seeTotals(ctx, totals)
			if totals.Fresh() {
				write()
			}
		}
	}
}

// seeTotals takes what the router counts now. One that does not run has left its counts.
func (s *served) seeTotals(ctx context.Context, totals *local.Totals) {
	seen, err := router.NewClient(s.routerDir()).Actual(ctx)
	if err != nil {
		seen = deploy.Actual{At: s.app.now()}
	}
	totals.See(seen, router.Counted(s.routerDir()))
}

// hasSLO says whether the service has an error budget.
func (s *served) hasSLO() bool { return s.cfg.SLO.Availability.Set }

// budget is the error budget of the service as of now: what was written down, and what the router has counted since.
func (s *served) budget(ctx context.Context) (deploy.Budget, error) {
	if !s.hasSLO() {
		return deploy.Budget{}, fault.New(fault.Usage, "service %s has no slo", s.name).Hint("slo: {availability: 99.9%%}   # in services.%s", s.name)
	}
	periods, err := s.periods(ctx)
	if err != nil {
		return deploy.Budget{}, fault.New(fault.KindOf(err), "cannot read what %s has answered: %w", s.name, err)
	}
	return deploy.NewBudget(deploy.SLO{Availability: s.cfg.SLO.Availability.Value, Window: s.cfg.SLO.Window.Duration}, periods, s.app.now())
}

// periods are what the service has answered, on all of its hosts.
func (s *served) periods(ctx context.Context) ([]deploy.Period, error) {
	if s.hosts != nil {
		return s.hosts.periods(ctx)
	}
	return s.periodsHere(ctx)
}

// periodsHere are what this machine has answered.
func (s *served) periodsHere(ctx context.Context) ([]deploy.Period, error) {
	totals, err := local.OpenTotals(s.dir)
	if err != nil {
		return nil, err
	}
	s.seeTotals(ctx, totals)
	return totals.Periods(), nil
}

// spent says why a rollout waits for the error budget; empty: it need not. The first release has nothing to spend it on.
func (s *served) spent(ctx context.Context, from *deploy.Release) (string, error) {
	if !s.hasSLO() || from == nil {
		return "", nil
	}
	b, err := s.budget(ctx)
	if err != nil || b.Left > 0 {
		return "", err
	}
	return b.String(), nil
}

// judgeBudget has a rollout wait before anything is started, when errors have used up what they may be.
func (s *served) judgeBudget(ctx context.Context, r deploy.Rollout, so deploy.Judgement) (deploy.Judgement, error) {
	if so.Verdict != gate.Pass {
		return so, nil
	}
	why, err := s.spent(ctx, r.From)
	if why != "" {
		so = deploy.Judgement{Verdict: gate.Inconclusive, Reason: why}
	}
	return so, err
}

// withBudget adds the check of the error budget to those of a rollout, where the service has one and none of them is about it.
func (s *served) withBudget(rules []deploy.Rule) []deploy.Rule {
	for _, rule := range rules {
		if rule.Kind == deploy.KindMeasure && rule.Name == deploy.MeasureBudget {
			return rules
		}
	}
	if !s.hasSLO() {
		return rules
	}
	if len(rules) == 0 {
		rules = deploy.UsualRules()
	}
	return append(rules, deploy.Rule{Kind: deploy.KindMeasure, Name: deploy.MeasureBudget})
}

// budgetView is an error budget in JSON.
type budgetView struct {
	Availability float64  `json:"availability"`
	Window       float64  `json:"window_s"`
	Requests     int64    `json:"requests"`
	Errors       int64    `json:"errors"`
	Allowed      float64  `json:"allowed_errors"`
	Left         float64  `json:"left_share"` // below 0: more went wrong than may
	BurnHour     *float64 `json:"burn_1h"`    // times too fast
	BurnSix      *float64 `json:"burn_6h"`
	Lasts        *float64 `json:"lasts_s"` // at the rate of the last six hours; null: it does not end
	Burning      bool     `json:"burning"`

	text string
}

func viewOfBudget(b deploy.Budget) *budgetView {
	v := &budgetView{Availability: b.SLO.Availability, Window: b.SLO.Window.Seconds(), Requests: b.Requests, Errors: b.Errors, Allowed: b.Allowed,
		Left: b.Left, BurnHour: numeric(b.Fast), BurnSix: numeric(b.Slow), Burning: b.Burning(), text: b.String()}
	if b.Lasts >= 0 {
		v.Lasts = numeric(b.Lasts.Seconds())
	}
	return v
}

// cell says it with the colour of how it is.
func (v *budgetView) cell() cli.Cell {
	switch {
	case v.Left <= 0:
		return cli.Word(cli.RoleFail, v.text)
	case v.Burning:
		return cli.Word(cli.RoleWarn, v.text)
	}
	return cli.Str(v.text)
}
