package main

import (
	"context"

	"mlx/internal/fault"
)

// drawDiff draws the series of the runs that are compared over each other into files, .svg or .csv.
func (a *app) drawDiff(ctx context.Context, found []target, files []string) error {
	for _, file := range files {
		if form := curvesForm(file); form != "svg" && form != "csv" {
			return fault.New(fault.Usage, "cannot write %s: its name says no form that a comparison has", file).Hint("-o curves.svg or -o series.csv")
		}
	}
	if len(files) == 0 {
		return nil
	}
	runs := make([]tracedRun, 0, len(found))
	for _, t := range found {
		if t.Kind != refRun {
			return fault.New(fault.Usage, "cannot draw %s: only runs have series", t.short()).Hint("mlx log -k run")
		}
		v, err := a.runOf(ctx, t)
		if err != nil {
			return err
		}
		r, err := a.traced(ctx, &v)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	for _, file := range files {
		if err := writeCurves(file, runs); err != nil {
			return err
		}
	}
	return nil
}
