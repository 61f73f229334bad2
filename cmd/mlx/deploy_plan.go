package main

import (
	"cmp"
	"context"
	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/snapshot"
	"strings"
)

// emitNothing is the plan of what is in service already.
func (s *served) emitNothing(ctx context.Context, known deploy.Service) error {
	v := planView{Kind: "plan/v1", Command: "deploy", Applies: true, Steps: []planStep{}, Needs: []planNeed{}, Classes: []snapshot.GCClass{}}
	refused := s.reached(ctx, known)
	if refused != nil {
		v.refuse(refused)
	} else if s.onKubernetes() {
		add := func(do, what, why string) { v.Steps = append(v.Steps, planStep{Do: do, What: what, Why: why}) }
		if err := s.planObjects(ctx, known.Desired(), add); err != nil {
			return err
		}
	}
	err := s.app.streams.Emit(v, func(t *cli.Text) {
		t.Line(cli.Fmt("nothing to roll out: %s is in service", cli.Str(known.Current.Name())))
		v.lines(t)
	})
	return cmp.Or(err, refused)
}

// planLine is a rollout in one line.
func planLine(s deploy.Spec) string {
	from := "nothing"
	if s.From != nil {
		from = s.From.Versions()
	}
	line := "plan  " + s.Service + " " + from + " -> " + s.To.Versions() + "  " + string(s.Strategy)
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
	picked picked
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
	for _, one := range p.picked {
		if one.proven.image != "" {
			v.Steps = append(v.Steps, one.proven.plan(one.version))
		}
	}
	s.planSteps(spec, add)
	if s.onKubernetes() && p.away == nil {
		if err := s.planObjects(ctx, s.firstAsked(p.known, spec), add); err != nil {
			return err
		}
	}
	err = s.app.streams.Emit(v, func(t *cli.Text) {
		t.Line(cli.Str(planLine(spec)))
		v.lines(t)
	})
	return cmp.Or(err, refused)
}

// planSteps adds what a rollout goes through.
func (s *served) planSteps(spec deploy.Spec, add func(do, what, why string)) {
	replaces := spec.Strategy == deploy.Replace
	if replaces {
		add("stop", spec.From.Name(), s.name+" does not answer until the other one is up")
	}
	planStarts(spec, add)
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
