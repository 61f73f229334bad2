package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/registry"
)

type deployOptions struct {
	service        string
	env            string
	models         []string
	strategy       string
	steps          []string
	bake           string
	minSamples     int64
	checks         []string
	load           string
	target         string
	why            string
	detach, dryRun bool
}

func newDeploy(a *app) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy SERVICE [MODEL…]",
		Short: "Put a model into service, step by step, watched",
		Long: `MODEL is a version: flights@v8, flights@staging. It is started beside what is in service, warmed up and put under load, and then gets
more and more of the requests as long as the checks of mlx.yaml pass. When one fails, or mlx is gone for longer than the lease, all
requests go back to what was in service. The service must run: mlx service run.

A service of stages takes a version of each model; one that is not named stays as it is in service, or is the newest one at first.

Status: 0 it is in service, 1 it was rolled back or refused, 3 paused, or evidence for it is missing. Interrupted, mlx service resume
goes on; until then the lease holds.`,
		Example: `mlx deploy flights flights@v2 --dry-run
mlx deploy flights flights@v2 -m "twice as good"
mlx deploy flights flights@v2 --steps 50%,100% --bake 400ms --load 50/s,p99=2s,time=3s --dry-run`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service, o.models = args[0], args[1:]
			if err := inEnvironment(&o.service, o.env); err != nil {
				return err
			}
			return deployRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return a.completeVersions(cmd, nil, typed)
			}
			return a.completeServices(cmd, args, typed)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	a.takesEnvironment(cmd, &o.env)
	f.StringVar(&o.strategy, "strategy", "", "`HOW` it takes over: canary, shadow, ab, bluegreen or replace")
	f.StringSliceVar(&o.steps, "steps", nil, "`SHARES` of the requests, rising to 100%")
	f.StringVar(&o.bake, "bake", "", "a step lasts at least this `TIME`")
	f.Int64Var(&o.minSamples, "min-samples", 0, "a step needs at least `N` answers")
	f.StringArrayVar(&o.checks, "check", nil, "`EXPRESSION` that must hold at every step, beside the checks of mlx.yaml: 'errors < 0.01'")
	f.StringVar(&o.load, "load", "", "`LOAD` that it must hold before the first step: 1000/s,p99=100ms,time=30s")
	f.StringVar(&o.target, "target", "", "`TARGET` that the service must have: host, haproxy or kubernetes, as target: of mlx.yaml says")
	f.StringVarP(&o.why, "message", "m", "", "`REASON`, which is recorded")
	f.BoolVar(&o.detach, "detach", false, "return when it is under way; mlx service status --watch shows it")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the plan; change nothing")
	completeFlag(cmd, "strategy", completeWords(strategies()...))
	completeFlag(cmd, "target", completeWords(targets()...))
	a.takesInconclusive(cmd)
	return cmd
}

// whatToDeploy reads what a deploy names: the service, the version and how it takes over.
func (a *app) whatToDeploy(ctx context.Context, o deployOptions) (s *served, d deploying, err error) {
	if s, err = a.openService(o.service); err != nil {
		return nil, d, err
	}
	if err = s.mustRunOn(o.target); err != nil {
		return nil, d, err
	}
	if err = s.mayServe(ctx); err != nil {
		return nil, d, err
	}
	if d.known, err = s.book.Service(ctx, s.name); err != nil {
		return nil, d, err
	}
	if d.picked, err = s.versionsToServe(ctx, o.models, d.known); err != nil {
		return nil, d, err
	}
	if err = readableStages(s.name, s.cfg); err != nil {
		return nil, d, err
	}
	d.spec, err = s.spec(o)
	return s, d, err
}

// deploying is what is to be deployed, and what the records say of the service.
type deploying struct {
	known  deploy.Service
	picked picked
	spec   deploy.Spec
}

func deployRun(ctx context.Context, a *app, o deployOptions) error {
	s, d, err := a.whatToDeploy(ctx, o)
	if err != nil {
		return err
	}
	known, picked := d.known, d.picked
	if err := s.mayBegin(d); err != nil { // before anything is asked, read or saved for nothing
		return err
	}
	allowed, err := s.mayEnter(ctx, picked)
	if err != nil || !allowed {
		return err
	}
	away := s.reached(ctx, known) // before the work tree is saved for nothing
	if away != nil && !o.dryRun {
		return away
	}
	if err := s.prove(ctx, picked); err != nil {
		return err
	}
	release, free, err := a.newRelease(ctx, s.cfg, picked)
	if free != nil {
		defer func() { _ = free() }() // by then a record names the code, or nobody needs it
	}
	if err != nil {
		return err
	}
	spec := from(d.spec, known, release)
	if known.Current != nil && known.Current.Key == release.Key {
		return s.inService(ctx, known, o.dryRun)
	}
	if err := spec.Check(); err != nil {
		return err
	}
	if s.onKubernetes() {
		if err := s.mayRunOnKubernetes(ctx, known, spec); err != nil {
			return err
		}
	}
	noRoom := s.fits(ctx, spec, picked.bytes())
	if o.dryRun {
		return s.emitPlan(ctx, planned{known, spec, picked, noRoom, away})
	}
	if noRoom != nil {
		return noRoom
	}
	return s.rollOut(ctx, spec, o, picked)
}

// from is a rollout of a release in place of what is in service, with what nobody has said.
func from(spec deploy.Spec, known deploy.Service, release deploy.Release) deploy.Spec {
	spec.To = release
	if spec.From = known.Current; spec.From == nil { // there is nothing to be judged against, and nobody to be spared
		spec.Strategy, spec.Steps, spec.Mirror = deploy.Canary, nil, 0
		spec.Checks = slices.DeleteFunc(slices.Clone(spec.Checks), func(r deploy.Rule) bool { // nor copies to be compared
			return r.Kind == deploy.KindMeasure && r.Name == deploy.MeasureDisagreement
		})
	}
	return spec.Filled()
}

// mayBegin refuses what could not be carried out, whatever the release turns out to be.
func (s *served) mayBegin(d deploying) error {
	v := d.picked[0].version
	spec := from(d.spec, d.known, deploy.Release{Key: "not known yet", Model: v.Model, Version: v.Version, Serve: serveOf(s.cfg)})
	if err := spec.Check(); err != nil {
		return err
	}
	if err := errors.Join(s.mayCarry(spec), s.mayCompare(spec), s.mayJudge(spec)); err != nil {
		return err
	}
	requests, err := s.warmRequests()
	where := ""
	switch {
	case s.hosts != nil:
		where = "host"
	case s.onKubernetes():
		where = "pod"
	}
	if err == nil && where != "" && requests.size() > maxCarried {
		err = fault.New(fault.Usage, "cannot deploy to %s: its requests are brought to each %s, and have more than 16 MiB", s.name, where).In(s.cfg.Warmup.At).
			Hint("warmup: {file: …}   # with fewer or shorter requests")
	}
	return err
}

// rollOut plans a rollout and carries it out.
func (s *served) rollOut(ctx context.Context, spec deploy.Spec, o deployOptions, c picked) error {
	seen, err := s.observe(ctx)
	if err != nil {
		return err
	}
	if s.onKubernetes() {
		if err := s.sendAgent(ctx); err != nil { // before anything is begun
			return err
		}
	}
	head := ""
	if r, err := s.app.repo(); err == nil && !r.NoGit {
		if h, err := r.Head(ctx); err == nil {
			head = h.Commit
		}
	}
	r, err := s.book.Plan(ctx, deploy.Planning{Spec: spec, Message: strings.TrimSpace(o.why), Commit: head, Seen: seen.Generation})
	if err != nil {
		return err
	}
	s.app.streams.Note("%s", planLine(r.Spec))
	if r.Unguarded && r.From != nil {
		s.app.streams.Note("without mlx nobody takes %s back: the cluster does what %s says", r.To.Name(), s.cfg.Kubernetes.GitOps.Path)
	}
	for _, p := range c {
		p.proven.tell(newTelling(s))
	}
	if o.detach {
		if err := s.detach(ctx, r); err != nil {
			return err
		}
		return s.emitStatus(ctx)
	}
	return s.carryOut(ctx, r)
}

// versionToServe is the version that a word names, which must be one of the service's model.
func (s *served) versionToServe(ctx context.Context, word string) (*registry.Version, error) {
	m, v, err := s.app.versionNamed(ctx, word)
	if err != nil {
		return nil, err
	}
	if models := s.cfg.Models(); !slices.Contains(models, m.Name) {
		return nil, fault.New(fault.Usage, "cannot deploy %s to %s: it serves model %s", v.Name(), s.name, strings.Join(models, " and ")).In(s.cfg.At).
			Hint("mlx show model:%s   # lists its versions", shellWord(models[0]))
	}
	if v.Retired {
		return nil, fault.New(fault.Conflict, "cannot deploy %s to %s: it is retired", v.Name(), s.name).Hint("mlx show %s", shellWord(v.Name()))
	}
	return v, nil
}

// mayEnter asks the policy of the stage that the service owns, of each version. What is missing is told; the answer is the exit status.
func (s *served) mayEnter(ctx context.Context, c picked) (bool, error) {
	for _, p := range c {
		if allowed, err := s.mayEnterOne(ctx, p.version); err != nil || !allowed {
			return allowed, err
		}
	}
	return true, nil
}

func (s *served) mayEnterOne(ctx context.Context, v *registry.Version) (bool, error) {
	if s.cfg.Stage == "" {
		return true, nil
	}
	d, err := s.policy(ctx, v)
	if err != nil || d.Allowed {
		return err == nil, err
	}
	s.app.answer(decisionAnswer(d))
	err = s.app.streams.EmitVerdict(viewOfDecision(d), true, func(t *cli.Text) { refusedText(d, "deployed", t) })
	if err == nil {
		s.app.hintNeeds(d)
	}
	return false, err
}

// policy is what the policy of the stage says. The bytes of the version are compared elsewhere: see wholeOnce.
func (s *served) policy(ctx context.Context, v *registry.Version) (registry.Decision, error) {
	to, err := readStage(s.cfg.Stage)
	if err != nil {
		return registry.Decision{}, fault.New(fault.Usage, "cannot serve %s: stage: %w", s.name, err).In(s.cfg.At)
	}
	return s.app.judgeEvidence(ctx, v, to)
}

// inService says that there is nothing to do.
func (s *served) inService(ctx context.Context, known deploy.Service, dryRun bool) error {
	if dryRun {
		return s.emitNothing(ctx, known)
	}
	if s.onKubernetes() { // what somebody has taken away there comes back
		if err := s.driver().Apply(ctx, known.Desired()); err != nil && !errors.Is(err, deploy.ErrStale) {
			return err
		}
	}
	s.app.streams.Note("nothing changed: %s is in service", known.Current.Name())
	return s.emitStatus(ctx)
}

// resumeHint says how somebody goes on.
func (s *served) resumeHint() string { return "mlx service resume " + shellWord(s.name) }

// deployWait is how long a controller that is told something has until somebody wonders.
const deployWait = 15 * time.Second
