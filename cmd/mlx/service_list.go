package main

import (
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

func newServiceList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List services with model, share and state",
		Example: `mlx service list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serviceList(cmd.Context(), a)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

func serviceList(ctx context.Context, a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	items := func(yield func(cli.Item, error) bool) {
		for _, name := range cfg.Services.Names() {
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
