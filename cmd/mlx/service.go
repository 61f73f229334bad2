package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/deploy/router"
	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/repo"
)

func newService(a *app) *cobra.Command {
	cmd := noun("service", "Run services, watch them, hold and end their rollouts",
		newServiceList(a), newServiceStatus(a), newServiceRun(a), newServicePause(a), newServiceResume(a), newServiceAbort(a))
	cmd.Long = `A service of mlx.yaml answers requests by a version of a model. On a host it runs as mlx service run: a router and the model
servers behind it. mlx deploy brings another version into service, step by step; these commands watch it, hold it and end it.`
	return cmd
}

// served is a service of mlx.yaml, with what it takes to deal with it on this machine.
type served struct {
	app   *app
	name  string
	cfg   repo.Service
	dir   string // what this clone keeps of it
	book  deploy.Book
	kpi   kpiState          // of the A/B test that is judged
	asked map[string]rested // what was asked of labels, by rule

	compared object.Digest // version whose bytes this process has read whole and compared
}

// openService finds a service of mlx.yaml.
func (a *app) openService(name string) (*served, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	s, ok := cfg.Services.Get(name)
	if !ok {
		err := fault.New(fault.NotFound, "cannot find service %q: %s has no such service", name, repo.ConfigName)
		if near := fault.Nearest(name, cfg.Services.Names()); near != "" {
			return nil, err.Hint("did you mean %s?", near)
		}
		if len(cfg.Services.Names()) == 0 {
			return nil, err.Hint("edit %s   # services: {%s: {model: …, cmd: …}}", repo.ConfigName, shellWord(name))
		}
		return nil, err.Hint("mlx service list")
	}
	if s.Target != "" && s.Target != "host" {
		return nil, fault.New(fault.Usage, "cannot serve %s: its target is %s, and this mlx serves on a host", name, s.Target).In(s.At).
			Hint("target: host   # in %s", repo.ConfigName)
	}
	return a.servedAs(name, s)
}

// servedAs is a service by what mlx.yaml says of it.
func (a *app) servedAs(name string, cfg repo.Service) (*served, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	return &served{app: a, name: name, cfg: cfg, dir: serviceDir(r, name), book: deploy.Book{Ledger: l}}, nil
}

// mayServe refuses what a service runs when its user has not allowed it here.
func (s *served) mayServe(ctx context.Context) error {
	item := repo.TrustItem{Kind: repo.TrustService, Name: s.name, Value: s.cfg.TrustValue()}
	if ok, err := s.app.itemAllowed(ctx, item); err != nil || ok {
		return err
	}
	return fault.New(fault.Denied, "cannot serve %s: %s says %q, which you have not allowed here", s.name, repo.ConfigName, item.Value).
		Hint("mlx trust   # shows it and asks")
}

// routerDir is the folder of the router.
func (s *served) routerDir() string { return routerDir(s.dir) }

func (s *served) supervisor() local.Client { return local.Client{Dir: s.dir} }

// driver is the target that the service runs on.
func (s *served) driver() *local.Driver {
	return &local.Driver{Supervisor: s.supervisor(), Router: router.NewClient(s.routerDir())}
}

// completeServices offers the services of mlx.yaml.
func (a *app) completeServices(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.config()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Clone(cfg.Services.Names()), cobra.ShellCompDirectiveNoFileComp
}
