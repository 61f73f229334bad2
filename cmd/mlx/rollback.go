package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/snapshot"
)

type rollbackOptions struct {
	service string
	env     string
	to      string
	why     string
	dryRun  bool
}

func newRollback(a *app) *cobra.Command {
	var o rollbackOptions
	cmd := &cobra.Command{
		Use:   "rollback SERVICE",
		Short: "Return to the last good release, or to one named",
		Long: `All requests go to the release that was in service before, in one step: it was judged then. While a rollout is under way, that is
what is in service, and the rollout ends. A release that still runs takes over at once; another one is started first.`,
		Example: `mlx rollback flights -m "timeouts at LGA"
mlx rollback flights --to flights@v1 --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.service = args[0]
			if err := inEnvironment(&o.service, o.env); err != nil {
				return err
			}
			return rollbackRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: a.completeServices,
	}
	f := cmd.Flags()
	f.SortFlags = false
	a.takesEnvironment(cmd, &o.env)
	f.StringVar(&o.to, "to", "", "`MODEL` that was in service before: flights@v6")
	f.StringVarP(&o.why, "message", "m", "", "`REASON`, which is recorded")
	f.BoolVar(&o.dryRun, "dry-run", false, "say where it would return to; change nothing")
	completeFlag(cmd, "to", func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return a.completeVersions(cmd, nil, typed)
	})
	return cmd
}

func rollbackRun(ctx context.Context, a *app, o rollbackOptions) error {
	s, err := a.openService(o.service)
	if err != nil {
		return err
	}
	if err := s.mayDrive(ctx); err != nil {
		return err
	}
	known, err := s.book.Service(ctx, s.name)
	if err != nil {
		return err
	}
	target, err := s.rollbackTarget(ctx, known, o.to)
	if err != nil {
		return err
	}
	r, busy := known.Progress()
	back := busy && known.Current != nil && known.Current.Key == target.Key
	if o.dryRun {
		return s.emitReturn(ctx, known, target)
	}
	if back {
		return s.abort(ctx, serviceWordOptions{service: s.name, why: o.why})
	}
	driver := s.driverFor(deploy.Rollout{Spec: deploy.Spec{Strategy: deploy.Back}})
	seen, away := s.observeBy(ctx, driver)
	if away == nil {
		if err := s.accounted(known, seen); err != nil { // before anything is written
			return err
		}
	}
	if busy {
		if _, err := s.ask(ctx, r, deploy.Abort, "rolled back to "+target.Name()); err != nil {
			return err
		}
	}
	if away != nil {
		return away
	}
	spec := deploy.Spec{Service: s.name, To: target, Strategy: deploy.Back, Replicas: s.kubeReplicas(max(s.cfg.Replicas, 1)), StartTimeout: target.Serve.Start, Unguarded: s.follows()}
	planned, err := s.book.Plan(ctx, deploy.Planning{Spec: spec, Message: strings.TrimSpace(o.why), Seen: seen.Generation})
	if err != nil {
		return err
	}
	s.poke()
	return s.drive(ctx, planned, driver)
}

// emitReturn prints where a rollback would return to, and ends as one would that cannot be begun.
func (s *served) emitReturn(ctx context.Context, known deploy.Service, target deploy.Release) error {
	v := planView{Kind: "plan/v1", Command: "rollback", Applies: true, Needs: []planNeed{}, Classes: []snapshot.GCClass{},
		Steps: []planStep{{Do: "rollback", What: target.Name(), Why: "it was in service before"}}}
	refused := s.reached(ctx, known)
	if refused != nil {
		v.refuse(refused)
	}
	err := s.app.streams.Emit(v, func(t *cli.Text) { t.Line(cli.Fmt("would return to %s", cli.Str(target.Name()))) })
	return cmp.Or(err, refused)
}

// rollbackTarget is the release to return to.
func (s *served) rollbackTarget(ctx context.Context, known deploy.Service, to string) (deploy.Release, error) {
	targets := known.Targets()
	if len(targets) == 0 {
		why := "nothing was in service before"
		if len(known.Rollouts) > 1 {
			why = "nothing that was in service before is good"
		}
		return deploy.Release{}, fault.New(fault.NotFound, "cannot roll back %s: %s", s.name, why).Hint("mlx log service:%s", shellWord(s.name))
	}
	if to == "" {
		return targets[0], nil
	}
	_, v, err := s.app.versionNamed(ctx, to)
	if err != nil {
		return deploy.Release{}, err
	}
	at := slices.IndexFunc(targets, func(r deploy.Release) bool {
		return slices.ContainsFunc(r.Parts(), func(p deploy.Release) bool { return p.Record == v.Record })
	})
	if at < 0 {
		names := make([]string, len(targets))
		for i, r := range targets {
			names[i] = r.Name()
		}
		return deploy.Release{}, fault.New(fault.NotFound, "cannot roll back %s to %s: it was not in service; %s was", s.name, v.Name(), strings.Join(names, ", ")).
			Hint("mlx deploy %s %s   # brings it into service, watched", shellWord(s.name), shellWord(v.Name()))
	}
	return targets[at], nil
}
