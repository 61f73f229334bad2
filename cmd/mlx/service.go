package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

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
		newServiceList(a), newServiceStatus(a), newServiceRun(a), newServicePause(a), newServiceResume(a), newServiceAbort(a),
		newServiceRestore(a))
	cmd.Long = `A service of mlx.yaml answers requests by a version of a model. On a host it runs as mlx service run: a router and the model
servers behind it. mlx deploy brings another version into service, step by step; these commands watch it, hold it and end it.`
	return cmd
}

// served is a service of mlx.yaml, with what it takes to deal with it on this machine.
type served struct {
	app   *app
	name  string // in an environment NAME@ENV
	cfg   repo.Service
	dir   string // what this clone keeps of it
	book  deploy.Book
	kpi   kpiState          // of the A/B test that is judged
	asked map[string]rested // what was asked of labels, by rule

	kube     *kubeTarget   // of target: kubernetes
	hosts    *hostsTarget  // several that serve it as one; nil: this machine, or another target
	compared object.Digest // version whose bytes this process has read whole and compared
}

// openService finds a service of mlx.yaml.
func (a *app) openService(name string) (*served, error) {
	s, err := a.serviceNamed(name)
	if err != nil {
		return nil, err
	}
	return a.servedAs(name, s)
}

// targets are what a service may run on.
func targets() []string { return []string{repo.TargetHost, repo.TargetHAProxy, repo.TargetKubernetes} }

// mustRunOn refuses a service that does not run on a target which somebody has named; empty: on any.
func (s *served) mustRunOn(target string) error {
	is := cmp.Or(s.cfg.Target, repo.TargetHost)
	switch {
	case target == "" || target == is:
		return nil
	case !slices.Contains(targets(), target):
		return s.unknownWord("target", "targets", target, targets())
	default:
		return fault.New(fault.Conflict, "cannot deploy to %s on %s: its target is %s", s.name, target, is).In(s.cfg.At).
			Hint("target: %s   # in %s, so that status, rollback and all others go there too", target, repo.ConfigName)
	}
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
	s := &served{app: a, name: name, cfg: cfg, dir: serviceDir(r, name), book: deploy.Book{Ledger: l}}
	s.kube = newKubeTarget(s)
	s.hosts, err = newHostsTarget(s)
	return s, err
}

// mayServe refuses what a service runs when its user has not allowed it here.
func (s *served) mayServe(ctx context.Context) error {
	item := repo.TrustItem{Kind: repo.TrustService, Name: s.base(), Value: s.cfg.TrustValue()}
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
func (s *served) driver() deploy.Driver {
	if s.onKubernetes() {
		return s.kube
	}
	if s.hosts != nil {
		return s.hosts
	}
	return s.hereDriver()
}

// driverFor is the target for a rollout. What takes users away from a release waits for no host that is away.
func (s *served) driverFor(r deploy.Rollout) deploy.Driver {
	if s.hosts != nil && (r.Strategy == deploy.Back || r.State == deploy.StateAborting) {
		return s.hosts.reached()
	}
	return s.driver()
}

// hereDriver is this machine as a target, also where it is one of several hosts.
func (s *served) hereDriver() deploy.Driver {
	return &local.Driver{Supervisor: s.supervisor(), Router: router.NewClient(s.routerDir())}
}

// completeServices offers the services of mlx.yaml.
func (a *app) completeServices(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.config()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if strings.Contains(typed, "@") {
		return servicesEverywhere(cfg), cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Clone(cfg.Services.Names()), cobra.ShellCompDirectiveNoFileComp
}
