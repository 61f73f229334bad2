package main

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
)

// exportOfTask writes the regular repro of one stage, or the regular check of one monitor.
func (a *app) exportOfTask(ctx context.Context, o exportOptions, v *exportView) error {
	if name, ok := strings.CutPrefix(o.refs[0], "monitor:"); ok {
		return a.exportOfMonitor(ctx, o, name, v)
	}
	return a.exportOfStage(ctx, o, v)
}

// exportOfMonitor writes the regular check of one monitor, at the times that mlx.yaml or --schedule says, in the zone of the monitor.
func (a *app) exportOfMonitor(ctx context.Context, o exportOptions, name string, v *exportView) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	m, ok := cfg.Monitors.Get(name)
	if !ok {
		e := fault.New(fault.NotFound, "cannot export %s: mlx.yaml has no monitor %q", o.refs[0], name)
		if near := fault.Nearest(name, cfg.Monitors.Names()); near != "" {
			return e.Hint("%s", a.retyped(o.refs[0], "monitor:"+near))
		}
		return e.Hint("mlx show mlx.yaml   # lists monitors")
	}
	if o.schedule == "" {
		o.schedule = m.Schedule
	}
	if o.schedule == "" {
		return fault.New(fault.Usage, "cannot export %s as %s: it has no schedule: in mlx.yaml, and there is no --schedule", o.refs[0], o.form).
			Hint("mlx export %s %s --schedule '15 3 * * *'   # every day at 3:15", o.form, shellWord(o.refs[0]))
	}
	site, err := a.exportSite(ctx, o)
	if err != nil {
		return err
	}
	site.Issues = m.OnDrift.GitHubIssue != ""
	if len(o.secrets) == 0 { // its tables may lie with other clouds than the remotes
		site.Secrets = slices.Compact(slices.Sorted(slices.Values(append(site.Secrets, variablesOf(m.Tables()...)...))))
	}
	v.Of = []fault.Ref{{Kind: "monitor", Name: name}}
	v.Files, err = export.Scheduled(o.form, export.MonitorTask(name, m.TimeZone), site)
	return err
}
