package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/gate"
	"mlx/internal/repo"
)

// spec is the rollout that mlx.yaml and the command line ask for; what neither says has its default later.
func (s *served) spec(o deployOptions) (deploy.Spec, error) {
	r := s.cfg.Rollout
	spec := deploy.Spec{
		Service: s.name, Strategy: deploy.Strategy(cmp.Or(o.strategy, r.Strategy)), Replicas: s.kubeReplicas(max(s.cfg.Replicas, 1)),
		Bake: r.Bake.Duration, MaxBake: r.MaxBake.Duration, MinSamples: int64(r.MinSamples), StartTimeout: s.cfg.StartTimeout.Duration,
		Lease: r.Lease.Duration, Hold: r.OnLoss == "hold", Unguarded: s.follows(), Breaks: r.Breaks.Count, BreaksIn: r.Breaks.In.Duration,
		Uncounted: s.onKubernetes() && s.cfg.Kubernetes.Form == repo.FormKnative,
		Sticky:    deploy.Sticky{Header: s.cfg.Sticky.Header, Cookie: s.cfg.Sticky.Cookie, Field: s.cfg.Sticky.Field},
	}
	if r.Mirror.Set || spec.Strategy == deploy.ShadowOnly {
		spec.Mirror = trafficShare(r.Mirror, 1)
	}
	for _, step := range r.Steps {
		spec.Steps = append(spec.Steps, trafficShare(step, 1))
	}
	if o.strategy != "" && o.strategy != r.Strategy {
		spec.Steps = nil // those of mlx.yaml belong to another strategy
	}
	for _, c := range r.Checks {
		spec.Checks = append(spec.Checks, ruleOf(c))
	}
	spec.Users = usersOf(r)
	if err := s.typedSpec(&spec, o); err != nil {
		return spec, err
	}
	spec.Checks = s.withBudget(spec.Checks)
	return spec, readable(spec.Checks)
}

// readable refuses an expression that could never be judged, before anything is started for it.
func readable(rules []deploy.Rule) error {
	numbers := measuresOf(deploy.Rollout{})
	for name := range numbers {
		numbers[name] = 1 // what is not known would be judged before what is written is understood
	}
	for _, rule := range rules {
		if rule.Kind != "expr" {
			continue
		}
		if _, _, err := gate.Holds(rule.Name, numbers); err != nil {
			return fault.New(fault.KindOf(err), "%w", err).In(rule.At)
		}
	}
	return nil
}

// strategies are the ways in which somebody may let a version take over.
func strategies() []string {
	return []string{string(deploy.Canary), string(deploy.ShadowOnly), string(deploy.AB), string(deploy.BlueGreen), string(deploy.Replace)}
}

// unknownWord refuses a word of a flag that is none of those it may be.
func (s *served) unknownWord(flag, plural, word string, known []string) error {
	err := fault.New(fault.Usage, "cannot deploy to %s: there is no %s %q", s.name, flag, word)
	if near := fault.Nearest(word, known); near != "" {
		return err.Hint("--%s %s", flag, near)
	}
	return err.Hint("%s are %s", plural, strings.Join(known, ", "))
}

// typedSpec puts in what was typed.
func (s *served) typedSpec(spec *deploy.Spec, o deployOptions) error {
	bad := func(flag string, err error) error {
		return fault.New(fault.Usage, "cannot deploy to %s: --%s: %w", s.name, flag, err)
	}
	if o.strategy != "" && !slices.Contains(strategies(), o.strategy) {
		return s.unknownWord("strategy", "strategies", o.strategy, strategies())
	}
	if len(o.steps) > 0 {
		spec.Steps = nil
	}
	for _, word := range o.steps {
		share, err := cli.ParseShare(word)
		if err != nil {
			return bad("steps", err)
		}
		spec.Steps = append(spec.Steps, trafficShare(repo.Share{Value: share, Set: true}, 1))
	}
	if o.bake != "" {
		bake, err := cli.ParseDuration(o.bake)
		if err != nil {
			return bad("bake", err)
		}
		spec.Bake = bake
		if spec.MaxBake > 0 {
			spec.MaxBake = max(spec.MaxBake, bake)
		}
	}
	if o.minSamples < 0 {
		return fault.New(fault.Usage, "cannot deploy to %s: --min-samples is no number below zero", s.name)
	}
	if o.minSamples > 0 {
		spec.MinSamples = o.minSamples
	}
	for _, text := range o.checks {
		spec.Checks = append(spec.Checks, deploy.Rule{Kind: "expr", Name: text})
	}
	if o.load != "" {
		load, err := parseLoad(o.load)
		if err != nil {
			return bad("load", err)
		}
		if load.Time.Duration == 0 {
			load.Time = s.cfg.Rollout.Load.Time
		}
		s.cfg.Rollout.Load = load
	}
	if s.cfg.Rollout.Load.Rate > 0 && s.cfg.Warmup.File == "" {
		return fault.New(fault.Usage, "cannot deploy to %s: a load test needs requests, and %s names none", s.name, repo.ConfigName).In(s.cfg.At).
			Hint("warmup: {file: requests.jsonl}   # in services.%s", s.base())
	}
	return nil
}

// parseLoad reads 1000/s,p99=100ms,time=30s.
func parseLoad(text string) (repo.Load, error) {
	var l repo.Load
	for word := range strings.SplitSeq(text, ",") {
		key, value, named := strings.Cut(word, "=")
		switch {
		case !named:
			rate, err := repo.ParseRate(word)
			if err != nil {
				return l, err
			}
			l.Rate = rate
		case key == "p99" || key == "time":
			d, err := cli.ParseDuration(value)
			if err != nil {
				return l, err
			}
			if key == "p99" {
				l.P99 = repo.Duration{Duration: d}
			} else {
				l.Time = repo.Duration{Duration: d}
			}
		default:
			return l, fault.New(fault.Usage, "%q is none of RATE, p99=TIME and time=TIME", word)
		}
	}
	if l.Rate <= 0 {
		return l, fault.New(fault.Usage, "it names no rate such as 1000/s")
	}
	return l, nil
}

// loadTime is how long a load test lasts for which nothing is said.
const loadTime = 30 * time.Second

func loadWords(c repo.Service) string {
	l := c.Rollout.Load
	words := cli.FormatFloat(float64(l.Rate)) + "/s for " + cli.FormatDuration(cmp.Or(l.Time.Duration, loadTime))
	if l.P99.Duration > 0 {
		words += ", p99 at most " + cli.FormatDuration(l.P99.Duration)
	}
	return words
}

// ruleOf is a check of mlx.yaml.
func ruleOf(c repo.Check) deploy.Rule {
	rule := deploy.Rule{Title: c.Name, MinSamples: int64(c.MinSamples), Severity: gate.Severity(c.Severity), Timeout: c.Timeout.Duration, At: c.At}
	switch {
	case c.Monitor != "":
		rule.Kind, rule.Name, rule.Monitor = kindLabel, c.Measure, c.Monitor
		rule.MinSamples = max(rule.MinSamples, int64(c.MinRows))
	case c.Measure != "":
		rule.Kind, rule.Name = deploy.KindMeasure, c.Measure
	case c.Command != "":
		rule.Kind, rule.Name = "command", c.Command
	case c.Query != "":
		rule.Kind, rule.Name = "query", c.Query
	default:
		rule.Kind, rule.Name = "expr", c.Expr
	}
	for to, from := range map[**float64]repo.Limit{&rule.Min: c.Min, &rule.Max: c.Max, &rule.Margin: c.Margin} {
		if from.Set {
			v := from.Value
			*to = &v
		}
	}
	return rule
}

// usersOf is what an A/B test compares.
func usersOf(r repo.Rollout) *deploy.UserPlan {
	k := r.KPI
	if k.Command == "" && k.Label == "" {
		return nil
	}
	u := &deploy.UserPlan{LowerIsBetter: k.Better == "lower", Cap: k.Cap.Value, Users: int64(k.Users), MinUsers: int64(k.MinUsers),
		Window: k.Window.Duration, Command: k.Command, Label: k.Label, Monitor: k.Monitor}
	if k.Margin.Unit == "share" {
		u.Margin = k.Margin.Value
	} else {
		u.MarginIs = k.Margin.Value
	}
	return u
}
