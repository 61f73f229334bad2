package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/repo"
)

// takesEnvironment gives a command of a service --env: it is about the service in that environment then.
func (a *app) takesEnvironment(cmd *cobra.Command, environment *string) {
	cmd.Flags().StringVar(environment, "env", "", "the service in this `ENVIRONMENT` of mlx.yaml, which is a service of its own: staging")
	completeFlag(cmd, "env", a.completeNames("envs"))
}

// inEnvironment makes of the name of a service the one in an environment. It may have been typed as such: flights@staging.
func inEnvironment(service *string, environment string) error {
	name, typed := repo.SplitService(*service)
	if environment == "" {
		return nil
	}
	if typed != "" && typed != environment {
		return fault.New(fault.Usage, "cannot tell which environment is meant: %s, or --env %s", *service, environment).
			Hint("--env %s with %s", shellWord(environment), shellWord(name))
	}
	*service = repo.InEnvironment(name, environment)
	return nil
}

// serviceNamed is what mlx.yaml says of a service, as it is in the environment that its name has.
func (a *app) serviceNamed(name string) (repo.Service, error) {
	cfg, err := a.config()
	if err != nil {
		return repo.Service{}, err
	}
	service, environment := repo.SplitService(name)
	in, err := cfg.In(environment)
	if err != nil {
		return repo.Service{}, err
	}
	s, ok := in.Services.Get(service)
	switch {
	case ok && !strings.HasSuffix(name, "@"):
		return s, nil
	case ok:
		return s, fault.New(fault.Usage, "cannot find service %q: it names no environment", name).Hint("environments are %s", strings.Join(cfg.Environments.Names(), ", "))
	}
	missing := fault.New(fault.NotFound, "cannot find service %q: %s has no such service", service, repo.ConfigName)
	if near := fault.Nearest(service, cfg.Services.Names()); near != "" {
		return s, missing.Hint("did you mean %s?", near)
	}
	if len(cfg.Services.Names()) == 0 {
		return s, missing.Hint("edit %s   # services: {%s: {model: …, cmd: …}}", repo.ConfigName, shellWord(service))
	}
	return s, missing.Hint("mlx service list")
}

// base is the name of the service in mlx.yaml.
func (s *served) base() string {
	name, _ := repo.SplitService(s.name)
	return name
}

// config is mlx.yaml as it is in the environment of the service.
func (s *served) config() (*repo.Config, error) {
	cfg, err := s.app.config()
	if err != nil {
		return nil, err
	}
	_, environment := repo.SplitService(s.name)
	return cfg.In(environment)
}

// servicesEverywhere are the names of all services, those in environments too.
func servicesEverywhere(cfg *repo.Config) []string {
	var all []string
	for name := range cfg.Everywhere() {
		all = append(all, name)
	}
	return all
}

// referable are the names of a section of mlx.yaml that a reference can name.
func referable(cfg *repo.Config, section string) []string {
	if section == "services" {
		return servicesEverywhere(cfg)
	}
	return configNames(cfg, section)
}

// declaredLines are what an environment puts in place of values of a service, as mlx.yaml has it.
func declaredLines(cfg *repo.Config, service, environment string) []string {
	var all []string
	changes, _ := cfg.Environments.Get(environment)
	for path, value := range changes.All() {
		if strings.HasPrefix(path, "services."+service+".") {
			all = append(all, path+": "+value.Text())
		}
	}
	slices.Sort(all)
	return all
}
