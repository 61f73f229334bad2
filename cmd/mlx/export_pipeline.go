package main

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline"
	"mlx/internal/pipeline/export"
	"mlx/internal/repo"
	"mlx/internal/run"
)

// exportOfPipeline writes all stages.
func (a *app) exportOfPipeline(ctx context.Context, o exportOptions, v *exportView) error {
	stages, err := a.stages(ctx)
	if err != nil {
		return err
	}
	site, err := a.exportSite(ctx, o)
	if err != nil {
		return err
	}
	v.Files, err = export.Pipeline(o.form, stages, site)
	return err
}

// exportOfStage writes the regular repro of one stage.
func (a *app) exportOfStage(ctx context.Context, o exportOptions, v *exportView) error {
	kind, name, _ := strings.Cut(o.refs[0], ":")
	stages, err := a.stages(ctx)
	if err != nil {
		return err
	}
	if kind != "stage" {
		e := fault.New(fault.Usage, "cannot export %s as %s: it needs a stage", o.refs[0], o.form)
		if slices.ContainsFunc(stages, func(s pipeline.Stage) bool { return s.Name == o.refs[0] || s.Group == o.refs[0] }) {
			return e.Hint("%s", a.retyped(o.refs[0], "stage:"+o.refs[0]))
		}
		return e.Hint("mlx export %s stage:NAME --schedule '15 3 * * *'", o.form)
	}
	var known []string
	for _, s := range stages {
		known = append(known, s.Group, s.Name)
	}
	if !slices.Contains(known, name) {
		e := fault.New(fault.NotFound, "cannot export %s: the pipeline has no stage %q", o.refs[0], name)
		if near := fault.Nearest(name, known); near != "" {
			return e.Hint("%s", a.retyped(o.refs[0], "stage:"+near))
		}
		return e.Hint("mlx show mlx.yaml   # lists stages")
	}
	if o.schedule == "" {
		return fault.New(fault.Usage, "cannot export %s as %s: it needs --schedule", o.refs[0], o.form).
			Hint("mlx export %s %s --schedule '15 3 * * *'   # every day at 3:15", o.form, shellWord(o.refs[0]))
	}
	site, err := a.exportSite(ctx, o)
	if err != nil {
		return err
	}
	v.Of = []fault.Ref{{Kind: "stage", Name: name}}
	v.Files, err = export.Scheduled(o.form, export.StageTask(name), site)
	return err
}

// exportSite is what an export says of this project and of its remotes.
func (a *app) exportSite(ctx context.Context, o exportOptions) (export.Site, error) {
	r, err := a.repo()
	if err != nil {
		return export.Site{}, err
	}
	cfg, err := a.config()
	if err != nil {
		return export.Site{}, err
	}
	site := export.Site{Name: filepath.Base(r.Root), Root: r.Root, Folder: ".", Secrets: o.secrets, Schedule: o.schedule, Image: o.image}
	if r.WorkTree != "" {
		if folder, err := filepath.Rel(r.WorkTree, r.Root); err == nil {
			site.Folder = filepath.ToSlash(folder)
		}
	}
	if site.GitURL, err = exportGitURL(ctx, r); err != nil {
		return export.Site{}, err
	}
	if site.GitURL != "" && site.Folder == "." {
		site.Name = strings.TrimSuffix(path.Base(site.GitURL), ".git")
	}
	for _, remote := range cfg.Remotes.All() {
		site.PushGit = site.PushGit || strings.HasPrefix(remote.URL, "git:")
	}
	if len(o.secrets) == 0 {
		site.Secrets = cloudVariables(cfg)
	}
	if here := o.form == "crontab" || o.form == "systemd"; !here && cfg.Remotes.Len() == 0 {
		a.streams.Note("mlx.yaml has no remote: jobs exchange data and records through one")
	}
	return site, nil
}

// exportGitURL is where another machine clones the repository from. A folder of this machine is no such place.
func exportGitURL(ctx context.Context, r *repo.Repo) (string, error) {
	if r.NoGit {
		return "", nil
	}
	head, err := r.Head(ctx)
	if err != nil {
		return "", err
	}
	fetched, err := r.FetchURL(ctx, head.Branch)
	url, _ := run.GitURL(fetched)
	return url, err
}

// cloudVariables are the names of the variables with which the clouds of the remotes let somebody in.
func cloudVariables(cfg *repo.Config) []string {
	var urls []string
	for _, remote := range cfg.Remotes.All() {
		urls = append(urls, remote.URL)
	}
	return variablesOf(urls...)
}

// variablesOf are the names of the variables with which the clouds of some addresses let somebody in.
func variablesOf(urls ...string) []string {
	var all []string
	for _, url := range urls {
		scheme, _, _ := strings.Cut(url, "://")
		switch scheme {
		case "s3":
			all = append(all, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
		case "gs":
			all = append(all, "GOOGLE_APPLICATION_CREDENTIALS")
		case "azblob":
			all = append(all, "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
