package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/registry"
)

type promoteOptions struct {
	ref    string
	stage  string
	why    string
	dryRun bool
}

func newPromote(a *app) *cobra.Command {
	var o promoteOptions
	cmd := &cobra.Command{
		Use:   "promote NAME@vN STAGE",
		Short: "Move a version to a stage, if the policy allows",
		Long: `STAGE is experimenting, staging, production or archived. Staging and production hold one version: the one that was there is
archived. Where policy in mlx.yaml says what a move to the stage needs, it is refused without it, and nothing is recorded:
status 1 when evidence says no, 3 when evidence is missing or too old. It names what is missing and the command that supplies
it. Where two people moved a stage at the same time, doing it once more decides.`,
		Example: `mlx promote flights@v1 staging
mlx promote flights@v1 production -m "two weeks in staging" --dry-run`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref, o.stage = args[0], args[1]
			return promoteRun(cmd.Context(), a, o)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return stageWords(), cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeVersions(cmd, args, typed)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.why, "message", "m", "", "`REASON`, which is recorded")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say whether the policy allows it; change nothing")
	a.takesInconclusive(cmd)
	return cmd
}

func promoteRun(ctx context.Context, a *app, o promoteOptions) error {
	to, err := readStage(o.stage)
	if err != nil {
		return err
	}
	m, v, err := a.versionNamed(ctx, o.ref)
	if err != nil {
		return err
	}
	if err := a.mayMove(m, v, to); err != nil {
		return err
	}
	p := promotion{model: m, version: v, to: to, dryRun: o.dryRun}
	if p.unchanged() {
		p.decision = registry.Decision{Allowed: true, Verdict: registry.Pass, Model: v.Name(), Digest: v.Digest, Record: v.Record, From: v.Stage, To: to}
		return a.emitPromotion(p)
	}
	if err := a.bringVersion(ctx, v, to); err != nil {
		return err
	}
	if p.decision, err = a.judgeMove(ctx, v, to); err != nil {
		return err
	}
	if !p.decision.Allowed || o.dryRun {
		return a.emitPromotion(p)
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	rec, err := r.Move(ctx, registry.Step{Version: v, To: to, Why: strings.TrimSpace(o.why), Evidence: p.decision.Evidence()})
	if err != nil {
		return err
	}
	p.record = &rec.ID
	return a.emitPromotion(p)
}

// bringVersion fetches the bytes of a version that a policy is about to judge, where they are not here.
func (a *app) bringVersion(ctx context.Context, v *registry.Version, to registry.Stage) (err error) {
	needs, err := a.needsOf(to)
	if err != nil || len(needs) == 0 || v.Root.IsZero() {
		return err
	}
	o, err := a.hereOrigin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	p := piece{located: located{Path: v.Path, Root: v.Root}, from: o}
	return a.reading(ctx, p, nil, func() error {
		here, err := o.store.Has(ctx, v.Root)
		if err == nil && !here {
			err = fault.New(fault.NotFound, "%s is not on this machine", v.Name())
		}
		return err
	})
}

// mayMove refuses to move what a service moves: its rollouts would not know.
func (a *app) mayMove(m *registry.Model, v *registry.Version, to registry.Stage) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	for name, s := range cfg.Everywhere() {
		for _, stage := range []registry.Stage{to, v.Stage} {
			if !slices.Contains(s.Models(), m.Name) || s.Stage != string(stage) || v.Stage == to {
				continue
			}
			return fault.New(fault.Conflict, "cannot move %s to %s: %s of model %s belongs to service %s, which moves it by itself", v.Name(), to, stage, m.Name, name).
				Hint("mlx deploy %s %s   # a completed rollout moves it there", shellWord(name), shellWord(v.Name())).
				Hint("mlx rollback %s", shellWord(name))
		}
	}
	return nil
}
