package main

import (
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

func newServiceList(a *app) *cobra.Command {
	var environment string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List services with model, share and state",
		Long:  `Those of mlx.yaml as they stand, and those of its environments that were ever deployed to. With --env all of one environment.`,
		Example: `mlx service list
mlx service list --env staging`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serviceList(cmd.Context(), a, environment)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&environment, "env", "", "of this `ENVIRONMENT` of mlx.yaml")
	completeFlag(cmd, "env", a.completeNames("envs"))
	return cmd
}

// servicesListed are the services that a list shows: of one environment, or those that stand in mlx.yaml and those of environments that
// anything was deployed to.
func (a *app) servicesListed(ctx context.Context, environment string) ([]string, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	if _, err := cfg.In(environment); err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range cfg.Everywhere() {
		_, of := repo.SplitService(name)
		if of == environment {
			names = append(names, name)
			continue
		}
		if environment != "" {
			continue
		}
		known, err := deploy.Book{Ledger: l}.Service(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(known.Rollouts) > 0 {
			names = append(names, name)
		}
	}
	return names, nil
}

func serviceList(ctx context.Context, a *app, environment string) error {
	names, err := a.servicesListed(ctx, environment)
	if err != nil {
		return err
	}
	items := func(yield func(cli.Item, error) bool) {
		for _, name := range names {
			item, err := a.serviceItem(ctx, name)
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
	return a.streams.List([]string{"SERVICE", "STATE", "MODEL", "SHARE", "READY", "URL"}, iter.Seq2[cli.Item, error](items))
}

func (a *app) serviceItem(ctx context.Context, name string) (cli.Item, error) {
	s, err := a.openService(name)
	if fault.KindOf(err) == fault.Usage { // another target
		return cli.Item{Value: serviceView{Kind: "service/v1", Service: name, State: "elsewhere", Arms: []armView{}, Trouble: some(err.Error())},
			Cells: []cli.Cell{cli.Str(name), cli.Str("elsewhere"), cli.None(), cli.None(), cli.None(), cli.None()}}, nil
	}
	if err != nil {
		return cli.Item{}, err
	}
	now, err := s.look(ctx)
	if err != nil {
		return cli.Item{}, err
	}
	v := now.view()
	var models, shares, ready []string
	for _, arm := range v.Arms {
		models, shares = append(models, arm.Model.Name), append(shares, shareWord(arm.DesiredShare))
		ready = append(ready, numberWord(arm.Ready)+"/"+numberWord(arm.Replicas))
	}
	words := func(all []string) cli.Cell {
		if len(all) == 0 {
			return cli.None()
		}
		return cli.Str(strings.Join(all, ","))
	}
	url := cli.None()
	if v.URL != nil {
		url = cli.Str(*v.URL)
	}
	return cli.Item{Value: v, Cells: []cli.Cell{cli.Str(name), stateOfService(v.State), words(models), words(shares), words(ready), url}}, nil
}
