package main

import (
	"context"
	"slices"
	"strings"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
	"mlx/internal/repo"
)

// metricForms are the forms of monitors that need no schedule: what they found last.
func metricForms() []string { return []string{"prometheus", "openmetrics"} }

// exportMetrics writes the last answers of monitors, of all without a name. It opens no connection and judges nothing.
func (a *app) exportMetrics(ctx context.Context, o exportOptions, v *exportView) error {
	config, err := a.config()
	if err != nil {
		return err
	}
	names, err := exportedMonitors(config, o)
	if err != nil {
		return err
	}
	var told []driftTold
	for _, name := range names {
		d, known, err := a.lastTold(ctx, name)
		if err != nil {
			return err
		}
		ref := fault.Ref{Kind: "monitor", Name: name}
		if !known {
			d.Answer = drift.Answer{Monitor: name}
		} else {
			ref.ID = d.Record.Hex()
		}
		told, v.Of = append(told, d), append(v.Of, ref)
	}
	v.Files = []export.File{{Name: "mlx_drift.prom", Text: string(driftExposition(told, o.form == "openmetrics"))}}
	return nil
}

// exportedMonitors are the monitors that words name, behind monitor: or not; a word may be a pattern. Without words all.
func exportedMonitors(config *repo.Config, o exportOptions) ([]string, error) {
	known := config.Monitors.Names()
	if len(known) == 0 {
		return nil, fault.New(fault.NotFound, "cannot export as %s: %s has no monitors", o.form, repo.ConfigName).Hint("mlx help drift check   # shows how one is written")
	}
	names := slices.Clone(known)
	if len(o.refs) > 0 {
		names = nil
	}
	for _, word := range o.refs {
		word = strings.TrimPrefix(word, "monitor:")
		found := false
		for _, name := range known {
			if name == word || repo.Match(word, name) {
				names, found = append(names, name), true
			}
		}
		if !found {
			err := fault.New(fault.NotFound, "cannot export %s: %s has no such monitor", word, repo.ConfigName)
			if near := fault.Nearest(word, known); near != "" {
				return nil, err.Hint("mlx export %s monitor:%s", o.form, shellWord(near))
			}
			return nil, err.Hint("mlx drift list")
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
