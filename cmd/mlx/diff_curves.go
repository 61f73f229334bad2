package main

import (
	"context"

	"mlx/internal/fault"
)

// drawings are the files of -o that hold pictures.
func (o diffOptions) drawings() []string {
	var all []string
	for _, file := range o.outs {
		if sheetForm(file) == "svg" {
			all = append(all, file)
		}
	}
	return all
}

// drawDiff draws the series of the runs that are compared over each other into files.
func (a *app) drawDiff(ctx context.Context, found []target, files []string) error {
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
