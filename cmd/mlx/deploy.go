package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/registry"
	"mlx/internal/snapshot"
)

type deployOptions struct {
	service, model string
	strategy       string
	steps          []string
	bake           string
	minSamples     int64
	checks         []string
	load           string
	why            string
	detach, dryRun bool
}

func newDeploy(a *app) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy SERVICE MODEL",
		Short: "Put a model into service, step by step, watched",
		Long: `MODEL is a version: flights@v8, flights@staging. It is started beside what is in service, warmed up and put under load, and then gets
more and more of the requests as long as the checks of mlx.yaml pass. When one fails, or mlx is gone for longer than the lease, all
requests go back to what was in service. The service must run: mlx service run.

Status: 0 it is in service, 1 it was rolled back or refused, 3 paused, or evidence for it is missing. Interrupted, mlx service resume
goes on; until then the lease holds.`,
		Example: `mlx deploy flights flights@v2 --dry-run
mlx deploy flights flights@v2 -m "twice as good"
mlx deploy flights flights@v2 --steps 50%,100% --bake 400ms --load 50/s,p99=2s,time=3s --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service, o.model = args[0], args[1]
			return deployRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return a.completeVersions(cmd, nil, typed)
			}
			return a.completeServices(cmd, args, typed)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.strategy, "strategy", "", "`HOW` it takes over: canary, shadow, ab, bluegreen or replace")
	f.StringSliceVar(&o.steps, "steps", nil, "`SHARES` of the requests, rising to 100%")
	f.StringVar(&o.bake, "bake", "", "a step lasts at least this `TIME`")
	f.Int64Var(&o.minSamples, "min-samples", 0, "a step needs at least `N` answers")
	f.StringArrayVar(&o.checks, "check", nil, "`EXPRESSION` that must hold at every step, beside the checks of mlx.yaml: 'errors < 0.01'")
	f.StringVar(&o.load, "load", "", "`LOAD` that it must hold before the first step: 1000/s,p99=100ms,time=30s")
	f.StringVarP(&o.why, "message", "m", "", "`REASON`, which is recorded")
	f.BoolVar(&o.detach, "detach", false, "return when it is under way; mlx service status --watch shows it")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the plan; change nothing")
	completeFlag(cmd, "strategy", completeWords(strategies()...))
	a.takesInconclusive(cmd)
	return cmd
}

// whatToDeploy reads what a deploy names: the service, the version and how it takes over.
func (a *app) whatToDeploy(ctx context.Context, o deployOptions) (s *served, v *registry.Version, spec deploy.Spec, err error) {
	if s, err = a.openService(o.service); err != nil {
		return nil, nil, spec, err
	}
	if err = s.mayServe(ctx); err != nil {
		return nil, nil, spec, err
	}
	if v, err = s.versionToServe(ctx, o.model); err != nil {
		return nil, nil, spec, err
	}
	spec, err = s.spec(o)
	return s, v, spec, err
}

func deployRun(ctx context.Context, a *app, o deployOptions) error {
	s, v, spec, err := a.whatToDeploy(ctx, o)
	if err != nil {
		return err
	}
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return err
	}
	if err := s.mayBegin(spec, known, v); err != nil { // before anything is asked, read or saved for nothing
		return err
	}
	allowed, err := s.mayEnter(ctx, v)
	if err != nil || !allowed {
		return err
	}
	_, away := s.observe(ctx) // before the work tree is saved for nothing
	if away != nil && !o.dryRun {
		return away
	}
	proven, err := s.prove(ctx, v)
	if err != nil {
		return err
	}
	release, free, err := a.newRelease(ctx, s.cfg, v, proven.image)
	if free != nil {
		defer func() { _ = free() }() // by then a record names the code, or nobody needs it
	}
	if err != nil {
		return err
	}
	spec = from(spec, known, release)
	if known.Current != nil && known.Current.Key == release.Key {
		return s.inService(ctx, known)
	}
	if err := spec.Check(); err != nil {
		return err
	}
	noRoom := s.fits(ctx, spec, v.Bytes)
	if o.dryRun {
		return s.emitPlan(ctx, planned{known, spec, proven, noRoom, away})
	}
	if noRoom != nil {
		return noRoom
	}
	return s.rollOut(ctx, spec, o, proven)
}

// from is a rollout of a release in place of what is in service, with what nobody has said.
func from(spec deploy.Spec, known deploy.Service, release deploy.Release) deploy.Spec {
	spec.To = release
	if spec.From = known.Current; spec.From == nil { // there is nothing to be judged against, and nobody to be spared
		spec.Strategy, spec.Steps, spec.Mirror = deploy.Canary, nil, 0
	}
	return spec.Filled()
}

// mayBegin refuses what could not be carried out, whatever the release turns out to be.
func (s *served) mayBegin(spec deploy.Spec, known deploy.Service, v *registry.Version) error {
	spec = from(spec, known, deploy.Release{Key: "not known yet", Model: v.Model, Version: v.Version, Serve: serveOf(s.cfg)})
	if err := spec.Check(); err != nil {
		return err
	}
	if err := errors.Join(s.mayCompare(spec), s.mayJudge(spec)); err != nil {
		return err
	}
	_, err := s.warmRequests()
	return err
}

// rollOut plans a rollout and carries it out.
func (s *served) rollOut(ctx context.Context, spec deploy.Spec, o deployOptions, proven provenance) error {
	seen, err := s.observe(ctx)
	if err != nil {
		return err
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
	proven.tell(newTelling(s))
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
	if m.Name != s.cfg.Model {
		return nil, fault.New(fault.Usage, "cannot deploy %s to %s: it serves model %s", v.Name(), s.name, s.cfg.Model).In(s.cfg.At).
			Hint("mlx show model:%s   # lists its versions", shellWord(s.cfg.Model))
	}
	if v.Retired {
		return nil, fault.New(fault.Conflict, "cannot deploy %s to %s: it is retired", v.Name(), s.name).Hint("mlx show %s", shellWord(v.Name()))
	}
	return v, nil
}

// mayEnter asks the policy of the stage that the service owns. What is missing is told; the answer is the exit status.
func (s *served) mayEnter(ctx context.Context, v *registry.Version) (bool, error) {
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
func (s *served) inService(ctx context.Context, known deploy.Service) error {
	s.app.streams.Note("nothing changed: %s is in service", known.Current.Name())
	return s.emitStatus(ctx)
}

// planLine is a rollout in one line.
func planLine(s deploy.Spec) string {
	from := "nothing"
	if s.From != nil {
		from = "v" + numberWord(s.From.Version)
	}
	line := "plan  " + s.Service + " " + from + " -> v" + numberWord(s.To.Version) + "  " + string(s.Strategy)
	for _, step := range s.Steps {
		line += " " + step.String()
	}
	if s.From == nil || len(s.Steps) < 2 && s.Mirror == 0 && s.Strategy != deploy.AB {
		return line
	}
	return line + ", at least " + cli.FormatDuration(s.Bake) + " and " + cli.FormatNum(s.MinSamples, "answer") + " a step"
}

// planned is a rollout that would be begun.
type planned struct {
	known  deploy.Service
	spec   deploy.Spec
	proven provenance
	noRoom error // why it would not
	away   error // it does not run
}

// emitPlan prints what a rollout would do, and ends as the rollout would that cannot be begun.
func (s *served) emitPlan(ctx context.Context, p planned) error {
	spec := p.spec
	budget, err := s.spent(ctx, spec.From)
	if err != nil {
		return err
	}
	v := planView{Kind: "plan/v1", Command: "deploy", Applies: true, Steps: []planStep{}, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	add := func(do, what, why string) { v.Steps = append(v.Steps, planStep{Do: do, What: what, Why: why}) }
	refused := cmp.Or(p.noRoom, p.away)
	if refused != nil {
		v.refuse(refused)
	}
	if p.noRoom != nil {
		add("refuse", p.noRoom.Error(), strings.Join(fault.Hints(p.noRoom), "; "))
	}
	if budget != "" {
		v.Applies, v.Needs = false, append(v.Needs, planNeed{What: budget, Command: s.resumeHint() + " --now"})
		s.app.answer(unclear)
		add("wait", budget, "nothing is begun until there is some, or "+s.resumeHint()+" --now")
	}
	if r, busy := p.known.Progress(); busy {
		add("end", r.To.Name(), "it is being rolled out, and this takes its place")
	}
	if p.proven.image != "" {
		v.Steps = append(v.Steps, p.proven.plan(spec.To))
	}
	s.planSteps(spec, add)
	err = s.app.streams.Emit(v, func(t *cli.Text) {
		t.Line(cli.Str(planLine(spec)))
		for _, step := range v.Steps {
			t.Indented(2, cli.Str(step.Do), cli.Str(step.What), cli.Str(step.Why))
		}
	})
	return cmp.Or(err, refused)
}

// planSteps adds what a rollout goes through.
func (s *served) planSteps(spec deploy.Spec, add func(do, what, why string)) {
	replaces := spec.Strategy == deploy.Replace
	if replaces {
		add("stop", spec.From.Name(), s.name+" does not answer until the other one is up")
	}
	add("start", spec.To.Name(), cli.FormatNum(int64(spec.Replicas), "server")+": "+spec.To.Serve.Command)
	if s.cfg.Warmup.File != "" && !replaces {
		add("warm", spec.To.Name(), s.cfg.Warmup.File)
	}
	if s.cfg.Rollout.Load.Rate > 0 && !replaces {
		add("load", spec.To.Name(), loadWords(s.cfg))
	}
	if spec.Mirror > 0 {
		add("shadow", spec.To.Name(), "copies of "+spec.Mirror.String()+" of the requests, at least "+cli.FormatDuration(spec.Bake))
	}
	if spec.From == nil {
		add("step", deploy.All.String(), "as soon as it is ready: nothing was in service before")
		return
	}
	for _, step := range spec.Steps {
		add("step", step.String(), "at least "+cli.FormatDuration(spec.Bake)+" and "+cli.FormatNum(spec.MinSamples, "answer"))
	}
	for _, rule := range spec.Checks {
		add("check", rule.Called(), "at every step")
	}
	if spec.Strategy == deploy.AB {
		add("compare", cmp.Or(spec.Users.Command, spec.Users.Label), "of users, until a winner is certain")
	}
}

// resumeHint says how somebody goes on.
func (s *served) resumeHint() string { return "mlx service resume " + shellWord(s.name) }

// deployWait is how long a controller that is told something has until somebody wonders.
const deployWait = 15 * time.Second
