package main

import (
	"context"
	"slices"

	"mlx/internal/drift"
	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
)

// metricForms are the forms of monitors that need no schedule: what they found last.
func metricForms() []string { return []string{"prometheus", "openmetrics"} }

// exportMetrics writes the last answers of monitors, of all without a name. It opens no connection and judges nothing.
func (a *app) exportMetrics(ctx context.Context, o exportOptions, v *exportView) error {
	config, err := a.config()
	if err != nil {
		return err
	}
	if config.Monitors.Len() == 0 {
		return noMonitors("export as " + o.form)
	}
	names, err := chosenMonitors(config, o.refs, "export", "mlx export "+o.form+" monitor:")
	if err != nil {
		return err
	}
	names = slices.Sorted(slices.Values(names))
	last, err := a.lastTold(ctx, names...)
	if err != nil {
		return err
	}
	var told []driftTold
	for _, name := range names {
		d, known := last[name]
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
