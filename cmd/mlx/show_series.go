package main

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"mlx/internal/cli"
	"mlx/internal/fault"
)

// maxSparks is how many curves `show` lists; more are counted.
const maxSparks = 30

// chosen reports whether a name is among those asked for; none asked for is all.
func chosen(only []string, name string) bool { return len(only) == 0 || slices.Contains(only, name) }

// checkRunReport refuses a form that a run does not have, before anything is read.
func (o showOptions) checkRunReport() error {
	switch o.format {
	case "", "csv", "html", "markdown":
	default:
		return fault.New(fault.Usage, "cannot print a run as %q", o.format).Hint("--format csv, html or markdown; for JSON: --json")
	}
	for _, file := range o.outs {
		if curvesForm(file) == "" {
			return fault.New(fault.Usage, "cannot write %s: its name says no form that a run has", file).
				Hint("-o run.html, .svg, .csv, .md or .json")
		}
	}
	return nil
}

// addCurves reads the series of the run that is shown. Where they are not on this machine the rest is shown without them,
// unless they were asked for.
func (a *app) addCurves(ctx context.Context, v *runShown, o showOptions) error {
	v.Curves, v.only = []curveView{}, o.columns
	wanted := len(o.columns) > 0 || len(o.outs) > 0 || o.format != ""
	var err error
	if v.traced, err = a.traced(ctx, &v.View); err == nil {
		v.Curves, err = v.traced.views(o.columns)
	}
	if err != nil && !wanted && fault.KindOf(err) == fault.NotFound {
		a.streams.Why("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range o.columns {
		if !slices.ContainsFunc(v.Curves, func(c curveView) bool { return c.Name == name }) {
			return fault.New(fault.NotFound, "cannot show %q: run %s has no series of that name", name, v.RunID.Short()).
				Hint("mlx show %s   # lists them", v.RunID.Short())
		}
	}
	return nil
}

// emitRun prints what was asked for of a run and writes the files.
func (a *app) emitRun(v runShown, o showOptions) error {
	for _, file := range o.outs {
		text, err := v.report(curvesForm(file))
		if err != nil {
			return err
		}
		if err := writeReport(file, text); err != nil {
			return err
		}
	}
	if o.format != "" {
		text, err := v.report(o.format)
		if err != nil {
			return err
		}
		return a.streams.Emit(v, func(t *cli.Text) { t.Plain(string(text)) })
	}
	return a.streams.Emit(v, func(t *cli.Text) {
		if len(o.columns) > 0 {
			a.plotsText(v, t)
			return
		}
		a.runShownText(v, t)
	})
}

// plotsText draws each curve that was asked for; a program gets its numbers.
func (a *app) plotsText(v runShown, t *cli.Text) {
	if !t.TTY() {
		a.curvesText(v, t)
		return
	}
	for _, c := range v.Curves {
		t.Line(cli.Word(cli.RoleBold, c.Name), cli.Fmt("%s after %s", cli.Float(float64(c.Last)), cli.Num(int64(c.Points), "point")),
			cli.Fmt("%s to %s", cli.Float(float64(c.Min)), cli.Float(float64(c.Max))))
		plot(c.drawn, a.drawsUnicode(), t)
	}
}

// hasCurve reports whether a metric is listed with its curve.
func (v runShown) hasCurve(name string) bool {
	return slices.ContainsFunc(v.Curves[:min(len(v.Curves), maxSparks)], func(c curveView) bool { return c.Name == name })
}

// curvesText lists each series with its last value, and draws it in a line for people.
func (a *app) curvesText(v runShown, t *cli.Text) {
	var rows [][]cli.Cell
	unicode := a.drawsUnicode()
	for _, c := range v.Curves {
		if strings.HasPrefix(c.Name, systemMetrics) && len(v.only) == 0 {
			continue
		}
		low, high := cli.Float(float64(c.Min)), cli.Float(float64(c.Max))
		if !t.TTY() {
			t.Line(cli.Str("curves"), cli.Str(c.Name), cli.Float(float64(c.Last)), low, high, cli.Count(int64(c.Points)))
			continue
		}
		row := []cli.Cell{cli.Str(c.Name), cli.Float(float64(c.Last))}
		if unicode {
			row = append(row, cli.Str(spark(c.drawn, sparkWidth)))
		}
		rows = append(rows, append(row, cli.Fmt("%s to %s", low, high), cli.Num(int64(c.Points), "point")))
	}
	more := 0
	if len(rows) > maxSparks {
		more, rows = len(rows)-maxSparks, rows[:maxSparks]
	}
	t.KeyRows(2, "curves", rows)
	if more > 0 {
		t.KeyValue(2, "", cli.Shown(cli.RoleDim, "and "+cli.FormatNum(int64(more), "more series")+": --columns NAME"))
	}
}

// usedText tells in one line what the run took of the machine over its time.
func (v runShown) usedText(t *cli.Text) {
	var cells []cli.Cell
	for _, c := range v.Curves {
		name, ok := strings.CutPrefix(c.Name, systemMetrics)
		switch {
		case !ok || !c.Max.Finite():
		case strings.HasSuffix(name, "_percent"):
			cells = append(cells, cli.Fmt("%s %s%%, peak %s%%", cli.Str(strings.TrimSuffix(name, "_percent")),
				cli.Float(math.Round(float64(c.Mean))), cli.Float(math.Round(float64(c.Max)))))
		case strings.HasSuffix(name, "memory_bytes"):
			cells = append(cells, cli.Fmt("%s peak %s", cli.Str(strings.ReplaceAll(strings.TrimSuffix(name, "_bytes"), "_", " ")),
				cli.Bytes(int64(c.Max))))
		}
	}
	if len(cells) > 0 {
		t.KeyValue(2, "used", cells...)
	}
}

func durationCell(seconds float64) cli.Cell {
	return cli.Duration(time.Duration(seconds * float64(time.Second)))
}
